// The verdict on canaries, from the requests that they and their baselines answered. Pure: outcomes in, verdict out.
//
// A canary is refused as soon as it is shown to be worse, and comes to its end well when it is shown not to be: the two never need the same
// number of requests, so the number is found out while they come in (evidence.ts). A service that gets too few follows those that get enough.
import { LandfallError } from "../error.ts";
import { describeDuration } from "../text/units.ts";
import { MARGIN, makeRateTest, quantileOf } from "./evidence.ts";
import { makeSlowness, type Outcome } from "./slowness.ts";

export type { Outcome };

export interface Judged {
  canary: Outcome[];
  baseline: Outcome[];
}

export interface Verdict {
  service: string;
  decision: "goOn" | "worse" | "unknown";
  why: string;
  evidence: [label: string, text: string][];
}

/** Of all services that are on trial at once. */
export interface Jury {
  /** Adds what ended since the last call. `elapsedMs`: since the step began. Empty while it is not decided; one that does not go on decides for all. */
  hear(fresh: Record<string, Judged>, elapsedMs: number): Verdict[];
  /** The next weight begins: its requests and its time are counted anew, the evidence stays. */
  nextStep(step: { isLast: boolean }): void;
}

export interface JudgeSettings {
  /** The time a step takes at least, and at most. */
  step: number;
  timeout: number;
  /** Requests the canary must have answered in a step, and its baseline too. */
  minRequests: number;
  /** What becomes of a canary of which too little is known at the last step's time-out. */
  undecided: "promote" | "refuse";
}

/** How often canaries that are as good as their baselines may be refused, over the whole trial, all services and all tests. */
const FALSE_ALARMS = 0.01;
/** How often one that fails in `MARGIN` of its requests more may be found as good. */
const MISSES = 0.03;
/** A side that answered less than a quarter of the other's requests, if those are so many, is not quiet: it does not answer. */
const LOPSIDED = { share: 0.25, requests: 20 };
/** Failures of the canary alone that refuse it, and how many have to be expected for so many to come in 95 of 100 trials. */
const EXPECTED_FAILURES = 17;

export function makeJury(settings: JudgeSettings, services: string[]): Jury {
  const judges = services.map((service) => makeJudge(service, FALSE_ALARMS / services.length));
  let isLast = false;

  function conclude(elapsedMs: number): Verdict[] {
    const isReady = (judge: Judge) => elapsedMs >= settings.step && judge.answered() >= settings.minRequests && (!isLast || judge.isAsGood());
    const [ready, others] = [judges.filter(isReady), judges.filter((judge) => !isReady(judge))];
    const isOver = elapsedMs >= settings.timeout;
    // At its pace it will not have enough by the time-out.
    const isQuiet = (judge: Judge) => judge.answered() * settings.timeout < settings.minRequests * elapsedMs && !judge.isLopsided();
    if (others.length > 0 && !isOver && !(ready.length > 0 && others.every(isQuiet))) return [];
    return [
      ...ready.map((judge) => judge.decide("goOn", isLast ? IS_AS_GOOD : "nothing shows that it is worse so far")),
      ...others.map((judge) => (isOver ? judge.concludeLate(settings, isLast) : judge.decide("goOn", judge.followsText()))),
    ];
  }

  return {
    hear(fresh, elapsedMs) {
      for (const judge of judges) judge.add(fresh[judge.service] ?? { canary: [], baseline: [] }, elapsedMs);
      const worse = judges.flatMap((judge) => judge.worse())[0];
      return worse ? [worse] : conclude(elapsedMs);
    },
    nextStep(step) {
      isLast = step.isLast;
      for (const judge of judges) judge.nextStep();
    },
  };
}

const IS_AS_GOOD = `it does not fail, and is not far slower, in ${MARGIN * 100} of 100 requests more than its baseline`;

type Judge = ReturnType<typeof makeJudge>;

