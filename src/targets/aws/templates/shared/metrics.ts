// Metrics with their units, and the alarms on them. A threshold is always given with its unit, and the metric says which one
// it has: an alarm in seconds on a metric in milliseconds never rings, and nobody notices.
import type { aws_cloudwatch as cloudwatch, Stack } from "aws-cdk-lib";
import { cdk } from "./cdk.ts";

type Unit = "Count" | "Seconds" | "Bytes" | "Percent";

interface MetricFacts {
  namespace: string;
  name: string;
  /** As CloudWatch publishes it: the pages "CloudWatch metrics for …" of each service, 2026. */
  unit: Unit;
  statistic: string;
}

const balancer = "AWS/ApplicationELB";

export const METRICS = {
  requests: { namespace: balancer, name: "RequestCount", unit: "Count", statistic: "Sum" },
  ownErrors: { namespace: balancer, name: "HTTPCode_ELB_5XX_Count", unit: "Count", statistic: "Sum" },
  serverErrors: { namespace: balancer, name: "HTTPCode_Target_5XX_Count", unit: "Count", statistic: "Sum" },
  clientErrors: { namespace: balancer, name: "HTTPCode_Target_4XX_Count", unit: "Count", statistic: "Sum" },
  latency: { namespace: balancer, name: "TargetResponseTime", unit: "Seconds", statistic: "p95" },
  unhealthyHosts: { namespace: balancer, name: "UnHealthyHostCount", unit: "Count", statistic: "Maximum" },
  instancesInService: { namespace: "AWS/AutoScaling", name: "GroupInServiceInstances", unit: "Count", statistic: "Minimum" },
  tasksRunning: { namespace: "ECS/ContainerInsights", name: "RunningTaskCount", unit: "Count", statistic: "Minimum" },
  queueAge: { namespace: "AWS/SQS", name: "ApproximateAgeOfOldestMessage", unit: "Seconds", statistic: "Maximum" },
  queueVisible: { namespace: "AWS/SQS", name: "ApproximateNumberOfMessagesVisible", unit: "Count", statistic: "Maximum" },
  queueDeleted: { namespace: "AWS/SQS", name: "NumberOfMessagesDeleted", unit: "Count", statistic: "Sum" },
  databaseCpu: { namespace: "AWS/RDS", name: "CPUUtilization", unit: "Percent", statistic: "Average" },
  databaseFreeDisk: { namespace: "AWS/RDS", name: "FreeStorageSpace", unit: "Bytes", statistic: "Minimum" },
  databaseConnections: { namespace: "AWS/RDS", name: "DatabaseConnections", unit: "Count", statistic: "Maximum" },
} as const satisfies Record<string, MetricFacts>;

export type MetricName = keyof typeof METRICS;
type UnitOf<M extends MetricName> = (typeof METRICS)[M]["unit"];

/** A number with its unit, so that the compiler holds thresholds to their metric. */
export interface Quantity<U extends Unit = Unit> {
  value: number;
  unit: U;
}

export const count = (value: number): Quantity<"Count"> => ({ value, unit: "Count" });
export const percent = (value: number): Quantity<"Percent"> => ({ value, unit: "Percent" });
export const bytes = (value: number): Quantity<"Bytes"> => ({ value, unit: "Bytes" });
/** The configuration's durations are in milliseconds. */
export const secondsOf = (durationMs: number): Quantity<"Seconds"> => ({ value: durationMs / 1000, unit: "Seconds" });

export type Dimensions = Record<string, string>;

interface AlarmBase {
  /** In words: what is the case when it rings. */
  about: string;
  topic: string;
  dimensions: Dimensions;
  /** Minutes in a row. */
  minutes: number;
  /** What no data means: for most metrics that nothing happened. */
  silence?: "notBreaching" | "breaching" | "missing";
}

type Threshold<U extends Unit> = { above: Quantity<U>; below?: undefined } | { below: Quantity<U>; above?: undefined };

type AlarmOptions<M extends MetricName> = AlarmBase & { metric: M } & Threshold<UnitOf<M>>;

/** Rings when a metric is above or below its threshold. */
export function addAlarm<M extends MetricName>(stack: Stack, id: string, options: AlarmOptions<M>): cloudwatch.CfnAlarm {
  const { namespace, name, statistic }: MetricFacts = METRICS[options.metric];
  const simple = ["Sum", "Average", "Minimum", "Maximum"].includes(statistic);
  return addCfnAlarm(stack, id, {
    ...options,
    watched: {
      namespace,
      metricName: name,
      dimensions: listed(options.dimensions),
      ...(simple ? { statistic } : { extendedStatistic: statistic }),
      period: 60,
    },
  });
}

interface TooFew {
  /** Of the fleet. */
  id: string;
  /** `shop, production: service web`. */
  label: string;
  least: number;
  topic: () => string;
  dimensions: Dimensions;
  metric: "instancesInService" | "tasksRunning";
}

/** Rings when a fleet has too few instances for long; there is none for a fleet that may have none. */
export function addTooFewAlarm(stack: Stack, { id, label, least, topic, dimensions, metric }: TooFew): void {
  if (least === 0) return;
  addAlarm(stack, `${id}InstancesAlarm`, {
    about: `${label} has had fewer instances than ${least} for 10 minutes`,
    topic: topic(),
    dimensions,
    metric,
    below: count(least),
    minutes: 10,
  });
}

/** Fewer requests than this in a minute say nothing about a share of them. */
const REQUESTS_MIN = 10;

/** Rings when errors are more than a share of all requests. Below ten requests a minute it keeps silent. */
export function addShareAlarm(
  stack: Stack,
  id: string,
  options: AlarmBase & { errors: MetricName; above: Quantity<"Percent"> },
): cloudwatch.CfnAlarm {
  const metrics = [
    dataQuery("errors", options.errors, options.dimensions),
    dataQuery("requests", "requests", options.dimensions),
    {
      id: "share",
      expression: `IF(requests >= ${REQUESTS_MIN}, 100 * FILL(errors, 0) / requests, 0)`,
      label: options.about,
      returnData: true,
    },
  ];
  return addCfnAlarm(stack, id, { ...options, watched: { metrics } });
}

/** A metric as part of an expression. */
export const dataQuery = (id: string, metric: MetricName, dimensions: Dimensions) => {
  const { namespace, name, statistic } = METRICS[metric];
  return {
    id,
    metricStat: { metric: { namespace, metricName: name, dimensions: listed(dimensions) }, period: 60, stat: statistic },
    returnData: false,
  };
};

const listed = (dimensions: Dimensions) => Object.entries(dimensions).map(([name, value]) => ({ name, value }));

type CfnAlarmOptions = AlarmBase &
  Threshold<Unit> & {
    /** The metric, or the expression of several. */
    watched: Partial<cloudwatch.CfnAlarmProps>;
  };

function addCfnAlarm(stack: Stack, id: string, options: CfnAlarmOptions): cloudwatch.CfnAlarm {
  const { about, topic, minutes, silence = "notBreaching", watched } = options;
  return new cdk.aws_cloudwatch.CfnAlarm(stack, id, {
    alarmDescription: about,
    ...(options.above
      ? { comparisonOperator: "GreaterThanThreshold", threshold: options.above.value }
      : { comparisonOperator: "LessThanThreshold", threshold: options.below.value }),
    evaluationPeriods: minutes,
    datapointsToAlarm: minutes,
    treatMissingData: silence,
    alarmActions: [topic],
    okActions: [topic],
    ...watched,
  });
}
