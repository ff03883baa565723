// What holds of every strategy, wherever it is carried out; and that every place asks here.
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { batchSize, inRolloutOrder, STRATEGIES, type Strategy, strategyFor } from "../../src/rollout/strategy.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { SLOTS } from "../../src/targets/aws/templates/shared/running.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";

describe("a batch", () => {
  test.each([
    [1, 3, 1],
    [5, 3, 3],
    ["50%", 3, 1],
    ["50%", 4, 2],
    ["34%", 3, 1],
    ["1%", 3, 1],
    ["100%", 3, 3],
    ["50%", 0, 1],
  ])("of %j of %i instances is %i", (batch, count, size) => expect(batchSize(batch, count)).toBe(size));

  it("is never more than its share, and never none", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 1000 }), (share, count) => {
        const size = batchSize(`${share}%`, count);
        expect(size).toBeGreaterThanOrEqual(1);
        if (size > 1) expect(size / count).toBeLessThanOrEqual(share / 100);
      }),
    );
  });

  it.each([
    ["50%", 3, 1],
    ["50%", 4, 2],
    [2, 3, 2],
  ])("of %j of %i is what CloudFormation is told", (batch, instances, size) => {
    const web = { ...SMALL.services.web, instances } as (typeof SMALL.services)[string];
    const fleet = { blue: { release: "7f3c2a", image: "ami-0123456789abcdef0", script: "true\n" } };
    const stacks = makeStacks(production({ ...SMALL, services: { web }, rollout: { batch } }), { web: fleet });
    const bodies = stacks.map(({ body }) => body).join();
    expect([...bodies.matchAll(/"MaxBatchSize": ?(\d+)/g)].map(([, number]) => Number(number))).toEqual([size]);
  });
});

describe("a strategy", () => {
  const names = Object.keys(STRATEGIES) as Strategy[];

  it.each(names)("%s has a place for each of its fleets, and a whole fleet beside the old one only with several", (name) => {
    const { fleets, besideOld } = STRATEGIES[name];
    expect(fleets).toBeLessThanOrEqual(SLOTS.length);
    expect(besideOld).toBe(fleets > 1);
  });

  it.each(names)("%s tries no release that has served before", (name) => {
    expect(strategyFor(name, true)).toBe(name);
    expect(strategyFor(name, false)).not.toBe("canary");
    expect(STRATEGIES[strategyFor(name, false)].besideOld).toBe(STRATEGIES[name].besideOld);
  });
});

it("services that answer requests go first, and singletons last", () => {
  const services: [string, { port?: number; singleton: boolean }][] = [
    ["scheduler", { singleton: true }],
    ["worker", { singleton: false }],
    ["web", { port: 1, singleton: false }],
    ["other", { singleton: false }],
  ];
  expect(inRolloutOrder(services).map(([name]) => name)).toEqual(["web", "worker", "other", "scheduler"]);
});
