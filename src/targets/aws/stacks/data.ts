// The environment's resources, but for those that are given by URL: databases, caches, queues, buckets, and names for them in a
// private zone.
import type { Resource } from "../../../config/schema.ts";
import { Blueprint, type Site } from "./blueprint.ts";
import { drawBucket } from "./bucket.ts";
import { drawCache } from "./cache.ts";
import { cdk } from "./cdk.ts";
import { type Database, drawDatabase } from "./database.ts";
import { drawClients } from "./groups.ts";
import { logicalName } from "./names.ts";
import { drawQueue } from "./queue.ts";

export interface DataSite {
  blueprint: Blueprint;
  site: Site;
  network: Blueprint;
  alarms: Blueprint;
  /** The id of the group that may ask databases and caches; made by whoever asks first. */
  clients: () => string;
}

/** Whether some of them are asked over the network, by instances that have to be let in. */
export const hasClients = (site: Site): boolean => ownResources(site).some(([, { type }]) => type !== "queue" && type !== "bucket");

/** The resources that are Landfall's to make. */
export const ownResources = (site: Site): [string, Resource][] => Object.entries(site.app.resources).filter(([, { url }]) => url === undefined);

export function drawData(site: Site, network: Blueprint, alarms: Blueprint): Blueprint | undefined {
  const resources = ownResources(site);
  if (resources.length === 0) return undefined;
  const blueprint = new Blueprint(site, { role: "data" });
  let clients: string | undefined;
  const place: DataSite = { blueprint, site, network, alarms, clients: () => (clients ??= drawClients(place)) };
  const addresses = resources.flatMap(([name, resource]): [string, string][] => {
    const address = drawResource(place, name, resource);
    return address === undefined ? [] : [[name, address]];
  });
  if (addresses.length > 0) drawNames(place, addresses);
  return blueprint;
}

/** Returns its address, if it is one of the network. */
function drawResource(place: DataSite, name: string, resource: Resource): string | undefined {
  if (resource.type === "postgres" || resource.type === "mysql") return drawDatabase(place, name, resource as Database);
  if (resource.type === "cache") return drawCache(place, name, resource);
  if (resource.type === "queue") drawQueue(place, name, resource);
  else drawUploads(place, name);
  return undefined;
}

const OLD_VERSIONS_DAYS = 30;

function drawUploads({ blueprint, network }: DataSite, name: string): void {
  const bucket = drawBucket(blueprint.stack, `${logicalName(name)}Bucket`, {
    versioned: true,
    kept: true,
    lifecycle: [{ id: "old-versions", status: "Enabled", noncurrentVersionExpiration: { noncurrentDays: OLD_VERSIONS_DAYS } }],
    accessLog: { bucket: blueprint.takeText(network, "LogsBucket"), prefix: `buckets/${name}/` },
  });
  blueprint.give(`${logicalName(name)}Bucket`, bucket.ref);
}

/** `database.production.shop.internal`: for people and tools. Apps are given the real address, which is the one that certificates name. */
function drawNames({ blueprint, site, network }: DataSite, addresses: [name: string, address: string][]): void {
  const { stack } = blueprint;
  const domain = `${site.name}.${site.app.name}.internal`;
  const zone = new cdk.aws_route53.CfnHostedZone(stack, "PrivateZone", {
    name: domain,
    vpcs: [{ vpcId: blueprint.takeText(network, "Vpc"), vpcRegion: cdk.Aws.REGION }],
  });
  for (const [name, address] of addresses)
    new cdk.aws_route53.CfnRecordSet(stack, `${logicalName(name)}Record`, {
      hostedZoneId: zone.ref,
      name: `${name}.${domain}`,
      type: "CNAME",
      ttl: "60",
      resourceRecords: [address],
    });
}
