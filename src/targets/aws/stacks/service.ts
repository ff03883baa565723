// A service's frame: its security group, role, log group and target groups, and the fleets that run in it.
import { createHash } from "node:crypto";
import type { aws_cloudwatch as cloudwatch, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import type { Service } from "../../../config/schema.ts";
import { trafficPort, webServices } from "../routes.ts";
import { Blueprint, type Site } from "./blueprint.ts";
import { cdk } from "./cdk.ts";
import { drawTaskFleet, drawTaskFrame } from "./containers.ts";
import { hasClients } from "./data.ts";
import { drawFleet } from "./fleet.ts";
import { count, drawAlarm, drawShareAlarm, percent, secondsOf } from "./metrics.ts";
import { logicalName } from "./names.ts";
import { statementsOf, WILDCARDS } from "./permissions.ts";
import { drawRole } from "./policies.ts";
import { FLEETS_NOTE, fleetsNoteOf, type Slot, servingFleet, slotsOf } from "./running.ts";
import { logGroupName } from "./settings.ts";

export interface Neighbours {
  foundation: Blueprint;
  network: Blueprint;
  alarms: Blueprint;
  data: Blueprint | undefined;
  edge: Blueprint | undefined;
}

export function drawService(site: Site, name: string, around: Neighbours): Blueprint {
  const fleets = site.running[name] ?? {};
  const blueprint = new Blueprint(site, { role: "service", service: name, release: servingFleet(fleets)?.release });
  const { stack } = blueprint;
  const settings = site.app.services[name] as Service;
  const prefix = logicalName(name);
  if (Object.keys(fleets).length > 0) blueprint.note(FLEETS_NOTE, fleetsNoteOf(fleets));
  // Taken by what rings: a worker without instances has nothing that could.
  const topic = () => blueprint.takeText(around.alarms, "Topic");
  new cdk.aws_logs.CfnLogGroup(stack, "LogGroup", {
    logGroupName: logGroupName(site, name),
    retentionInDays: retentionDays(site.environment.logs.keep),
  });
  const securityGroup = drawSecurityGroup(blueprint, site, name, around);
  const frame = settings.container && drawTaskFrame({ site, service: name, blueprint, ...around });
  const profile = frame ? undefined : drawProfile(blueprint, site, name, around);
  const slots = slotsOf(site.app, fleets);
  const targets = settings.port === undefined ? undefined : drawTargets(blueprint, site, name, slots, around);
  const watched = new Map<Slot, cloudwatch.CfnAlarm[]>();
  for (const [slot, target] of targets?.groups ?? []) {
    blueprint.give(`${prefix}${logicalName(slot)}TargetGroup`, target.ref);
    const alarms = drawTargetAlarms(blueprint, site, name, { slot, target, balancer: (targets as Targets).balancer, topic: topic() });
    watched.set(slot, alarms);
    blueprint.give(
      `${prefix}${logicalName(slot)}Alarms`,
      cdk.Fn.join(
        ",",
        alarms.map(({ attrArn }) => attrArn),
      ),
    );
  }
  // Made for each fleet: without one, its parameters would be taken and never used.
  const shared = () => ({
    ...around,
    site,
    service: name,
    blueprint,
    topic,
    securityGroups: [securityGroup, ...clientsOf(blueprint, site, around)],
    proxyPort: proxyPortOf(site, name),
    queueName: queueNameOf(blueprint, site, name, around),
  });
  for (const slot of slots) {
    const [fleet, target] = [fleets[slot], targets?.groups.get(slot)];
    if (!fleet) continue;
    const behind = target && targets && { ...targets, group: target, alarms: watched.get(slot) ?? [] };
    if (frame) drawTaskFleet({ ...shared(), slot, fleet, frame, target: behind });
    else
      blueprint.give(`${prefix}${logicalName(slot)}Group`, drawFleet({ ...shared(), slot, fleet, profile: profile as string, target: behind }).ref);
  }
  blueprint.give(`${prefix}SecurityGroup`, securityGroup);
  if (profile !== undefined) blueprint.give(`${prefix}Profile`, profile);
  if (frame) {
    blueprint.give(`${prefix}Cluster`, frame.cluster.ref);
    blueprint.give(`${prefix}ExecutionRole`, frame.executionRole);
    blueprint.give(`${prefix}TaskRole`, frame.taskRole);
  }
  return blueprint;
}

/** The group that databases and caches let in. */
const clientsOf = (blueprint: Blueprint, site: Site, { data }: Neighbours): string[] =>
  data && hasClients(site) ? [blueprint.takeText(data, "ClientsSecurityGroup")] : [];

/** Where requests arrive, when that is not the app's own port. */
function proxyPortOf({ app }: Site, name: string): number | undefined {
  const port = app.services[name]?.port;
  const traffic = port === undefined ? undefined : trafficPort(app, name);
  return traffic === port ? undefined : traffic;
}

/** The queue that it is scaled by. One that is given by URL has no metrics here. */
function queueNameOf(blueprint: Blueprint, site: Site, name: string, { data }: Neighbours): string | undefined {
  const queue = site.app.services[name]?.scaling?.queue?.resource;
  if (queue === undefined || !data || site.app.resources[queue]?.url !== undefined) return undefined;
  return blueprint.takeText(data, `${logicalName(queue)}QueueName`);
}

/** What CloudWatch Logs takes, rounded up. */
const RETENTIONS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

export const retentionDays = (keepMs: number) => RETENTIONS.find((days) => days * 86_400_000 >= keepMs) ?? (RETENTIONS.at(-1) as number);

/** Requests come from the balancer only. */
function drawSecurityGroup(blueprint: Blueprint, site: Site, name: string, { network, edge }: Neighbours): string {
  const { stack } = blueprint;
  const { port } = site.app.services[name] as Service;
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "SecurityGroup", {
    groupDescription: `Service ${name}`,
    vpcId: blueprint.takeText(network, "Vpc"),
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: "0.0.0.0/0", description: "To anywhere" }],
  }).attrGroupId;
  if (port !== undefined && edge) {
    const balancer = blueprint.takeText(edge, "BalancerSecurityGroup");
    const ports = {
      ipProtocol: "tcp",
      fromPort: trafficPort(site.app, name),
      toPort: trafficPort(site.app, name),
      description: `Requests for ${name}`,
    };
    new cdk.aws_ec2.CfnSecurityGroupIngress(stack, "FromBalancer", { groupId: group, sourceSecurityGroupId: balancer, ...ports });
    new cdk.aws_ec2.CfnSecurityGroupEgress(stack, "BalancerOut", { groupId: balancer, destinationSecurityGroupId: group, ...ports });
  }
  return group;
}

