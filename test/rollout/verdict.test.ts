import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Judged, type Jury, makeJury, type Outcome, type Verdict } from "../../src/rollout/verdict.ts";
import { makeRandom } from "../simulation/random.ts";

const DEFAULTS = { step: 120_000, timeout: 1_200_000, minRequests: 100, undecided: "promote" } as const;
const TICK_MS = 1_000;

interface Behaviour {
  failing?: number;
  /** The median of a lognormal response time; of what fails it is always the same, which is simulated faster. */
  ms?: number;
  /** The share of requests that take a second and a half. */
  slow?: number;
}

function answer(random: () => number, { failing = 0, ms = 20, slow = 0 }: Behaviour): Outcome {
  if (failing > 0 && ms === 20) return { failed: random() < failing, ms };
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return { failed: random() < failing, ms: random() < slow ? 1_500 : ms * Math.exp(normal * 0.6) };
}

interface Trial {
  seed: number;
  canary: Behaviour;
  baseline: Behaviour;
  /** Requests a second of the whole service. */
  rate: number;
  weights?: number[];
}

/** A trial as it is by default: 5 % of the requests, then 25 %. */
function tryOut({ seed, canary, baseline, rate, weights = [0.05, 0.25] }: Trial): { verdict: Verdict; requests: number; tookMs: number } {
  const random = makeRandom(seed * 7919);
  const jury = makeJury(DEFAULTS, ["web"]);
  let [requests, tookMs] = [0, 0];
  for (const [index, weight] of weights.entries()) {
    jury.nextStep({ isLast: index === weights.length - 1 });
    for (let elapsedMs = TICK_MS; ; elapsedMs += TICK_MS) {
      const some = (of: Behaviour) => Array.from({ length: Math.floor((rate * weight * TICK_MS) / 1_000 + random()) }, () => answer(random, of));
      const web = { canary: some(canary), baseline: some(baseline) };
      requests += web.canary.length;
      const [verdict] = jury.hear({ web }, elapsedMs);
      if (!verdict) continue;
      tookMs += elapsedMs;
      if (verdict.decision !== "goOn" || index === weights.length - 1) return { verdict, requests, tookMs };
      break;
    }
  }
  throw new Error("no weights");
}

const tryAll = (trials: number, trial: Omit<Trial, "seed">) => Array.from({ length: trials }, (_, index) => tryOut({ ...trial, seed: index + 1 }));
const refused = (results: { verdict: Verdict }[]) => results.filter(({ verdict }) => verdict.decision === "worse").length / results.length;

describe("a canary at default settings", () => {
  it.each([
    { baseline: 0, rate: 10 },
    { baseline: 0.01, rate: 20 },
    { baseline: 0.05, rate: 80 },
  ])("is refused when it fails two points more often than $baseline, and promoted when it does not", ({ baseline, rate }) => {
    const worse = tryAll(20, { canary: { failing: baseline + 0.02 }, baseline: { failing: baseline }, rate });
    expect(refused(worse)).toBeGreaterThanOrEqual(0.95);
    const good = tryAll(20, { canary: { failing: baseline }, baseline: { failing: baseline }, rate });
    const promoted = good.filter(({ verdict: { decision, why } }) => decision === "goOn" && why.startsWith("it does not fail"));
    expect(promoted.length / good.length).toBeGreaterThanOrEqual(0.95);
    // Two minutes, until 100 requests were answered; then two minutes at least, until it is shown.
    for (const { tookMs } of good) expect(tookMs).toBeLessThanOrEqual(15 * 60_000);
  });

  it("is refused for a single path that became slow, be it one request in fifty", () => {
    for (const slow of [0.02, 0.1]) {
      const results = tryAll(10, { canary: { ms: 1, slow }, baseline: { ms: 1 }, rate: 20 });
      expect(refused(results)).toBe(1);
      expect(results[0]?.verdict.why).toMatch(/^it is slower than its baseline: it has more answers beyond \d+ ms in \d+ of \d+ stretches/);
    }
  });

  it("is not refused for a path that is as slow in both", () => {
    expect(refused(tryAll(10, { canary: { ms: 1, slow: 0.05 }, baseline: { ms: 1, slow: 0.05 }, rate: 20 }))).toBe(0);
  });

  it("is refused when it takes half as long again, and not for a difference that nobody would notice", () => {
    expect(refused(tryAll(10, { canary: { ms: 60 }, baseline: { ms: 40 }, rate: 20 }))).toBe(1);
    expect(refused(tryAll(10, { canary: { ms: 42 }, baseline: { ms: 40 }, rate: 40 }))).toBe(0);
  });

  it("of an app with few requests is promoted for its health, and it is said what they could have shown", () => {
    const { verdict, tookMs } = tryOut({ seed: 1, canary: {}, baseline: {}, rate: 0.2 });
    expect(tookMs).toBe(2 * DEFAULTS.timeout);
    expect(verdict.decision).toBe("goOn");
    expect(verdict.why).toMatch(
      /^it is not known within 20m whether it is as good: of its (\d+) requests 0 failed, of its baseline's \d+ 0; one that fails in \d\d of 100 requests more would have been found\. It is healthy, and goes on for that$/,
    );
  });
});

