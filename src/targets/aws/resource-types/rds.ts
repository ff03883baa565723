// Relational Database Service: databases, what they need, and copies of them.

import { rowsOf } from "../account/pages.ts";
import type { Context } from "../context.ts";
import { stackName } from "../templates/shared/names.ts";
import { taggedPermissions } from "./entry/cloudformation-permissions.ts";
import { day, each, tagsOf } from "./entry/lookup.ts";
import { ALL_MONTH, type Bill, hourly, once, type PricedResource, text } from "./entry/price.ts";
import type { Blocked, Discovery, Inventory, Properties, Refusal, ResourceKind, Service } from "./entry/resource-type.ts";
import { anywhere, arn, LISTS, named } from "./entry/scope.ts";

const rdsOf = ({ context }: Discovery) => context.clients.rds();
export const BY_THE_GIB = "its storage is paid by the GiB and month";
const AWAY = "it is away for some minutes, or for the seconds of a switch with a standby in another zone";

/**
 * Whether a database's name is one that CloudFormation gives in this environment's data stack: `shop-production-data-databasedatabase-x1y2`.
 * What follows the stack's name are two words, so that the stack "data" of an environment "data" is another one.
 */
export function isDatabaseName(name: string, { app, environment }: Pick<Discovery, "app" | "environment">): boolean {
  const stack = `${stackName({ app, environment }, "data")}-`;
  return name.startsWith(stack) && /^[a-z0-9]+-[a-z0-9]+$/.test(name.slice(stack.length));
}

/** Of a database whose stack is forgotten, only its name tells whose it was. */
const byName = (discovery: Discovery, database: string) => (isDatabaseName(database, discovery) ? ("environment" as const) : undefined);

const DATABASE: Inventory = {
  removal: "data",
  arn: /:rds:[^:]*:\d*:db:(.+)$/,
  find: async (discovery) => {
    const rds = await rdsOf(discovery);
    const databases = await rowsOf(rds.paginateDescribeDBInstances({}), (page) => page.DBInstances);
    return databases.map(({ DBInstanceIdentifier: id = "", TagList }) => ({ id, tags: tagsOf(TagList), parents: [id] }));
  },
  look: async (discovery, ids) => {
    const rds = await rdsOf(discovery);
    return each(ids, async (id) => {
      const { DBInstances: [one] = [] } = await rds.describeDBInstances({ DBInstanceIdentifier: id });
      return one && { detail: `${one.Engine}, ${one.AllocatedStorage} GiB`, ...(one.DBInstanceStatus === "deleting" ? { leaving: true } : {}) };
    });
  },
  // It never goes without a last copy: what a stack has left, somebody wanted to be left.
  remove: async (discovery, id) =>
    (await rdsOf(discovery)).deleteDBInstance({ DBInstanceIdentifier: id, FinalDBSnapshotIdentifier: `${id}-final`.slice(0, 255) }),
};

const DATABASE_SNAPSHOT: ResourceKind = {
  removal: "data",
  name: "DB snapshot",
  arn: /:rds:[^:]*:\d*:snapshot:([^:]+)$/,
  keeps: "unless named",
  cost: BY_THE_GIB,
  find: async (discovery) => {
    const rds = await rdsOf(discovery);
    const snapshots = await rowsOf(rds.paginateDescribeDBSnapshots({ SnapshotType: "manual" }), (page) => page.DBSnapshots);
    return snapshots.map(({ DBSnapshotIdentifier: id = "", DBInstanceIdentifier = "", TagList }) => ({
      id,
      tags: tagsOf(TagList),
      parents: [DBInstanceIdentifier],
      owner: byName(discovery, DBInstanceIdentifier),
    }));
  },
  look: async (discovery, ids) => {
    const rds = await rdsOf(discovery);
    return each(ids, async (id) => {
      const { DBSnapshots: [one] = [] } = await rds.describeDBSnapshots({ DBSnapshotIdentifier: id });
      return one && { detail: `${one.AllocatedStorage} GiB, of ${day(one.SnapshotCreateTime)}` };
    });
  },
  remove: async (discovery, id) => (await rdsOf(discovery)).deleteDBSnapshot({ DBSnapshotIdentifier: id }),
};

