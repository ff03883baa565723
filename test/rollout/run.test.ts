// An interruption ends the way to the new release, and must not end the way back.
import { expect, it } from "vitest";
import { LandfallError } from "../../src/error.ts";
import { type Fleet, runRollout } from "../../src/rollout/run.ts";
import { type Desired, instanceId, type Standing } from "../../src/rollout/steps.ts";
import { systemClock } from "../../src/system/clock.ts";

const desiredOf = (release: string): Desired => ({
  release,
  strategy: "rolling",
  batch: 1,
  services: [{ service: "web", singleton: false, web: true, count: 1 }],
  jobs: [],
});

/** A fleet in memory; `drained` is called when an instance is out of service, and nothing starts once the signal aborted. */
function makeFleet(stands: Map<string, Standing>, drained: () => void, signal?: AbortSignal): Fleet {
  return {
    standing: async () => [...stands.values()],
    jobs: async () => [],
    edge: async () => "",
    check: async () => {},
    switchEdge: async () => {},
    watch: async () => {},
    lookAgain: async () => {},
    ask: async () => {},
    start: async (place) => {
      signal?.throwIfAborted();
      stands.set(instanceId(place), { ...place, id: instanceId(place), attached: false });
    },
    hear: async () => ({}),
    attach: async ({ ids }) => {
      for (const id of ids) Object.assign(stands.get(id) ?? {}, { attached: true });
    },
    drain: async ({ ids }) => {
      for (const id of ids) Object.assign(stands.get(id) ?? {}, { attached: false });
      drained();
    },
    stop: async ({ ids }) => {
      for (const id of ids) stands.delete(id);
    },
    keepWarm: async () => {},
    schedule: async () => {},
    unschedule: async () => {},
  };
}

it("goes back to the release before when it is interrupted while that one drains", async () => {
  const old: Standing = { id: instanceId({ service: "web", release: "old", slot: 1 }), service: "web", release: "old", slot: 1, attached: true };
  const stands = new Map([[old.id, old]]);
  const stopping = new AbortController();
  const interrupt = () => stopping.abort(new DOMException("interrupted", "AbortError"));
  const journal = { perform: async <T>(_: string, act: () => Promise<T> | T) => act() };

  const rollout = runRollout({
    fleet: makeFleet(stands, interrupt, stopping.signal),
    rollbackFleet: makeFleet(stands, () => {}),
    journal,
    clock: systemClock,
    desired: desiredOf("new"),
    before: desiredOf("old"),
    emit: () => {},
    signal: stopping.signal,
  });

  await expect(rollout).rejects.toMatchObject({ code: "INTERRUPTED" });
  expect([...stands.values()]).toEqual([{ ...old, attached: true }]);
});

it("says that it stands between two releases when the way back fails too", async () => {
  const old: Standing = { id: "web.1.old", service: "web", release: "old", slot: 1, attached: true };
  const stands = new Map([[old.id, old]]);
  const fleet = makeFleet(stands, () => {
    throw new Error("the balancer is gone");
  });
  const journal = { perform: async <T>(_: string, act: () => Promise<T> | T) => act() };
  const rollout = runRollout({ fleet, journal, clock: systemClock, desired: desiredOf("new"), before: desiredOf("old"), emit: () => {} });
  await expect(rollout).rejects.toMatchObject({
    code: "WAY_BACK_FAILED",
    parts: {
      what: "the rollout failed, and so did the way back to release old",
      why: "the balancer is gone",
      evidence: [["failed first", "the balancer is gone"]],
      standing: "Between two releases: healthy instances keep serving.",
    },
  });
});

it("stops nothing more for a release of which a later instance has failed", async () => {
  const stands = new Map(
    [1, 2, 3].map((slot) => [`web.${slot}.old`, { id: `web.${slot}.old`, service: "web", release: "old", slot, attached: true }]),
  );
  const failure = new LandfallError({ code: "INSTANCE_CRASHED", what: "web.2.new crashed", standing: "" });
  const steps: string[] = [];
  const journal = { perform: async <T>(step: string, act: () => Promise<T> | T) => (steps.push(step), act()) };
  const services = [{ service: "web", singleton: false, web: true, count: 3 }];
  const rollout = runRollout({
    fleet: { ...makeFleet(stands, () => {}), watch: async ({ slot }) => (slot === 2 ? Promise.reject(failure) : undefined) },
    journal,
    clock: systemClock,
    desired: { ...desiredOf("new"), services, isNew: true },
    before: { ...desiredOf("old"), services },
    emit: () => {},
  });
  await expect(rollout).rejects.toBe(failure);
  expect(steps.filter((step) => /^stop web\.\d\.old/.test(step))).toEqual(["stop web.1.old"]);
  expect([...stands.keys()].sort()).toEqual(["web.1.old", "web.2.old", "web.3.old"]);
});

it("stops nothing more for a release of which an instance has ended after its window", async () => {
  const failure = new LandfallError({ code: "INSTANCE_CRASHED", what: "web.1.new crashed", standing: "" });
  const services = [{ service: "web", singleton: false, web: true, count: 3 }];
  for (const [fails, stopped] of [
    [(started: number) => started === 2, ["web.1.old"]],
    // The last one ends when nothing is left to be drained.
    [(_: number, drained: number) => drained === 3, ["web.1.old", "web.2.old", "web.3.old"]],
  ] as const) {
    const stands = new Map(
      [1, 2, 3].map((slot) => [`web.${slot}.old`, { id: `web.${slot}.old`, service: "web", release: "old", slot, attached: true }]),
    );
    const steps: string[] = [];
    const journal = { perform: async <T>(step: string, act: () => Promise<T> | T) => (steps.push(step), act()) };
    const count = (pattern: RegExp) => steps.filter((step) => pattern.test(step)).length;
    const lookAgain = async () => {
      if (fails(count(/^start web\.\d\.new/), count(/^stop web\.\d\.old/))) throw failure;
    };
    const rollout = runRollout({
      fleet: { ...makeFleet(stands, () => {}), lookAgain },
      rollbackFleet: makeFleet(stands, () => {}),
      journal,
      clock: systemClock,
      desired: { ...desiredOf("new"), services, isNew: true },
      before: { ...desiredOf("old"), services },
      emit: () => {},
    });
    await expect(rollout).rejects.toBe(failure);
    expect(steps.filter((step) => /^stop web\.\d\.old/.test(step))).toEqual(stopped.map((id) => `stop ${id}`));
    expect([...stands.keys()].sort()).toEqual(["web.1.old", "web.2.old", "web.3.old"]);
  }
});

it("does not go back when another operation has taken over", async () => {
  const old: Standing = { id: "web.1.old", service: "web", release: "old", slot: 1, attached: true };
  const stands = new Map([[old.id, old]]);
  const steps: string[] = [];
  const lost = new LandfallError({ code: "LEASE_LOST", what: "the lease is lost", standing: "" });
  const journal = {
    perform: async <T>(step: string, act: () => Promise<T> | T) => {
      steps.push(step);
      if (steps.length === 3) throw lost;
      return act();
    },
  };
  const input = {
    fleet: makeFleet(stands, () => {}),
    journal,
    clock: systemClock,
    desired: desiredOf("new"),
    before: desiredOf("old"),
    emit: () => {},
  };
  await expect(runRollout(input)).rejects.toBe(lost);
  expect(steps).toEqual(["ask web.1.old", "start web.1.new", "put in service web.1.new"]);
});
