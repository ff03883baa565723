// From `scaling` of a service to policies of its group. AWS follows each measure to its target, and of several takes what asks for
// most instances, as the local target does.
import type { aws_autoscaling as autoscaling, CfnResource, Stack } from "aws-cdk-lib";
import type { Scaling } from "../../../config/schema.ts";
import { cdk } from "./cdk.ts";
import { dataQuery } from "./metrics.ts";

interface ScalingInput {
  stack: Stack;
  /** The slot, as the beginning of logical names. */
  slot: string;
  group: autoscaling.CfnAutoScalingGroup;
  scaling: Scaling;
  /** Of a web service: `app/name/id/targetgroup/name/id`, and what ties the two together. */
  requestLabel?: { label: string; attached: CfnResource };
  queueName?: string;
}

export function drawScaling(input: ScalingInput): void {
  const { cpu, requests, queue } = input.scaling;
  if (cpu !== undefined)
    drawPolicy(input, "Cpu", { targetValue: cpu, predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" } });
  if (requests !== undefined && input.requestLabel) {
    const policy = drawPolicy(input, "Requests", {
      // The measure is requests in a minute.
      targetValue: requests * 60,
      predefinedMetricSpecification: { predefinedMetricType: "ALBRequestCountPerTarget", resourceLabel: input.requestLabel.label },
    });
    policy.addResourceDependency(input.requestLabel.attached);
  }
  if (queue && input.queueName !== undefined) drawPolicy(input, "Queue", queueTarget(input, queue, input.queueName));
}

function drawPolicy(
  { stack, slot, group, scaling }: ScalingInput,
  id: string,
  target: autoscaling.CfnScalingPolicy.TargetTrackingConfigurationProperty,
): autoscaling.CfnScalingPolicy {
  return new cdk.aws_autoscaling.CfnScalingPolicy(stack, `${slot}${id}Scaling`, {
    autoScalingGroupName: group.ref,
    policyType: "TargetTrackingScaling",
    estimatedInstanceWarmup: Math.ceil(scaling.cooldown.out / 1000),
    targetTrackingConfiguration: target,
  });
}

/**
 * How long a message has to wait, held at `latency`. With `processing` given that is the backlog of one instance, as a number of
 * messages; without it, what waits divided by what was deleted in the last minute, in seconds.
 */
function queueTarget({ group }: ScalingInput, queue: NonNullable<Scaling["queue"]>, queueName: string) {
  const waiting = dataQuery("waiting", "queueVisible", { QueueName: queueName });
  const known = queue.processing !== undefined;
  const other = known
    ? dataQuery("instances", "instancesInService", { AutoScalingGroupName: group.ref })
    : dataQuery("deleted", "queueDeleted", { QueueName: queueName });
  const expression = known
    ? "waiting / IF(FILL(instances, 1) > 0, FILL(instances, 1), 1)"
    : "IF(FILL(deleted, 0) > 0, 60 * waiting / FILL(deleted, 1), 60 * waiting)";
  const targetValue = known ? Math.max(1, queue.latency / (queue.processing as number)) : queue.latency / 1000;
  return {
    targetValue,
    customizedMetricSpecification: {
      metrics: [waiting, other, { id: "wait", expression, label: known ? "Backlog per instance" : "Seconds to wait", returnData: true }].map(
        trackable,
      ),
    },
  };
}

/** The same query as for an alarm, but that a scaling policy's has no period. */
const trackable = ({
  metricStat,
  ...query
}: {
  metricStat?: ReturnType<typeof dataQuery>["metricStat"];
  id: string;
  expression?: string;
  returnData: boolean;
}) => ({
  ...query,
  ...(metricStat ? { metricStat: { metric: metricStat.metric, stat: metricStat.stat } } : {}),
});
