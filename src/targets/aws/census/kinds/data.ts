// What keeps data, and copies of it.
import { emptyBucket } from "../../cloudformation/unblock.ts";
import { pages } from "../../pages.ts";
import { isDatabaseName } from "../ours.ts";
import type { Kind, Survey } from "../thing.ts";
import { day, each, tagsOf } from "./look.ts";

const rdsOf = ({ context }: Survey) => context.clients.rds();
const cachesOf = ({ context }: Survey) => context.clients.elastiCache();
export const BY_THE_GIB = "its storage is paid by the GiB and month";

/** Of a database whose stack is forgotten, only its name tells whose it was. */
const byName = (survey: Survey, database: string) => (isDatabaseName(database, survey) ? ("environment" as const) : undefined);

export const DATABASE: Kind = {
  name: "database",
  arn: /:rds:[^:]*:\d*:db:(.+)$/,
  type: "AWS::RDS::DBInstance",
  find: async (survey) => {
    const rds = await rdsOf(survey);
    const databases = await pages(async (Marker) => {
      const page = await rds.describeDBInstances({ Marker });
      return { list: page.DBInstances, next: page.Marker };
    });
    return databases.map(({ DBInstanceIdentifier: id = "", TagList }) => ({ id, tags: tagsOf(TagList), parents: [id] }));
  },
  look: async (survey, ids) => {
    const rds = await rdsOf(survey);
    return each(ids, async (id) => {
      const { DBInstances: [one] = [] } = await rds.describeDBInstances({ DBInstanceIdentifier: id });
      return one && { detail: `${one.Engine}, ${one.AllocatedStorage} GiB`, ...(one.DBInstanceStatus === "deleting" ? { leaving: true } : {}) };
    });
  },
  // It never goes without a last copy: what a stack has left, somebody wanted to be left.
  remove: async (survey, id) =>
    (await rdsOf(survey)).deleteDBInstance({ DBInstanceIdentifier: id, FinalDBSnapshotIdentifier: `${id}-final`.slice(0, 255) }),
};

export const DATABASE_SNAPSHOT: Kind = {
  name: "database snapshot",
  arn: /:rds:[^:]*:\d*:snapshot:([^:]+)$/,
  keeps: "unless named",
  cost: BY_THE_GIB,
  find: async (survey) => {
    const rds = await rdsOf(survey);
    const snapshots = await pages(async (Marker) => {
      const page = await rds.describeDBSnapshots({ SnapshotType: "manual", Marker });
      return { list: page.DBSnapshots, next: page.Marker };
    });
    return snapshots.map(({ DBSnapshotIdentifier: id = "", DBInstanceIdentifier = "", TagList }) => ({
      id,
      tags: tagsOf(TagList),
      parents: [DBInstanceIdentifier],
      of: byName(survey, DBInstanceIdentifier),
    }));
  },
  look: async (survey, ids) => {
    const rds = await rdsOf(survey);
    return each(ids, async (id) => {
      const { DBSnapshots: [one] = [] } = await rds.describeDBSnapshots({ DBSnapshotIdentifier: id });
      return one && { detail: `${one.AllocatedStorage} GiB, of ${day(one.SnapshotCreateTime)}` };
    });
  },
  remove: async (survey, id) => (await rdsOf(survey)).deleteDBSnapshot({ DBSnapshotIdentifier: id }),
};

/** Of a database that is gone, when somebody told RDS to retain them. */
const DATABASE_BACKUPS: Kind = {
  name: "automated backups",
  arn: /:rds:[^:]*:\d*:auto-backup:(.+)$/,
  keeps: "with the data",
  cost: BY_THE_GIB,
  find: async (survey) => {
    const rds = await rdsOf(survey);
    const backups = await pages(async (Marker) => {
      const page = await rds.describeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }], Marker });
      return { list: page.DBInstanceAutomatedBackups, next: page.Marker };
    });
    return backups.map(({ DBInstanceAutomatedBackupsArn = "", DBInstanceIdentifier = "" }) => ({
      id: DBInstanceAutomatedBackupsArn.split(":auto-backup:")[1] ?? "",
      parents: [DBInstanceIdentifier],
      of: byName(survey, DBInstanceIdentifier),
    }));
  },
  look: async (survey, ids) => {
    const rds = await rdsOf(survey);
    const { DBInstanceAutomatedBackups = [] } = await rds.describeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }] });
    return new Map(
      DBInstanceAutomatedBackups.flatMap(({ DBInstanceAutomatedBackupsArn = "", DBInstanceIdentifier }) => {
        const id = DBInstanceAutomatedBackupsArn.split(":auto-backup:")[1] ?? "";
        return ids.includes(id) ? [[id, { detail: `of ${DBInstanceIdentifier}` }] as const] : [];
      }),
    );
  },
  remove: async (survey, id) => {
    const rds = await rdsOf(survey);
    const { DBInstanceAutomatedBackups = [] } = await rds.describeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }] });
    const own = DBInstanceAutomatedBackups.find((one) => one.DBInstanceAutomatedBackupsArn?.endsWith(`:${id}`));
    if (own) await rds.deleteDBInstanceAutomatedBackup({ DbiResourceId: own.DbiResourceId });
  },
};

