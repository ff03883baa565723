import { describe, expect, it } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { type RolloutInput, runRollout } from "../../src/rollout/run.ts";
import { compileRollout, type Desired, instanceId, type Standing, type Wanted } from "../../src/rollout/steps.ts";
import { batchSize } from "../../src/rollout/strategy.ts";
import { makeClock } from "./clock.ts";
import { makeRandom } from "./random.ts";
import { Broken, describeEnd, type Faults, makeWorld, NO_FAULTS } from "./world.ts";

const servicesOf = (count: number): Wanted[] => [
  { service: "web", count, singleton: false, web: true },
  { service: "worker", count: Math.max(1, Math.floor(count / 4)), singleton: false, web: false },
  { service: "clock", count: 1, singleton: true, web: false },
];

const fleetOf = (release: string, services: Wanted[]): Standing[] =>
  services.flatMap(({ service, count }) =>
    Array.from({ length: count }, (_, index) => {
      const place = { service, release, slot: index + 1 };
      return { ...place, id: instanceId(place), attached: true };
    }),
  );

interface Run {
  seed: number;
  count: number;
  strategy: Desired["strategy"];
  batch?: Desired["batch"];
  surge?: boolean;
  faults?: Faults;
  /** The runner is killed after so many calls. */
  killAfter?: number;
  /** What is done about it: on to the new release, or back. */
  by?: "resume" | "abort";
  undecided?: "promote" | "refuse";
}

interface Result {
  ended: "new" | "old";
  error?: unknown;
  calls: number;
  tookMs: number;
}

/** One rollout from beginning to end, whatever happens in it. Throws when a promise was not kept. */
async function simulate(run: Run): Promise<Result> {
  const { seed, count, strategy, batch = 1, surge = true, faults = NO_FAULTS } = run;
  const random = makeRandom(seed);
  const clock = makeClock();
  const services = servicesOf(count);
  const canary = { weights: [0.05, 0.25], instances: Math.min(count, 3) };
  const edge = { release: "new", isNew: true };
  const desired: Desired = { release: "new", isNew: true, services, jobs: ["report", "tidy"], edge, strategy, batch, surge, canary };
  const before: Desired = { ...desired, release: "old", isNew: false, jobs: ["report", "mail"], edge: { release: "old", isNew: false } };
  const lacking = strategy === "rolling" && !surge ? batchSize(batch, count) : 0;
  const world = makeWorld({
    clock,
    random,
    standing: fleetOf("old", services),
    jobs: before.jobs,
    promises: { serving: count - lacking, singletons: ["clock"] },
  });
  const journal = makeJournal(world.standing);
  const judging = { step: 5_000, timeout: 60_000, minRequests: 50, undecided: run.undecided ?? "promote" } as const;
  const inputFor = (goal: Desired, back?: Desired): RolloutInput => ({
    fleet: world.fleet,
    journal,
    clock,
    desired: goal,
    before: back,
    judging,
    emit: () => {},
  });

  world.plague(faults);
  let error: unknown;
  let goal = desired;
  const rollout = runRollout(inputFor(desired, before)).then(
    () => undefined,
    (reason: unknown) => reason ?? new Error("rejected with nothing"),
  );
  if (run.killAfter !== undefined && (await killed(world, clock, rollout, run.killAfter))) {
    goal = run.by === "abort" ? before : desired;
  } else {
    error = await clock.until(rollout);
    if (error instanceof Broken) throw error;
    if (error) goal = before;
  }

  // What did not come to its end is taken up until it does, with the faults over at last.
  world.plague({ ...NO_FAULTS, requests: faults.requests });
  if (compileRollout(world.standing(), settled(goal), scheduledIn(world), world.edge()).length > 0) {
    await clock.until(runRollout(inputFor(goal.release === "new" ? goal : settled(goal), before)));
  }
  const problems = describeEnd(world.standing(), goal, strategy === "rolling" ? undefined : goal.release === "new" ? "old" : "new");
  const jobs = goal.jobs.map((service) => `${service} ${goal.release}`).sort();
  if (world.jobs().join() !== jobs.join()) problems.push(`scheduled are ${world.jobs()} instead of ${jobs}`);
  if (world.edge() !== goal.release) problems.push(`the rules of ${world.edge()} hold`);
  if (problems.length > 0) throw new Broken(`ended between: ${problems.slice(0, 5).join("; ")}`);
  return { ended: goal.release as Result["ended"], error, calls: world.calls(), tookMs: clock.now() };
}