/** Of a database that is gone, when somebody told RDS to retain them. */
const DATABASE_BACKUPS: ResourceKind = {
  removal: "data",
  name: "automated backups",
  arn: /:rds:[^:]*:\d*:auto-backup:(.+)$/,
  keeps: "with the data",
  cost: BY_THE_GIB,
  find: async (discovery) => {
    const rds = await rdsOf(discovery);
    const backups = await rowsOf(
      rds.paginateDescribeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }] }),
      (page) => page.DBInstanceAutomatedBackups,
    );
    return backups.map(({ DBInstanceAutomatedBackupsArn = "", DBInstanceIdentifier = "" }) => ({
      id: DBInstanceAutomatedBackupsArn.split(":auto-backup:")[1] ?? "",
      parents: [DBInstanceIdentifier],
      owner: byName(discovery, DBInstanceIdentifier),
    }));
  },
  look: async (discovery, ids) => {
    const rds = await rdsOf(discovery);
    const { DBInstanceAutomatedBackups = [] } = await rds.describeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }] });
    return new Map(
      DBInstanceAutomatedBackups.flatMap(({ DBInstanceAutomatedBackupsArn = "", DBInstanceIdentifier }) => {
        const id = DBInstanceAutomatedBackupsArn.split(":auto-backup:")[1] ?? "";
        return ids.includes(id) ? [[id, { detail: `of ${DBInstanceIdentifier}` }] as const] : [];
      }),
    );
  },
  remove: async (discovery, id) => {
    const rds = await rdsOf(discovery);
    const { DBInstanceAutomatedBackups = [] } = await rds.describeDBInstanceAutomatedBackups({ Filters: [{ Name: "status", Values: ["retained"] }] });
    const kept = DBInstanceAutomatedBackups.find((backup) => backup.DBInstanceAutomatedBackupsArn?.endsWith(`:${id}`));
    if (kept) await rds.deleteDBInstanceAutomatedBackup({ DbiResourceId: kept.DbiResourceId });
  },
};

const DATABASE_PARAMETERS: Inventory = {
  removal: "data",
  arn: /:rds:[^:]*:\d*:pg:(.+)$/,
  look: async (discovery, ids) => {
    const rds = await rdsOf(discovery);
    return each(ids, async (id) => (await rds.describeDBParameterGroups({ DBParameterGroupName: id })).DBParameterGroups?.[0] && {});
  },
  remove: async (discovery, id) => (await rdsOf(discovery)).deleteDBParameterGroup({ DBParameterGroupName: id }),
};

const DATABASE_SUBNETS: Inventory = {
  removal: "data",
  arn: /:rds:[^:]*:\d*:subgrp:(.+)$/,
  look: async (discovery, ids) => {
    const rds = await rdsOf(discovery);
    return each(ids, async (id) => (await rds.describeDBSubnetGroups({ DBSubnetGroupName: id })).DBSubnetGroups?.[0] && {});
  },
  remove: async (discovery, id) => (await rdsOf(discovery)).deleteDBSubnetGroup({ DBSubnetGroupName: id }),
};

/** The protection is the user's word, and holds for what they may have put something into: not for a stack that never stood. */
async function unprotect({ clients }: Context, { id, stackCameUp }: Blocked): Promise<void> {
  if (await stackCameUp()) return;
  await (await clients.rds()).modifyDBInstance({ DBInstanceIdentifier: id, DeletionProtection: false, ApplyImmediately: true });
}

function billDatabase({ properties }: PricedResource): Bill {
  const zones = properties.MultiAZ === true ? 2 : 1;
  const [engine, machine] = [text(properties.Engine), text(properties.DBInstanceClass)];
  const standby = zones === 2 ? ", with a standby" : "";
  const disk = Number(properties.AllocatedStorage) * zones;
  const most = Number(properties.MaxAllocatedStorage ?? properties.AllocatedStorage) * zones;
  return {
    charges: [
      hourly(`rds:${engine}:${machine}`, `database ${machine}`, { count: once(zones), assumption: `${ALL_MONTH}${standby}` }),
      {
        key: "rds:GB",
        what: "GB of database storage",
        units: { min: disk, max: most },
        unit: "GB and month",
        assumption: `as it begins, and grown to its most${standby}`,
      },
    ],
    uses: [{ key: "rds:backup-GB", what: "backups beyond the size of the database, and final snapshots", unit: "GB and month" }],
  };
}

