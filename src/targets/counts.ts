// How many instances people may ask for, how long such a number holds, and what is said of it. A range of the configuration binds whoever asks,
// and what was asked for within it is kept. A plain number is what a deploy brings: another one holds until the next deploy.
import { boundsOf } from "../config/bounds.ts";
import { type Deployment, serviceOf } from "../config/deployment.ts";
import type { Service } from "../config/schema.ts";
import { LandfallError } from "../error.ts";
import { assertKnown } from "./preconditions.ts";

/** By service. */
export type Counts = Record<string, number>;
type Services = Deployment["services"];

/** Those of services that have a range: what later deploys keep. */
export const keptCounts = (services: Services, counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).filter(([service]) => !services[service]?.instances.fixed));

/** Those of services that have a plain number: what holds until the next deploy. */
export const heldCounts = (services: Services, counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).filter(([service]) => services[service]?.instances.fixed));

/** Errors: SERVICE_UNKNOWN, SCALE_OUT_OF_RANGE. */
export function assertCounts(services: Services, counts: Counts): void {
  const countable = Object.keys(services).filter((name) => services[name]?.kind !== "job");
  for (const [service, count] of Object.entries(counts)) {
    assertKnown(service, countable);
    const { least, most } = boundsOf(serviceOf({ services }, service));
    if (!Number.isInteger(count) || count < least || count > most) throw outOfRange(service, count, serviceOf({ services }, service));
  }
}

function outOfRange(service: string, count: number, settings: Service): LandfallError {
  const { least, most } = boundsOf(settings);
  return new LandfallError({
    code: "SCALE_OUT_OF_RANGE",
    what: `${count} instances of service "${service}" are outside its range`,
    why: settings.singleton
      ? `"${service}" is a singleton: at most 1`
      : `${settings.instances.fixed ? "there can be" : "the configuration allows"} ${least} to ${most}`,
    standing: "Nothing was changed.",
    next: `choose a number in that range${settings.instances.fixed ? "" : `, or change instances of "${service}" in landfall.config.ts`}`,
  });
}

/** What a person who reads the configuration would not know. `serves`: whether any release does. Of services with `scaling` its own rule goes on. */
export const countNotes = (services: Services, counts: Counts, serves: boolean): string[] =>
  Object.entries(counts).flatMap(([service, count]) => {
    const settings = services[service];
    if (!settings || settings.scaling || settings.instances.min === count) return [];
    const { min, fixed } = settings.instances;
    if (!fixed) return [`later deploys keep ${service}=${count}; the configuration begins with ${min}`];
    const [holds, later] = serves ? ["until the next deploy", "which goes"] : ["for the first deploy", "and later ones go"];
    return [`${service}=${count} holds ${holds}, ${later} by the ${min} of landfall.config.ts`];
  });

/** What a deploy ends that was asked for by hand. `ran`: how many there are. */
export const backNotes = (services: Services, ran: Counts): string[] =>
  Object.entries(heldCounts(services, ran)).flatMap(([service, count]) => {
    const { min } = serviceOf({ services }, service).instances;
    return count === min ? [] : [`service ${service} goes from ${count} instances to the ${min} of landfall.config.ts`];
  });
