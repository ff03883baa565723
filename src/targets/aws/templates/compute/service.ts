// A service's frame: its security group, role, log group and target groups, and the fleets that run in it.
import { createHash } from "node:crypto";
import type { aws_cloudwatch as cloudwatch, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import { serviceOf } from "../../../../config/deployment.ts";
import type { Service } from "../../../../config/schema.ts";
import { webServices } from "../../../../routing/placement.ts";
import { hasClients } from "../data/data.ts";
import { cdk } from "../shared/cdk.ts";
import { shapeOf, trafficPortOf } from "../shared/drawn.ts";
import { digestOfGiven } from "../shared/given.ts";
import { addAlarm, addShareAlarm, count, percent, secondsOf } from "../shared/metrics.ts";
import { logGroupName, logicalName } from "../shared/names.ts";
import { addRole } from "../shared/policies.ts";
import { FLEETS_NOTE, fleetsNoteOf, type Slot, servingFleet, slotsOf } from "../shared/running.ts";
import { type Site, StackBuilder } from "../shared/stack-builder.ts";
import { addTaskFleet, addTaskFrame, type TaskFrame } from "./containers.ts";
import { addFleet } from "./fleet.ts";
import { statementsOf, WILDCARDS } from "./permissions.ts";
import { edgeOf, labelOf, type Neighbours, type ServicePlace, topicOf } from "./service-place.ts";

export function addService(site: Site, service: string, around: Neighbours): StackBuilder<"service"> {
  const fleets = site.running[service] ?? {};
  const builder = new StackBuilder(site, { role: "service", service });
  const place: ServicePlace = { ...around, site, service, builder };
  const hasFleets = Object.keys(fleets).length > 0;
  if (hasFleets) builder.note(FLEETS_NOTE, fleetsNoteOf(fleets));
  new cdk.aws_logs.CfnLogGroup(builder.stack, "LogGroup", {
    logGroupName: logGroupName(site, service),
    retentionInDays: retentionDays(site.settings.logs.keep),
  });
  const securityGroup = addSecurityGroup(place);
  const host = serviceOf(site, service).container ? { frame: addTaskFrame(place) } : { profile: addProfile(place) };
  const targets = addWatchedTargets(place);
  // Made for each fleet: without one, its parameters would be taken and never used.
  const inputOfFleet = () => ({ ...place, securityGroups: [securityGroup, ...clientsOf(place)], queueName: queueNameOf(place) });
  for (const slot of slotsOf(site, fleets)) {
    const [fleet, target] = [fleets[slot], targets.get(slot)];
    if (!fleet) continue;
    if (host.frame) addTaskFleet({ ...inputOfFleet(), slot, fleet, frame: host.frame, target });
    else builder.output(addFleet({ ...inputOfFleet(), slot, fleet, profile: host.profile, target }).ref, slot, "Group");
  }
  if (hasFleets) builder.output(digestOfGiven(site), "Resources");
  const release = servingFleet(fleets)?.release;
  if (release !== undefined) builder.output(release, "Release");
  builder.output(securityGroup, "SecurityGroup");
  if (host.frame) outputFrame(builder, host.frame);
  else builder.output(host.profile, "Profile");
  return builder;
}

function outputFrame(builder: StackBuilder<"service">, { cluster, executionRole, taskRole }: TaskFrame): void {
  builder.output(cluster.ref, "Cluster");
  builder.output(executionRole, "ExecutionRole");
  builder.output(taskRole, "TaskRole");
}

/** The group that databases and caches let in. */
const clientsOf = ({ builder, site, data }: ServicePlace): string[] =>
  data && hasClients(site) ? [builder.parameter(data, "ClientsSecurityGroup")] : [];

/** The queue that it is scaled by. One that is given by URL has no metrics here, and one that is not configured any more has none at all. */
function queueNameOf({ builder, site, service, data }: ServicePlace): string | undefined {
  const queue = site.services[service]?.scaling?.queue?.resource;
  const resource = queue === undefined ? undefined : site.resources[queue];
  if (queue === undefined || !data || !resource || resource.url !== undefined) return undefined;
  return builder.parameter(data, queue, "QueueName");
}

const RETENTION_MAX = 3653;
/** What CloudWatch Logs takes, rounded up. */
const RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, RETENTION_MAX];

