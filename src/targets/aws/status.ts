// What stands in the account, from the account itself: stacks, fleets and machines are found by their tags, so any machine sees the same.
import type { AutoScalingGroup } from "@aws-sdk/client-auto-scaling";
import type { Instance } from "@aws-sdk/client-ec2";
import type { Service } from "../../config/schema.ts";
import type { InstanceReport, Inventory, RecordedEvent, Status } from "../../reports.ts";
import { observeEvents } from "./cloudformation/events.ts";
import { observeEnvironment, type Standing } from "./cloudformation/stand.ts";
import { addressOf, describeResources } from "./commission.ts";
import { type Context, locate } from "./context.ts";
import { findOpen } from "./lease.ts";
import { pages } from "./pages.ts";
import { loadDrift, lookedAt } from "./plan/drift.ts";
import { loadRecord } from "./releases/record.ts";
import { observeTaskFleet, type TaskFleet } from "./task-status.ts";

export async function observeStatus(context: Context): Promise<Status> {
  const { account, region } = await locate(context);
  const { name, app } = context.app;
  const stacks = await observeEnvironment(context.clients, { app: app.name, environment: name });
  const base = { app: app.name, environment: name, target: "aws" as const, account, region };
  const open = await findOpen(context);
  const operation = open && { operation: open.operation, since: open.since };
  const running = open?.running ? { underWay: { ...operation, pid: open.pid, user: `${open.user} on ${open.host}` } as Status["underWay"] } : {};
  const rollout = open?.running ? undefined : await findRollout(context, stacks);
  const left = rollout ?? (open && !open.running ? { unfinished: operation } : unfinishedOf(stacks));
  const own = [...stacks.values()].filter(({ tags }) => tags["landfall:environment"] === name);
  if (own.length === 0) return { ...base, commissioned: false, services: [], resources: [], ...running, ...left };
  const given = { outputs: new Map([...stacks].map(([stack, { outputs }]) => [stack, outputs])) };
  const [groups, machines] = await Promise.all([observeGroups(context), observeMachines(context)]);
  const releases = own.flatMap(({ tags }) => tags["landfall:release"] ?? []);
  return {
    ...base,
    commissioned: true,
    address: addressOf(context, given) || undefined,
    release: releases[0],
    services: await Promise.all(
      Object.entries(app.services).map(async ([service, settings]) => {
        const tasks = await observeTaskFleet(context, service, stacks.get(`${app.name}-${name}-service-${service}`)?.outputs ?? {});
        return tasks ? summarize(service, settings, tasks) : describeService(service, settings, groups, machines);
      }),
    ),
    resources: describeResources(context, given),
    driftLookedAt: lookedAt(own),
    drift: await loadDrift(
      context,
      own.filter(({ looked }) => looked),
      { app: app.name, environment: name, resources: Object.keys(app.resources) },
    ),
    ...running,
    ...left,
  };
}

/** A rollout that came to no end, whatever became of the operation that it was part of. */
async function findRollout(context: Context, stacks: Map<string, Standing>): Promise<Pick<Status, "unfinished"> | undefined> {
  const bucket = stacks.get(`${context.app.app.name}-foundation`)?.outputs.ArtifactsBucket;
  const rollout = bucket === undefined ? undefined : (await loadRecord(context, bucket)).rollout;
  return rollout && { unfinished: { operation: "deploy", since: rollout.since, step: `release ${rollout.to} on its way` } };
}

/** Before there is a lease, and for what was begun without Landfall: the states of the stacks. */
function unfinishedOf(stacks: Map<string, Standing>): Pick<Status, "unfinished"> {
  const stuck = [...stacks.values()].find(({ status }) => !/^(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK|IMPORT_ROLLBACK)_COMPLETE$/.test(status));
  if (!stuck) return {};
  return { unfinished: { operation: "commission", since: stuck.changedAt ?? 0, step: `stack ${stuck.name} is ${stuck.status}` } };
}

const ofEnvironment = ({ app: { app, name } }: Context) => [
  { Name: "tag:landfall:app", Values: [app.name] },
  { Name: "tag:landfall:environment", Values: [name] },
];

async function observeGroups(context: Context): Promise<AutoScalingGroup[]> {
  const autoScaling = await context.clients.autoScaling();
  return pages(async (NextToken) => {
    const page = await autoScaling.describeAutoScalingGroups({ NextToken, Filters: ofEnvironment(context) });
    return { list: page.AutoScalingGroups, next: page.NextToken };
  });
}

async function observeMachines(context: Context): Promise<Instance[]> {
  const ec2 = await context.clients.ec2();
  const Filters = [...ofEnvironment(context), { Name: "instance-state-name", Values: ["pending", "running", "shutting-down", "stopping"] }];
  return pages(async (NextToken) => {
    const page = await ec2.describeInstances({ NextToken, Filters });
    return { list: page.Reservations?.flatMap(({ Instances }) => Instances ?? []), next: page.NextToken };
  });
}

const tagOf = ({ Tags }: { Tags?: { Key?: string; Value?: string }[] }, key: string): string | undefined =>
  Tags?.find((tag) => tag.Key === key)?.Value;