/**
 * A disk only grows, and by a tenth at least; CloudFormation hears so from RDS, and cannot go back then. What RDS has enlarged by itself is not in a
 * template. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html,
 * https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1312
 */
function refuseDisk({ AllocatedStorage: before }: Properties, { AllocatedStorage: after }: Properties): Refusal | undefined {
  const [has, gets] = [Number(before), Number(after)];
  const least = Math.ceil((has * 11) / 10);
  if (gets === has || gets >= least) return undefined;
  const sizes = `it has ${has} GiB, and would get ${gets}`;
  if (gets < has) return { why: `a disk of RDS never gets smaller; ${sizes}`, next: `leave "disk" at "${has}GB"` };
  return { why: `RDS enlarges a disk by a tenth at least; ${sizes}`, next: `set "disk" to "${least}GB" or more, or leave it at "${has}GB"` };
}

const rdsPermissions = taggedPermissions("rds", { tag: "AddTagsToResource", untag: "RemoveTagsFromResource", read: "ListTagsForResource" });

export const RDS: Service = {
  types: {
    "AWS::RDS::DBInstance": {
      label: "database",
      replacedBy: ["DBName", "DBSubnetGroupName", "MasterUsername", "StorageEncrypted"],
      mayBeReplacedBy: ["Engine"],
      holdsData: true,
      refuses: refuseDisk,
      effects: { DBInstanceClass: AWAY, EngineVersion: AWAY, DBParameterGroupName: AWAY },
      // Of replicas, clusters and databases in a zone of their own choice; ours are changed in place.
      changedInPlace: ["AutoMinorVersionUpgrade", "BackupRetentionPeriod", "DBParameterGroupName", "MultiAZ"],
      slow: "a database takes 5 to 15 minutes, with a standby up to 25: AWS makes its disk, starts it and takes a first backup",
      unblock: unprotect,
      permissions: rdsPermissions({
        create: "CreateDBInstance iam:CreateServiceLinkedRole kms:DescribeKey kms:CreateGrant secretsmanager:GetSecretValue",
        read: "DescribeDBInstances DescribeDBInstanceAutomatedBackups DescribeDBClusters DescribeDBClusterSnapshots DescribeEvents ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeVpcAttribute",
        update: "ModifyDBInstance RebootDBInstance DescribeDBEngineVersions DescribeDBParameterGroups secretsmanager:GetSecretValue",
        remove: "CreateDBSnapshot DescribeDBSnapshots DeleteDBInstance",
      }),
      price: billDatabase,
      inventory: DATABASE,
    },
    "AWS::RDS::DBParameterGroup": {
      label: "DB parameter group",
      replacedBy: ["Description", "Family"],
      permissions: rdsPermissions({
        create: "CreateDBParameterGroup ModifyDBParameterGroup iam:CreateServiceLinkedRole",
        read: "DescribeDBParameterGroups DescribeDBParameters DescribeEngineDefaultParameters",
        update: "ModifyDBParameterGroup ResetDBParameterGroup",
        remove: "DeleteDBParameterGroup",
      }),
      price: "free",
      inventory: DATABASE_PARAMETERS,
    },
    "AWS::RDS::DBSubnetGroup": {
      label: "DB subnet group",
      replacedBy: [],
      permissions: rdsPermissions({
        create: "CreateDBSubnetGroup iam:CreateServiceLinkedRole",
        read: "DescribeDBSubnetGroups",
        update: "ModifyDBSubnetGroup",
        remove: "DeleteDBSubnetGroup",
      }),
      price: "free",
      inventory: DATABASE_SUBNETS,
    },
  },
  beside: [DATABASE_SNAPSHOT, DATABASE_BACKUPS],
  scopes: {
    rds: {
      all: named("rds", "db:", "pg:", "subgrp:", "snapshot:"),
      calls: {
        DeleteDBInstanceAutomatedBackup: (site) => ({
          resources: [arn(site, "rds", "auto-backup:*")],
          reason: "Automated backups have ids of AWS's own, and their tags are those of a database that is gone.",
        }),
        DescribeDBInstanceAutomatedBackups: anywhere(LISTS),
      },
    },
  },
};
