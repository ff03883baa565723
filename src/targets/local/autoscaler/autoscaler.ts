// Looks at the scaled services again and again, asks the decision, and has the number changed. It looks on while a change is under way,
// and decides nothing while anybody else works on the environment.
import { type Decision, decide, historyMs } from "../../../scaling/decide.ts";
import type { Sample } from "../../../scaling/sample.ts";
import type { Clock } from "../../../system/clock.ts";
import type { Orders } from "../orders.ts";
import type { ServiceSample } from "./sample-metrics.ts";

const EVERY_MS = { min: 500, max: 5_000 };
/** Looks within each of the times that the configuration names. */
const LOOKS_WITHIN = 4;
/** After so many missed looks what came before says nothing about now: the machine was asleep. */
const MISSED_MAX = 3;
const PAUSE_MS = { first: 30_000, last: 600_000 };

/** How often to look: every few seconds, more often where the configuration wants quick changes. */
export function lookEvery({ deployment }: Orders): number {
  const times = Object.values(deployment.services).flatMap(({ scaling }) => (scaling ? [scaling.cooldown.in, scaling.cooldown.out] : []));
  return Math.max(EVERY_MS.min, Math.min(EVERY_MS.max, Math.min(...times) / LOOKS_WITHIN));
}

/** A decision with what it was made of. */
export interface Change extends Decision {
  service: string;
  /** The number that it was decided from. */
  from: number;
}

export interface AutoscalerInput {
  clock: Clock;
  look: (orders: Orders) => Promise<ServiceSample[]>;
  /** `busy`: somebody works on the environment or has to finish what they began. `interrupted`: a change of ours was never finished. */
  standing: () => "free" | "busy" | "interrupted";
  /** Makes the changes; rejects when it could not, having left or brought back what was. */
  act: (orders: Orders, changes: Change[]) => Promise<void>;
  /** Finishes the change that was interrupted. What it had begun is in no record, so nothing may be decided on top of it. */
  finish: (orders: Orders) => Promise<void>;
  /** Told of everything that was seen. */
  report: (looks: ServiceSample[]) => void;
  /** Told of a change that failed; of none when it was the finishing of one. */
  complain: (error: unknown, changes: Change[]) => void;
}

/** Returns what is to be called every so often, see `lookEvery`. Resolves after looking; a change goes on in the background. */
export function makeAutoscaler({ clock, look, standing, act, finish, report, complain }: AutoscalerInput) {
  const histories = new Map<string, Sample[]>();
  let acting: Promise<void> | undefined;
  let failures = 0;
  let pausedUntil = 0;

  const remember = ({ service, scaling, sample }: ServiceSample, everyMs: number): Sample[] => {
    const earlier = histories.get(service) ?? [];
    if (!sample) return earlier;
    const last = earlier.at(-1);
    const isWhole = last !== undefined && sample.at - last.at <= everyMs * MISSED_MAX;
    // One from before the window is kept: it is what makes the window whole.
    const history = [...(isWhole ? earlier : []), sample].filter(({ at }) => at >= sample.at - historyMs(scaling) - everyMs * MISSED_MAX);
    histories.set(service, history);
    return history;
  };

  const attempt = async (work: Promise<void>, changes: Change[]) => {
    try {
      await work;
      failures = 0;
    } catch (error) {
      pausedUntil = clock.now() + Math.min(PAUSE_MS.last, PAUSE_MS.first * 2 ** failures++);
      complain(error, changes);
    }
  };

  return {
    async round(orders: Orders): Promise<void> {
      const looks = await look(orders);
      report(looks);
      const everyMs = lookEvery(orders);
      const changes = looks.flatMap((look): Change[] => {
        const history = remember(look, everyMs);
        const decision = look.sample && decide(history, look, { count: look.sample.count, now: look.sample.at });
        return decision && look.sample ? [{ ...decision, service: look.service, from: look.sample.count }] : [];
      });
      if (acting || clock.now() < pausedUntil) return;
      const state = standing();
      if (state === "busy" || (state === "free" && changes.length === 0)) return;
      acting = (state === "interrupted" ? attempt(finish(orders), []) : attempt(act(orders, changes), changes)).finally(() => {
        acting = undefined;
      });
    },
    /** Resolves when no change is under way any more. */
    settled: async (): Promise<void> => acting,
  };
}