const scheduledIn = (world: ReturnType<typeof makeWorld>) =>
  world.jobs().map((job) => ({ service: job.split(" ")[0] as string, release: job.split(" ")[1] as string }));

/** What stood before is reached without a trial. */
const settled = (goal: Desired): Desired => ({ ...goal, strategy: goal.strategy === "canary" ? "blueGreen" : goal.strategy });

/** Whether the rollout was killed at that call, before it came to its end. */
async function killed(
  world: ReturnType<typeof makeWorld>,
  clock: ReturnType<typeof makeClock>,
  rollout: Promise<unknown>,
  at: number,
): Promise<boolean> {
  const isKilled = await clock.until(Promise.race([world.killAt(at).then(() => true), rollout.then(() => false)]));
  // What was on its way when the runner died comes to its end or to nothing.
  if (isKilled) await clock.until(clock.sleep(120_000));
  world.revive();
  return isKilled;
}

/** What has a result in the journal is so in the world. */
function makeJournal(standing: () => Standing[]): RolloutInput["journal"] {
  return {
    async perform(step, act) {
      const result = await act();
      const [, verb, list = ""] = /^(put in service|stop|drain|keep warm) (.*?)( on trial)?$/.exec(step) ?? [];
      const ids = new Set(list.split(", "));
      const there = verb ? standing().filter((one) => ids.has(one.id)) : [];
      const agrees =
        verb === "put in service" ? there.length === ids.size && there.every((one) => one.attached) : there.every((one) => !one.attached);
      if (!agrees || (verb === "stop" && there.length > 0)) throw new Broken(`the journal says "${step}" was done, and the world does not`);
      return result;
    },
  };
}

async function simulateAll(runs: Run[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const run of runs) {
    try {
      results.push(await simulate(run));
    } catch (error) {
      throw new Error(`seed ${run.seed}, ${JSON.stringify({ ...run, faults: undefined })}: ${(error as Error).message}`, { cause: error });
    }
  }
  return results;
}

const STRATEGIES = ["rolling", "blueGreen", "canary"] as const;

function randomRun(seed: number): Run {
  const random = makeRandom(seed * 7919);
  const rare = () => (random() < 0.5 ? 0 : random() * 0.05);
  const count = 10 + Math.floor(random() * 30);
  return {
    seed,
    count,
    strategy: STRATEGIES[Math.floor(random() * 3)] ?? "rolling",
    batch: random() < 0.5 ? 1 + Math.floor(random() * 5) : "25%",
    surge: random() < 0.7,
    faults: { startFails: rare(), replyLost: rare(), callFails: rare(), vetoed: rare(), requests: 200 },
  };
}

const seeds = (count: number, first = 1) => Array.from({ length: count }, (_, index) => first + index);

describe("a rollout in a world of faults", () => {
  it("ends in the new release or in the old one, and keeps its promises on the way (1,500 runs)", async () => {
    const results = await simulateAll(seeds(1_500).map(randomRun));
    // Both ends are met, or the simulation shows nothing.
    expect(results.filter(({ ended }) => ended === "new").length).toBeGreaterThan(100);
    expect(results.filter(({ ended }) => ended === "old").length).toBeGreaterThan(100);
  });

  it.each(["resume", "abort"] as const)(
    "is brought to its end by %s when its runner is killed at any call (1,000 runs)",
    async (by) => {
      const runs = seeds(1_000, 10_000).map((seed) => ({ ...randomRun(seed), by, killAfter: 1 + Math.floor(makeRandom(seed)() * 200) }));
      await simulateAll(runs);
    },
    120_000,
  );

  it("serves the old release when the new one is broken, whatever the strategy", async () => {
    const isBroken = ({ release }: { release: string }) => release === "new";
    const runs = STRATEGIES.flatMap((strategy) => seeds(50).map((seed): Run => ({ seed, count: 12, strategy, faults: { ...NO_FAULTS, isBroken } })));
    for (const { ended, error } of await simulateAll(runs)) {
      expect(ended).toBe("old");
      expect(error).toMatchObject({ code: "INSTANCE_CRASHED" });
    }
  });

  it("stops no more than a first wave of the old release for a new one that dies soon after it was healthy", async () => {
    const isUnsteady = ({ release }: { release: string }) => release === "new";
    const faults = { ...NO_FAULTS, isUnsteady, requests: 200 };
    // The world refuses each step that leaves fewer in service than were promised; only without a surge a wave is stopped first.
    const runs = STRATEGIES.flatMap((strategy) => seeds(50).map((seed): Run => ({ seed, count: 12, strategy, surge: seed % 2 === 0, faults })));
    for (const { ended, error } of await simulateAll(runs)) {
      expect(ended).toBe("old");
      expect(error).toMatchObject({ code: "INSTANCE_CRASHED" });
    }
  });

  it("rolls over fleets of 10 to 10,000", async () => {
    const sizes = [10, 100, 1_000, 10_000];
    const runs = sizes.flatMap((count) =>
      STRATEGIES.map((strategy): Run => ({ seed: count, count, strategy, batch: "10%", faults: { ...NO_FAULTS, requests: 500 } })),
    );
    const results = await simulateAll(runs);
    expect(results.map(({ ended }) => ended)).toEqual(runs.map(() => "new"));
  });
});