const DATABASE_PARAMETERS: Kind = {
  name: "database parameter group",
  arn: /:rds:[^:]*:\d*:pg:(.+)$/,
  type: "AWS::RDS::DBParameterGroup",
  look: async (survey, ids) => {
    const rds = await rdsOf(survey);
    return each(ids, async (id) => (await rds.describeDBParameterGroups({ DBParameterGroupName: id })).DBParameterGroups?.[0] && {});
  },
  remove: async (survey, id) => (await rdsOf(survey)).deleteDBParameterGroup({ DBParameterGroupName: id }),
};

const DATABASE_SUBNETS: Kind = {
  name: "database subnet group",
  arn: /:rds:[^:]*:\d*:subgrp:(.+)$/,
  type: "AWS::RDS::DBSubnetGroup",
  look: async (survey, ids) => {
    const rds = await rdsOf(survey);
    return each(ids, async (id) => (await rds.describeDBSubnetGroups({ DBSubnetGroupName: id })).DBSubnetGroups?.[0] && {});
  },
  remove: async (survey, id) => (await rdsOf(survey)).deleteDBSubnetGroup({ DBSubnetGroupName: id }),
};

const CACHE: Kind = {
  name: "cache",
  arn: /:elasticache:[^:]*:\d*:replicationgroup:(.+)$/,
  type: "AWS::ElastiCache::ReplicationGroup",
  look: async (survey, ids) => {
    const caches = await cachesOf(survey);
    return each(ids, async (id) => {
      const one = (await caches.describeReplicationGroups({ ReplicationGroupId: id })).ReplicationGroups?.[0];
      return one && { detail: one.CacheNodeType, ...(one.Status === "deleting" ? { leaving: true } : {}) };
    });
  },
  remove: async (survey, id) => (await cachesOf(survey)).deleteReplicationGroup({ ReplicationGroupId: id }),
};

const CACHE_SNAPSHOT: Kind = {
  name: "cache snapshot",
  arn: /:elasticache:[^:]*:\d*:snapshot:(.+)$/,
  keeps: "unless named",
  cost: BY_THE_GIB,
  find: async (survey) => {
    const caches = await cachesOf(survey);
    const snapshots = await pages(async (Marker) => {
      const page = await caches.describeSnapshots({ Marker });
      return { list: page.Snapshots, next: page.Marker };
    });
    return snapshots.map(({ SnapshotName: id = "", ReplicationGroupId = "", CacheClusterId = "" }) => ({
      id,
      parents: [ReplicationGroupId, CacheClusterId].filter(Boolean),
    }));
  },
  look: async (survey, ids) => {
    const caches = await cachesOf(survey);
    return each(ids, async (id) => (await caches.describeSnapshots({ SnapshotName: id })).Snapshots?.[0] && {});
  },
  remove: async (survey, id) => (await cachesOf(survey)).deleteSnapshot({ SnapshotName: id }),
};

const CACHE_SUBNETS: Kind = {
  name: "cache subnet group",
  arn: /:elasticache:[^:]*:\d*:subnetgroup:(.+)$/,
  type: "AWS::ElastiCache::SubnetGroup",
  look: async (survey, ids) => {
    const caches = await cachesOf(survey);
    return each(ids, async (id) => (await caches.describeCacheSubnetGroups({ CacheSubnetGroupName: id })).CacheSubnetGroups?.[0] && {});
  },
  remove: async (survey, id) => (await cachesOf(survey)).deleteCacheSubnetGroup({ CacheSubnetGroupName: id }),
};

const CACHE_PARAMETERS: Kind = {
  name: "cache parameter group",
  arn: /:elasticache:[^:]*:\d*:parametergroup:(.+)$/,
  type: "AWS::ElastiCache::ParameterGroup",
  look: async (survey, ids) => {
    const caches = await cachesOf(survey);
    return each(ids, async (id) => (await caches.describeCacheParameterGroups({ CacheParameterGroupName: id })).CacheParameterGroups?.[0] && {});
  },
  remove: async (survey, id) => (await cachesOf(survey)).deleteCacheParameterGroup({ CacheParameterGroupName: id }),
};

const QUEUE: Kind = {
  name: "queue",
  arn: /:sqs:[^:]*:\d*:(.+)$/,
  look: async ({ context }, ids) => {
    const sqs = await context.clients.sqs();
    return each(ids, async (id) => ((await sqs.getQueueUrl({ QueueName: id })).QueueUrl ? {} : undefined));
  },
  remove: async ({ context }, id) => {
    const sqs = await context.clients.sqs();
    await sqs.deleteQueue({ QueueUrl: (await sqs.getQueueUrl({ QueueName: id })).QueueUrl });
  },
};

export const BUCKET: Kind = {
  name: "bucket",
  arn: /:s3:::(.+)$/,
  type: "AWS::S3::Bucket",
  keeps: "with the data",
  cost: "its storage is paid by the GB and month",
  look: async ({ context }, ids) => {
    const s3 = await context.clients.s3();
    return each(ids, async (id) => {
      await s3.headBucket({ Bucket: id });
      return {};
    });
  },
  remove: async ({ context }, id) => {
    await emptyBucket(context, id);
    await (await context.clients.s3()).deleteBucket({ Bucket: id });
  },
};

export const DATA: readonly Kind[] = [
  DATABASE,
  DATABASE_SNAPSHOT,
  DATABASE_BACKUPS,
  DATABASE_PARAMETERS,
  DATABASE_SUBNETS,
  CACHE,
  CACHE_SNAPSHOT,
  CACHE_PARAMETERS,
  CACHE_SUBNETS,
  QUEUE,
  BUCKET,
];
