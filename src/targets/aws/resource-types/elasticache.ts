// ElastiCache.
import { rowsOf } from "../account/pages.ts";
import { taggedPermissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { hourly, once, text } from "./entry/price.ts";
import type { Discovery, Inventory, ResourceKind, Service } from "./entry/resource-type.ts";
import { arn, tagged } from "./entry/scope.ts";
import { BY_THE_GIB } from "./rds.ts";

const cachesOf = ({ context }: Discovery) => context.clients.elastiCache();

const AWAY = "it is away for some minutes, or for the seconds of a switch with a standby in another zone";

const CACHE: Inventory = {
  removal: "data",
  arn: /:elasticache:[^:]*:\d*:replicationgroup:(.+)$/,
  look: async (discovery, ids) => {
    const caches = await cachesOf(discovery);
    return each(ids, async (id) => {
      const group = (await caches.describeReplicationGroups({ ReplicationGroupId: id })).ReplicationGroups?.[0];
      return group && { detail: group.CacheNodeType, ...(group.Status === "deleting" ? { leaving: true } : {}) };
    });
  },
  remove: async (discovery, id) => (await cachesOf(discovery)).deleteReplicationGroup({ ReplicationGroupId: id }),
};

const CACHE_SNAPSHOT: ResourceKind = {
  removal: "data",
  name: "cache backup",
  arn: /:elasticache:[^:]*:\d*:snapshot:(.+)$/,
  keeps: "unless named",
  cost: BY_THE_GIB,
  find: async (discovery) => {
    const caches = await cachesOf(discovery);
    const snapshots = await rowsOf(caches.paginateDescribeSnapshots({}), (page) => page.Snapshots);
    return snapshots.map(({ SnapshotName: id = "", ReplicationGroupId = "", CacheClusterId = "" }) => ({
      id,
      parents: [ReplicationGroupId, CacheClusterId].filter(Boolean),
    }));
  },
  look: async (discovery, ids) => {
    const caches = await cachesOf(discovery);
    return each(ids, async (id) => (await caches.describeSnapshots({ SnapshotName: id })).Snapshots?.[0] && {});
  },
  remove: async (discovery, id) => (await cachesOf(discovery)).deleteSnapshot({ SnapshotName: id }),
};

const CACHE_PARAMETERS: Inventory = {
  removal: "data",
  arn: /:elasticache:[^:]*:\d*:parametergroup:(.+)$/,
  look: async (discovery, ids) => {
    const caches = await cachesOf(discovery);
    return each(ids, async (id) => (await caches.describeCacheParameterGroups({ CacheParameterGroupName: id })).CacheParameterGroups?.[0] && {});
  },
  remove: async (discovery, id) => (await cachesOf(discovery)).deleteCacheParameterGroup({ CacheParameterGroupName: id }),
};

const CACHE_SUBNETS: Inventory = {
  removal: "data",
  arn: /:elasticache:[^:]*:\d*:subnetgroup:(.+)$/,
  look: async (discovery, ids) => {
    const caches = await cachesOf(discovery);
    return each(ids, async (id) => (await caches.describeCacheSubnetGroups({ CacheSubnetGroupName: id })).CacheSubnetGroups?.[0] && {});
  },
  remove: async (discovery, id) => (await cachesOf(discovery)).deleteCacheSubnetGroup({ CacheSubnetGroupName: id }),
};

const cachePermissions = taggedPermissions("elasticache", { tag: "AddTagsToResource", untag: "RemoveTagsFromResource", read: "ListTagsForResource" });

export const ELASTICACHE: Service = {
  types: {
    "AWS::ElastiCache::ReplicationGroup": {
      label: "cache",
      replacedBy: ["AtRestEncryptionEnabled", "CacheSubnetGroupName", "Port"],
      mayBeReplacedBy: ["AuthToken"],
      holdsData: true,
      effects: { CacheNodeType: AWAY, EngineVersion: AWAY },
      slow: "a cache takes 5 to 15 minutes: AWS starts its nodes one after the other",
      permissions: cachePermissions({
        create: "CreateReplicationGroup iam:CreateServiceLinkedRole secretsmanager:GetSecretValue",
        read: "DescribeReplicationGroups DescribeCacheClusters",
        update: "ModifyReplicationGroup IncreaseReplicaCount DecreaseReplicaCount secretsmanager:GetSecretValue",
        remove: "DeleteReplicationGroup",
      }),
      price: ({ properties }) => {
        const type = text(properties.CacheNodeType);
        return { charges: [hourly(`cache:${type}`, `cache nodes ${type}`, { count: once(Number(properties.NumCacheClusters ?? 1)) })] };
      },
      inventory: CACHE,
    },
    "AWS::ElastiCache::ParameterGroup": {
      label: "cache parameter group",
      replacedBy: ["CacheParameterGroupFamily"],
      permissions: cachePermissions({
        create: "CreateCacheParameterGroup ModifyCacheParameterGroup iam:CreateServiceLinkedRole",
        read: "DescribeCacheParameterGroups DescribeCacheParameters DescribeEngineDefaultParameters",
        update: "ModifyCacheParameterGroup",
        remove: "DeleteCacheParameterGroup",
      }),
      price: "free",
      inventory: CACHE_PARAMETERS,
    },
    "AWS::ElastiCache::SubnetGroup": {
      label: "cache subnet group",
      replacedBy: [],
      permissions: cachePermissions({
        create: "CreateCacheSubnetGroup",
        read: "DescribeCacheSubnetGroups",
        update: "ModifyCacheSubnetGroup",
        remove: "DeleteCacheSubnetGroup",
      }),
      price: "free",
      inventory: CACHE_SUBNETS,
    },
  },
  beside: [CACHE_SNAPSHOT],
  scopes: {
    elasticache: {
      all: (site, action) =>
        /^(Create|AddTags)/.test(action)
          ? {
              resources: ["replicationgroup", "cluster", "parametergroup", "subnetgroup"].map((kind) => arn(site, "elasticache", `${kind}:*`)),
              reason: "CloudFormation gives caches names that do not tell whose they are, and they have no tags before they are made.",
            }
          : tagged("elasticache", "*")(site, action),
    },
  },
};
