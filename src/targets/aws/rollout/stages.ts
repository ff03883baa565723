// Compiles the stages from the fleets that run to the release that is wanted, each of which a driver performs.
// Pure. Stages come from what stands, never from what should have been done, so the same function serves deploy, rollback and resume.
import { isDeepStrictEqual } from "node:util";
import type { DeployedService, Deployment } from "../../../config/deployment.ts";
import { STRATEGIES, strategyFor } from "../../../rollout/strategy.ts";
import type { FleetName, RoutesChange } from "../releases/driver.ts";
import { trafficPortOf } from "../templates/shared/drawn.ts";
import { type Fleet, type Rules, type Running, rangeFrom, type Slot, type Standing, servingFleet, servingSlot } from "../templates/shared/running.ts";
import type { Judging } from "./canary.ts";

export type Stage =
  /** The fleets of services become what `running` says. */
  | { kind: "fleets"; text: string; running: Running }
  /** The balancer's rules become `rules`, with the shares that `running` says. They are taken back when `slots` turn out unhealthy within `watchMs`. */
  | ({ kind: "routes"; text: string } & RoutesChange)
  /** Goes on once the balancer finds every instance of these fleets healthy. */
  | { kind: "healthy"; text: string; fleets: FleetName[] }
  /** Goes on once the canary was not found worse than its baseline. */
  | ({ kind: "judge"; text: string } & Judging);

export interface Desired {
  rollout: Deployment["rollout"];
  /** By service: what its instances are to be started with. */
  fleets: Record<string, Omit<Fleet, "weight">>;
  /** Whether the release is new here: what has served before is not tried again with a share of the requests. */
  isNew: boolean;
  /** Its rules. None without a web service. */
  rules?: Rules;
}

/** Shares are of a thousand, as the balancer takes them. */
const ALL = 999;

/** Nothing when all is as wanted. */
export function compileStages(standing: Standing, desired: Desired): Stage[] {
  const { running, rules } = standing;
  const end = finalOf(running, desired);
  const stages = trialStages(standing, desired, end);
  const before = stages.length === 0 ? running : lastRunning(stages, running);
  const soak = { soakMs: soakOf(desired), first: running };
  return [...stages, ...settleStages({ running: before, rules }, { running: end, rules: desired.rules }, soak)];
}

/** Services that requests reach and that the release before does not have under this name: there is nothing to compare them with. */
export const untriedServices = ({ running }: Standing, { rollout, fleets, isNew }: Desired): string[] =>
  isNew && rollout.strategy === "canary" && Object.values(running).some((slots) => isWeb(servingFleet(slots)?.settings))
    ? Object.entries(fleets).flatMap(([service, { settings }]) =>
        isWeb(settings) && !isWeb(servingFleet(running[service] ?? {})?.settings) ? [service] : [],
      )
    : [];

/** How long what served is kept beside what serves. What has served before needs no watching, and who goes back is in a hurry. */
const soakOf = ({ rollout: { strategy, soak }, isNew }: Desired): number => (isNew && STRATEGIES[strategy].besideOld ? soak : 0);

/** The way back to what served before, from whatever stands now. */
export const compileBack = (now: Standing, before: Standing): Stage[] =>
  settleStages(now, { ...before, running: mapValues(before.running, (fleets, service) => returning(now.running[service] ?? {}, fleets)) });

type Fleets = Running[string];

const slotsIn = (fleets: Fleets) => Object.keys(fleets) as Slot[];
const isWeb = (service: DeployedService | undefined) => service?.kind === "web";

/** How the balancer reaches and checks an instance. It does so in one way for all of a target group. */
const reachOf = ({ settings, proxy }: Omit<Fleet, "weight">) => {
  const { startupTimeout: _, steadyFor: __, ...checked } = settings?.health ?? {};
  return { port: trafficPortOf({ settings, proxy }), checked };
};
/**
 * Two releases that are reached or checked differently cannot share a target group, and one that takes no requests leaves what takes them where it is
 * until nobody is led to it. Of a singleton there are never two fleets.
 */
const needsOwnPlace = (standing: Fleet, fleet: Omit<Fleet, "weight">) =>
  !fleet.settings?.singleton && !isDeepStrictEqual(reachOf(standing), reachOf(fleet));
