// When a decision is asked for and carried out; what is seen and done here is made up, and time stands still between rounds.
import { beforeEach, describe, expect, test } from "vitest";
import { type Change, lookEvery, makeAutoscaler } from "../../../../src/targets/local/autoscaler/autoscaler.ts";
import type { ServiceSample } from "../../../../src/targets/local/autoscaler/sample-metrics.ts";
import type { Orders } from "../../../../src/targets/local/orders.ts";

const scaling = { cpu: 60, cooldown: { out: 20_000, in: 60_000 } };
const instances = { min: 1, max: 9 };
const ordersOf = (...cooldowns: { out: number; in: number }[]) =>
  ({
    deployment: { services: Object.fromEntries(cooldowns.map((cooldown, index) => [`s${index}`, { scaling: { cpu: 60, cooldown } }])) },
  }) as unknown as Orders;
const orders = ordersOf(scaling.cooldown);

let now = 0;
let world = { cpu: 0 as number | undefined, count: 2, standing: "free" as "free" | "busy" | "interrupted" };
let acts: Change[][] = [];
let finished = 0;
let complaints: unknown[] = [];
let act: (changes: Change[]) => Promise<void>;
let autoscaler: ReturnType<typeof makeAutoscaler>;

beforeEach(() => {
  now = 0;
  world = { cpu: 0, count: 2, standing: "free" };
  acts = [];
  finished = 0;
  complaints = [];
  act = async ([change]) => {
    world.count = change?.count ?? world.count;
  };
  autoscaler = makeAutoscaler({
    clock: { now: () => now, sleep: async () => {} },
    look: async (): Promise<ServiceSample[]> => [{ service: "web", scaling, instances, sample: { at: now, count: world.count, cpu: world.cpu } }],
    standing: () => world.standing,
    act: (_, changes) => {
      acts.push(changes);
      return act(changes);
    },
    finish: async () => {
      finished++;
      world.standing = "free";
    },
    report: () => {},
    complain: (error) => complaints.push(error),
  });
});

async function rounds(number: number, everyMs = 5_000): Promise<void> {
  for (let round = 0; round < number; round++) {
    now += everyMs;
    await autoscaler.round(orders);
    await new Promise(setImmediate);
  }
}

test("looks every few seconds, oftener when a configuration is quicker", () => {
  expect(lookEvery(ordersOf({ out: 60_000, in: 300_000 }))).toBe(5_000);
  expect(lookEvery(ordersOf({ out: 60_000, in: 300_000 }, { out: 8_000, in: 12_000 }))).toBe(2_000);
  expect(lookEvery(ordersOf({ out: 0, in: 0 }))).toBe(500);
});

test("carries out what is decided, and goes on from there", async () => {
  world.cpu = 300;
  await rounds(10);
  expect(acts).toEqual([[{ service: "web", from: 2, count: 5, why: "CPU 150 % of 60 %" }]]);
  world.cpu = 0;
  await rounds(20);
  expect(acts.slice(1)).toEqual([[{ service: "web", from: 5, count: 1, why: "CPU 0 % of 60 %" }]]);
});

describe("does nothing", () => {
  test("while somebody else works on the environment", async () => {
    world = { ...world, cpu: 300, standing: "busy" };
    await rounds(10);
    expect(acts).toEqual([]);
    world.standing = "free";
    await rounds(1);
    expect(acts).toHaveLength(1);
  });

  test("while a change of its own is under way, but looks on", async () => {
    world.cpu = 300;
    let end = () => {};
    act = () => new Promise((resolve) => (end = resolve));
    await rounds(10);
    expect(acts).toHaveLength(1);
    world.count = 5;
    world.cpu = 0;
    await rounds(12);
    end();
    await autoscaler.settled();
    await rounds(1);
    expect(acts[1]?.[0]?.count).toBe(1);
  });

  test("for a while after a change that failed, longer each time", async () => {
    world.cpu = 300;
    act = async () => {
      throw new Error("never healthy");
    };
    await rounds(8);
    expect([acts.length, complaints.length]).toEqual([1, 1]);
    await rounds(3);
    expect(acts).toHaveLength(2);
    await rounds(9);
    expect(acts).toHaveLength(2);
    await rounds(2);
    expect(acts).toHaveLength(3);
  });
});

test("finishes a change that was interrupted before it decides anything", async () => {
  world = { ...world, cpu: 300, standing: "interrupted" };
  await rounds(1);
  expect([finished, acts.length]).toEqual([1, 0]);
  await rounds(2);
  expect(acts).toHaveLength(1);
});

test("forgets what it saw before the machine was asleep", async () => {
  world = { ...world, count: 5 };
  await rounds(12);
  await rounds(1, 3_600_000);
  await rounds(11);
  expect(acts).toEqual([]);
  await rounds(2);
  expect(acts).toHaveLength(1);
});
