// What runs in an environment: the only thing besides the configuration that templates depend on.
import type { App, Service } from "../../../config/schema.ts";

/**
 * The fleets that a web service can have at once. `rolling` knows only blue. With `blueGreen` a release takes whichever is free.
 * With `canary` the free one of the two is the canary, and `baseline` are fresh instances of the release that it is compared with.
 */
export const SLOTS = ["blue", "green", "baseline"] as const;
export type Slot = (typeof SLOTS)[number];

/** The slots that a service has: those of the strategy, and those that a strategy before has left in use. */
export function slotsOf({ rollout }: App, fleets: Partial<Record<Slot, Fleet>>): Slot[] {
  const wanted = { rolling: 1, blueGreen: 2, canary: 3 }[rollout.strategy];
  return SLOTS.filter((slot, index) => index < wanted || fleets[slot]);
}

/** One fleet: what its instances are started with. */
export interface Fleet {
  /** The release's id. */
  release: string;
  /** The machine image's id, `ami-…`; of containers, the image by its digest: `…/name@sha256:…`. */
  image: string;
  /**
   * A script for bash, run as root at the instance's first start. The settings of `settings.ts` stand before it as variables.
   * It must tell CloudFormation how it went: `LANDFALL_STACK`, `LANDFALL_GROUP`. Empty for containers.
   */
  script: string;
  /** Of containers: what the release says of them. */
  task?: TaskFacts;
  /** Instead of the service's own numbers: for a canary and its baseline. */
  instances?: { min: number; max: number };
  /** Its share of the requests, beside those of the service's other fleets: 0 to 999. When none has one, all go to the first. */
  weight?: number;
}

/** What a release says of a service that runs as containers. */
export type TaskFacts = Pick<Service, "command" | "environment" | "secrets">;

export const taskFactsOf = ({ command, environment, secrets }: Service): TaskFacts => ({ command, environment, secrets });

/** Whether any service of the app runs as containers. */
export const hasContainers = ({ services }: App): boolean => Object.values(services).some(({ container }) => container);

/** By service. A service that is not here has its frame (balancing, roles, log group) and no instance. */
export type Running = Record<string, Partial<Record<Slot, Fleet>>>;

/** Where a service's template notes its fleets, and the routes' template their weights: what stands can be drawn again from it. */
export const FLEETS_NOTE = "Landfall::Fleets";
export const WEIGHTS_NOTE = "Landfall::Weights";

export type FleetsNote = Partial<Record<Slot, Omit<Fleet, "weight">>>;
export type WeightsNote = Record<string, Partial<Record<Slot, number>>>;

/** Its shares are left out: a service's stack does not change when traffic moves. */
export const fleetsNoteOf = (fleets: Partial<Record<Slot, Fleet>>): FleetsNote =>
  Object.fromEntries(Object.entries(fleets).map(([slot, { weight: _, ...fleet }]) => [slot, fleet]));

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