export const retentionDays = (keepMs: number) => RETENTIONS.find((days) => days * 86_400_000 >= keepMs) ?? RETENTION_MAX;

/** Requests come from the balancer only. */
function addSecurityGroup(place: ServicePlace): string {
  const { builder, site, service, network } = place;
  const { stack } = builder;
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "SecurityGroup", {
    groupDescription: `Service ${service}`,
    vpcId: builder.parameter(network, "Vpc"),
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: "0.0.0.0/0", description: "To anywhere" }],
  }).attrGroupId;
  for (const port of trafficPortsOf(site, service)) {
    const balancer = builder.parameter(edgeOf(place), "BalancerSecurityGroup");
    const ports = { ipProtocol: "tcp", fromPort: port, toPort: port, description: `Requests for ${service}` };
    // Named after the port: while two fleets take requests at different ones, each comes and goes by itself.
    new cdk.aws_ec2.CfnSecurityGroupIngress(stack, `FromBalancer${port}`, { groupId: group, sourceSecurityGroupId: balancer, ...ports });
  }
  return group;
}

/** Of all its fleets. */
function trafficPortsOf(site: Site, service: string): number[] {
  const ports = slotsOf(site, site.running[service] ?? {}).flatMap((slot) => trafficPortOf(shapeOf(site, service, slot)) ?? []);
  return [...new Set(ports)];
}

/** Returns the ARN of the instance profile. */
function addProfile(place: ServicePlace): string {
  const { stack } = place.builder;
  const role = addRole(stack, "Role", { policyName: "service", statements: statementsOf(place), wildcards: WILDCARDS });
  return new cdk.aws_iam.CfnInstanceProfile(stack, "Profile", { roles: [role.ref] }).attrArn;
}

/** Where the balancer sends a fleet its requests. */
interface Target {
  group: elb.CfnTargetGroup;
  /** The balancer's full name, as metrics have it. */
  balancer: string;
  attached: elb.CfnListenerRule;
  /** What the checks take that an instance has to pass before it gets requests. */
  checksMs: number;
}

interface WatchedTarget extends Target {
  /** The one that tells most about a release first. */
  alarms: cloudwatch.CfnAlarm[];
}

/** The targets with their alarms, all made known to the stacks after this one. */
function addWatchedTargets(place: ServicePlace): Map<Slot, WatchedTarget> {
  const { builder } = place;
  const watched = [...addTargets(place)].map(([slot, target]) => {
    builder.output(target.group.ref, slot, "TargetGroup");
    const alarms = addTargetAlarms(place, slot, target);
    const arns = alarms.map(({ attrArn }) => attrArn);
    builder.output(cdk.Fn.join(",", arns), slot, "Alarms");
    return [slot, { ...target, alarms }] as const;
  });
  return new Map(watched);
}

/** Each fleet is checked and drained as its own release says. Empty where no fleet takes requests. */
function addTargets(place: ServicePlace): Map<Slot, Target> {
  const { builder, site, service, network } = place;
  const { stack } = builder;
  const shapes = slotsOf(site, site.running[service] ?? {}).map((slot) => ({ slot, shape: shapeOf(site, service, slot) }));
  const taking = shapes.filter(({ shape }) => trafficPortOf(shape) !== undefined);
  if (taking.length === 0) return new Map();
  const vpcId = builder.parameter(network, "Vpc");
  const groups = taking.map(({ slot, shape }) => ({
    slot,
    checksMs: checkEveryS(shape.settings) * HEALTHY_AFTER * 1000,
    group: new cdk.aws_elasticloadbalancingv2.CfnTargetGroup(stack, `${logicalName(slot)}TargetGroup`, {
      vpcId,
      protocol: "HTTP",
      port: trafficPortOf(shape),
      targetType: shape.settings.container ? "ip" : "instance",
      ...healthCheck(shape.settings),
    }),
  }));
  const edge = edgeOf(place);
  const attached = new cdk.aws_elasticloadbalancingv2.CfnListenerRule(stack, "Attachment", {
    listenerArn: builder.parameter(edge, "Listener"),
    priority: attachmentPriority(site, service),
    conditions: [{ field: "source-ip", sourceIpConfig: { values: ["127.0.0.1/32"] } }],
    actions: [{ type: "forward", forwardConfig: { targetGroups: groups.map(({ group }) => ({ targetGroupArn: group.ref, weight: 1 })) } }],
  });
  const balancer = builder.parameter(edge, "BalancerName");
  return new Map(groups.map(({ slot, ...group }) => [slot, { ...group, balancer, attached }]));
}

