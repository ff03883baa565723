// What both targets refuse, in the same words.
import type { App } from "../config/schema.ts";
import { LandfallError } from "../error.ts";

export const unknownService = (service: string, known: string[]) =>
  new LandfallError({
    code: "SERVICE_UNKNOWN",
    what: `there is no service "${service}" in this app`,
    why: `it has ${known.map((name) => `"${name}"`).join(", ")}`,
    standing: "Nothing was changed.",
  });

/** Refuses a number of instances that the configuration does not allow. */
export function refuseCount(services: App["services"], service: string, count: number): void {
  const settings = services[service];
  if (!settings || settings.schedule) throw unknownService(service, Object.keys(services));
  const { min, max } = settings.instances;
  const most = settings.singleton ? 1 : max;
  if (Number.isInteger(count) && count >= min && count <= most) return;
  throw new LandfallError({
    code: "SCALE_OUT_OF_RANGE",
    what: `${count} instances of service "${service}" are outside its range`,
    why: settings.singleton ? `"${service}" is a singleton: at most 1` : `the configuration allows ${min} to ${most}`,
    standing: "Nothing was changed.",
    next: `choose a number in that range, or change instances of "${service}" in landfall.config.ts`,
  });
}

/** Refuses a release with services whose secrets were never set, naming each. */
export function refuseMissingSecrets(services: App["services"], environment: string, has: (secret: string) => boolean): void {
  const wanted = Object.entries(services).flatMap(([service, { secrets }]) => secrets.map((secret) => ({ service, secret })));
  const problems = wanted
    .filter(({ secret }) => !has(secret))
    .map(
      ({ service, secret }) =>
        new LandfallError({
          code: "SECRET_MISSING",
          what: `secret "${secret}" of service "${service}" is not set in environment "${environment}"`,
          standing: "Nothing was changed.",
          next: `landfall secrets set ${environment} ${secret}`,
        }),
    );
  const [first, ...more] = problems;
  if (first) throw new LandfallError(first.parts, more);
}

/** The release whose contract phase ran last, and those that cannot come back since. */
export interface Contracted {
  release: string;
  bars: string[];
}

/** Refuses a release that needs a schema which a contract phase has taken away since. */
export function refuseBarred(contracted: Contracted | undefined, release: string, serving: string | undefined): void {
  if (!contracted?.bars.includes(release)) return;
  throw new LandfallError({
    code: "RELEASE_BARRED",
    what: `release ${release} cannot come back: the schema it needs is gone`,
    why: `the contract phase of release ${contracted.release} has run since`,
    standing: `Nothing was changed.${serving ? ` Release ${serving} is still serving all traffic.` : ""}`,
    next: "deploy a new release that can live with the schema of today",
  });
}

export const notDeployed = (environment: string) =>
  new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `no release was deployed to environment "${environment}" yet`,
    standing: "Nothing was changed.",
    next: `landfall deploy ${environment}`,
  });
