// Valkey on ElastiCache: encrypted, TLS and a password, and when it is full the least recently used goes first.
import type { ResourceOf } from "../../../resources/index.ts";
import { addDataGroup } from "../templates/network/security-groups.ts";
import { acknowledge, cdk } from "../templates/shared/cdk.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import { logicalName } from "../templates/shared/names.ts";
import { addLogin, giveLogin } from "./login.ts";
import { type AwsResource, loginSource } from "./resource.ts";

const PORT = 6379;
const SCHEME = "rediss";
const VERSION = "8.0";
const FAMILY = "valkey8";

const LARGEST = "cache.r7g.16xlarge";

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
  [LARGEST, 419.09],
];

/** The smallest node that holds this much. */
export const nodeFor = (bytes: number) => NODES.find(([, gib]) => gib * 2 ** 30 >= bytes)?.[0] ?? LARGEST;

const addressAt = (host: string) => `${host}:${PORT}`;

export const cache: AwsResource<ResourceOf<"cache">> = {
  address: "Address",
  addressAt,
  add: addCache,
  variables: (_, outputs) => ({ URL: loginSource(outputs, "Login", { scheme: SCHEME, addressAt }) }),
  logins: () => ["Login"],
  statements: () => [],
};

/** Returns the cache's address. */
function addCache(place: DataPlace, name: string, { machine, memory, multiZone }: ResourceOf<"cache">): string {
  const { builder, site, network } = place;
  const { stack } = builder;
  const prefix = logicalName(name);
  const owner = { resource: name, output: "Login", user: "", about: name } as const;
  const login = addLogin(place, owner);
  const group = addDataGroup(place, name, PORT);
  const subnets = new cdk.aws_elasticache.CfnSubnetGroup(stack, `${prefix}Subnets`, {
    description: `${name}: no way to the internet`,
    subnetIds: builder.parameterList(network, "IsolatedSubnets"),
  });
  const parameters = new cdk.aws_elasticache.CfnParameterGroup(stack, `${prefix}Parameters`, {
    cacheParameterGroupFamily: FAMILY,
    description: `${name}: the least recently used goes first`,
    properties: { "maxmemory-policy": "allkeys-lru" },
  });
  const nodes = new cdk.aws_elasticache.CfnReplicationGroup(stack, `${prefix}Cache`, {
    replicationGroupDescription: `${site.app}, ${site.environment}: ${name}`,
    engine: "valkey",
    engineVersion: VERSION,
    cacheNodeType: machine ?? nodeFor(memory),
    numCacheClusters: multiZone ? 2 : 1,
    automaticFailoverEnabled: multiZone,
    multiAzEnabled: multiZone,
    cacheSubnetGroupName: subnets.ref,
    cacheParameterGroupName: parameters.ref,
    securityGroupIds: [group],
    port: PORT,
    atRestEncryptionEnabled: true,
    transitEncryptionEnabled: true,
    authToken: `{{resolve:secretsmanager:${login}:SecretString:password}}`,
    autoMinorVersionUpgrade: true,
  });
  acknowledge(nodes, {
    AEC5: "It listens in isolated subnets, to security groups that are named one by one; another port would only confuse people.",
    ...(multiZone ? {} : { AEC4: "A replica doubles the price; the key multiZone says whether this cache has one." }),
  });
  builder.output(nodes.attrPrimaryEndPointAddress, name, "Address");
  giveLogin(place, { ...owner, scheme: SCHEME, login, address: addressAt(nodes.attrPrimaryEndPointAddress) });
  return nodes.attrPrimaryEndPointAddress;
}
