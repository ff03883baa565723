// Whether a canary may go on, from the requests that it and its baseline answered. Pure: outcomes in, verdict out.
//
// The two get the same share of the same traffic. For failures the n-th outcome of one is paired with the n-th of the other; for slowness,
// the median of one in half a second with that of the other, since neighbouring requests are slow together when a machine is busy for a
// moment. Were the two the same program, then of the pairs that differ, the canary's would be the worse one in half. That it is so more
// often than tolerated is tested after every pair with a likelihood ratio whose estimate uses only earlier pairs: it may be looked at any
// number of times, and exceeds 1/α with a probability of at most α while the canary is within the tolerance.
// (Wald 1947, Sequential Analysis; Ville's inequality; Waudby-Smith and Ramdas 2023, “Estimating means of bounded random variables by betting”.)

/** How one request ended. */
export interface Outcome {
  /** Until the answer began. */
  ms: number;
  failed: boolean;
}

export interface Judged {
  canary: Outcome[];
  baseline: Outcome[];
}

export interface Verdict {
  decision: "goOn" | "worse" | "unknown";
  why: string;
  evidence: [label: string, text: string][];
}

export interface Judge {
  /** Adds what ended since the last call. `elapsedMs`: since the step began. Undefined while it is not decided. */
  hear(fresh: Judged, elapsedMs: number): Verdict | undefined;
  /** The next weight begins: its requests and its time are counted anew, the evidence stays. */
  nextStep(): void;
}

export interface JudgeSettings {
  /** The time a step takes at least, and at most. */
  step: number;
  timeout: number;
  /** Requests the canary must have answered in a step. */
  samples: number;
}

/** How often a canary that is as good as its baseline may be refused, over the whole trial and both tests. */
const FALSE_ALARMS = 0.01;
/** Of the pairs that differ, the canary may be the worse one in so many: 1.5 times as often as its baseline. */
const TOLERATED = 0.6;
/** Medians closer than this are equally fast. */
const SAME_RATIO = 1.1;
const SAME_MS = 2;
/** A median is of so much time at least, and of so many answers. */
const MEDIAN_OF_MS = 500;
const MEDIAN_OF = 5;

export function makeJudge(settings: JudgeSettings): Judge {
  const waiting: Judged = { canary: [], baseline: [] };
  const heard: Judged = { canary: [], baseline: [] };
  const failures = makeTest("pairs of requests");
  const slowness = makeTest("half seconds");
  let times = { canary: [] as number[], baseline: [] as number[], since: 0 };
  let before = 0;

  function compareTimes(elapsedMs: number): void {
    const { canary, baseline, since } = times;
    if (elapsedMs - since < MEDIAN_OF_MS || canary.length < MEDIAN_OF || baseline.length < MEDIAN_OF) return;
    times = { canary: [], baseline: [], since: elapsedMs };
    const [one, other] = [medianOf(canary), medianOf(baseline)];
    if (isSlower(one, other)) slowness.add(true);
    else if (isSlower(other, one)) slowness.add(false);
  }

  return {
    hear(fresh, elapsedMs) {
      for (const side of ["canary", "baseline"] as const) {
        for (const outcome of fresh[side]) {
          waiting[side].push(outcome);
          heard[side].push(outcome);
          if (!outcome.failed) times[side].push(outcome.ms);
        }
      }
      const pairs = Math.min(waiting.canary.length, waiting.baseline.length);
      const baselines = waiting.baseline.splice(0, pairs);
      waiting.canary.splice(0, pairs).forEach(({ failed }, index) => {
        if (failed !== baselines[index]?.failed) failures.add(failed);
      });
      compareTimes(elapsedMs);

      const samples = heard.canary.length - before;
      const decide = (decision: Verdict["decision"], why: string): Verdict => ({ decision, why, evidence: describe(heard) });
      if (failures.exceeds(FALSE_ALARMS / 2)) return decide("worse", `it fails more often than its baseline: ${failures.describe()}`);
      if (slowness.exceeds(FALSE_ALARMS / 2)) return decide("worse", `it is slower than its baseline: ${slowness.describe()}`);
      if (elapsedMs >= settings.step && samples >= settings.samples) return decide("goOn", "nothing shows that it is worse");
      if (elapsedMs < settings.timeout) return undefined;
      return decide("unknown", `it answered ${samples} of the ${settings.samples} requests that a verdict needs`);
    },
    nextStep() {
      before = heard.canary.length;
      times = { canary: [], baseline: [], since: 0 };
    },
  };
}

const isSlower = (ms: number, otherMs: number): boolean => ms > otherMs * SAME_RATIO && ms - otherMs > SAME_MS;

const medianOf = (times: number[]): number => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;

/** A sequential test of “the canary is the worse one of a pair that differs, at most as often as tolerated”. */
function makeTest(pairs: string) {
  let worse = 0;
  let differing = 0;
  let logRatio = 0;
  let highest = 0;
  return {
    add(isWorse: boolean): void {
      // Krichevsky and Trofimov's estimate from the pairs before this one, and never better than what is tolerated.
      const expected = Math.max(TOLERATED, (worse + 0.5) / (differing + 1));
      logRatio += isWorse ? Math.log(expected / TOLERATED) : Math.log((1 - expected) / (1 - TOLERATED));
      highest = Math.max(highest, logRatio);
      differing += 1;
      if (isWorse) worse += 1;
    },
    exceeds: (falseAlarms: number): boolean => highest > -Math.log(falseAlarms),
    describe: () => `the worse one in ${worse} of ${differing} ${pairs} that differ, where ${TOLERATED * 100} % are tolerated`,
  };
}

function describe({ canary, baseline }: Judged): [string, string][] {
  return [
    ["canary", describeSide(canary)],
    ["baseline", describeSide(baseline)],
  ];
}

function describeSide(outcomes: Outcome[]): string {
  const failed = outcomes.filter((outcome) => outcome.failed).length;
  const times = outcomes.map((outcome) => outcome.ms).sort((a, b) => a - b);
  const at = (share: number) => `${(times[Math.floor(share * times.length)] ?? 0).toFixed(1)} ms`;
  const answered = `${outcomes.length} requests, ${failed} failed`;
  return times.length > 0 ? `${answered}, half within ${at(0.5)}, 95 % within ${at(0.95)}` : answered;
}
