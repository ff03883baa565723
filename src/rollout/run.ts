// Performs the steps through a fleet, intent before each act and result after. When a step fails the way back is compiled
// from what stands then, so that it is right however far the rollout came.

import { LandfallError, messageOf } from "../error.ts";
import { during, type Emit } from "../progress.ts";
import type { Journal } from "../state/journal.ts";
import type { Clock } from "../system/clock.ts";
import {
  compileRollout,
  type Desired,
  describeBriefly,
  describeStep,
  instanceId,
  type Place,
  type ScheduledJob,
  type Standing,
  type Step,
} from "./steps.ts";
import { canaryRefused, describeVerdict, type Judged, type JudgeSettings, type Jury, makeJury } from "./verdict.ts";

type StepOf<Do extends Step["do"]> = Extract<Step, { do: Do }>;

/** What a target does for a rollout. Every method may be called again for an instance where it was done already. */
export interface Fleet {
  standing(): Promise<Standing[]>;
  /** The jobs that are run at certain times. */
  jobs(): Promise<ScheduledJob[]>;
  /** The release whose rules the balancer goes by; empty where none does. */
  edge(): Promise<string>;
  /** Resolves when the instances allow it; rejects with DRAIN_VETOED when one has not at the service's drain time-out. */
  ask(step: StepOf<"ask">): Promise<void>;
  /** Resolves when it is healthy; rejects with a diagnosis as soon as it cannot become so. */
  start(place: Place): Promise<void>;
  /** Resolves when it passes the health check of the release that is to serve, rejects as `start` does. */
  check(place: Place): Promise<void>;
  /** Resolves when it has been healthy for the whole of its window without a break; rejects with a diagnosis when it is not. */
  watch(place: Place): Promise<void>;
  /** Looks once: rejects with a diagnosis when it has ended since it was started. */
  lookAgain(place: Place): Promise<void>;
  attach(step: StepOf<"attach">): Promise<void>;
  /** By service, the requests that have ended since the last call; rejects with a diagnosis when a canary is down. */
  hear(step: StepOf<"judge">): Promise<Record<string, Judged>>;
  drain(step: StepOf<"drain">): Promise<void>;
  stop(step: Omit<StepOf<"stop">, "do">): Promise<void>;
  keepWarm(step: StepOf<"keepWarm">): Promise<void>;
  switchEdge(step: StepOf<"switchEdge">): Promise<void>;
  schedule(step: StepOf<"schedule">): Promise<void>;
  unschedule(step: StepOf<"unschedule">): Promise<void>;
}

export interface RolloutInput {
  fleet: Fleet;
  /** The fleet for going back: an interruption that ended the way there must not end the way back. Default: `fleet`. */
  rollbackFleet?: Fleet;
  journal: Pick<Journal, "perform">;
  clock: Clock;
  desired: Desired;
  /** Where to go back to when it fails; absent for a first release, where going back means removing the new. */
  before?: Desired;
  /** For `canary`. */
  judging?: JudgeSettings;
  emit: Emit;
  signal?: AbortSignal;
}

/** An instance of a release that works elsewhere gets so many tries: the fault may be its place's. */
const TRIES = 3;
const HEAR_EVERY_MS = 250;

/** Goes to the desired release, or back to the one before and rejects with why. */
export async function runRollout(input: RolloutInput): Promise<void> {
  try {
    await runSteps(input, input.desired);
  } catch (error) {
    // Whoever holds the lease now decides what is to be.
    if (isCode(error, "LEASE_LOST")) throw error;
    await rollBack({ ...input, fleet: input.rollbackFleet ?? input.fleet, signal: undefined }, error);
    throw error;
  }
}

async function rollBack(input: RolloutInput, reason: unknown): Promise<void> {
  input.emit({ type: "note", text: input.before ? `going back to release ${input.before.release}` : "removing what was started" });
  // Never as a trial, whatever the strategy: what served a moment ago needs no proof, and going back must not depend on one.
  const back: Desired = input.before
    ? { ...input.before, strategy: "rolling", batch: "100%", surge: true }
    : { ...input.desired, strategy: "rolling", services: [], jobs: [], isNew: false, edge: { release: "", isNew: false } };
  try {
    await runSteps(input, back);
  } catch (error) {
    throw isCode(error, "LEASE_LOST") ? error : wayBackFailed(back, reason, error);
  }
}

async function runSteps(input: RolloutInput, desired: Desired): Promise<void> {
  const { fleet, journal, emit, signal } = input;
  const standing = await fleet.standing();
  const performer = makePerformer({ ...input, desired }, standing);
  for (const step of compileRollout(standing, desired, await fleet.jobs(), await fleet.edge())) {
    if (signal?.aborted) throw interrupted();
    const text = describeBriefly(step);
    await during(emit, text, text, async () => {
      await journal.perform(describeStep(step), () => performer[step.do](step as never));
      return text;
    });
  }
  await performer.end();
}

type Performer = { [Do in Step["do"]]: (step: StepOf<Do>) => Promise<void> } & { end(): Promise<void> };

