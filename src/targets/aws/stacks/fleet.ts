// One fleet of a service: how its instances are started, how many there are, and how one release takes over from another in place.
import type { aws_autoscaling as autoscaling, CfnResource, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import type { Service } from "../../../config/schema.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { acknowledge, cdk } from "./cdk.ts";
import { changedKind } from "./containers.ts";
import { drawTooFewAlarm } from "./metrics.ts";
import { logicalName } from "./names.ts";
import type { Fleet, Slot } from "./running.ts";
import { drawScaling } from "./scaling.ts";
import { makeUserData, type SettingsInput } from "./settings.ts";

const GIB = 2 ** 30;
/** What a machine may take from its start to its first health check, besides the service's own deadline. */
const BOOT_MS = 5 * 60_000;
const HEARTBEAT_MAX_S = 7200;
const PAUSE_MAX_MINUTES = 60;

export interface FleetInput extends Omit<SettingsInput, "group" | "fleet"> {
  slot: Slot;
  fleet: Fleet;
  network: Blueprint;
  topic: () => string;
  profile: string;
  securityGroups: string[];
  target?: { group: elb.CfnTargetGroup; balancer: string; attached: CfnResource };
  queueName?: string;
}

export function drawFleet(input: FleetInput): autoscaling.CfnAutoScalingGroup {
  const { site, service, slot, fleet, blueprint, network, target } = input;
  const { stack } = blueprint;
  if (fleet.task) throw changedKind(site.name, service, "containers", "machines");
  const settings = site.app.services[service] as Service;
  const id = logicalName(slot);
  const size = sizeOf(site, settings, fleet);
  const template = drawTemplate(input, settings, `${id}Group`);
  const group = new cdk.aws_autoscaling.CfnAutoScalingGroup(stack, `${id}Group`, {
    minSize: String(size.min),
    maxSize: String(size.max),
    // A group keeps what it has when its minimum sinks. With scaling by load the number is not the template's to say.
    ...(settings.scaling ? {} : { desiredCapacity: String(size.min) }),
    ...launched(settings, template),
    vpcZoneIdentifier: blueprint.takeList(network, "InstanceSubnets"),
    targetGroupArns: target ? [target.group.ref] : undefined,
    healthCheckType: target ? "ELB" : "EC2",
    healthCheckGracePeriod: seconds(BOOT_MS + settings.health.deadline),
    defaultInstanceWarmup: seconds(settings.scaling?.cooldown.out ?? settings.health.deadline),
    lifecycleHookSpecificationList: [
      {
        lifecycleHookName: "drain",
        lifecycleTransition: "autoscaling:EC2_INSTANCE_TERMINATING",
        heartbeatTimeout: Math.min(HEARTBEAT_MAX_S, 60 + seconds(settings.drain.timeout + settings.stop.timeout)),
        defaultResult: "CONTINUE",
      },
    ],
    metricsCollection: [{ granularity: "1Minute" }],
    capacityRebalance: settings.machine.spot ? true : undefined,
    tags: Object.entries({ ...blueprint.tags(), ...ownTags(input) }).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
  });
  acknowledge(group, {
    AS3: "Every scaling would be news; what matters, too few instances, has an alarm.",
    EC26: "Its volumes are encrypted by its launch template, which the rule does not look for in a policy of several machine types.",
  });
  group.cfnOptions.updatePolicy = { autoScalingRollingUpdate: rollingUpdate(site, settings, size) };
  if (size.min > 0) group.cfnOptions.creationPolicy = { resourceSignal: { count: size.min, timeout: `PT${pauseMinutes(settings)}M` } };
  if (settings.scaling)
    drawScaling({
      stack,
      slot: id,
      group,
      scaling: settings.scaling,
      queueName: input.queueName,
      requestLabel: target && { label: `${target.balancer}/${target.group.attrTargetGroupFullName}`, attached: target.attached },
    });
  drawTooFewAlarm(stack, {
    id,
    label: `${site.app.name}, ${site.name}: service ${service}`,
    least: size.min,
    topic: input.topic,
    dimensions: { AutoScalingGroupName: group.ref },
    metric: "instancesInService",
  });
  return group;
}

const seconds = (durationMs: number) => Math.ceil(durationMs / 1000);

interface Size {
  min: number;
  max: number;
  batch: number;
}

/** A job runs on one instance, by its timer. Room for a batch beyond `max` is what `surge` needs; scaling stands still meanwhile. */
function sizeOf({ app }: Site, settings: Service, fleet: Fleet): Size {
  const alone = settings.singleton || settings.schedule !== undefined;
  const { min, max } = fleet.instances ?? (alone ? { min: Math.min(1, settings.instances.min), max: 1 } : settings.instances);
  const { batch, surge } = app.rollout;
  const size = Math.max(1, Math.min(Math.max(min, 1), typeof batch === "number" ? batch : Math.ceil((min * Number.parseInt(batch, 10)) / 100)));
  return { min, max: surge && !alone ? Math.max(max, min + size) : Math.max(max, min), batch: size };
}

/** New before old where there is room; a singleton and a job are stopped first, because there may never be two. */
function rollingUpdate({ app }: Site, settings: Service, { min, max, batch }: Size) {
  const room = app.rollout.surge && max > min;
  return {
    minInstancesInService: room ? min : Math.max(0, min - batch),
    maxBatchSize: batch,
    minSuccessfulInstancesPercent: 100,
    waitOnResourceSignals: true,
    pauseTime: `PT${pauseMinutes(settings)}M`,
    suspendProcesses: ["HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions"],
  };
}

const pauseMinutes = ({ health }: Service) => Math.min(PAUSE_MAX_MINUTES, Math.ceil((BOOT_MS + health.deadline) / 60_000));

const ownTags = ({ site, service, slot, fleet }: FleetInput) => ({
  Name: `${site.app.name}-${site.name}-${service}`,
  "landfall:release": fleet.release,
  "landfall:fleet": slot,
});

interface Template {
  launchTemplateId: string;
  version: string;
}

function drawTemplate(input: FleetInput, { machine }: Service, group: string): Template {
  const { site, slot, fleet, blueprint, profile, securityGroups } = input;
  const tags = Object.entries({ ...blueprint.tags(), ...ownTags(input) }).map(([key, value]) => ({ key, value }));
  const template = new cdk.aws_ec2.CfnLaunchTemplate(blueprint.stack, `${logicalName(slot)}Template`, {
    launchTemplateData: {
      imageId: fleet.image,
      instanceType: machine.types[0],
      iamInstanceProfile: { arn: profile },
      instanceInitiatedShutdownBehavior: "terminate",
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1, instanceMetadataTags: "enabled" },
      blockDeviceMappings: [
        {
          deviceName: "/dev/xvda",
          ebs: { encrypted: true, volumeType: "gp3", volumeSize: Math.max(1, Math.ceil(machine.disk / GIB)), deleteOnTermination: true },
        },
      ],
      networkInterfaces: [
        { deviceIndex: 0, groups: securityGroups, associatePublicIpAddress: site.environment.network.nat === "none", deleteOnTermination: true },
      ],
      userData: makeUserData({ ...input, group }),
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
