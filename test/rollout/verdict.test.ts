import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Judge, makeJudge, type Outcome, type Verdict } from "../../src/rollout/verdict.ts";
import { makeRandom } from "../simulation/random.ts";

const SETTINGS = { step: 1_000, timeout: 10_000, samples: 100 };
/** In which nothing is decided but that a canary is worse. */
const ENDLESS = { step: 1e9, timeout: 1e9, samples: 100 };

interface Behaviour {
  failing: number;
  /** The median of a lognormal response time. */
  ms: number;
}

const answer = (random: () => number, { failing, ms }: Behaviour): Outcome => {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return { failed: random() < failing, ms: ms * Math.exp(normal * 0.6) };
};

/** Hears `count` requests of each, ten in half a second, looking after every ten. */
function listen(judge: Judge, random: () => number, canary: Behaviour, baseline: Behaviour, count: number): { verdict?: Verdict; heard: number } {
  for (let heard = 10; heard <= count; heard += 10) {
    const some = (behaviour: Behaviour) => Array.from({ length: 10 }, () => answer(random, behaviour));
    const verdict = judge.hear({ canary: some(canary), baseline: some(baseline) }, heard * 50);
    if (verdict) return { verdict, heard };
  }
  return { heard: count };
}

const GOOD: Behaviour = { failing: 0.01, ms: 40 };

function share(runs: number, canary: Behaviour, requests: number) {
  const results = Array.from({ length: runs }, (_, seed) => listen(makeJudge(ENDLESS), makeRandom(seed + 1), canary, GOOD, requests));
  const worse = results.filter(({ verdict }) => verdict?.decision === "worse");
  return { worse: worse.length / runs, heard: worse.map(({ heard }) => heard).sort((a, b) => a - b)[Math.floor(worse.length / 2)] ?? Infinity };
}

describe("a canary beside its baseline", () => {
  it("is hardly ever refused when it is the same program, however often one looks", () => {
    expect(share(300, GOOD, 3_000).worse).toBeLessThanOrEqual(0.02);
  });

  it("is not refused for a difference that nobody would notice", () => {
    expect(share(100, { failing: 0.011, ms: 41 }, 3_000).worse).toBeLessThanOrEqual(0.02);
  });

  it("is refused within some twenty requests when it fails all of them", () => {
    const { worse, heard } = share(100, { failing: 1, ms: 40 }, 1_000);
    expect(worse).toBe(1);
    expect(heard).toBeLessThanOrEqual(30);
  });

  it("is refused when it fails five times as often", () => {
    expect(share(100, { failing: 0.05, ms: 40 }, 3_000).worse).toBeGreaterThanOrEqual(0.95);
  });

  it("is refused when it takes twice as long", () => {
    const { worse, heard } = share(100, { failing: 0.01, ms: 80 }, 3_000);
    expect(worse).toBe(1);
    // Some twenty half seconds.
    expect(heard).toBeLessThanOrEqual(250);
  });

  it("is not refused because the machine was busy for a second or two", () => {
    const busy = (judge: Judge, random: () => number) => {
      for (let second = 0; second < 60; second += 0.25) {
        const isBusy = Math.floor(random() * 40) === 0 || (second > 20 && second < 22);
        const some = (ms: number) => Array.from({ length: 50 }, () => answer(random, { failing: 0.01, ms }));
        const verdict = judge.hear({ canary: some(isBusy ? 400 : 40), baseline: some(40) }, second * 1_000);
        if (verdict) return verdict.decision;
      }
      return undefined;
    };
    const decisions = Array.from({ length: 50 }, (_, seed) => busy(makeJudge(ENDLESS), makeRandom(seed + 1)));
    expect(decisions.filter(Boolean)).toEqual([]);
  });

  it("says on what evidence", () => {
    const { verdict } = listen(makeJudge(ENDLESS), makeRandom(7), { failing: 1, ms: 40 }, { failing: 0, ms: 40 }, 100);
    expect(verdict).toEqual({
      decision: "worse",
      why: "it fails more often than its baseline: the worse one in 20 of 20 pairs of requests that differ, where 60 % are tolerated",
      evidence: [
        ["canary", expect.stringMatching(/^20 requests, 20 failed, half within [\d.]+ ms, 95 % within [\d.]+ ms$/)],
        ["baseline", expect.stringMatching(/^20 requests, 0 failed, half within/)],
      ],
    });
  });
});

describe("time and number", () => {
  const fine = (count: number): Outcome[] => Array.from({ length: count }, () => ({ ms: 1, failed: false }));

  it("decides nothing before the step's time, nor before its number of requests", () => {
    const judge = makeJudge(SETTINGS);
    expect(judge.hear({ canary: fine(150), baseline: fine(150) }, 999)).toBeUndefined();
    expect(judge.hear({ canary: [], baseline: [] }, 1_000)?.decision).toBe("goOn");
    judge.nextStep();
    expect(judge.hear({ canary: fine(99), baseline: fine(99) }, 5_000)).toBeUndefined();
    expect(judge.hear({ canary: fine(1), baseline: fine(1) }, 5_000)?.decision).toBe("goOn");
  });

  it("ends at its time-out when it has not heard enough", () => {
    const verdict = makeJudge(SETTINGS).hear({ canary: fine(99), baseline: fine(200) }, 10_000);
    expect(verdict).toMatchObject({ decision: "unknown", why: "it answered 99 of the 100 requests that a verdict needs" });
  });

  it("always ends by its time-out, whatever it hears", () => {
    const outcome = fc.record({ ms: fc.double({ min: 0, max: 1e6, noNaN: true }), failed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(outcome), fc.array(outcome), (canary, baseline) => {
        expect(makeJudge(SETTINGS).hear({ canary, baseline }, SETTINGS.timeout)).toBeDefined();
      }),
    );
  });

  it("keeps in mind what earlier steps have shown", () => {
    const judge = makeJudge(SETTINGS);
    const failing = (count: number): Outcome[] => Array.from({ length: count }, () => ({ ms: 1, failed: true }));
    expect(judge.hear({ canary: failing(10), baseline: fine(10) }, 0)).toBeUndefined();
    judge.nextStep();
    expect(judge.hear({ canary: failing(10), baseline: fine(10) }, 0)?.decision).toBe("worse");
  });
});
