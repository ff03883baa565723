// Sequential tests of what two programs answered that get the same share of the same traffic. Pure.
//
// Each keeps a wager (an e-value): whoever bets fairly against a hypothesis that is true has an expected fortune of 1 at most, so that the
// fortune ever reaches 1/α with a probability of at most α, however often it is looked at (Ville's inequality). Nothing is approximated, so
// a handful of requests counts for what it is. (Wald 1945, Sequential tests of statistical hypotheses; McNemar 1947, for pairs; Vovk and
// Wang 2021, E-values, for the average of wagers; Krichevsky and Trofimov 1981, for estimates that use only what came before.)
import { present } from "../error.ts";

/** So many requests more in a hundred, as a fraction, are a difference that matters. */
export const MARGIN = 0.02;

/** Where failures are as rare as this in what was seen so far, the first of them are no surprise: two in forty. */
const BEFORE = { events: 2, requests: 40 };
/** The surest that a wager is of the next pair: whoever is surer loses all by one failure of the baseline. */
const SURE = 0.95;
/** What is wagered on each share of the differing pairs in which the canary is the worse one, beside that of `MARGIN`. */
const WAGERS = [
  { share: 0.75, part: 0.25 },
  { share: SURE, part: 0.25 },
];

/** Of something that may happen to any request, such as a failure: whether it happens to the canary's more often. */
export interface RateTest {
  /** The n-th request of the canary, and the n-th of its baseline. */
  add(pair: { canary: boolean; baseline: boolean }): void;
  /** The chance that this is said of one that is as good as its baseline is at most `falseAlarms`, whenever it is asked. */
  isWorse(falseAlarms: number): boolean;
  /** The chance that this is ever said of one to which it happens in `MARGIN` of its requests more is at most `misses`. */
  isAsGood(misses: number): boolean;
}

export function makeRateTest(): RateTest {
  const seen = { requests: 0, events: 0, canary: 0 };
  // Logarithms of the fortunes.
  let margin = 0;
  const wagers = WAGERS.map(({ share, part }) => ({ share, part, log: 0 }));
  let below = 0;
  let highest = 0;

  function addDiffering(isCanary: boolean): void {
    const gain = (share: number) => Math.log(2 * (isCanary ? share : 1 - share));
    margin += gain(shareByMargin((seen.events + BEFORE.events) / (seen.requests + BEFORE.requests)));
    for (const wager of wagers) wager.log += gain(wager.share);
    highest = Math.max(highest, logOfSum([{ part: 0.5, log: margin }, ...wagers]));
  }

  return {
    add({ canary, baseline }) {
      if (canary !== baseline) addDiffering(canary);
      // Whoever fails in fewer than MARGIN of all its requests does not fail in MARGIN of them more than anybody.
      const rate = Math.min(MARGIN, (seen.canary + 0.5) / (seen.requests / 2 + 50));
      below += canary ? Math.log(rate / MARGIN) : Math.log((1 - rate) / (1 - MARGIN));
      seen.requests += 2;
      seen.events += Number(canary) + Number(baseline);
      seen.canary += Number(canary);
    },
    isWorse: (falseAlarms) => highest >= -Math.log(falseAlarms),
    isAsGood: (misses) =>
      logOfSum([
        { part: 0.5, log: below },
        { part: 0.5, log: -margin },
      ]) >= -Math.log(misses),
  };
}

/**
 * Of the pairs in which it happens to one request only, the share in which that is the canary's, if it happens to `MARGIN` of the canary's
 * requests more; a half if to as many. `rate`: of the requests of both.
 *
 * @example Math.round(1000 * shareByMargin(0.06)) // 588
 */
export function shareByMargin(rate: number): number {
  const baseline = Math.max(0, rate - MARGIN / 2);
  const canary = baseline + MARGIN;
  return Math.min(SURE, (canary * (1 - baseline)) / (canary * (1 - baseline) + baseline * (1 - canary)));
}

function logOfSum(terms: { part: number; log: number }[]): number {
  const largest = Math.max(...terms.map(({ log }) => log));
  return largest + Math.log(terms.reduce((sum, { part, log }) => sum + part * Math.exp(log - largest), 0));
}

/** In which of two something is the worse one, of what is compared now and then. */
export interface SignTest {
  add(isCanaryWorse: boolean): void;
  isWorse(falseAlarms: number): boolean;
  worse: number;
  differing: number;
}

/** Of the comparisons that differ, the canary may be the worse one in so many: given enough of them every difference can be proven. */
export const TOLERATED = 0.6;

export function makeSignTest(): SignTest {
  let log = 0;
  let highest = 0;
  const test: SignTest = {
    worse: 0,
    differing: 0,
    add(isCanaryWorse) {
      // From the comparisons before this one, and never better than what is tolerated.
      const expected = Math.max(TOLERATED, (test.worse + 0.5) / (test.differing + 1));
      log += isCanaryWorse ? Math.log(expected / TOLERATED) : Math.log((1 - expected) / (1 - TOLERATED));
      highest = Math.max(highest, log);
      test.differing += 1;
      if (isCanaryWorse) test.worse += 1;
    },
    isWorse: (falseAlarms) => highest >= -Math.log(falseAlarms),
  };
  return test;
}

/** @param share 0 for the smallest, up to 1 */
export function quantileOf(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return present(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))], "value of a list that is not empty");
}