const HEALTHY_AFTER = 2;
const checkTimeoutS = ({ health }: Service): number => Math.min(119, Math.max(2, Math.ceil(health.timeout / 1000)));
/** A balancer checks no more often than every 5 seconds. */
const checkEveryS = (service: Service): number => Math.min(300, Math.max(5, checkTimeoutS(service) + 1, Math.ceil(service.health.interval / 1000)));

/** A balancer takes no status above 499 for an answer. */
function healthCheck(service: Service): Partial<elb.CfnTargetGroupProps> {
  const { health, drain } = service;
  const { from, to } = health.status;
  const last = Math.min(to, 499);
  return {
    healthCheckPath: health.path,
    healthCheckIntervalSeconds: checkEveryS(service),
    healthCheckTimeoutSeconds: checkTimeoutS(service),
    healthyThresholdCount: HEALTHY_AFTER,
    unhealthyThresholdCount: Math.min(10, Math.max(2, health.unhealthyAfter)),
    matcher: { httpCode: from >= last ? String(from) : `${from}-${last}` },
    targetGroupAttributes: [
      { key: "deregistration_delay.timeout_seconds", value: String(Math.min(3600, Math.ceil(drain.timeout / 1000))) },
      { key: "load_balancing.algorithm.type", value: "least_outstanding_requests" },
    ],
  };
}

const FIRST_ATTACHMENT = 10_000;
const ATTACHMENTS = 30_000;

/**
 * A target group is checked, and scaled by its requests, only while some rule leads to it. This is that rule: it stands after
 * the one that takes everything, so no request ever reaches it. Its place comes from the service's name, so that services do not move
 * each other's.
 */
export function attachmentPriority(deployment: Site, service: string): number {
  const taken = new Set<number>();
  for (const name of [...new Set([...webServices(deployment), service])].sort()) {
    let place = createHash("sha256").update(name).digest().readUInt32BE() % ATTACHMENTS;
    while (taken.has(place)) place = (place + 1) % ATTACHMENTS;
    if (name === service) return FIRST_ATTACHMENT + place;
    taken.add(place);
  }
  throw new TypeError(`service "${service}" has no port`);
}

/** Returns them, the one that tells most about a release first. */
function addTargetAlarms(place: ServicePlace, slot: Slot, { group, balancer }: Target): cloudwatch.CfnAlarm[] {
  const { stack } = place.builder;
  const { serverErrors, latency } = place.site.settings.alarms;
  const dimensions = { LoadBalancer: balancer, TargetGroup: group.attrTargetGroupFullName };
  const watch = { topic: topicOf(place), dimensions, minutes: 5 };
  const label = labelOf(place);
  const id = logicalName(slot);
  const errors = addShareAlarm(stack, `${id}ErrorsAlarm`, {
    ...watch,
    about: `${label} answered more than ${serverErrors} % of its requests with errors, for 5 minutes`,
    errors: "serverErrors",
    above: percent(serverErrors),
  });
  const slow = addAlarm(stack, `${id}LatencyAlarm`, {
    ...watch,
    about: `${label} took more than ${latency / 1000} seconds for one request in twenty, for 5 minutes`,
    metric: "latency",
    above: secondsOf(latency),
  });
  const unhealthy = addAlarm(stack, `${id}UnhealthyAlarm`, {
    ...watch,
    about: `${label} has had an instance that fails its health check for 5 minutes`,
    metric: "unhealthyHosts",
    above: count(0),
  });
  return [errors, slow, unhealthy];
}
