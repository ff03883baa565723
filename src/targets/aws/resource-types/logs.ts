// CloudWatch Logs.

import { rowsOf } from "../account/pages.ts";
import { stackName } from "../templates/shared/names.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { byUse } from "./entry/price.ts";
import type { Candidate, Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, arn, LISTS } from "./entry/scope.ts";
import { isDatabaseName } from "./rds.ts";

const DATABASE_LOGS = "/aws/rds/instance/";
/** CloudFormation cuts long names of stacks; so much of them is always there. */
const PREFIX_MAX = 20;

async function listGroups({ context }: Discovery, logGroupNamePrefix: string): Promise<string[]> {
  const logs = await context.clients.logs();
  const groups = await rowsOf(logs.paginateDescribeLogGroups({ logGroupNamePrefix }), (page) => page.logGroups);
  return groups.map(({ logGroupName = "" }) => logGroupName);
}

/** Its own, and those that RDS makes for the logs of a database, which no template knows of. */
const LOG_GROUP: Inventory = {
  removal: "monitoring",
  arn: /:logs:[^:]*:\d*:log-group:([^:]+)(?::\*)?$/,
  find: async (discovery) => {
    const { app, environment } = discovery;
    const groups = await listGroups(discovery, `/landfall/${app}/${environment}/`);
    const ofDatabases = await listGroups(discovery, DATABASE_LOGS + `${stackName({ app, environment }, "data")}-`.slice(0, PREFIX_MAX));
    return [
      ...groups.map((id): Candidate => ({ id, owner: "environment", parents: [id] })),
      ...ofDatabases.map((id): Candidate => {
        const database = id.slice(DATABASE_LOGS.length).split("/")[0] ?? "";
        // While it stands it writes on, and its log groups go after it.
        const standing = discovery.stackResources.get(database)?.standing;
        return standing ? { id } : { id, parents: [database], ...(isDatabaseName(database, discovery) && { owner: "environment" }) };
      }),
    ];
  },
  look: async (discovery, ids) => each(ids, async (id) => ((await listGroups(discovery, id)).includes(id) ? {} : undefined)),
  remove: async ({ context }, id) => (await context.clients.logs()).deleteLogGroup({ logGroupName: id }),
};

export const LOGS: Service = {
  types: {
    "AWS::Logs::LogGroup": {
      label: "log group",
      replacedBy: ["LogGroupName"],
      goesAlong: "the log lines in it go with it",
      permissions: permissions("logs", {
        create: "CreateLogGroup PutRetentionPolicy TagResource",
        read: "DescribeLogGroups ListTagsForResource GetDataProtectionPolicy DescribeIndexPolicies DescribeResourcePolicies",
        update: "PutRetentionPolicy DeleteRetentionPolicy TagResource UntagResource",
        remove: "DeleteLogGroup",
      }),
      price: byUse({ key: "logs:GB", what: "log data ingested", unit: "GB" }),
      inventory: LOG_GROUP,
    },
  },
  scopes: {
    logs: {
      all: (site) => ({ resources: [arn(site, "logs", `log-group:/landfall/${site.app}/${site.environment}/*`)] }),
      calls: { CreateLogDelivery: anywhere(LISTS), DeleteLogDelivery: anywhere(LISTS) },
    },
  },
};