function makePerformer(input: RolloutInput, standing: Standing[]): Performer {
  const { fleet, desired, judging } = input;
  const windows = new Windows(fleet);
  const proven = new Set(standing.filter((instance) => instance.attached).map(kindOf));
  let jury: Jury | undefined;
  return {
    ask: (step) => fleet.ask(step),
    start: async (step) => {
      await startAll(input, step, proven);
      if (desired.isNew) windows.open(step.places.filter(({ release }) => release === desired.release));
    },
    check: async ({ places }) => void (await Promise.all(places.map((place) => fleet.check(place)))),
    watch: ({ places }) => windows.end(places),
    attach: (step) => fleet.attach(step),
    judge: async (step) => {
      if (!judging) throw new TypeError("a trial without its settings");
      jury ??= makeJury(
        judging,
        step.trials.map(({ service }) => service),
      );
      await waitForVerdict(input, step, jury);
      if (step.isLast) await Promise.all(step.places.map((place) => assertWell(fleet, place)));
    },
    drain: async (step) => {
      await windows.assertNoneFailed();
      await fleet.drain(step);
    },
    stop: (step) => fleet.stop(step),
    keepWarm: (step) => fleet.keepWarm(step),
    switchEdge: (step) => fleet.switchEdge(step),
    schedule: (step) => fleet.schedule(step),
    unschedule: (step) => fleet.unschedule(step),
    end: () => windows.assertNoneFailed(),
  };
}

/** What was started is watched from then on, while the rollout goes on: nothing more is stopped for a release that has begun to fail. */
class Windows {
  readonly #fleet: Fleet;
  readonly #open = new Map<string, Promise<void>>();
  readonly #places: Place[] = [];
  #failed: { reason: unknown } | undefined;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  open(places: Place[]): void {
    for (const place of places) {
      const window = this.#fleet.watch(place);
      this.#open.set(instanceId(place), window);
      this.#places.push(place);
      window.catch((reason: unknown) => {
        this.#failed ??= { reason };
      });
    }
  }

  /** Waits for all of them. What was started before this rollout, by one that was interrupted, is watched from now on. */
  async end(places: Place[]): Promise<void> {
    this.open(places.filter((place) => !this.#open.has(instanceId(place))));
    await Promise.all(places.map((place) => this.#open.get(instanceId(place))));
  }

  /** An instance may also end when its own window has passed, while the rollout still goes on. */
  async assertNoneFailed(): Promise<void> {
    if (this.#failed) throw this.#failed.reason;
    await Promise.all(this.#places.map((place) => this.#fleet.lookAgain(place)));
  }
}

const kindOf = ({ service, release }: Place): string => `${service} ${release}`;

/**
 * Starts all places at once. A release of which nothing got healthy has failed; of one that works elsewhere, the instances that did not
 * are started again, until one fails for the same reason twice or too often.
 */
async function startAll({ fleet, emit, signal }: RolloutInput, { service, places }: StepOf<"start">, proven: Set<string>): Promise<void> {
  let waiting = places;
  let reasons: unknown[] = [];
  for (let round = 1; waiting.length > 0; round++) {
    const results = await Promise.allSettled(waiting.map((place) => fleet.start(place)));
    const failed = waiting.flatMap((place, index): { place: Place; reason: unknown }[] => {
      const result = results[index];
      return result?.status === "rejected" ? [{ place, reason: result.reason }] : [];
    });
    for (const [index, place] of waiting.entries()) if (results[index]?.status === "fulfilled") proven.add(kindOf(place));
    const final = failed.find(
      ({ place, reason }) => !proven.has(kindOf(place)) || round === TRIES || reasons.some((earlier) => isSame(earlier, reason)),
    );
    if (final) throw final.reason;
    if (failed.length > 0 && signal?.aborted) throw interrupted();
    for (const { place, reason } of failed) emit({ type: "warning", text: `${instanceId(place)} is started again: ${messageOf(reason)}` });
    if (failed.length > 0) await fleet.stop({ service, ids: failed.map(({ place }) => instanceId(place)) });
    waiting = failed.map(({ place }) => place);
    reasons = failed.map(({ reason }) => reason);
  }
}

const isSame = (a: unknown, b: unknown): boolean => a instanceof LandfallError && b instanceof LandfallError && a.code === b.code;

/** Requests may have told little of it, and it gets all of them next. */
async function assertWell(fleet: Fleet, place: Place): Promise<void> {
  await fleet.lookAgain(place);
  await fleet.start(place);
}

async function waitForVerdict({ fleet, clock, emit, signal, desired, before }: RolloutInput, step: StepOf<"judge">, jury: Jury): Promise<void> {
  // What was answered up to now may be from before an interruption, when there was another baseline, and belongs to no verdict.
  await fleet.hear(step);
  const from = clock.now();
  jury.nextStep(step);
  for (;;) {
    if (signal?.aborted) throw interrupted();
    const verdicts = jury.hear(await fleet.hear(step), clock.now() - from);
    const refusing = verdicts.find(({ decision }) => decision !== "goOn");
    if (refusing) {
      const share = Math.round(step.weight * 100);
      throw canaryRefused(refusing, {
        release: desired.release,
        standing: `Release ${before?.release} is still serving. ${desired.release} got ${share} % of the requests at most, and was stopped.`,
      });
    }
    for (const verdict of verdicts) emit({ type: "note", text: describeVerdict(verdict) });
    if (verdicts.length > 0) return;
    await clock.sleep(HEAR_EVERY_MS, signal).catch(() => {});
  }
}

const isCode = (error: unknown, code: LandfallError["code"]): boolean => error instanceof LandfallError && error.code === code;

const interrupted = () =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "the rollout was interrupted",
    standing: "All traffic is back on the release that served before this command; what it had started was stopped.",
    next: "run the same command again",
  });

const wayBackFailed = (back: Desired, reason: unknown, error: unknown) =>
  new LandfallError({
    code: "WAY_BACK_FAILED",
    what: `the rollout failed, and so did the way back to release ${back.release}`,
    why: error instanceof Error ? error.message : String(error),
    evidence: [["failed first", reason instanceof Error ? reason.message : String(reason)]],
    standing: "Between two releases: healthy instances keep serving.",
    next: "finish it with  landfall resume <env>  or undo it with  landfall abort <env>",
    cause: error,
  });
