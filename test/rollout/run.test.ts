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
});

/** A fleet in memory; `drained` is called when an instance is out of service, and nothing starts once the signal aborted. */
function makeFleet(stands: Map<string, Standing>, drained: () => void, signal?: AbortSignal): Fleet {
  return {
    standing: async () => [...stands.values()],
    ask: async () => {},
    start: async (place) => {
      signal?.throwIfAborted();
      stands.set(instanceId(place), { ...place, id: instanceId(place), attached: false });
    },
    hear: async () => ({ canary: [], baseline: [] }),
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
    wayBack: makeFleet(stands, () => {}),
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
      standing: "Between two releases: what was healthy goes on serving.",
    },
  });
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
