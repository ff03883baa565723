// From `scaling` of a service to policies of its group. AWS follows each measure to its target, and of several takes what asks for
// most instances, as the local target does.
import type { aws_autoscaling as autoscaling, CfnResource, Stack, aws_applicationautoscaling as scaling } from "aws-cdk-lib";
import type { Scaling } from "../../../../config/schema.ts";
import { cdk } from "../shared/cdk.ts";
import { type Dimensions, dataQuery } from "../shared/metrics.ts";

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

export function addScaling(input: ScalingInput): void {
  const { cpu, requests, queue } = input.scaling;
  if (cpu !== undefined)
    addPolicy(input, "Cpu", { targetValue: cpu, predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" } });
  if (requests !== undefined && input.requestLabel) {
    const policy = addPolicy(input, "Requests", {
      // The measure is requests in a minute.
      targetValue: requests * 60,
      predefinedMetricSpecification: { predefinedMetricType: "ALBRequestCountPerTarget", resourceLabel: input.requestLabel.label },
    });
    policy.addResourceDependency(input.requestLabel.attached);
  }
  if (queue && input.queueName !== undefined)
    addPolicy(
      input,
      "Queue",
      queueTarget(queue, input.queueName, () => dataQuery("instances", "instancesInService", { AutoScalingGroupName: input.group.ref })),
    );
}

interface TaskScalingInput extends Omit<ScalingInput, "group"> {
  /** The beginning of policies' names. */
  name: string;
  /** Of the ECS service's metrics. */
  dimensions: Dimensions & { ClusterName: string; ServiceName: string };
  size: { min: number; max: number };
}

/** The same for containers, whose number Application Auto Scaling changes. */
export function addTaskScaling({ stack, slot, name, dimensions, size, scaling: wanted, requestLabel, queueName }: TaskScalingInput): void {
  const scalable = new cdk.aws_applicationautoscaling.CfnScalableTarget(stack, `${slot}Scalable`, {
    serviceNamespace: "ecs",
    scalableDimension: "ecs:service:DesiredCount",
    resourceId: `service/${dimensions.ClusterName}/${dimensions.ServiceName}`,
    minCapacity: size.min,
    maxCapacity: Math.max(size.min, size.max),
  });
  const follow = (measure: string, target: scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty) =>
    new cdk.aws_applicationautoscaling.CfnScalingPolicy(stack, `${slot}${measure}Scaling`, {
      policyName: `${name}-${measure.toLowerCase()}`,
      policyType: "TargetTrackingScaling",
      scalingTargetId: scalable.ref,
      targetTrackingScalingPolicyConfiguration: {
        ...target,
        scaleOutCooldown: Math.ceil(wanted.cooldown.out / 1000),
        scaleInCooldown: Math.ceil(wanted.cooldown.in / 1000),
      },
    });
  const { cpu, requests, queue } = wanted;
  if (cpu !== undefined)
    follow("Cpu", { targetValue: cpu, predefinedMetricSpecification: { predefinedMetricType: "ECSServiceAverageCPUUtilization" } });
  if (requests !== undefined && requestLabel)
    follow("Requests", {
      targetValue: requests * 60,
      predefinedMetricSpecification: { predefinedMetricType: "ALBRequestCountPerTarget", resourceLabel: requestLabel.label },
    }).addResourceDependency(requestLabel.attached);
  if (queue && queueName !== undefined)
    follow(
      "Queue",
      queueTarget(queue, queueName, () => dataQuery("instances", "tasksRunning", dimensions)),
    );
}

function addPolicy(
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
function queueTarget(queue: NonNullable<Scaling["queue"]>, queueName: string, instances: () => ReturnType<typeof dataQuery>) {
  const { latency, processing } = queue;
  const waiting = dataQuery("waiting", "queueVisible", { QueueName: queueName });
  const isKnown = processing !== undefined;
  const measure = isKnown ? instances() : dataQuery("deleted", "queueDeleted", { QueueName: queueName });
  const expression = isKnown
    ? "waiting / IF(FILL(instances, 1) > 0, FILL(instances, 1), 1)"
    : "IF(FILL(deleted, 0) > 0, 60 * waiting / FILL(deleted, 1), 60 * waiting)";
  const targetValue = isKnown ? Math.max(1, latency / processing) : latency / 1000;
  return {
    targetValue,
    customizedMetricSpecification: {
      metrics: [waiting, measure, { id: "wait", expression, label: isKnown ? "Backlog per instance" : "Seconds to wait", returnData: true }].map(
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
