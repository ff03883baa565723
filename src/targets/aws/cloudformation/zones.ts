// The zones of an environment's network: chosen when it is made, and afterwards those that its stack was given. AWS promises no order of a region's
// zones and adds some, and a subnet that is to be in another zone is another subnet.
import type { Context } from "../context.ts";
import type { StackTemplate } from "../templates/index.ts";
import { ZONE_LETTERS } from "../templates/shared/names.ts";
import type { StackState } from "./describe-stacks.ts";

/** Adds what the network's stack takes of itself to `outputs`: its zones as they stand, and after them those of the region. Asks nothing where enough stand. */
export async function addZones(
  { clients, deployment }: Context,
  templates: readonly StackTemplate[],
  { standing, outputs }: { standing: Map<string, StackState>; outputs: Map<string, Record<string, string>> },
): Promise<void> {
  const template = templates.find(({ role }) => role === "network");
  const from = template?.parameters.find((parameter) => parameter.from.stack === template.name);
  if (!template || !from) return;
  const chosen = (standing.get(template.name)?.parameters[from.name] ?? "").split(",").filter(Boolean);
  const zones = chosen.length < deployment.settings.network.zones ? [...new Set([...chosen, ...(await zonesOf(clients))])] : chosen;
  const own = { ...outputs.get(template.name), [from.from.output]: zones.slice(0, ZONE_LETTERS.length).join(",") };
  outputs.set(template.name, own);
}

/** Those that machines can be in, by name. */
async function zonesOf(clients: Context["clients"]): Promise<string[]> {
  const { AvailabilityZones = [] } = await (await clients.ec2()).describeAvailabilityZones({
    Filters: [
      { Name: "zone-type", Values: ["availability-zone"] },
      { Name: "state", Values: ["available"] },
    ],
  });
  return AvailabilityZones.map(({ ZoneName = "" }) => ZoneName).sort();
}