/** `falseAlarms`: for both tests together. */
function makeJudge(service: string, falseAlarms: number) {
  const waiting: Judged = { canary: [], baseline: [] };
  const heard: Judged = { canary: [], baseline: [] };
  const failures = makeRateTest();
  const slowness = makeSlowness();
  let before = { canary: 0, baseline: 0 };
  const countOf = (side: keyof Judged) => heard[side].length - before[side];
  const failedOf = (side: keyof Judged) => heard[side].filter(({ failed }) => failed).length;
  const decide = (decision: Verdict["decision"], why: string): Verdict => ({ service, decision, why, evidence: describe(heard) });
  const isLopsided = () => {
    const [fewer = 0, more = 0] = [countOf("canary"), countOf("baseline")].sort((a, b) => a - b);
    return more >= LOPSIDED.requests && fewer < more * LOPSIDED.share;
  };
  const describeCounts = () =>
    `of its ${heard.canary.length} requests ${failedOf("canary")} failed, of its baseline's ${heard.baseline.length} ${failedOf("baseline")}`;

  return {
    service,
    decide,
    isLopsided,
    add(fresh: Judged, elapsedMs: number): void {
      for (const side of ["canary", "baseline"] as const)
        for (const outcome of fresh[side]) {
          waiting[side].push(outcome);
          heard[side].push(outcome);
        }
      const pairs = Math.min(waiting.canary.length, waiting.baseline.length);
      const baselines = waiting.baseline.splice(0, pairs);
      for (const [index, canary] of waiting.canary.splice(0, pairs).entries()) {
        const baseline = baselines[index];
        failures.add({ canary: canary.failed, baseline: baseline?.failed ?? false });
        slowness.addPair({ canary, baseline });
      }
      slowness.add(fresh, elapsedMs);
    },
    /** In this step, by each of the two. Who stands alone looks as good as anybody. */
    answered: () => Math.min(countOf("canary"), countOf("baseline")),
    worse(): Verdict[] {
      if (failures.isWorse(falseAlarms / 2)) return [decide("worse", `it fails more often than its baseline: ${describeCounts()}`)];
      const slower = slowness.worse(falseAlarms / 2);
      return slower ? [decide("worse", `it is slower than its baseline: ${slower}`)] : [];
    },
    isAsGood: () => failures.isAsGood(MISSES) && slowness.isAsGood(MISSES),
    /** Its step is over, and it is not known enough. */
    concludeLate({ timeout, undecided }: JudgeSettings, isLast: boolean): Verdict {
      if (isLopsided()) return decide("unknown", `it answered ${countOf("canary")} requests while its baseline answered ${countOf("baseline")}`);
      const within = `within ${describeDuration(timeout)}`;
      if (!isLast) return decide("goOn", `too few requests ${within}, so it gets more of them`);
      const why = `it is not known ${within} whether it is as good: ${describeCounts()}; ${describePower(heard)}`;
      return undecided === "refuse" ? decide("unknown", why) : decide("goOn", `${why}. It is healthy, and goes on for that`);
    },
    followsText: () => `too few requests of its own to be judged by (${heard.canary.length}): it follows the others`,
    nextStep(): void {
      before = { canary: heard.canary.length, baseline: heard.baseline.length };
      slowness.nextStep();
    },
  };
}

/** One line for a person. */
export function describeVerdict({ service, why, evidence }: Verdict): string {
  const [canary, baseline] = evidence.map(([, text]) => text);
  return `the canary of "${service}" goes on, ${why} (canary: ${canary}; baseline: ${baseline})`;
}

/** Errors: CANARY_WORSE, CANARY_UNKNOWN. */
export function canaryRefused(
  { service, decision, why, evidence }: Verdict,
  { release, standing }: { release: string; standing: string },
): LandfallError {
  const isWorse = decision === "worse";
  return new LandfallError({
    code: isWorse ? "CANARY_WORSE" : "CANARY_UNKNOWN",
    what: isWorse
      ? `release ${release} of "${service}" does worse than the release that serves`
      : `release ${release} of "${service}" could not be judged`,
    why,
    evidence,
    standing,
    next: isWorse ? undefined : NEXT_IF_UNKNOWN,
  });
}

const NEXT_IF_UNKNOWN =
  'deploy while there are more requests, or set rollout.canary.timeout longer, or rollout.canary.undecided to "promote", or use another strategy';

/** What so many requests could have shown. */
function describePower({ canary, baseline }: Judged): string {
  const requests = Math.min(canary.length, baseline.length);
  const percent = Math.ceil((100 * EXPECTED_FAILURES) / Math.max(1, requests));
  return percent >= 100 ? "so few show nothing" : `one that fails in ${percent} of 100 requests more would have been found`;
}

function describe({ canary, baseline }: Judged): [string, string][] {
  return [
    ["canary", describeSide(canary)],
    ["baseline", describeSide(baseline)],
  ];
}

function describeSide(outcomes: Outcome[]): string {
  const failed = outcomes.filter((outcome) => outcome.failed).length;
  const times = outcomes.map((outcome) => outcome.ms);
  const at = (share: number) => `${quantileOf(times, share).toFixed(1)} ms`;
  const answered = `${outcomes.length} requests, ${failed} failed`;
  return times.length > 0 ? `${answered}, half within ${at(0.5)}, 95 % within ${at(0.95)}` : answered;
}
