// A fleet that exists only in memory, with faults that a seed decides. Every change is checked against what the strategies promise.
import { LandfallError } from "../../src/error.ts";
import type { Fleet } from "../../src/rollout/run.ts";
import { type Desired, instanceId, type Place, type Standing } from "../../src/rollout/steps.ts";
import type { Outcome } from "../../src/rollout/verdict.ts";
import type { VirtualClock } from "./clock.ts";

export interface Faults {
  /** Probabilities. */
  startFails: number;
  replyLost: number;
  callFails: number;
  vetoed: number;
  /** A new release of which nothing ever gets healthy. */
  isBroken?: (place: Place) => boolean;
  /** An instance that gets healthy and dies two seconds later. */
  isUnsteady?: (place: Place) => boolean;
  /** How one request to an instance of that release ends. */
  answer?: (release: string, random: () => number) => Outcome;
  /** Requests per second of each service. */
  requests?: number;
}

export const NO_FAULTS: Faults = { startFails: 0, replyLost: 0, callFails: 0, vetoed: 0 };

interface Instance extends Standing {
  state: "starting" | "healthy" | "dead";
}

export interface Promises {
  /** Web instances in service, at least. */
  serving: number;
  singletons: string[];
}

export interface World {
  fleet: Fleet;
  standing(): Standing[];
  /** The jobs that are scheduled: `report new`. */
  jobs(): string[];
  /** The release whose rules hold. */
  edge(): string;
  /** Sets what goes wrong from now on. */
  plague(faults: Faults): void;
  /** At that call whoever runs the rollout is killed: this and every later one hangs for ever. Resolves then. */
  killAt(call: number): Promise<void>;
  revive(): void;
  calls(): number;
}

const BOOT_MS_MAX = 60_000;
const DIES_AFTER_MS = 2_000;
const WINDOW_MS = 5_000;

export interface WorldInput {
  clock: VirtualClock;
  random: () => number;
  standing: Standing[];
  /** Of the release `old`. */
  jobs?: string[];
  promises: Promises;
}

