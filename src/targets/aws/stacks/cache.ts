// Valkey on ElastiCache: encrypted, TLS and a password, and when it is full the least recently used goes first.
import type { Resource } from "../../../config/schema.ts";
import { acknowledge, cdk } from "./cdk.ts";
import type { DataSite } from "./data.ts";
import { drawSecret, drawUrl } from "./database.ts";
import { drawDataGroup } from "./groups.ts";
import { logicalName } from "./names.ts";

type Cache = Extract<Resource, { type: "cache" }>;

export const CACHE_PORT = 6379;
export const CACHE_SCHEME = "rediss";
export const cacheAddress = (host: string) => `${host}:${CACHE_PORT}`;
const VERSION = "8.0";
const FAMILY = "valkey8";

/** Node types with the memory that they have for data (ElastiCache, "Supported node types", 2026), smallest first. */
const NODES: [type: string, gib: number][] = [
  ["cache.t4g.micro", 0.5],
  ["cache.t4g.small", 1.37],
  ["cache.t4g.medium", 3.09],
  ["cache.r7g.large", 13.07],
  ["cache.r7g.xlarge", 26.32],
  ["cache.r7g.2xlarge", 52.82],
  ["cache.r7g.4xlarge", 105.81],
  ["cache.r7g.8xlarge", 209.55],
  ["cache.r7g.16xlarge", 419.09],
];

/** The smallest node that holds this much. */
export const nodeFor = (bytes: number) => (NODES.find(([, gib]) => gib * 2 ** 30 >= bytes) ?? (NODES.at(-1) as (typeof NODES)[number]))[0];

/** Returns the cache's address. */
export function drawCache(place: DataSite, name: string, cache: Cache): string {
  const { blueprint, site, network } = place;
  const { stack } = blueprint;
  const prefix = logicalName(name);
  const secret = drawSecret(blueprint, `${prefix}Login`, "", `${site.app.name}, ${site.name}: ${name}`);
  const group = drawDataGroup(place, name, CACHE_PORT);
  const subnets = new cdk.aws_elasticache.CfnSubnetGroup(stack, `${prefix}Subnets`, {
    description: `${name}: no way to the internet`,
    subnetIds: blueprint.takeList(network, "IsolatedSubnets"),
  });
  const parameters = new cdk.aws_elasticache.CfnParameterGroup(stack, `${prefix}Parameters`, {
    cacheParameterGroupFamily: FAMILY,
    description: `${name}: the least recently used goes first`,
    properties: { "maxmemory-policy": "allkeys-lru" },
  });
  const nodes = new cdk.aws_elasticache.CfnReplicationGroup(stack, `${prefix}Cache`, {
    replicationGroupDescription: `${site.app.name}, ${site.name}: ${name}`,
    engine: "valkey",
    engineVersion: VERSION,
    cacheNodeType: cache.machine ?? nodeFor(cache.memory),
    numCacheClusters: cache.multiZone ? 2 : 1,
    automaticFailoverEnabled: cache.multiZone,
    multiAzEnabled: cache.multiZone,
    cacheSubnetGroupName: subnets.ref,
    cacheParameterGroupName: parameters.ref,
    securityGroupIds: [group],
    port: CACHE_PORT,
    atRestEncryptionEnabled: true,
    transitEncryptionEnabled: true,
    authToken: `{{resolve:secretsmanager:${secret.ref}:SecretString:password}}`,
    autoMinorVersionUpgrade: true,
  });
  acknowledge(nodes, {
    AEC5: "It listens in isolated subnets, to security groups that are named one by one; another port would only confuse people.",
    ...(cache.multiZone ? {} : { AEC4: "A replica doubles the price; the key multiZone says whether this cache has one." }),
  });
  blueprint.give(`${prefix}Address`, nodes.attrPrimaryEndPointAddress);
  blueprint.give(`${prefix}Login`, secret.ref);
  drawUrl(place, `${prefix}Login`, { scheme: CACHE_SCHEME, user: "", login: secret.ref, address: cacheAddress(nodes.attrPrimaryEndPointAddress) });
  return nodes.attrPrimaryEndPointAddress;
}
