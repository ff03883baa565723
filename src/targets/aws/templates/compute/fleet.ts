// One fleet of a service: how its instances are started, how many there are, and how one release takes over from another in place.
import type { aws_autoscaling as autoscaling, CfnResource, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { type DeployedService, isAlone } from "../../../../config/deployment.ts";
import type { Service } from "../../../../config/schema.ts";
import { handoverMs } from "../../../../machine/lease.ts";
import { batchSize } from "../../../../rollout/strategy.ts";
import { havePublicAddresses } from "../network/existing.ts";
import { acknowledge, cdk } from "../shared/cdk.ts";
import type { DrawnFleet } from "../shared/drawn.ts";
import { addTooFewAlarm } from "../shared/metrics.ts";
import { logicalName } from "../shared/names.ts";
import type { Fleet, Slot } from "../shared/running.ts";
import { type Site, templateTags } from "../shared/stack-builder.ts";
import { diskOf } from "./disks.ts";
import { addScaling } from "./scaling.ts";
import { labelOf, topicOf } from "./service-place.ts";
import { makeUserData, type UserDataInput } from "./user-data.ts";

/** What a machine may take from its start to its first health check, besides the service's own deadline and window. */
const BOOT_MS = 5 * 60_000;
/** What the balancer may take to know a new instance, besides the checks that it has to pass. */
const ATTACH_MS = 2 * 60_000;
const HEARTBEAT_MAX_S = 7200;
const PAUSE_MAX_MINUTES = 60;

export interface FleetInput extends Omit<UserDataInput, "group" | "fleet" | "attachMs"> {
  slot: Slot;
  fleet: DrawnFleet;
  /** The ARN of its instance profile. */
  profile: string;
  securityGroups: string[];
  target?: { group: elb.CfnTargetGroup; balancer: string; attached: CfnResource; checksMs: number };
  queueName?: string;
}

export function addFleet(input: FleetInput): autoscaling.CfnAutoScalingGroup {
  const { site, slot, fleet, builder, network, target } = input;
  const { stack } = builder;
  const { settings } = fleet;
  const id = logicalName(slot);
  const size = sizeOf(site, settings, fleet);
  const template = addTemplate(input, settings, `${id}Group`);
  const group = new cdk.aws_autoscaling.CfnAutoScalingGroup(stack, `${id}Group`, {
    minSize: String(size.min),
    maxSize: String(size.max),
    // A group keeps what it has when its minimum sinks. With scaling by load the number is not the template's to say.
    ...(settings.scaling ? {} : { desiredCapacity: String(size.min) }),
    ...launched(settings, template),
    vpcZoneIdentifier: builder.parameterList(network, "InstanceSubnets"),
    targetGroupArns: target ? [target.group.ref] : undefined,
    healthCheckType: target ? "ELB" : "EC2",
    // It begins when an instance is in service, and then it works.
    healthCheckGracePeriod: seconds(attachMs(target)),
    defaultInstanceWarmup: seconds(settings.scaling?.cooldown.out ?? settings.health.startupTimeout),
    lifecycleHookSpecificationList: hooksOf(settings),
    metricsCollection: [{ granularity: "1Minute" }],
    ...replacedBy(settings),
    tags: Object.entries({ ...builder.tags(), ...ownTags(input) }).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
  });
  acknowledge(group, {
    AS3: "Every scaling would be news; what matters, too few instances, has an alarm.",
    EC26: "Its volumes are encrypted by its launch template, which the rule does not look for in a policy of several machine types.",
  });
  group.cfnOptions.updatePolicy = { autoScalingRollingUpdate: rollingUpdate(site, size, pauseMinutes(input)) };
  if (size.min > 0) group.cfnOptions.creationPolicy = { resourceSignal: { count: size.min, timeout: `PT${pauseMinutes(input)}M` } };
  if (settings.scaling)
    addScaling({
      stack,
      slot: id,
      group,
      scaling: settings.scaling,
      queueName: input.queueName,
      requestLabel: target && { label: `${target.balancer}/${target.group.attrTargetGroupFullName}`, attached: target.attached },
    });
  addTooFewAlarm(stack, {
    id,
    label: labelOf(input),
    least: size.min,
    topic: () => topicOf(input),
    dimensions: { AutoScalingGroupName: group.ref },
    metric: "instancesInService",
  });
  return group;
}

/**
 * The next of a service of which there is never more than one waits for the one before it, which must not wait for the next: also where the account says
 * that a group launches before it terminates.
 */
const replacedBy = (service: DeployedService): Partial<autoscaling.CfnAutoScalingGroupProps> =>
  isAlone(service)
    ? { instanceMaintenancePolicy: { minHealthyPercentage: 0, maxHealthyPercentage: 100 } }
    : { capacityRebalance: service.machine.spot ? true : undefined };

/** An instance is in service once it serves, and is switched off once it has finished. */
const hooksOf = (service: DeployedService): autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty[] => [
  // One that cannot start tries again, outside of the balancer, and is replaced once its time is over.
  {
    lifecycleHookName: "boot",
    lifecycleTransition: "autoscaling:EC2_INSTANCE_LAUNCHING",
    heartbeatTimeout: Math.min(HEARTBEAT_MAX_S, 60 + seconds(bootMs(service))),
    defaultResult: "ABANDON",
  },
  {
    lifecycleHookName: "drain",
    lifecycleTransition: "autoscaling:EC2_INSTANCE_TERMINATING",
    heartbeatTimeout: Math.min(HEARTBEAT_MAX_S, 60 + seconds(service.drain.timeout + service.stop.timeout)),
    defaultResult: "CONTINUE",
  },
];

/** Until an instance serves. */
const bootMs = (service: DeployedService): number => BOOT_MS + handoverMs(service) + service.health.startupTimeout;

const seconds = (durationMs: number) => Math.ceil(durationMs / 1000);

interface Size {
  min: number;
  max: number;
  batch: number;
}

/** A job runs on one instance, by its timer. Room for a batch beyond `max` is what `surge` needs; scaling stands still meanwhile. */
function sizeOf({ rollout }: Site, settings: DeployedService, fleet: Fleet): Size {
  const alone = isAlone(settings);
  const { min, max } = fleet.instances ?? (alone ? { min: Math.min(1, settings.instances.min), max: 1 } : settings.instances);
  const { surge } = rollout;
  const size = batchSize(rollout.batch, min);
  return { min, max: surge && !alone ? Math.max(max, min + size) : Math.max(max, min), batch: size };
}

/** New before old where there is room; a singleton and a job are stopped first, or else the next one would wait for them. */
function rollingUpdate({ rollout }: Site, { min, max, batch }: Size, pause: number) {
  const room = rollout.surge && max > min;
  return {
    minInstancesInService: room ? min : Math.max(0, min - batch),
    maxBatchSize: batch,
    minSuccessfulInstancesPercent: 100,
    waitOnResourceSignals: true,
    pauseTime: `PT${pause}M`,
    suspendProcesses: ["HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions"],
  };
}

/** Until the balancer finds a new instance healthy. */
const attachMs = (target: FleetInput["target"]): number => ATTACH_MS + (target?.checksMs ?? 0);

const pauseMinutes = ({ target, fleet: { settings } }: FleetInput): number => {
  return Math.min(PAUSE_MAX_MINUTES, Math.ceil((bootMs(settings) + attachMs(target) + settings.health.steadyFor) / 60_000));
};

const ownTags = ({ site, service, slot, fleet }: FleetInput) => ({
  Name: `${site.app}-${site.environment}-${service}`,
  "landfall:release": fleet.release,
  "landfall:fleet": slot,
});

interface Template {
  launchTemplateId: string;
  version: string;
}

function addTemplate(input: FleetInput, settings: DeployedService, group: string): Template {
  const { site, slot, fleet, builder, profile, securityGroups } = input;
  const tags = Object.entries({ ...builder.tags(), ...ownTags(input) }).map(([key, value]) => ({ key, value }));
  const template = new cdk.aws_ec2.CfnLaunchTemplate(builder.stack, `${logicalName(slot)}Template`, {
    tagSpecifications: templateTags(builder),
    launchTemplateData: {
      imageId: fleet.image,
      instanceType: settings.machine.types[0],
      iamInstanceProfile: { arn: profile },
      instanceInitiatedShutdownBehavior: "terminate",
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1, instanceMetadataTags: "enabled" },
      blockDeviceMappings: [
        {
          deviceName: "/dev/xvda",
          ebs: { encrypted: true, volumeType: "gp3", volumeSize: diskOf(settings, fleet.imageGib), deleteOnTermination: true },
        },
      ],
      networkInterfaces: [
        { deviceIndex: 0, groups: securityGroups, associatePublicIpAddress: havePublicAddresses(site.settings.network), deleteOnTermination: true },
      ],
      userData: makeUserData({ ...input, group, attachMs: attachMs(input.target) }),
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
    },
  });
  return { launchTemplateId: template.ref, version: template.attrLatestVersionNumber };
}

/** One type on demand needs no more than the template; several, or spot, are a policy. */
function launched({ machine: { types, spot } }: Service, launchTemplate: Template): Partial<autoscaling.CfnAutoScalingGroupProps> {
  if (types.length === 1 && !spot) return { launchTemplate };
  return {
    mixedInstancesPolicy: {
      launchTemplate: { launchTemplateSpecification: launchTemplate, overrides: types.map((instanceType) => ({ instanceType })) },
      instancesDistribution: {
        onDemandPercentageAboveBaseCapacity: spot ? 0 : 100,
        onDemandAllocationStrategy: "prioritized",
        spotAllocationStrategy: "price-capacity-optimized",
      },
    },
  };
}
