// Whether a canary is slower than its baseline: by medians, by the slowest tenth, and by answers far beyond what the baseline takes, which
// is how a single slow path shows. Pure.
//
// Neighbouring requests are slow together when a machine is busy for a moment; counted one by one such a moment looks like proof. So what
// speaks against a canary are stretches of time, of which each counts once.
import { makeRateTest, makeSignTest, quantileOf, type SignTest, TOLERATED } from "./evidence.ts";

/** How one request ended. */
export interface Outcome {
  /** Until the answer began. */
  ms: number;
  failed: boolean;
}

/** Two times closer than this are equally fast. */
const SAME_MS = 2;
/** A stretch takes so long at least. */
const STRETCH_MS = 500;
/** What is compared of a stretch, once both have so many answers, and from which ratio on they differ. */
const QUANTILES = [
  { name: "median", at: 0.5, answers: 5, ratio: 1.1 },
  { name: "slowest tenth", at: 0.9, answers: 30, ratio: 1.25 },
];
/** Far beyond: more than twice what 99 of 100 answers of the baseline took, and ten milliseconds. */
const FAR = { quantile: 0.99, ratio: 2, ms: 10, answers: 50, recent: 1_000 };
/** So many stretches find a canary that is slower in each of them. */
const STRETCHES_NEEDED = 18;

type Sides<Value> = Record<"canary" | "baseline", Value>;

export interface Slowness {
  add(fresh: Sides<Outcome[]>, elapsedMs: number): void;
  /** The n-th request of each. */
  addPair(pair: Sides<Outcome | undefined>): void;
  /** How it is slower; undefined when it is not known to be. */
  worse(falseAlarms: number): string | undefined;
  isAsGood(misses: number): boolean;
  nextStep(): void;
}

export function makeSlowness(): Slowness {
  const quantiles = QUANTILES.map(makeQuantileTest);
  const far = makeFarTest();
  const all = [...quantiles, far];
  return {
    add(fresh, elapsedMs) {
      const times = (side: keyof typeof fresh) => fresh[side].filter(({ failed }) => !failed).map(({ ms }) => ms);
      for (const test of all) test.add({ canary: times("canary"), baseline: times("baseline") }, elapsedMs);
    },
    addPair: far.addPair,
    worse: (falseAlarms) => all.find(({ signs }) => signs.isWorse(falseAlarms / all.length))?.describe(),
    isAsGood: (misses) => far.isAsGood(misses) && (quantiles[0]?.stretches() ?? 0) >= STRETCHES_NEEDED,
    nextStep() {
      for (const test of all) test.nextStep();
    },
  };
}

const describe = (what: string, { worse, differing }: SignTest): string =>
  `${what} in ${worse} of ${differing} stretches of time that differ, where ${TOLERATED * 100} % are tolerated`;

function makeQuantileTest({ name, at, answers, ratio }: (typeof QUANTILES)[number]) {
  const signs = makeSignTest();
  let stretch: Sides<number[]> & { since: number } = { canary: [], baseline: [], since: 0 };
  let stretches = 0;
  const isSlower = (ms: number, other: number) => ms > other * ratio && ms - other > SAME_MS;
  return {
    signs,
    describe: () => describe(`its ${name} is the slower one`, signs),
    stretches: () => stretches,
    add({ canary, baseline }: Sides<number[]>, elapsedMs: number): void {
      stretch = { ...stretch, canary: stretch.canary.concat(canary), baseline: stretch.baseline.concat(baseline) };
      if (elapsedMs - stretch.since < STRETCH_MS || Math.min(stretch.canary.length, stretch.baseline.length) < answers) return;
      const [ours, theirs] = [quantileOf(stretch.canary, at), quantileOf(stretch.baseline, at)];
      stretch = { canary: [], baseline: [], since: elapsedMs };
      stretches += 1;
      if (isSlower(ours, theirs)) signs.add(true);
      else if (isSlower(theirs, ours)) signs.add(false);
    },
    nextStep() {
      stretch = { canary: [], baseline: [], since: 0 };
    },
  };
}

function makeFarTest() {
  const signs = makeSignTest();
  const rate = makeRateTest();
  let recent: number[] = [];
  let limit = Number.POSITIVE_INFINITY;
  let stretch = { canary: 0, baseline: 0, since: 0 };
  return {
    signs,
    describe: () => describe(`it has more answers beyond ${limit.toFixed(0)} ms`, signs),
    isAsGood: rate.isAsGood,
    addPair({ canary, baseline }: Sides<Outcome | undefined>): void {
      const isFar = (outcome: Outcome | undefined) => outcome !== undefined && !outcome.failed && outcome.ms > limit;
      if (limit < Number.POSITIVE_INFINITY) rate.add({ canary: isFar(canary), baseline: isFar(baseline) });
    },
    /** The limit is of what came before: what is compared by it has no part in it. */
    add({ canary, baseline }: Sides<number[]>, elapsedMs: number): void {
      const far = (times: number[]) => times.filter((ms) => ms > limit).length;
      stretch.canary += far(canary);
      stretch.baseline += far(baseline);
      recent = [...recent, ...baseline].slice(-FAR.recent);
      if (elapsedMs - stretch.since < STRETCH_MS) return;
      if (stretch.canary !== stretch.baseline) signs.add(stretch.canary > stretch.baseline);
      stretch = { canary: 0, baseline: 0, since: elapsedMs };
      if (recent.length >= FAR.answers) limit = quantileOf(recent, FAR.quantile) * FAR.ratio + FAR.ms;
    },
    nextStep() {
      stretch = { canary: 0, baseline: 0, since: 0 };
    },
  };
}