function describeService(name: string, settings: Service, groups: AutoScalingGroup[], machines: Instance[]): Status["services"][number] {
  const own = groups.filter((group) => tagOf(group, "landfall:service") === name);
  const instances = machines
    .filter((machine) => tagOf(machine, "landfall:service") === name)
    .sort((one, other) => (one.LaunchTime?.getTime() ?? 0) - (other.LaunchTime?.getTime() ?? 0))
    .map((machine, index) => describeInstance(machine, { service: name, slot: index + 1, groups: own }));
  const wanted = own.reduce((sum, { DesiredCapacity }) => sum + (DesiredCapacity ?? 0), 0);
  return summarize(name, settings, { wanted, instances });
}

function summarize(name: string, settings: Service, { wanted, instances }: TaskFleet): Status["services"][number] {
  return {
    name,
    kind: settings.schedule ? "job" : settings.port ? "web" : settings.singleton ? "scheduler" : "worker",
    wanted,
    healthy: instances.filter(({ state }) => state === "healthy").length,
    schedule: settings.schedule,
    instances,
  };
}

interface Place {
  service: string;
  slot: number;
  groups: AutoScalingGroup[];
}

function describeInstance(machine: Instance, { service, slot, groups }: Place): InstanceReport {
  const id = machine.InstanceId ?? "";
  const member = groups.flatMap(({ Instances }) => Instances ?? []).find(({ InstanceId }) => InstanceId === id);
  return {
    id,
    service,
    release: tagOf(machine, "landfall:release") ?? "",
    slot,
    state: stateOf(machine, member),
    address: machine.PrivateIpAddress,
    since: machine.LaunchTime?.getTime() ?? 0,
    restarts: 0,
  };
}

/** A group knows of the balancer's health checks; of a machine outside of one only its power is known. */
function stateOf({ State }: Instance, member: { LifecycleState?: string; HealthStatus?: string } | undefined): InstanceReport["state"] {
  if (State?.Name === "shutting-down" || State?.Name === "stopping" || member?.LifecycleState?.startsWith("Terminating")) return "draining";
  if (State?.Name === "pending" || member?.LifecycleState?.startsWith("Pending")) return "starting";
  if (!member) return "stopped";
  return member.HealthStatus?.toLowerCase() === "healthy" ? "healthy" : "unhealthy";
}

/** Ansible's dynamic inventory: a group for each service, reached through Session Manager, since no machine has an open port for SSH. */
export function describeHosts(status: Status, region: string, artifacts: string | undefined): Inventory {
  const services = status.services.filter(({ instances }) => instances.length > 0);
  const hosts = services.flatMap(({ instances }) => instances);
  return {
    _meta: {
      hostvars: Object.fromEntries(
        hosts.map((one) => [
          one.id,
          {
            // A container is listed, and takes no connection.
            ...(one.id.startsWith("i-") ? reachedThrough(one.id, region, artifacts) : {}),
            landfall_app: status.app,
            landfall_environment: status.environment,
            landfall_service: one.service,
            landfall_release: one.release,
            landfall_state: one.state,
            ...(one.address === undefined ? {} : { landfall_address: one.address }),
          },
        ]),
      ),
    },
    all: { children: services.map(({ name }) => name) },
    ...Object.fromEntries(services.map(({ name, instances }) => [name, { hosts: instances.map(({ id }) => id) }])),
  };
}

const reachedThrough = (id: string, region: string, artifacts: string | undefined) => ({
  ansible_connection: "amazon.aws.aws_ssm",
  ansible_aws_ssm_instance_id: id,
  ansible_aws_ssm_region: region,
  ...(artifacts === undefined ? {} : { ansible_aws_ssm_bucket_name: artifacts }),
  ansible_host: id,
});

/** The inventory of what runs now. */
export async function observeHosts(context: Context): Promise<Inventory> {
  const [status, { region }] = [await observeStatus(context), await locate(context)];
  const stacks = await observeEnvironment(context.clients, { app: context.app.app.name, environment: context.app.name });
  return describeHosts(status, region, stacks.get(`${context.app.app.name}-foundation`)?.outputs.ArtifactsBucket);
}

/** What happened last to each stack: its beginning and end, and whatever failed in between. In the order of time. */
export async function observeHistory(context: Context, { since, tail }: { since?: Date; tail?: number }): Promise<RecordedEvent[]> {
  await locate(context);
  const stacks = await observeEnvironment(context.clients, { app: context.app.app.name, environment: context.app.name });
  const found: RecordedEvent[] = [];
  for (const { name, id, tags } of stacks.values()) {
    if (id === undefined) continue;
    for (const one of await observeEvents(context.clients, id))
      if (one.ofStack || one.status.endsWith("_FAILED"))
        found.push({
          at: one.at,
          type: one.status.toLowerCase().replaceAll("_", " "),
          text: [one.ofStack ? `stack ${name}` : `${one.logicalId} of stack ${name}`, one.reason].filter(Boolean).join(": "),
          ...(tags["landfall:service"] ? { service: tags["landfall:service"] } : {}),
        });
  }
  const recent = found.sort((one, other) => one.at - other.at).filter(({ at }) => !since || at >= since.getTime());
  return tail === undefined ? recent : recent.slice(-tail);
}