describe("what other tools have got wrong", () => {
  it("a revert does not go through the canary phase", async () => {
    const clock = makeClock();
    const services = servicesOf(6);
    const desired: Desired = { release: "new", services, jobs: [], strategy: "canary", batch: 1, canary: { weights: [0.1], instances: 1 } };
    const world = makeWorld({ clock, random: makeRandom(1), standing: fleetOf("old", services), promises: { serving: 6, singletons: ["clock"] } });
    world.plague({ ...NO_FAULTS, requests: 500, answer: (release) => ({ ms: 10, failed: release === "new" }) });
    const steps: string[] = [];
    const journal = { perform: async <T>(step: string, act: () => Promise<T> | T) => (steps.push(step), act()) };
    const judging = { step: 5_000, timeout: 60_000, minRequests: 50, undecided: "promote" } as const;
    const rollout = runRollout({ fleet: world.fleet, journal, clock, desired, before: { ...desired, release: "old" }, judging, emit: () => {} });
    rollout.catch(() => {});
    await expect(clock.until(rollout)).rejects.toMatchObject({ code: "CANARY_WORSE" });
    const back = (id: string) => [`ask ${id}`, `drain ${id}`, `stop ${id}`];
    const judged = steps.findIndex((step) => step.startsWith("compare"));
    expect(steps.slice(judged + 1)).toEqual(["drain web.1.new", "stop web.1.new", "drain web.7.old", "stop web.7.old", ...back("worker.1.new")]);
    expect(describeEnd(world.standing(), { ...desired, release: "old" })).toEqual([]);
  });

  it("one bad instance of a hundred does not revert the other ninety-nine", async () => {
    for (const strategy of STRATEGIES) {
      let failures = 0;
      const isBroken = (place: { release: string; slot: number; service: string }) =>
        place.release === "new" && place.service === "web" && place.slot === 57 && failures++ === 0;
      const { ended } = await simulate({ seed: 3, count: 100, strategy, batch: 10, faults: { ...NO_FAULTS, isBroken, requests: 500 } });
      expect({ strategy, ended, failures: failures > 1 }).toEqual({ strategy, ended: "new", failures: true });
    }
  });

  it("an instance that fails in the same way again ends the rollout, and does not go round for ever", async () => {
    const isBroken = (place: { release: string; slot: number; service: string }) =>
      place.release === "new" && place.service === "web" && place.slot === 57;
    const { ended, error } = await simulate({ seed: 3, count: 100, strategy: "rolling", batch: 10, faults: { ...NO_FAULTS, isBroken } });
    expect(ended).toBe("old");
    expect(error).toMatchObject({ code: "INSTANCE_CRASHED" });
  });

  it("a promotion is not lost when its runner is gone for hours", async () => {
    const { ended } = await simulate({
      seed: 5,
      count: 10,
      strategy: "canary",
      faults: { ...NO_FAULTS, requests: 500 },
      killAfter: 40,
      by: "resume",
    });
    expect(ended).toBe("new");
  });

  it("a canary that gets no requests ends at its time-out, as it was asked for", async () => {
    const run: Run = { seed: 6, count: 10, strategy: "canary", faults: { ...NO_FAULTS, requests: 0 } };
    const refused = await simulate({ ...run, undecided: "refuse" });
    expect(refused.ended).toBe("old");
    expect(refused.error).toBeInstanceOf(LandfallError);
    expect(refused.error).toMatchObject({ code: "CANARY_UNKNOWN" });
    const promoted = await simulate(run);
    expect(promoted.ended).toBe("new");
    for (const { tookMs } of [refused, promoted]) expect(tookMs).toBeLessThan(10 * 60_000);
  });
});
