// How an environment on AWS gets from the fleets that run to the release that is wanted: as stages, each of which CloudFormation performs.
// Pure. Stages come from what stands, never from what should have been done, so the same function serves deploy, rollback and resume.
import { isDeepStrictEqual } from "node:util";
import type { App, Service } from "../../../config/schema.ts";
import { type Fleet, type Running, type Slot, servingSlot } from "../stacks/running.ts";

export type Stage =
  /** The stacks of services become what `running` says. */
  | { kind: "fleets"; text: string; running: Running }
  /** The listener's rules become what `running` says. `watchMs`: CloudFormation takes them back when an alarm of `slots` rings so soon. */
  | { kind: "routes"; text: string; running: Running; watchMs?: number; slots?: FleetName[] }
  /** Goes on once the balancer finds every instance of these fleets healthy. */
  | { kind: "healthy"; text: string; fleets: FleetName[] }
  /** Goes on once the canary was not found worse than its baseline. */
  | { kind: "judge"; text: string; trials: Trial[] };

export interface FleetName {
  service: string;
  slot: Slot;
}

export interface Trial {
  service: string;
  canary: Slot;
  baseline: Slot;
}

export interface Desired {
  rollout: App["rollout"];
  services: App["services"];
  /** By service: what its instances are to be started with. */
  fleets: Record<string, Omit<Fleet, "weight">>;
  /** Whether the release is new here: what has served before is not tried again with a share of the requests. */
  isNew: boolean;
}

/** Shares are of a thousand, as the balancer takes them. */
const ALL = 999;

/** Nothing when all is as wanted. */
export function compileStages(running: Running, desired: Desired): Stage[] {
  const end = finalOf(running, desired);
  const stages = trialStages(running, desired, end);
  const before = stages.length === 0 ? running : lastRunning(stages, running);
  return [...stages, ...settleStages(before, end)];
}

/** The way back to fleets that ran before, from whatever stands now. */
export function compileBack(now: Running, before: Running): Stage[] {
  const both = mapServices(now, before, (mine, theirs) => ({
    ...mine,
    ...mapValues(theirs, (fleet, slot) => withWeight(fleet, mine[slot]?.weight)),
  }));
  const added = Object.entries(before).flatMap(([service, fleets]) =>
    slotsIn(fleets).flatMap((slot) => (now[service]?.[slot] ? [] : [{ service, slot }])),
  );
  const stages: Stage[] = isDeepStrictEqual(strip(both), strip(now))
    ? []
    : [
        { kind: "fleets", text: "bring the release before back", running: both },
        ...(added.length > 0 ? [{ kind: "healthy" as const, text: "its instances are healthy", fleets: added }] : []),
      ];
  return [...stages, ...settleStages(both, before)];
}

type Fleets = Running[string];

const slotsIn = (fleets: Fleets) => Object.keys(fleets) as Slot[];
const isWeb = (service: Service | undefined) => service?.port !== undefined && service.schedule === undefined;
const withWeight = ({ weight: _, ...fleet }: Fleet, weight: number | undefined): Fleet => ({ ...fleet, ...(weight === undefined ? {} : { weight }) });
const isSame = (one: Fleet | undefined, other: Fleet | undefined) =>
  one !== undefined && other !== undefined && isDeepStrictEqual(withWeight(one, undefined), withWeight(other, undefined));
const strip = (running: Running): Running => mapValues(running, (fleets) => mapValues(fleets, (fleet) => withWeight(fleet, undefined)));

/** What stands once all is done: one fleet a service. With `rolling` it stays where it is; else a web service's takes the other place. */
function finalOf(running: Running, { rollout, services, fleets: wanted }: Desired): Running {
  return Object.fromEntries(
    Object.entries(wanted).map(([service, fleet]) => {
      const standing = running[service] ?? {};
      const serving = servingSlot(standing);
      const own = { ...fleet, ...(serving && standing[serving]?.instances ? { instances: standing[serving].instances } : {}) };
      const moves = serving !== undefined && rollout.strategy !== "rolling" && isWeb(services[service]) && !isSame(standing[serving], own);
      const slot = moves ? otherOf(serving) : (serving ?? "blue");
      return [service, { [slot]: own }];
    }),
  );
}

const otherOf = (slot: Slot): Slot => (slot === "blue" ? "green" : "blue");

interface Move {
  service: string;
  from: Slot;
  to: Slot;
  standing: Fleets;
  fleet: Fleet;
}

