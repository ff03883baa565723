// The decision alone, with looks every five seconds; the simulated fleets answer to it as real ones would.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Scaling } from "../../src/config/schema.ts";
import { decide, historyMs, type ScalingSettings } from "../../src/scaling/decide.ts";
import { learnProcessing, type Sample } from "../../src/scaling/sample.ts";

const EVERY = 5_000;
const cooldown = { out: 60_000, in: 300_000 };
const settings = (scaling: Partial<Scaling>, instances = { min: 1, max: 10 }): ScalingSettings => ({ scaling: { cooldown, ...scaling }, instances });
const byCpu = settings({ cpu: 60 });

/** Looks that end now, at 0, the newest last. */
const looks = (number: number, sample: (index: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: number }, (_, index) => ({ at: (index - number + 1) * EVERY, count: 2, ...sample(index) }));
/** Enough of them for scaling in. */
const steady = (sample: Partial<Sample>) => looks(62, () => sample);
const decided = (history: Sample[], of: ScalingSettings, count = history.at(-1)?.count ?? 0) => decide(history, of, { count, now: 0 });

describe("more instances", () => {
  test("as many as bring the measure to its target, with the reason", () => {
    expect(
      decided(
        looks(3, () => ({ cpu: 200 })),
        byCpu,
      ),
    ).toEqual({ count: 4, why: "CPU 100 % of 60 %" });
    expect(
      decided(
        looks(3, () => ({ requests: 75 })),
        settings({ requests: 30 }),
      ),
    ).toEqual({ count: 3, why: "requests 38/s of 30/s per instance" });
  });

  test("not for a load that just fits", () => {
    expect(
      decided(
        looks(3, () => ({ count: 3, cpu: 180 })),
        byCpu,
      ),
    ).toBeUndefined();
  });

  test("not because of one spike, and not before three looks", () => {
    expect(
      decided(
        looks(3, (index) => ({ cpu: index === 1 ? 1000 : 100 })),
        byCpu,
      ),
    ).toBeUndefined();
    expect(
      decided(
        looks(2, () => ({ cpu: 1000 })),
        byCpu,
      ),
    ).toBeUndefined();
  });

  test("never more than the maximum, which is gone back to when it was lowered", () => {
    expect(
      decided(
        looks(3, () => ({ cpu: 5000 })),
        byCpu,
      )?.count,
    ).toBe(10);
    expect(decided([], byCpu, 12)).toEqual({ count: 10, why: "at most 10 are configured" });
    expect(decided([], settings({ cpu: 60 }, { min: 2, max: 4 }), 1)).toEqual({ count: 2, why: "at least 2 are configured" });
  });

  test("only when the last ones have had their time", () => {
    const grown = (ago: number) => looks(30, (index) => ({ cpu: 600, count: index < 30 - ago / EVERY - 1 ? 2 : 3 }));
    expect(decided(grown(50_000), byCpu)).toBeUndefined();
    expect(decided(grown(60_000), byCpu)?.count).toBe(10);
  });

  test("the measure that asks for most counts", () => {
    const both = settings({ cpu: 60, requests: 10 });
    expect(
      decided(
        looks(3, () => ({ cpu: 180, requests: 50 })),
        both,
      ),
    ).toEqual({ count: 5, why: "requests 25/s of 10/s per instance" });
    expect(
      decided(
        looks(3, () => ({ cpu: 480, requests: 50 })),
        both,
      ),
    ).toEqual({ count: 8, why: "CPU 240 % of 60 %" });
    expect(
      decided(
        looks(3, () => ({ requests: 50 })),
        both,
      )?.count,
    ).toBe(5);
  });
});

describe("fewer instances", () => {
  test("as many as keep a tenth below the target, when the whole window was well with them", () => {
    expect(decided(steady({ count: 5, cpu: 100 }), byCpu)).toEqual({ count: 2, why: "CPU 20 % of 60 %" });
    expect(decided(steady({ count: 5, cpu: 116 }), byCpu)?.count).toBe(3);
    expect(decided(steady({ count: 5, cpu: 0 }), byCpu)?.count).toBe(1);
    expect(
      decided(
        looks(62, (index) => ({ count: 5, cpu: index === 30 ? 290 : 0 })),
        byCpu,
      ),
    ).toBeUndefined();
  });

  test("not before the window is over, and not when the number was changed in it", () => {
    expect(
      decided(
        looks(60, () => ({ count: 5, cpu: 0 })),
        byCpu,
      ),
    ).toBeUndefined();
    expect(
      decided(
        looks(62, (index) => ({ count: index < 3 ? 4 : 5, cpu: 0 })),
        byCpu,
      ),
    ).toBeUndefined();
  });

  test("not when anything was not measured", () => {
    const both = settings({ cpu: 60, requests: 10 });
    expect(decided(steady({ count: 5, cpu: 0, requests: 0 }), both)?.count).toBe(1);
    expect(decided(steady({ count: 5, cpu: 0 }), both)).toBeUndefined();
    expect(
      decided(
        looks(62, (index) => (index === 40 ? { count: 5 } : { count: 5, cpu: 0 })),
        byCpu,
      ),
    ).toBeUndefined();
  });
});