/** What stood beside what served, warm or half made, does not come back into a place that is asked otherwise by now: rules lead there. */
const returning = (standing: Fleets, before: Fleets): Fleets =>
  Object.fromEntries(
    Object.entries(before).filter(([slot, fleet]) => {
      const now = standing[slot as Slot];
      return slot === servingSlot(before) || !now || !needsOwnPlace(now, fleet);
    }),
  );
const withWeight = ({ weight: _, ...fleet }: Fleet, weight: number | undefined): Fleet => ({ ...fleet, ...(weight === undefined ? {} : { weight }) });
const isSame = (a: Fleet | undefined, b: Fleet | undefined) => a !== undefined && b !== undefined && isDeepStrictEqual(launched(a), launched(b));
/** Without its share; and without what follows from its release, or is as configured, and replaces nothing by itself. */
const launched = ({ weight: _, settings: __, proxy: ___, ...fleet }: Fleet): Fleet => fleet;
/** Another number of instances is no other fleet. */
const uncounted = ({ instances: _, ...fleet }: Fleet): Fleet => fleet;
const strip = (running: Running): Running => mapValues(running, (fleets) => mapValues(fleets, launched));

/**
 * What stands once all is done: one fleet a service. With `rolling` it stays where it is if it can; else what takes requests, or took some, takes the
 * other place.
 */