/** The new fleets beside the old ones, and the requests led to them; nothing for services that change in place. */
function trialStages(running: Running, desired: Desired, end: Running): Stage[] {
  const moves = Object.entries(end).flatMap(([service, fleets]): Move[] => {
    const [to] = slotsIn(fleets) as [Slot];
    const standing = running[service] ?? {};
    const from = servingSlot(standing);
    return from === undefined || from === to ? [] : [{ service, from, to, standing, fleet: fleets[to] as Fleet }];
  });
  if (moves.length === 0) return [];
  const { strategy, soak, canary } = desired.rollout;
  const stages: Stage[] = [];
  let at = running;
  const go = (kind: "fleets" | "routes", text: string, fleetsOf: (move: Move) => Fleets, watched = {}) => {
    const next = { ...at, ...Object.fromEntries(moves.map((move) => [move.service, fleetsOf(move)])) };
    const changed = kind === "fleets" ? !isDeepStrictEqual(strip(next), strip(at)) : !isDeepStrictEqual(next, at);
    at = next;
    if (changed) stages.push({ kind, text, running: next, ...watched });
  };
  const healthy = (slotsOf: (move: Move) => Slot[]) =>
    stages.push({
      kind: "healthy",
      text: "the balancer finds them healthy",
      fleets: moves.flatMap((move) => slotsOf(move).map((slot) => ({ service: move.service, slot }))),
    });
  const old = ({ standing, from }: Move, weight: number) => ({ [from]: withWeight(standing[from] as Fleet, weight) });

  // Another release may stand where the new one is to go, and be warm, or half made.
  const cleared = (move: Move): Fleets => ({
    ...old(move, ALL),
    ...(isSame(move.standing[move.to], move.fleet) ? { [move.to]: withWeight(move.fleet, 0) } : {}),
  });
  go("routes", "all requests go to what serves", cleared);
  go("fleets", "make room beside it", cleared);

  if (strategy === "canary" && desired.isNew && moves.some((move) => !at[move.service]?.[move.to])) {
    const instances = { min: canary.instances, max: canary.instances };
    const tried =
      (share: number) =>
      (move: Move): Fleets => {
        const weight = Math.round(share * ALL);
        return {
          ...old(move, ALL - 2 * weight),
          [move.to]: { ...move.fleet, instances, weight },
          baseline: { ...withWeight(move.standing[move.from] as Fleet, weight), instances },
        };
      };
    go("fleets", "start the canary, and its baseline of the release that serves", tried(0));
    healthy(({ to }) => [to, "baseline"]);
    for (const share of canary.weights) {
      go("routes", `${Math.round(share * 100)} % of the requests to the canary, as many to its baseline`, tried(share));
      stages.push({ kind: "judge", text: "compare them", trials: moves.map(({ service, to }) => ({ service, canary: to, baseline: "baseline" })) });
    }
    const last = canary.weights.at(-1) as number;
    go("fleets", "start the rest of the new fleet", (move) => ({ ...tried(last)(move), [move.to]: withWeight(move.fleet, Math.round(last * ALL)) }));
  } else {
    go("fleets", "start the new fleet beside the old one", (move) => ({ ...old(move, ALL), [move.to]: withWeight(move.fleet, 0) }));
  }
  healthy(({ to }) => [to]);
  const slots = moves.map(({ service, to }) => ({ service, slot: to }));
  go(
    "routes",
    "all requests to the new fleet",
    (move) => ({ ...at[move.service], ...old(move, 0), ...without(at[move.service]?.baseline), [move.to]: withWeight(move.fleet, ALL) }),
    {
      // What has served before needs no watching, and who goes back is in a hurry.
      watchMs: desired.isNew ? soak : 0,
      slots,
    },
  );
  return stages;
}

const without = (baseline: Fleet | undefined): Fleets => (baseline ? { baseline: withWeight(baseline, 0) } : {});

const lastRunning = (stages: Stage[], first: Running): Running => stages.reduce((at, stage) => ("running" in stage ? stage.running : at), first);

/** Requests leave first what is to go, and reach last what has come. */
function settleStages(at: Running, end: Running): Stage[] {
  const kept = mapValues(end, (wanted, service) =>
    Object.fromEntries(slotsIn(wanted).flatMap((slot) => pair(slot, withWeightOf(at[service]?.[slot], wanted[slot])))),
  );
  const stages: Stage[] = [];
  if (!isDeepStrictEqual(sharesIn(at), sharesIn(kept))) stages.push({ kind: "routes", text: "no request to what goes", running: kept });
  if (!isDeepStrictEqual(strip(at), strip(end))) stages.push({ kind: "fleets", text: `services ${changedIn(at, end).join(", ")}`, running: end });
  if (!isDeepStrictEqual(sharesIn(kept), sharesIn(end))) stages.push({ kind: "routes", text: "all requests to what stands", running: end });
  return stages;
}

const pair = (slot: Slot, fleet: Fleet | undefined): [Slot, Fleet][] => (fleet ? [[slot, fleet]] : []);
const withWeightOf = (fleet: Fleet | undefined, other: Fleet | undefined) => fleet && withWeight(fleet, other?.weight);
/** What the rules say: `service.slot` and its share. */
const sharesIn = (running: Running): string[] =>
  Object.entries(running)
    .flatMap(([service, fleets]) => slotsIn(fleets).map((slot) => `${service}.${slot} ${fleets[slot]?.weight ?? "all"}`))
    .sort();
const changedIn = (at: Running, next: Running): string[] =>
  Object.keys(next).filter((service) => !isDeepStrictEqual(strip({ service: next[service] ?? {} }), strip({ service: at[service] ?? {} })));

function mapValues<Key extends string, Value, Made>(record: Partial<Record<Key, Value>>, make: (value: Value, key: Key) => Made): Record<Key, Made> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value as Value, key as Key)])) as Record<Key, Made>;
}

function mapServices(one: Running, other: Running, make: (one: Fleets, other: Fleets) => Fleets): Running {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(names.map((name) => [name, make(one[name] ?? {}, other[name] ?? {})]));
}
