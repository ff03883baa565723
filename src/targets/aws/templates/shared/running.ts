// The fleets of an environment: the only thing besides the configuration that templates depend on.
import { boundsOf } from "../../../../config/bounds.ts";
import type { DeployedService, Deployment } from "../../../../config/deployment.ts";
import type { Service } from "../../../../config/schema.ts";
import { STRATEGIES } from "../../../../rollout/strategy.ts";
import type { InstanceProxy } from "../../../../routing/placement.ts";

/**
 * The fleets that a web service can have at once. `rolling` knows only blue. With `blueGreen` a release takes whichever is free.
 * With `canary` the free one of the two is the canary, and `baseline` are fresh instances of the release that it is compared with.
 * Of a service that takes no requests, `pilot` is one instance of the new release, which shows that it comes up before any request moves.
 */
export const SLOTS = ["blue", "green", "baseline", "pilot"] as const;
export type Slot = (typeof SLOTS)[number];

/** The slots that a service has: those of the strategy, and those that a strategy before has left in use. */
export function slotsOf({ rollout }: Pick<Deployment, "rollout">, fleets: Partial<Record<Slot, Fleet>>): Slot[] {
  return SLOTS.filter((slot, index) => index < STRATEGIES[rollout.strategy].fleets || fleets[slot]);
}

/** One fleet: what its instances are started with, and how others deal with them. */
export interface Fleet {
  /** The id of the release whose processes they are. */
  release: string;
  /** The machine image's id, `ami-…`; of containers, the image by its digest: `…/name@sha256:…`. */
  image: string;
  /** Of a machine image: how large its disk is, in GiB; as large as images are made when left out. */
  imageGib?: number;
  /**
   * A script for bash, run as root at the instance's first start. The settings of `settings.ts` stand before it as variables.
   * It must tell CloudFormation how it went: `LANDFALL_STACK`, `LANDFALL_GROUP`. Empty for containers.
   */
  script: string;
  /** The service as its release has it; as it is configured when left out. */
  settings?: DeployedService;
  /** With `settings`: the proxy before the app on each of its instances. */
  proxy?: InstanceProxy;
  /** Instead of the service's own numbers: for a canary and its baseline. */
  instances?: { min: number; max: number };
  /** Its share of the requests, beside those of the service's other fleets: 0 to 999. When none has one, all go to the first. */
  weight?: number;
}

/** Whether any service of the app runs as containers. */
export const hasContainers = ({ services }: Pick<Deployment, "services">): boolean => Object.values(services).some(({ container }) => container);

/** From a number that somebody has set, within what is allowed today. Scaling by load goes on from it, and a plain number has nothing to go to. */
export function rangeFrom(service: Service, count: number): { min: number; max: number } {
  const { least, most } = boundsOf(service);
  const min = Math.max(least, Math.min(most, count));
  return { min, max: service.instances.fixed ? min : service.instances.max };
}

/** By service. A service that is not here has its frame (balancing, roles, log group) and no instance. */
export type Running = Record<string, Partial<Record<Slot, Fleet>>>;

/** By what the balancer leads requests: the routes of the release that serves. */
export interface Rules {
  /** The release's id. */
  release: string;
  routes: Deployment["routes"];
  /** Gets the requests that no route decides. */
  defaultService: string;
}

/** What serves: without rules, nothing has served yet. */
export interface Standing {
  running: Running;
  rules?: Rules;
}

/**
 * Where a service's template notes its fleets, and the routes' template their weights and its rules: what stands can be built again from it.
 */
export const FLEETS_NOTE = "Landfall::Fleets";
export const WEIGHTS_NOTE = "Landfall::Weights";
export const RULES_NOTE = "Landfall::Rules";

/** Settings are JSON in a string: cfn-lint (E4002) takes no number with a fraction there, and a quarter of a processor is one. */
export type FleetsNote = Partial<Record<Slot, Omit<Fleet, "weight" | "settings"> & { settings?: string }>>;
export type WeightsNote = Record<string, Partial<Record<Slot, number>>>;

/** What the templates of an environment note. */
export interface Notes {
  [FLEETS_NOTE]?: FleetsNote;
  [WEIGHTS_NOTE]?: WeightsNote;
  [RULES_NOTE]?: Rules;
}

/** Its shares are left out: a service's stack does not change when traffic moves. */
export const fleetsNoteOf = (fleets: Partial<Record<Slot, Fleet>>): FleetsNote =>
  Object.fromEntries(
    Object.entries(fleets).map(([slot, { weight: _, settings, ...fleet }]) => [
      slot,
      { ...fleet, ...(settings ? { settings: textOf(settings) } : {}) },
    ]),
  );

/** One text for what is the same, in whatever order it was put together. */
const textOf = (settings: DeployedService): string =>
  JSON.stringify(settings, (_, value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );

/** The fleets of a note, with their shares of the requests. */
export const fleetsIn = (note: FleetsNote, weights: Record<string, number | undefined>): Running[string] =>
  Object.fromEntries(
    Object.entries(note).map(([slot, { settings, ...fleet }]): [string, Fleet] => {
      const weight = weights[slot];
      return [slot, { ...fleet, ...(settings ? { settings: JSON.parse(settings) } : {}), ...(weight === undefined ? {} : { weight }) }];
    }),
  );

export const weightsNoteOf = (running: Running): WeightsNote =>
  Object.fromEntries(
    Object.entries(running)
      .map(([service, fleets]) => [service, weightsOf(fleets)] as const)
      .filter(([, weights]) => Object.keys(weights).length > 0),
  );

const weightsOf = (fleets: Partial<Record<Slot, Fleet>>) =>
  Object.fromEntries(Object.entries(fleets).flatMap(([slot, { weight }]) => (weight === undefined ? [] : [[slot, weight]])));

/** Where the fleet stands that most requests go to; the first one when none has a share. */
export const servingSlot = (fleets: Partial<Record<Slot, Fleet>>): Slot | undefined =>
  SLOTS.filter((slot) => fleets[slot]).reduce<Slot | undefined>(
    (most, slot) => (most && (fleets[most]?.weight ?? 0) >= (fleets[slot]?.weight ?? 0) ? most : slot),
    undefined,
  );

export function servingFleet(fleets: Partial<Record<Slot, Fleet>>): Fleet | undefined {
  const slot = servingSlot(fleets);
  return slot && fleets[slot];
}

/** The numbers of instances that somebody has set. */
export const countsIn = (running: Running): Record<string, number> =>
  Object.fromEntries(
    Object.entries(running).flatMap(([service, fleets]) => {
      const count = servingFleet(fleets)?.instances?.min;
      return count === undefined ? [] : [[service, count]];
    }),
  );

/** Of an app without a web service there are no rules to say it. */
export const servingRelease = ({ running, rules }: Standing): string | undefined =>
  rules?.release ??
  Object.values(running)
    .map((fleets) => servingFleet(fleets)?.release)
    .find((release) => release !== undefined);