describe("a queue", () => {
  const byQueue = settings({ queue: { resource: "jobs", latency: 30_000 } }, { min: 0, max: 10 });
  const queue = (waiting: number, deleted: number, inHand = 0, processingMs: number | undefined = 2_000) => ({
    queue: { waiting, inHand, deleted, processingMs },
  });

  test("asks for enough that the last in line gets its turn in time", () => {
    expect(
      decided(
        looks(3, () => queue(45, 1)),
        byQueue,
      ),
    ).toEqual({ count: 3, why: "queue jobs 45 waiting, 45s of 30s" });
    expect(
      decided(
        looks(3, () => queue(30, 1)),
        byQueue,
      ),
    ).toBeUndefined();
  });

  test("wakes a fleet of none", () => {
    expect(
      decided(
        looks(3, () => ({ count: 0, ...queue(1, 0) })),
        byQueue,
      )?.count,
    ).toBe(1);
    expect(
      decided(
        looks(3, () => ({ count: 0, ...queue(1, 0, 0, undefined) })),
        byQueue,
      )?.count,
    ).toBe(1);
  });

  test("grows one at a time while nobody knows how long a message takes", () => {
    expect(
      decided(
        looks(3, () => ({ queue: { waiting: 500, inHand: 2, deleted: 0 } })),
        byQueue,
      ),
    ).toEqual({
      count: 3,
      why: "queue jobs 500 waiting",
    });
  });

  test("keeps the instances that are busy, and one while a message is in hand", () => {
    expect(decided(steady({ count: 5, ...queue(0, 1.5) }), byQueue)?.count).toBe(4);
    expect(decided(steady({ count: 2, ...queue(0, 0, 1) }), byQueue)?.count).toBe(1);
    expect(decided(steady({ count: 1, ...queue(0, 0) }), byQueue)?.count).toBe(0);
    expect(decided(steady({ count: 5, queue: { waiting: 0, inHand: 3, deleted: 2 } }), byQueue)?.count).toBe(4);
  });

  test("the configured time for a message goes before the measured one", () => {
    const told = settings({ queue: { resource: "jobs", latency: 30_000, processing: 10_000 } });
    expect(
      decided(
        looks(3, () => queue(30, 1)),
        told,
      )?.count,
    ).toBe(10);
  });

  test("teaches how long a message takes only while all are busy", () => {
    const at = (waiting: number, deleted: number, processingMs?: number): Sample => ({
      at: 0,
      count: 4,
      queue: { waiting, inHand: 4, deleted, processingMs },
    });
    expect(learnProcessing(at(9, 0), at(9, 2))).toBe(2_000);
    expect(learnProcessing(at(9, 0), at(0, 2))).toBeUndefined();
    expect(learnProcessing(at(0, 0, 700), at(9, 2))).toBe(700);
    expect(learnProcessing(at(9, 0), at(9, 0))).toBeUndefined();
    expect(learnProcessing(at(9, 2, 2_000), at(9, 2))).toBeCloseTo(2_000);
    expect(learnProcessing(at(9, 2, 2_000), at(9, 0))).toBeGreaterThan(2_000);
  });
});

/** Looks at a fleet every five seconds and does what is decided. */
function simulate(of: ScalingSettings, first: number, hours: number, measure: (count: number, before: Sample | undefined) => Partial<Sample>) {
  const counts = [first];
  let history: Sample[] = [];
  for (let at = 0; at < hours * 3_600_000; at += EVERY) {
    const count = counts.at(-1) as number;
    const sample: Sample = { at, count, ...measure(count, history.at(-1)) };
    if (sample.queue) sample.queue.processingMs = learnProcessing(history.at(-1), sample);
    history = [...history, sample].filter((one) => one.at >= at - historyMs(of.scaling) - 2 * EVERY);
    const decision = decide(history, of, { count, now: at });
    if (decision) counts.push(decision.count);
  }
  return counts;
}