export function makeWorld(input: WorldInput): World {
  const { clock, random, promises } = input;
  const instances = new Map<string, Instance>(input.standing.map((one) => [one.id, { ...one, state: "healthy" }]));
  const jobs = new Map((input.jobs ?? []).map((service) => [service, "old"]));
  let edge = "old";
  let faults = NO_FAULTS;
  let isDead = false;
  let killed = () => {};
  let lastCall = Number.POSITIVE_INFINITY;
  let calls = 0;
  let heardAt = 0;

  const strikes = (probability: number) => probability > 0 && random() < probability;

  /** Kept up to date by `put`, since counting thousands of instances after each change would make the simulation slow. */
  let serving = [...instances.values()].filter(serves).length;
  const releasesInService = countBy([...instances.values()].filter(serves).map((one) => one.release));

  function put(id: string, next: Instance | undefined): void {
    const before = instances.get(id);
    for (const [one, by] of [[before, -1] as const, [next, 1] as const]) {
      if (!one || !serves(one)) continue;
      serving += by;
      const count = (releasesInService.get(one.release) ?? 0) + by;
      if (count === 0) releasesInService.delete(one.release);
      else releasesInService.set(one.release, count);
    }
    if (next) instances.set(id, next);
    else instances.delete(id);
  }

  function check(what: string): void {
    if (serving < promises.serving) throw new Broken(`${what}: ${serving} in service, ${promises.serving} promised`);
    if (releasesInService.size > 2) throw new Broken(`${what}: ${[...releasesInService.keys()].join(", ")} in service at once`);
  }

  function checkSingleton(service: string): void {
    const running = [...instances.values()].filter((one) => one.service === service);
    if (running.length > 1) throw new Broken(`two of "${service}" at once: ${running.map((one) => one.id).join(", ")}`);
  }

  /** One call of the rollout to its target: it may fail before anything is done, or its reply may be lost after it was. */
  async function call<T>(what: string, act: () => Promise<T> | T): Promise<T> {
    calls += 1;
    if (calls >= lastCall) {
      isDead = true;
      killed();
    }
    if (isDead) return new Promise(() => {});
    check(what);
    await clock.sleep(1);
    if (isDead) return new Promise(() => {});
    if (strikes(faults.callFails)) throw unreachable(what);
    const result = await act();
    if (isDead) return new Promise(() => {});
    if (strikes(faults.replyLost)) throw unreachable(`the reply to ${what}`);
    return result;
  }

  const change = (what: string, ids: string[], how: (one: Instance) => Instance | undefined) =>
    call(what, () => {
      for (const id of ids) {
        const one = instances.get(id);
        if (one) put(id, how(one));
        check(`${what} ${id}`);
      }
    });

  function dieLater(place: Place): void {
    void clock.sleep(DIES_AFTER_MS).then(() => {
      const one = instances.get(instanceId(place));
      if (one) put(one.id, { ...one, state: "dead" });
    });
  }

  const fleet: Fleet = {
    jobs: () => call("jobs", () => [...jobs].map(([service, release]) => ({ service, release }))),

    edge: () => call("edge", () => edge),

    standing: () => call("standing", () => [...instances.values()].map(({ state: _, ...one }) => one)),

    start: (place) =>
      call("start", async () => {
        const id = instanceId(place);
        const there = instances.get(id);
        if (there?.state === "healthy") return;
        put(id, { ...place, id, attached: false, state: "starting" });
        if (promises.singletons.includes(place.service)) checkSingleton(place.service);
        await clock.sleep(100 + random() * random() * BOOT_MS_MAX);
        if (isDead) return;
        if (faults.isBroken?.(place)) throw crashed(id);
        if (strikes(faults.startFails)) throw crashed(id);
        const one = instances.get(id);
        if (one) put(id, { ...one, state: "healthy" });
        if (faults.isUnsteady?.(place)) dieLater(place);
      }),

    watch: (place) =>
      call("watch", async () => {
        for (const end = clock.now() + WINDOW_MS; clock.now() < end && !isDead; await clock.sleep(1_000))
          if (instances.get(instanceId(place))?.state === "dead") throw crashed(instanceId(place));
      }),

    lookAgain: (place) =>
      call("watch", () => {
        if (instances.get(instanceId(place))?.state === "dead") throw crashed(instanceId(place));
      }),

    check: (place) =>
      call("check", () => {
        if (instances.get(instanceId(place))?.state !== "healthy") throw crashed(instanceId(place));
      }),

    switchEdge: ({ release }) =>
      call("switch edge", () => {
        const others = [...instances.values()].filter((one) => serves(one) && one.share === undefined && one.release !== release);
        if (others.length > 0) throw new Broken(`the rules of ${release} hold while ${others.map(({ id }) => id).join(", ")} serve`);
        edge = release;
      }),

    attach: ({ ids, share }) =>
      change("attach", ids, (one) => {
        if (one.state === "starting") throw new Broken(`${one.id} gets requests before it is healthy`);
        return { ...one, attached: true, share, warm: false };
      }),

    hear: ({ trials }) =>
      call("hear", () => {
        const count = Math.round(((clock.now() - heardAt) / 1000) * (faults.requests ?? 0));
        heardAt = clock.now();
        const answers = (ids: string[]) =>
          Array.from({ length: Math.min(count, 1_000) }, () =>
            (faults.answer ?? (() => ({ ms: 10, failed: false })))(instances.get(ids[0] as string)?.release ?? "", random),
          );
        return Object.fromEntries(trials.map(({ service, canary, baseline }) => [service, { canary: answers(canary), baseline: answers(baseline) }]));
      }),

    ask: ({ ids }) =>
      call("ask", async () => {
        await clock.sleep(random() * 1_000);
        if (strikes(faults.vetoed)) throw new LandfallError({ code: "DRAIN_VETOED", what: `${ids[0]} says not yet`, standing: "" });
      }),

    drain: ({ ids }) => change("drain", ids, (one) => ({ ...one, attached: false, share: undefined, warm: false })),
    stop: ({ ids }) => change("stop", ids, () => undefined),
    keepWarm: ({ ids }) => change("keep warm", ids, (one) => ({ ...one, attached: false, share: undefined, warm: true })),

    schedule: ({ release, services }) =>
      call("schedule", () => {
        for (const service of services) jobs.set(service, release);
      }),
    unschedule: ({ services }) =>
      call("unschedule", () => {
        for (const service of services) jobs.delete(service);
      }),
  };

  return {
    fleet,
    standing: () => [...instances.values()],
    edge: () => edge,
    jobs: () => [...jobs].map(([service, release]) => `${service} ${release}`).sort(),
    plague(next) {
      faults = next;
    },
    killAt(call) {
      lastCall = call;
      return new Promise((resolve) => {
        killed = resolve;
      });
    },
    revive() {
      isDead = false;
      lastCall = Number.POSITIVE_INFINITY;
    },
    calls: () => calls,
  };
}

/** A promise that was not kept: never caught by the rollout's own way back, since the test looks for it. */
export class Broken extends Error {}

/** What is wrong at the end; empty when exactly the fleet of that release serves, or served before. */
export function describeEnd(standing: Standing[], desired: Desired, warmRelease?: string): string[] {
  const wanted = new Set(
    desired.services.flatMap(({ service, count }) =>
      Array.from({ length: count }, (_, slot) => instanceId({ service, release: desired.release, slot: slot + 1 })),
    ),
  );
  const problems = standing.flatMap((one) => {
    if (wanted.delete(one.id)) {
      if (!one.attached) return [`${one.id} does not serve`];
      return one.share === undefined ? [] : [`${one.id} is still on trial`];
    }
    return one.warm && one.release === warmRelease ? [] : [`${one.id} should not be there`];
  });
  return [...problems, ...[...wanted].map((id) => `${id} is missing`)];
}

const serves = (one: Instance): boolean => one.service === "web" && one.attached && one.state === "healthy";

function countBy(values: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const unreachable = (what: string) => new LandfallError({ code: "SUPERVISOR_UNREACHABLE", what: `${what} came to nothing`, standing: "" });
const crashed = (id: string) => new LandfallError({ code: "INSTANCE_CRASHED", what: `${id} crashed`, standing: "" });