const outcomes = (count: number, { failed = 0, ms = 1 } = {}): Outcome[] =>
  Array.from({ length: count }, (_, index) => ({ ms, failed: index % Math.floor(count / Math.max(1, failed)) === 0 && failed > 0 }));

/** A jury on services in their last step. */
function makeLast(settings: Partial<typeof DEFAULTS | { undecided: "refuse" }> = {}, services = ["web"]): Jury {
  const jury = makeJury({ ...DEFAULTS, ...settings }, services);
  jury.nextStep({ isLast: true });
  return jury;
}

describe("few requests", () => {
  it("are enough to see 14 of 60 fail where none of 59 did", () => {
    const [verdict] = makeLast().hear({ web: { canary: outcomes(60, { failed: 14 }), baseline: outcomes(59) } }, 1_000);
    expect(verdict).toMatchObject({
      service: "web",
      decision: "worse",
      why: expect.stringMatching(/^it fails more often than its baseline: of its 60 requests 1[45] failed, of its baseline's 59 0$/),
      evidence: [
        ["canary", expect.stringMatching(/^60 requests, 1[45] failed, half within 1.0 ms, 95 % within 1.0 ms$/)],
        ["baseline", "59 requests, 0 failed, half within 1.0 ms, 95 % within 1.0 ms"],
      ],
    });
  });

  it("are enough to see all of them fail", () => {
    const jury = makeLast();
    const heard = Array.from({ length: 20 }, (_, index) => index + 1).find(
      () => jury.hear({ web: { canary: [{ ms: 1, failed: true }], baseline: [{ ms: 1, failed: false }] } }, 0).length > 0,
    );
    expect(heard).toBeLessThanOrEqual(12);
  });

  it("end the rollout where that is asked for", () => {
    const [verdict] = makeLast({ undecided: "refuse" }).hear({ web: { canary: outcomes(9), baseline: outcomes(8) } }, DEFAULTS.timeout);
    expect(verdict).toMatchObject({ decision: "unknown", why: expect.stringContaining("so few show nothing") });
  });

  it("are no reason to go on for one that hardly answers beside a baseline that does", () => {
    const [verdict] = makeLast().hear({ web: { canary: outcomes(3), baseline: outcomes(200) } }, DEFAULTS.timeout);
    expect(verdict).toMatchObject({ decision: "unknown", why: "it answered 3 requests while its baseline answered 200" });
    const [other] = makeLast().hear({ web: { canary: outcomes(200), baseline: [] } }, DEFAULTS.timeout);
    expect(other).toMatchObject({ decision: "unknown", why: "it answered 200 requests while its baseline answered 0" });
  });

  it("of a step before the last lead to the next share", () => {
    const jury = makeJury({ ...DEFAULTS, undecided: "refuse" }, ["web"]);
    jury.nextStep({ isLast: false });
    expect(jury.hear({ web: { canary: outcomes(9), baseline: outcomes(8) } }, DEFAULTS.timeout - 1)).toEqual([]);
    expect(jury.hear({}, DEFAULTS.timeout)).toMatchObject([{ decision: "goOn", why: "too few requests within 20m, so it gets more of them" }]);
  });
});

describe("several services", () => {
  const silent: Judged = { canary: [], baseline: [] };
  /** Seconds of fifty requests each, until all are decided. */
  function hearUntil(jury: Jury, of: (second: number) => Record<string, Judged>): { verdicts: Verdict[]; second: number } {
    for (let second = 1; ; second++) {
      const verdicts = jury.hear(of(second), second * 1_000);
      if (verdicts.length > 0) return { verdicts, second };
    }
  }
  const busy = (): Judged => ({ canary: outcomes(50), baseline: outcomes(50) });

  it("that get no requests follow those that do", () => {
    const { verdicts, second } = hearUntil(makeLast({}, ["web", "admin"]), () => ({ web: busy(), admin: silent }));
    expect(second).toBe(120);
    expect(verdicts.map(({ service, decision, why }) => [service, decision, why])).toEqual([
      ["web", "goOn", expect.stringContaining("it does not fail")],
      ["admin", "goOn", "too few requests of its own to be judged by (0): it follows the others"],
    ]);
  });

  it("are waited for when they get some, and one that is worse decides for all", () => {
    const jury = makeLast({}, ["web", "admin"]);
    const { verdicts, second } = hearUntil(jury, (second) => ({
      web: busy(),
      admin: { canary: outcomes(1, { failed: second > 150 ? 1 : 0 }), baseline: outcomes(1) },
    }));
    expect(second).toBeGreaterThan(150);
    expect(verdicts).toMatchObject([{ service: "admin", decision: "worse" }]);
  });

  it("of which none gets requests wait for the time-out", () => {
    const { verdicts, second } = hearUntil(makeLast({}, ["web", "admin"]), () => ({}));
    expect(second).toBe(DEFAULTS.timeout / 1_000);
    expect(verdicts.map(({ decision }) => decision)).toEqual(["goOn", "goOn"]);
  });
});

describe("time and number", () => {
  it("decides nothing before the step's time, nor before its number of requests", () => {
    const jury = makeJury(DEFAULTS, ["web"]);
    jury.nextStep({ isLast: false });
    const hear = (count: number, elapsedMs: number) => jury.hear({ web: { canary: outcomes(count), baseline: outcomes(count) } }, elapsedMs);
    expect(hear(150, DEFAULTS.step - 1)).toEqual([]);
    expect(hear(0, DEFAULTS.step)).toMatchObject([{ decision: "goOn", why: "nothing shows that it is worse so far" }]);
    jury.nextStep({ isLast: false });
    expect(hear(99, DEFAULTS.step)).toEqual([]);
    expect(hear(1, DEFAULTS.step)).toHaveLength(1);
  });

  it("always ends by its time-out, whatever it hears", () => {
    const outcome = fc.record({ ms: fc.double({ min: 0, max: 1e6, noNaN: true }), failed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(outcome), fc.array(outcome), fc.boolean(), (canary, baseline, isLast) => {
        const jury = makeJury(DEFAULTS, ["web"]);
        jury.nextStep({ isLast });
        expect(jury.hear({ web: { canary, baseline } }, DEFAULTS.timeout)).toHaveLength(1);
      }),
    );
  });

  it("keeps in mind what earlier steps have shown", () => {
    const jury = makeJury(DEFAULTS, ["web"]);
    const hear = () => jury.hear({ web: { canary: outcomes(6, { failed: 6 }), baseline: outcomes(6) } }, 0);
    jury.nextStep({ isLast: false });
    expect(hear()).toEqual([]);
    jury.nextStep({ isLast: true });
    expect(hear()).toMatchObject([{ decision: "worse" }]);
  });

  it("is not misled by a machine that was busy for a second or two", () => {
    const isRefused = (seed: number) => {
      const random = makeRandom(seed);
      const jury = makeLast();
      for (let second = 0.25; second < 60; second += 0.25) {
        const isBusy = Math.floor(random() * 40) === 0 || (second > 20 && second < 22);
        const some = (ms: number) => Array.from({ length: 50 }, () => answer(random, { failing: 0.01, ms }));
        if (jury.hear({ web: { canary: some(isBusy ? 400 : 40), baseline: some(40) } }, second * 1_000).length > 0) return true;
      }
      return false;
    };
    expect(Array.from({ length: 12 }, (_, seed) => isRefused(seed + 1)).filter(Boolean)).toEqual([]);
  });
});