function finalOf(running: Running, { rollout, fleets: wanted }: Desired): Running {
  return Object.fromEntries(
    Object.entries(wanted).map(([service, fleet]) => {
      const standing = running[service] ?? {};
      const serving = servingSlot(standing);
      const set = serving && standing[serving]?.instances;
      const kept = set && fleet.settings && !fleet.settings.instances.fixed ? { instances: rangeFrom(fleet.settings, set.min) } : {};
      const next = { ...kept, ...fleet };
      const old = serving && standing[serving];
      const moves =
        old &&
        (isWeb(old.settings) || isWeb(next.settings)) &&
        !isSame(uncounted(old), uncounted(next)) &&
        !next.settings?.singleton &&
        (STRATEGIES[rollout.strategy].besideOld || needsOwnPlace(old, next));
      const slot = moves ? otherOf(serving) : (serving ?? "blue");
      return [service, { [slot]: next }];
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

/** As large as the baseline beside it: a canary, of which nobody knows what became, though the whole fleet may have as many instances. */
const isOnTrial = ({ standing, to }: Move): boolean =>
  standing.baseline !== undefined && isDeepStrictEqual(standing.baseline.instances, standing[to]?.instances);

/** What becomes of a service that took requests and is to take some, as another release. */
const replacements = (running: Running, end: Running): Move[] =>
  Object.entries(end).flatMap(([service, fleets]): Move[] => {
    const [to] = slotsIn(fleets) as [Slot];
    const standing = running[service] ?? {};
    const from = servingSlot(standing);
    const fleet = fleets[to] as Fleet;
    // What did not take requests before has nothing to be led away from, nor to be compared with.
    if (from === undefined || !isWeb(fleet.settings) || !isWeb(standing[from]?.settings)) return [];
    const isSameThere = from === to && isSame(uncounted(standing[from] as Fleet), uncounted(fleet));
    return isSameThere ? [] : [{ service, from, to, standing, fleet }];
  });

const PILOT = { min: 1, max: 1 };

/**
 * What shows that the rest of the release comes up, before a request reaches any of it: fleets for which there is a place, and a pilot of each that
 * changes in its own. What takes requests there is tried otherwise, and of singletons and jobs there are never two.
 */
function besideOf(running: Running, end: Running): Running {
  return Object.fromEntries(
    Object.entries(end).flatMap(([service, fleets]) => {
      const standing = running[service] ?? {};
      const [slot] = slotsIn(fleets) as [Slot];
      const [old, fleet] = [standing[slot], fleets[slot] as Fleet];
      const { kind, singleton, instances } = fleet.settings ?? {};
      if (singleton || kind === "job") return [];
      if (!old) return isWeb(fleet.settings) && isWeb(servingFleet(standing)?.settings) ? [] : [[service, { ...standing, [slot]: fleet }]];
      const isNone = (fleet.instances ?? instances)?.max === 0;
      if (kind === "web" || isNone || isSame(uncounted(old), uncounted(fleet))) return [];
      return [[service, { ...standing, pilot: { ...fleet, instances: PILOT } }]];
    }),
  );
}

/** The new fleets beside the old ones, and the requests led to them. Of services that change in place, no more than shows that they can. */
function trialStages({ running, rules }: Standing, desired: Desired, end: Running): Stage[] {
  const replaced = replacements(running, end);
  if (replaced.length === 0) return [];
  const moves = replaced.filter(({ from, to }) => from !== to);
  const trial = new Trial(moves, { running, rules }, besideOf(running, end));
  // Another release may stand where the new one is to go, and be warm, or half made.
  const cleared = (move: Move): Fleets => ({
    ...oldOf(move, ALL),
    ...(isSame(move.standing[move.to], move.fleet) && !isOnTrial(move) ? { [move.to]: withWeight(move.fleet, 0) } : {}),
  });
  trial.lead("all requests go to what serves", cleared);
  trial.bring("make room beside it", cleared);
  const isTried = strategyFor(desired.rollout.strategy, desired.isNew) === "canary";
  if (isTried && moves.some((move) => !trial.at[move.service]?.[move.to])) tryCanary(trial, desired.rollout.canary);
  else trial.begin("start what is new beside what serves", (move) => ({ ...oldOf(move, ALL), [move.to]: withWeight(move.fleet, 0) }));
  trial.awaitHealthy(({ to }) => [to]);
  const { at } = trial;
  const slots = moves.map(({ service, to }) => ({ service, slot: to }));
  trial.lead(
    "all requests to the new fleet",
    (move) => ({ ...at[move.service], ...oldOf(move, 0), ...without(at[move.service]?.baseline), [move.to]: withWeight(move.fleet, ALL) }),
    { watchMs: soakOf(desired), slots },
  );
  return trial.stages;
}

/** A few instances of the new release, and as many of the old one as their baseline, get shares that grow; then the new fleet is whole. */
function tryCanary(trial: Trial, canary: Desired["rollout"]["canary"]): void {
  const { moves } = trial;
  const instances = { min: canary.instances, max: canary.instances };
  const tried =
    (share: number) =>
    (move: Move): Fleets => {
      const weight = Math.round(share * ALL);
      return {
        ...oldOf(move, ALL - 2 * weight),
        [move.to]: { ...move.fleet, instances, weight },
        baseline: { ...withWeight(move.standing[move.from] as Fleet, weight), instances },
      };
    };
  trial.begin("start the canary, and its baseline of the release that serves", tried(0));
  trial.awaitHealthy(({ to }) => [to, "baseline"]);
  const release = moves[0]?.fleet.release ?? "";
  const trials = moves.map(({ service, to }) => ({ service, canary: to, baseline: "baseline" as const }));
  for (const [index, share] of canary.weights.entries()) {
    trial.lead(`${Math.round(share * 100)} % of the requests to the canary, as many to its baseline`, tried(share));
    trial.stages.push({ kind: "judge", text: "compare them", release, trials, isLast: index === canary.weights.length - 1 });
  }
  const last = canary.weights.at(-1) as number;
  trial.bring("start the rest of the new fleet", (move) => ({ ...tried(last)(move), [move.to]: withWeight(move.fleet, Math.round(last * ALL)) }));
}

/** The stages of a trial as they are added, each from what stands after those before it. One that changes nothing is left out. */
class Trial {
  readonly stages: Stage[] = [];
  readonly moves: Move[];
  at: Running;
  readonly #rules: Rules | undefined;
  readonly #beside: Running;
  #added: FleetName[] = [];

  constructor(moves: Move[], { running, rules }: Standing, beside: Running) {
    this.moves = moves;
    this.at = running;
    this.#rules = rules;
    this.#beside = beside;
  }

  /** The first new fleets, and with them whatever else has to be there before a request moves. */
  begin(text: string, fleetsOf: (move: Move) => Fleets): void {
    this.#added = addedTo(this.at, this.#beside);
    this.bring(text, fleetsOf, this.#beside);
  }

  /** Fleets come, go and change their size. */
  bring(text: string, fleetsOf: (move: Move) => Fleets, beside: Running = {}): void {
    const running = { ...this.#after(fleetsOf), ...beside };
    if (!isDeepStrictEqual(strip(running), strip(this.at))) this.stages.push({ kind: "fleets", text, running });
    this.at = running;
  }

  /** The shares of the requests change. */
  lead(text: string, fleetsOf: (move: Move) => Fleets, watched: Pick<RoutesChange, "watchMs" | "slots"> = {}): void {
    const running = this.#after(fleetsOf);
    if (!isDeepStrictEqual(running, this.at)) this.stages.push({ kind: "routes", text, running, rules: this.#rules, ...watched });
    this.at = running;
  }

  awaitHealthy(slotsOf: (move: Move) => Slot[]): void {
    const fleets = [...this.moves.flatMap((move) => slotsOf(move).map((slot) => ({ service: move.service, slot }))), ...this.#added];
    if (fleets.length > 0) this.stages.push({ kind: "healthy", text: "the balancer finds them healthy", fleets });
    this.#added = [];
  }

  #after(fleetsOf: (move: Move) => Fleets): Running {
    return { ...this.at, ...Object.fromEntries(this.moves.map((move) => [move.service, fleetsOf(move)])) };
  }
}

/** What serves, with another share of the requests. */
const oldOf = ({ standing, from }: Move, weight: number): Fleets => ({ [from]: withWeight(standing[from] as Fleet, weight) });

const without = (baseline: Fleet | undefined): Fleets => (baseline ? { baseline: withWeight(baseline, 0) } : {});

const lastRunning = (stages: Stage[], first: Running): Running => stages.reduce((at, stage) => ("running" in stage ? stage.running : at), first);

interface Soak {
  soakMs: number;
  /** What ran before the first stage. */
  first: Running;
}

/** The fleets that take requests and for which nothing stands yet. */
const addedTo = (at: Running, end: Running): FleetName[] =>
  Object.entries(end).flatMap(([service, fleets]) =>
    slotsIn(fleets).flatMap((slot) => (at[service]?.[slot] || !isWeb(fleets[slot]?.settings) ? [] : [{ service, slot }])),
  );

/**
 * First all that is wanted stands, beside what is to go; then the rules and the shares switch, in one change; then what takes no request any more
 * goes. So a release that fails has changed no rule, and whatever the rules lead to is there.
 */
function settleStages({ running: at, rules }: Standing, { running: end, rules: wanted }: Standing, soak?: Soak): Stage[] {
  const beside = mapServices(at, end, (mine, theirs) => ({
    ...mine,
    ...mapValues(theirs, (fleet, slot) => withWeight(fleet, mine[slot]?.weight)),
  }));
  const stages: Stage[] = [];
  if (!isDeepStrictEqual(strip(at), strip(beside)))
    stages.push({ kind: "fleets", text: `services ${changedIn(at, beside).join(", ")}`, running: beside });
  const added = addedTo(at, end);
  if (added.length > 0) stages.push({ kind: "healthy", text: "the balancer finds them healthy", fleets: added });
  // A service under a new name: what served under the old one stands until this has passed.
  const unwatched = soak ? addedTo(soak.first, end).filter(({ service }) => !isWeb(servingFleet(soak.first[service] ?? {})?.settings)) : [];
  const watched = soak && soak.soakMs > 0 && rules && unwatched.length > 0 ? { watchMs: soak.soakMs, slots: unwatched } : {};
  if (!isDeepStrictEqual(sharesIn(at), sharesIn(end)) || !isDeepStrictEqual(rules, wanted))
    stages.push({ kind: "routes", text: routesText(rules, wanted), running: end, rules: wanted, ...watched });
  const gone = changedIn(beside, end);
  if (gone.length > 0) stages.push({ kind: "fleets", text: `services ${gone.join(", ")}: what takes no request any more goes`, running: end });
  return stages;
}

const routesText = (rules: Rules | undefined, wanted: Rules | undefined): string =>
  wanted && rules?.release !== wanted.release ? `requests by the rules of release ${wanted.release}` : "all requests to what stands";

/** What the rules say: `service.slot` and its share. */
const sharesIn = (running: Running): string[] =>
  Object.entries(running)
    .flatMap(([service, fleets]) => slotsIn(fleets).map((slot) => `${service}.${slot} ${fleets[slot]?.weight ?? "all"}`))
    .sort();
const changedIn = (at: Running, next: Running): string[] =>
  [...new Set([...Object.keys(at), ...Object.keys(next)])].filter(
    (service) => !isDeepStrictEqual(strip({ service: next[service] ?? {} }), strip({ service: at[service] ?? {} })),
  );

function mapValues<Key extends string, Value, Made>(record: Partial<Record<Key, Value>>, make: (value: Value, key: Key) => Made): Record<Key, Made> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value as Value, key as Key)])) as Record<Key, Made>;
}

function mapServices(a: Running, b: Running, make: (one: Fleets, other: Fleets) => Fleets): Running {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(names.map((name) => [name, make(a[name] ?? {}, b[name] ?? {})]));
}
