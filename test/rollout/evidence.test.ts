import { describe, expect, it } from "vitest";
import { MARGIN, makeRateTest, makeSignTest, quantileOf, shareByMargin } from "../../src/rollout/evidence.ts";
import { makeRandom } from "../simulation/random.ts";

const TRIALS = 400;
const [FALSE_ALARMS, MISSES] = [0.005, 0.03];

interface Trial {
  ended: "worse" | "as good";
  requests: number;
}

/** One request of each after the other, and a look after each. */
function listen(seed: number, canary: number, baseline: number): Trial {
  const random = makeRandom(seed * 7919);
  const test = makeRateTest();
  for (let requests = 1; ; requests++) {
    test.add({ canary: random() < canary, baseline: random() < baseline });
    if (test.isWorse(FALSE_ALARMS)) return { ended: "worse", requests };
    if (test.isAsGood(MISSES)) return { ended: "as good", requests };
  }
}

function shareOf(ended: Trial["ended"], canary: number, baseline: number) {
  const trials = Array.from({ length: TRIALS }, (_, index) => listen(index + 1, canary, baseline));
  const requests = quantileOf(
    trials.map((trial) => trial.requests),
    0.95,
  );
  return { share: trials.filter((trial) => trial.ended === ended).length / TRIALS, requests };
}

describe("what happens to the canary's requests more often", () => {
  it.each([
    [0, 1_000],
    [0.01, 2_500],
    [0.05, 8_500],
  ])("is found out in 95 of 100 trials when it is two points more than %d", (baseline, most) => {
    const { share, requests } = shareOf("worse", baseline + 0.02, baseline);
    expect(share).toBeGreaterThanOrEqual(0.95);
    expect(requests).toBeLessThanOrEqual(most);
  });

  it.each([
    [0, 300],
    [0.01, 1_500],
    [0.05, 5_500],
  ])("is found to be as rare in 99 of 100 trials when it happens to both in %d, however often one looks", (rate, most) => {
    const { share, requests } = shareOf("as good", rate, rate);
    expect(share).toBeGreaterThanOrEqual(0.99);
    expect(requests).toBeLessThanOrEqual(most);
  });

  it("is found out by so few as chance hardly gives: eleven of one, none of the other", () => {
    const test = makeRateTest();
    const first = Array.from({ length: 20 }, (_, index) => index + 1).find(() => {
      test.add({ canary: true, baseline: false });
      return test.isWorse(FALSE_ALARMS);
    });
    // The chance that the first eleven of two alike are all on one side is 1 in 2048, and that of eight, without a look before, 1 in 256.
    expect(first).toBeGreaterThanOrEqual(8);
    expect(first).toBeLessThanOrEqual(12);
  });

  it("is worth exactly what the wagers are, and nothing where both agree", () => {
    const test = makeRateTest();
    for (let pair = 0; pair < 1_000; pair++) test.add({ canary: true, baseline: true });
    expect([test.isWorse(0.999), test.isAsGood(0.5)]).toEqual([false, false]);
    const one = makeRateTest();
    one.add({ canary: true, baseline: false });
    // Before anything was seen 2 of 40 are expected to fail: then 0.06 - 0.01 and 0.04 + 0.02 of them.
    const fortune = 0.5 * 2 * shareByMargin(0.05) + 0.25 * 2 * 0.75 + 0.25 * 2 * 0.95;
    expect([one.isWorse(1 / (fortune - 1e-9)), one.isWorse(1 / (fortune + 1e-9))]).toEqual([true, false]);
  });
});

it("the share of differing pairs is what the rates give, and none is certain", () => {
  expect(shareByMargin(0.06)).toBeCloseTo((0.07 * 0.95) / (0.07 * 0.95 + 0.05 * 0.93), 12);
  expect(shareByMargin(MARGIN / 2)).toBe(0.95);
  expect(shareByMargin(0.5)).toBeCloseTo((0.51 * 0.51) / (0.51 * 0.51 + 0.49 * 0.49), 12);
});

it("a sign test tolerates the worse one in 60 of 100, and finds out who is it always", () => {
  const first = (isWorse: (n: number) => boolean) => {
    const test = makeSignTest();
    for (let n = 1; n <= 3_000; n++) {
      test.add(isWorse(n));
      if (test.isWorse(0.005 / 3)) return n;
    }
    return undefined;
  };
  expect(first(() => true)).toBeLessThanOrEqual(18);
  expect(first((n) => n % 5 < 3)).toBeUndefined();
});

it("a quantile is a value of the list", () => {
  expect([0, 0.5, 0.99, 1].map((share) => quantileOf([3, 1, 2, 4], share))).toEqual([1, 3, 4, 4]);
});
