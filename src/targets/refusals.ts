// What both targets say of names and numbers that the configuration does not have.
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