const range = fc
  .record({ min: fc.integer({ min: 1, max: 5 }), more: fc.integer({ min: 1, max: 30 }) })
  .map(({ min, more }) => ({ min, max: min + more }));
const runs = { numRuns: 300 };

describe("a steady load", () => {
  test("of requests or CPU settles at enough instances and stays there", () => {
    fc.assert(
      fc.property(range, fc.nat(40), fc.double({ min: 0, max: 4000, noNaN: true }), fc.boolean(), (instances, first, load, saturates) => {
        const counts = simulate(settings({ cpu: 60 }, instances), first, 1.5, (count) => ({ cpu: saturates ? Math.min(load, count * 100) : load }));
        const enough = Math.min(instances.max, Math.max(instances.min, Math.ceil(load / 60 - 1e-9)));
        const last = counts.at(-1) as number;
        expect(counts.slice(1).every((count) => count >= instances.min && count <= instances.max)).toBe(true);
        expect(last).toBeGreaterThanOrEqual(enough);
        expect(last).toBeLessThanOrEqual(Math.max(instances.min, Math.ceil(load / 54)));
        // Out in steps as far as it is saturated, in once: never out again after in.
        const steps = counts.slice(1).map((count, index) => Math.sign(count - (counts[index] as number)));
        const firstIn = steps.indexOf(-1, first > instances.max ? 1 : 0);
        expect(firstIn === -1 || !steps.slice(firstIn).includes(1)).toBe(true);
      }),
      runs,
    );
  });

  test("that trembles by four percent settles too", () => {
    fc.assert(
      fc.property(
        range,
        fc.double({ min: 0, max: 2000, noNaN: true }),
        fc.infiniteStream(fc.double({ min: 0.96, max: 1.04, noNaN: true })),
        (instances, load, noise) => {
          const counts = simulate(settings({ cpu: 60 }, instances), instances.max, 2, () => ({ cpu: load * (noise.next().value ?? 1) }));
          const steps = counts.slice(1).map((count, index) => Math.sign(count - (counts[index] as number)));
          expect(steps.includes(1)).toBe(false);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("of messages settles, and none waits too long then", () => {
    const message = fc.integer({ min: 50, max: 20_000 });
    fc.assert(
      fc.property(message, fc.double({ min: 0.1, max: 18, noNaN: true }), fc.integer({ min: 1, max: 20 }), (processingMs, busy, first) => {
        const arrivals = (busy / processingMs) * EVERY;
        let waiting = 0;
        const waits: number[] = [];
        const counts = simulate(settings({ queue: { resource: "jobs", latency: 60_000 } }, { min: 1, max: 20 }), first, 6, (count) => {
          const done = Math.min(waiting + arrivals, (count * EVERY) / processingMs);
          waiting += arrivals - done;
          if (waiting < 1e-6) waiting = 0;
          waits.push((waiting * processingMs) / count);
          return { queue: { waiting, inHand: Math.min(count, busy), deleted: done / (EVERY / 1000) } };
        });
        // Too few would make them wait ever longer; a shortfall of which six hours do not make a minute's wait need not be seen.
        expect(Math.max(...waits.slice(-720))).toBeLessThanOrEqual(61_000);
        expect(counts.length).toBeLessThan(45);
      }),
      { numRuns: 100 },
    );
  });
});

test("more load never means fewer instances", () => {
  const sample = fc.record({ cpu: fc.nat(1000), requests: fc.nat(1000), waiting: fc.nat(200), more: fc.nat(300) });
  const of = settings({ cpu: 60, requests: 50, queue: { resource: "jobs", latency: 30_000, processing: 1_000 } }, { min: 1, max: 20 });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 62, maxLength: 62 }), fc.integer({ min: 1, max: 20 }), (loads, count) => {
      const history = (extra: boolean) =>
        looks(62, (index) => {
          const { cpu = 0, requests = 0, waiting = 0, more = 0 } = loads[index] ?? {};
          const plus = extra ? more : 0;
          return { count, cpu: cpu + plus, requests: requests + plus, queue: { waiting: waiting + plus, inHand: 0, deleted: 1 } };
        });
      const [less, more] = [history(false), history(true)].map((one) => decided(one, of)?.count ?? count) as [number, number];
      expect(more).toBeGreaterThanOrEqual(less);
    }),
    runs,
  );
});
