// Performs the steps through a fleet, intent before each act and result after. When a step fails the way back is compiled
// from what stands then, so that it is right however far the rollout came.

import { LandfallError } from "../error.ts";
import { during, type Emit } from "../progress.ts";
import type { Journal } from "../state/journal.ts";
import type { Clock } from "../system/clock.ts";
import { compileRollout, type Desired, describeStep, instanceId, type Place, type Standing, type Step } from "./steps.ts";
import { type Judge, type Judged, type JudgeSettings, makeJudge } from "./verdict.ts";

type StepOf<Do extends Step["do"]> = Extract<Step, { do: Do }>;

/** What a target does for a rollout. Every method may be called again for an instance where it was done already. */
export interface Fleet {
  standing(): Promise<Standing[]>;
  /** Resolves when the instances allow it; rejects with DRAIN_VETOED when one has not at the service's drain time-out. */
  ask(step: StepOf<"ask">): Promise<void>;
  /** Resolves when it is healthy; rejects with a diagnosis as soon as it cannot become so. */
  start(place: Place): Promise<void>;
  attach(step: StepOf<"attach">): Promise<void>;
  /** The requests that have ended since the last call; rejects with a diagnosis when the canary is down. */
  hear(step: StepOf<"judge">): Promise<Judged>;
  drain(step: StepOf<"drain">): Promise<void>;
  stop(step: Omit<StepOf<"stop">, "do">): Promise<void>;
  keepWarm(step: StepOf<"keepWarm">): Promise<void>;
  /** Called last: rejects with a diagnosis when something that was started and was healthy has ended since. */
  confirm?(): Promise<void>;
}

export interface RolloutInput {
  fleet: Fleet;
  /** The fleet for going back: an interruption that ended the way there must not end the way back. Default: `fleet`. */
  wayBack?: Fleet;
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
    await input.fleet.confirm?.();
  } catch (error) {
    // Whoever holds the lease now decides what is to be.
    if (isCode(error, "LEASE_LOST")) throw error;
    await goBack({ ...input, fleet: input.wayBack ?? input.fleet, signal: undefined }, error);
    throw error;
  }
}

async function goBack(input: RolloutInput, reason: unknown): Promise<void> {
  input.emit({ type: "note", text: input.before ? `going back to release ${input.before.release}` : "removing what was started" });
  // Never as a trial, whatever the strategy: what served a moment ago needs no proof, and going back must not depend on one.
  const back: Desired = input.before ? { ...input.before, strategy: "rolling", batch: "100%", surge: true } : { ...input.desired, services: [] };
  try {
    await runSteps(input, back);
  } catch (error) {
    throw isCode(error, "LEASE_LOST") ? error : wayBackFailed(back, reason, error);
  }
}

async function runSteps(input: RolloutInput, desired: Desired): Promise<void> {
  const { fleet, journal, emit, signal } = input;
  const standing = await fleet.standing();
  const performer = makePerformer(input, standing);
  for (const step of compileRollout(standing, desired)) {
    if (signal?.aborted) throw interrupted();
    const text = describeStep(step);
    await during(emit, text, text, async () => {
      await journal.perform(text, () => performer[step.do](step as never));
      return text;
    });
  }
}

type Performer = { [Do in Step["do"]]: (step: StepOf<Do>) => Promise<void> };

function makePerformer(input: RolloutInput, standing: Standing[]): Performer {
  const { fleet } = input;
  const proven = new Set(standing.filter((one) => one.attached).map(kindOf));
  const judges = new Map<string, Judge>();
  return {
    ask: (step) => fleet.ask(step),
    start: (step) => startAll(input, step, proven),
    attach: (step) => fleet.attach(step),
    judge: async (step) => {
      const judge = judges.get(step.service) ?? makeJudge(input.judging ?? { step: 0, timeout: 0, samples: 0 });
      judges.set(step.service, judge);
      await hearOut(input, step, judge);
    },
    drain: (step) => fleet.drain(step),
    stop: (step) => fleet.stop(step),
    keepWarm: (step) => fleet.keepWarm(step),
  };
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
    const reasonOf = (index: number) => (results[index] as PromiseRejectedResult).reason as unknown;
    const failed = waiting.flatMap((place, index) => (results[index]?.status === "rejected" ? [{ place, reason: reasonOf(index) }] : []));
    for (const [index, place] of waiting.entries()) if (results[index]?.status === "fulfilled") proven.add(kindOf(place));
    const final = failed.find(
      ({ place, reason }) => !proven.has(kindOf(place)) || round === TRIES || reasons.some((earlier) => isSame(earlier, reason)),
    );
    if (final) throw final.reason;
    if (failed.length > 0 && signal?.aborted) throw interrupted();
    for (const { place, reason } of failed) emit({ type: "note", text: `${instanceId(place)} is started again: ${(reason as Error).message}` });
    if (failed.length > 0) await fleet.stop({ service, ids: failed.map(({ place }) => instanceId(place)) });
    waiting = failed.map(({ place }) => place);
    reasons = failed.map(({ reason }) => reason);
  }
}

const isSame = (one: unknown, other: unknown): boolean => one instanceof LandfallError && other instanceof LandfallError && one.code === other.code;

async function hearOut({ fleet, clock, emit, signal, desired, before }: RolloutInput, step: StepOf<"judge">, judge: Judge): Promise<void> {
  const from = clock.now();
  judge.nextStep();
  for (;;) {
    if (signal?.aborted) throw interrupted();
    const verdict = judge.hear(await fleet.hear(step), clock.now() - from);
    if (verdict?.decision === "goOn") {
      const [[, canary], [, baseline]] = verdict.evidence as [[string, string], [string, string]];
      return emit({ type: "note", text: `the canary goes on, ${verdict.why}: ${canary}; baseline: ${baseline}` });
    }
    if (verdict) {
      const isWorse = verdict.decision === "worse";
      throw new LandfallError({
        code: isWorse ? "CANARY_WORSE" : "CANARY_UNKNOWN",
        what: isWorse
          ? `release ${desired.release} of "${step.service}" does worse than release ${before?.release}`
          : `release ${desired.release} of "${step.service}" got too few requests to be judged`,
        evidence: [...verdict.evidence, ["verdict", verdict.why]],
        standing: `Release ${before?.release} is still serving. ${desired.release} got ${Math.round(step.weight * 100)} % of the requests at most, and was stopped.`,
        next: isWorse ? undefined : "give rollout.canary a higher weight, a longer timeout or fewer samples, or use another strategy",
      });
    }
    await clock.sleep(HEAR_EVERY_MS, signal).catch(() => {});
  }
}

const isCode = (error: unknown, code: LandfallError["code"]): boolean => error instanceof LandfallError && error.code === code;

const interrupted = () =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "the rollout was interrupted",
    standing: "The release before serves all traffic; the new one was stopped.",
    next: "run the same command again",
  });

const wayBackFailed = (back: Desired, reason: unknown, error: unknown) =>
  new LandfallError({
    code: "WAY_BACK_FAILED",
    what: `the rollout failed, and so did the way back to release ${back.release}`,
    why: error instanceof Error ? error.message : String(error),
    evidence: [["failed first", reason instanceof Error ? reason.message : String(reason)]],
    standing: "Between two releases: what was healthy goes on serving.",
    next: "landfall resume or landfall abort, with the environment's name",
    cause: error,
  });