/** Returns the ARN of the instance profile. */
function drawProfile(blueprint: Blueprint, site: Site, name: string, { foundation, data }: Neighbours): string {
  const statements = statementsOf({ site, service: name, blueprint, foundation, data });
  const role = drawRole(blueprint.stack, "Role", { policyName: "service", statements, wildcards: WILDCARDS });
  return new cdk.aws_iam.CfnInstanceProfile(blueprint.stack, "Profile", { roles: [role.ref] }).attrArn;
}

interface Targets {
  groups: Map<Slot, elb.CfnTargetGroup>;
  /** The balancer's full name, as metrics have it. */
  balancer: string;
  attached: elb.CfnListenerRule;
}

function drawTargets(blueprint: Blueprint, site: Site, name: string, slots: Slot[], { network, edge }: Neighbours): Targets {
  const { stack } = blueprint;
  const vpcId = blueprint.takeText(network, "Vpc");
  const groups = new Map(
    slots.map((slot) => [
      slot,
      new cdk.aws_elasticloadbalancingv2.CfnTargetGroup(stack, `${logicalName(slot)}TargetGroup`, {
        vpcId,
        protocol: "HTTP",
        port: trafficPort(site.app, name),
        targetType: site.app.services[name]?.container ? "ip" : "instance",
        ...healthCheck(site.app.services[name] as Service),
      }),
    ]),
  );
  const attached = new cdk.aws_elasticloadbalancingv2.CfnListenerRule(stack, "Attachment", {
    listenerArn: blueprint.takeText(edge as Blueprint, "Listener"),
    priority: attachmentPriority(site, name),
    conditions: [{ field: "source-ip", sourceIpConfig: { values: ["127.0.0.1/32"] } }],
    actions: [{ type: "forward", forwardConfig: { targetGroups: [...groups.values()].map(({ ref }) => ({ targetGroupArn: ref, weight: 1 })) } }],
  });
  return { groups, balancer: blueprint.takeText(edge as Blueprint, "BalancerName"), attached };
}

/** A balancer checks no more often than every 5 seconds and takes no status above 499 for an answer. */
function healthCheck({ health, drain }: Service): Partial<elb.CfnTargetGroupProps> {
  const { from, to } = health.status;
  const timeout = Math.min(119, Math.max(2, Math.ceil(health.timeout / 1000)));
  const last = Math.min(to, 499);
  return {
    healthCheckPath: health.path,
    healthCheckIntervalSeconds: Math.min(300, Math.max(5, timeout + 1, Math.ceil(health.interval / 1000))),
    healthCheckTimeoutSeconds: timeout,
    healthyThresholdCount: 2,
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
export function attachmentPriority({ app }: Site, service: string): number {
  const taken = new Set<number>();
  for (const name of webServices(app).sort()) {
    let place = createHash("sha256").update(name).digest().readUInt32BE() % ATTACHMENTS;
    while (taken.has(place)) place = (place + 1) % ATTACHMENTS;
    if (name === service) return FIRST_ATTACHMENT + place;
    taken.add(place);
  }
  throw new TypeError(`service "${service}" has no port`);
}

interface Watched {
  slot: Slot;
  target: elb.CfnTargetGroup;
  balancer: string;
  topic: string;
}

/** Returns them, the one that tells most about a release first. */
function drawTargetAlarms({ stack }: Blueprint, site: Site, name: string, { slot, target, balancer, topic }: Watched): cloudwatch.CfnAlarm[] {
  const { serverErrors, latency } = site.environment.alarms;
  const watch = { topic, dimensions: { LoadBalancer: balancer, TargetGroup: target.attrTargetGroupFullName }, minutes: 5 };
  const label = `${site.app.name}, ${site.name}: service ${name}`;
  const id = logicalName(slot);
  const errors = drawShareAlarm(stack, `${id}ErrorsAlarm`, {
    ...watch,
    about: `${label} answered more than ${serverErrors} % of its requests with errors, for 5 minutes`,
    errors: "serverErrors",
    above: percent(serverErrors),
  });
  const slow = drawAlarm(stack, `${id}LatencyAlarm`, {
    ...watch,
    about: `${label} took more than ${latency / 1000} seconds for one request in twenty, for 5 minutes`,
    metric: "latency",
    above: secondsOf(latency),
  });
  const unhealthy = drawAlarm(stack, `${id}UnhealthyAlarm`, {
    ...watch,
    about: `${label} has had an instance that fails its health check for 5 minutes`,
    metric: "unhealthyHosts",
    above: count(0),
  });
  return [errors, slow, unhealthy];
}
