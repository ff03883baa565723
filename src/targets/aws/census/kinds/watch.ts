// What watched: logs, alarms, dashboards, topics.

import { pages } from "../../pages.ts";
import { isDatabaseName } from "../ours.ts";
import type { Kind, Sighting, Survey } from "../thing.ts";
import { each, rows } from "./look.ts";

const DATABASE_LOGS = "/aws/rds/instance/";
/** CloudFormation cuts long names of stacks; so much of them is always there. */
const PREFIX_MAX = 20;

async function listGroups({ context }: Survey, logGroupNamePrefix: string): Promise<string[]> {
  const logs = await context.clients.logs();
  const groups = await pages(async (nextToken) => {
    const page = await logs.describeLogGroups({ logGroupNamePrefix, nextToken });
    return { list: page.logGroups, next: page.nextToken };
  });
  return groups.map(({ logGroupName = "" }) => logGroupName);
}

/** Its own, and those that RDS makes for the logs of a database, which no template knows of. */
const LOG_GROUP: Kind = {
  name: "log group",
  arn: /:logs:[^:]*:\d*:log-group:([^:]+)(?::\*)?$/,
  type: "AWS::Logs::LogGroup",
  find: async (survey) => {
    const { app, environment } = survey;
    const own = await listGroups(survey, `/landfall/${app}/${environment}/`);
    const ofDatabases = await listGroups(survey, DATABASE_LOGS + `${app}-${environment}-data-`.slice(0, PREFIX_MAX));
    return [
      ...own.map((id): Sighting => ({ id, of: "environment", parents: [id] })),
      ...ofDatabases.map((id): Sighting => {
        const database = id.slice(DATABASE_LOGS.length).split("/")[0] ?? "";
        // While it stands it writes on, and its log groups go after it.
        const standing = survey.known.get(database)?.standing;
        return standing ? { id } : { id, parents: [database], ...(isDatabaseName(database, survey) && { of: "environment" }) };
      }),
    ];
  },
  look: async (survey, ids) => each(ids, async (id) => ((await listGroups(survey, id)).includes(id) ? {} : undefined)),
  remove: async ({ context }, id) => (await context.clients.logs()).deleteLogGroup({ logGroupName: id }),
};

const TRACKING = "TargetTracking-";

const ALARM: Kind = {
  name: "alarm",
  arn: /:cloudwatch:[^:]*:\d*:alarm:(.+)$/,
  type: "AWS::CloudWatch::Alarm",
  // Scaling makes alarms of its own, named after the group.
  find: async (survey) => {
    const cloudWatch = await survey.context.clients.cloudWatch();
    const AlarmNamePrefix = TRACKING + `${survey.app}-${survey.environment}-service-`.slice(0, PREFIX_MAX);
    const alarms = await pages(async (NextToken) => {
      const page = await cloudWatch.describeAlarms({ AlarmNamePrefix, NextToken });
      return { list: page.MetricAlarms, next: page.NextToken };
    });
    const groups = [...survey.known.values()].filter(({ type, standing }) => type === "AWS::AutoScaling::AutoScalingGroup" && !standing);
    return alarms.map(({ AlarmName: id = "" }) => ({
      id,
      parents: groups.filter((group) => id.startsWith(`${TRACKING}${group.id}-`)).map((group) => group.id),
    }));
  },
  look: async ({ context }, ids) => {
    const cloudWatch = await context.clients.cloudWatch();
    const { MetricAlarms } = await cloudWatch.describeAlarms({ AlarmNames: ids.slice(0, 100) });
    return rows(MetricAlarms, ({ AlarmName }) => [AlarmName, {}]);
  },
  remove: async ({ context }, id) => (await context.clients.cloudWatch()).deleteAlarms({ AlarmNames: [id] }),
};

/** No name of an app or an environment has an underscore, so that no two environments share a dashboard's name. */
const dashboardOf = ({ app, environment }: Survey) => `landfall_${app}_${environment}`;

const DASHBOARD: Kind = {
  name: "dashboard",
  arn: /:cloudwatch::\d*:dashboard\/(.+)$/,
  find: async (survey) => [{ id: dashboardOf(survey), of: "environment" }],
  look: async ({ context }, ids) => {
    const cloudWatch = await context.clients.cloudWatch();
    return each(ids, async (id) => ((await cloudWatch.getDashboard({ DashboardName: id })).DashboardBody === undefined ? undefined : {}));
  },
  remove: async ({ context }, id) => (await context.clients.cloudWatch()).deleteDashboards({ DashboardNames: [id] }),
};

const TOPIC: Kind = {
  name: "topic",
  arn: /^(arn:[^:]*:sns:.+)$/,
  type: "AWS::SNS::Topic",
  look: async ({ context }, ids) => {
    const sns = await context.clients.sns();
    return each(ids, async (id) => ((await sns.getTopicAttributes({ TopicArn: id })).Attributes ? {} : undefined));
  },
  remove: async ({ context }, id) => (await context.clients.sns()).deleteTopic({ TopicArn: id }),
};

export const WATCH: readonly Kind[] = [ALARM, DASHBOARD, TOPIC, LOG_GROUP];
