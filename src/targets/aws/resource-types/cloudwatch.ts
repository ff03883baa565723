// CloudWatch: alarms and the dashboard. Its logs are in `logs.ts`.

import { rowsOf } from "../account/pages.ts";
import { stackName } from "../templates/shared/names.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each, inLots, rows } from "./entry/lookup.ts";
import { monthly } from "./entry/price.ts";
import type { Discovery, Inventory, ResourceKind, Service } from "./entry/resource-type.ts";
import { anywhere, arn, type Narrow, named } from "./entry/scope.ts";

/** CloudFormation cuts long names of stacks; so much of them is always there. */
const PREFIX_MAX = 20;
/** Names in one call, and alarms in one answer: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html */
const ALARM_NAMES_MAX = 100;
const TRACKING = "TargetTracking-";

const ALARM: Inventory = {
  removal: "monitoring",
  arn: /:cloudwatch:[^:]*:\d*:alarm:(.+)$/,
  // Scaling makes alarms of its own, named after the group.
  find: async (discovery) => {
    const cloudWatch = await discovery.context.clients.cloudWatch();
    const AlarmNamePrefix = TRACKING + stackName(discovery, "service", "").slice(0, PREFIX_MAX);
    const alarms = await rowsOf(cloudWatch.paginateDescribeAlarms({ AlarmNamePrefix }), (page) => page.MetricAlarms);
    const groups = [...discovery.stackResources.values()].filter(({ type, standing }) => type === "AWS::AutoScaling::AutoScalingGroup" && !standing);
    return alarms.map(({ AlarmName: id = "" }) => ({
      id,
      parents: groups.filter((group) => id.startsWith(`${TRACKING}${group.id}-`)).map((group) => group.id),
    }));
  },
  look: async ({ context }, ids) => {
    const cloudWatch = await context.clients.cloudWatch();
    return inLots(ids, ALARM_NAMES_MAX, async (AlarmNames) =>
      rows((await cloudWatch.describeAlarms({ AlarmNames, MaxRecords: ALARM_NAMES_MAX })).MetricAlarms, ({ AlarmName }) => [AlarmName, {}]),
    );
  },
  remove: async ({ context }, id) => (await context.clients.cloudWatch()).deleteAlarms({ AlarmNames: [id] }),
};

/** No name of an app or an environment has an underscore, so that no two environments share a dashboard's name. */
const dashboardOf = ({ app, environment }: Discovery) => `landfall_${app}_${environment}`;

const DASHBOARD: ResourceKind = {
  removal: "monitoring",
  name: "dashboard",
  arn: /:cloudwatch::\d*:dashboard\/(.+)$/,
  find: async (discovery) => [{ id: dashboardOf(discovery), owner: "environment" }],
  look: async ({ context }, ids) => {
    const cloudWatch = await context.clients.cloudWatch();
    return each(ids, async (id) => ((await cloudWatch.getDashboard({ DashboardName: id })).DashboardBody === undefined ? undefined : {}));
  },
  remove: async ({ context }, id) => (await context.clients.cloudWatch()).deleteDashboards({ DashboardNames: [id] }),
};

const dashboards: Narrow = ({ partition, account, app, environment }) => ({
  resources: [`arn:${partition}:cloudwatch::${account}:dashboard/landfall_${app}_${environment}`],
});

export const CLOUDWATCH: Service = {
  types: {
    "AWS::CloudWatch::Alarm": {
      label: "alarm",
      replacedBy: [],
      permissions: permissions("cloudwatch", {
        create: "PutMetricAlarm TagResource",
        read: "DescribeAlarms ListTagsForResource",
        update: "PutMetricAlarm TagResource UntagResource",
        remove: "DeleteAlarms",
      }),
      price: ({ properties }) => {
        const metrics = Array.isArray(properties.Metrics) ? properties.Metrics.filter(({ MetricStat }) => MetricStat).length : 1;
        return { charges: [monthly("alarm:metric", "alarms", { count: metrics, assumption: "each metric of each alarm" })] };
      },
      inventory: ALARM,
    },
  },
  beside: [DASHBOARD],
  scopes: {
    cloudwatch: {
      // Scaling policies make alarms of their own, with names of their own.
      all: (site, action) => ({
        resources: [...named("cloudwatch", "alarm:")(site, action).resources, arn(site, "cloudwatch", "alarm:TargetTracking-*")],
      }),
      calls: { DeleteDashboards: dashboards, GetDashboard: dashboards, GetMetricData: anywhere("Metrics are no resources.") },
    },
  },
};
