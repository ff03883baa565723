// EC2 Auto Scaling, and Application Auto Scaling, which scales services of ECS.
import { rowsOf } from "../account/pages.ts";
import { billInstances, launchDataOf } from "./ec2.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { inLots, leavingWhen, rows, tagsOf } from "./entry/lookup.ts";
import { ALL_MONTH, type Bill, type PricedResource, text } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, NOT_YET, named, tagged } from "./entry/scope.ts";

const ROLLS = "its instances are replaced, batch by batch";

/** Names in one call: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html */
const GROUP_NAMES_MAX = 50;

const AUTO_SCALING_GROUP: Inventory = {
  removal: "compute",
  find: async ({ context, app }) => {
    const autoScaling = await context.clients.autoScaling();
    const groups = await rowsOf(
      autoScaling.paginateDescribeAutoScalingGroups({ Filters: [{ Name: "tag:landfall:app", Values: [app] }] }),
      (page) => page.AutoScalingGroups,
    );
    return groups.map(({ AutoScalingGroupName: id = "", Tags }) => ({ id, tags: tagsOf(Tags) }));
  },
  look: async ({ context }, ids) => {
    const autoScaling = await context.clients.autoScaling();
    return inLots(ids, GROUP_NAMES_MAX, async (AutoScalingGroupNames) =>
      rows((await autoScaling.describeAutoScalingGroups({ AutoScalingGroupNames })).AutoScalingGroups, ({ AutoScalingGroupName, Status }) => [
        AutoScalingGroupName,
        leavingWhen(Status !== undefined),
      ]),
    );
  },
  remove: async ({ context }, AutoScalingGroupName) =>
    (await context.clients.autoScaling()).deleteAutoScalingGroup({ AutoScalingGroupName, ForceDelete: true }),
};

interface GroupProperties {
  MixedInstancesPolicy?: {
    InstancesDistribution?: { OnDemandPercentageAboveBaseCapacity?: number };
    LaunchTemplate?: { Overrides?: { InstanceType?: string }[] };
  };
}

/** What a group starts, the preferred type first, and how many of it. */
function startedBy(resource: PricedResource) {
  const { properties } = resource;
  const { MixedInstancesPolicy: mixed }: GroupProperties = properties;
  const data = launchDataOf(resource, mixed ?? properties.LaunchTemplate);
  const scales = resource.referring("AWS::AutoScaling::ScalingPolicy", "AutoScalingGroupName") !== undefined;
  const [min, most] = [Number(properties.MinSize), Number(properties.MaxSize)];
  const named = (mixed?.LaunchTemplate?.Overrides ?? []).flatMap(({ InstanceType }) => InstanceType ?? []);
  const spot = mixed?.InstancesDistribution?.OnDemandPercentageAboveBaseCapacity === 0;
  return { data, types: named.length > 0 ? named : [text(data.InstanceType)], scales, min, steady: scales ? most : min, most, spot };
}

function billGroup(resource: PricedResource): Bill {
  const { data, types, scales, min, steady, spot } = startedBy(resource);
  return billInstances({
    ...data,
    InstanceType: types[0],
    count: { min, max: steady },
    assumption: scales ? `${ALL_MONTH}, at the least and at the most that scaling allows` : ALL_MONTH,
    spot,
  });
}

export const AUTO_SCALING: Service = {
  types: {
    "AWS::AutoScaling::AutoScalingGroup": {
      label: "Auto Scaling group",
      replacedBy: [],
      effects: { LaunchTemplate: ROLLS, MixedInstancesPolicy: ROLLS, VPCZoneIdentifier: ROLLS },
      // Replaced only by an update policy that says so.
      changedInPlace: ["LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier"],
      slow: "it waits until its instances have started and said that they are healthy",
      permissions: permissions("autoscaling", {
        // A group tries out its launch template with the caller's permissions.
        create:
          "CreateAutoScalingGroup UpdateAutoScalingGroup CreateOrUpdateTags EnableMetricsCollection PutLifecycleHook ec2:RunInstances ec2:CreateTags iam:PassRole ssm:GetParameters iam:CreateServiceLinkedRole",
        read: "DescribeAutoScalingGroups DescribeScalingActivities DescribeLifecycleHooks DescribeTags ec2:DescribeLaunchTemplateVersions ec2:DescribeInstances elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTargetHealth",
        update:
          "UpdateAutoScalingGroup CreateOrUpdateTags DeleteTags EnableMetricsCollection DisableMetricsCollection PutLifecycleHook DeleteLifecycleHook SuspendProcesses ResumeProcesses TerminateInstanceInAutoScalingGroup AttachLoadBalancerTargetGroups DetachLoadBalancerTargetGroups ec2:RunInstances iam:PassRole ssm:GetParameters",
        remove: "DeleteAutoScalingGroup UpdateAutoScalingGroup",
      }),
      price: billGroup,
      machines: startedBy,
      inventory: AUTO_SCALING_GROUP,
    },
    "AWS::AutoScaling::ScalingPolicy": {
      label: "scaling policy",
      replacedBy: ["AutoScalingGroupName"],
      permissions: permissions("autoscaling", {
        create: "PutScalingPolicy cloudwatch:PutMetricAlarm cloudwatch:GetMetricData",
        read: "DescribePolicies",
        update: "PutScalingPolicy cloudwatch:PutMetricAlarm cloudwatch:GetMetricData",
        remove: "DeletePolicy cloudwatch:DeleteAlarms",
      }),
      price: "free",
      inventory: { partOf: "AWS::AutoScaling::AutoScalingGroup" },
    },
    "AWS::ApplicationAutoScaling::ScalableTarget": {
      label: "scalable target",
      replacedBy: ["ResourceId", "ScalableDimension", "ServiceNamespace"],
      permissions: permissions("application-autoscaling", {
        create: "RegisterScalableTarget TagResource iam:CreateServiceLinkedRole",
        read: "DescribeScalableTargets DescribeScheduledActions ListTagsForResource",
        update: "RegisterScalableTarget TagResource UntagResource",
        remove: "DeregisterScalableTarget",
      }),
      price: "free",
      inventory: { partOf: "AWS::ECS::Service" },
    },
    "AWS::ApplicationAutoScaling::ScalingPolicy": {
      label: "scaling policy",
      replacedBy: ["PolicyName", "ScalingTargetId"],
      permissions: permissions("application-autoscaling", {
        create: "PutScalingPolicy cloudwatch:GetMetricData",
        read: "DescribeScalingPolicies",
        update: "PutScalingPolicy cloudwatch:GetMetricData",
        remove: "DeleteScalingPolicy",
      }),
      price: "free",
      inventory: { partOf: "AWS::ApplicationAutoScaling::ScalableTarget" },
    },
  },
  scopes: {
    autoscaling: { all: named("autoscaling", "autoScalingGroup:*:autoScalingGroupName/") },
    "application-autoscaling": {
      all: (site, action) =>
        /^(Delete|Deregister)/.test(action) ? tagged("application-autoscaling", "scalable-target/*")(site, action) : anywhere(NOT_YET)(site, action),
    },
  },
};
