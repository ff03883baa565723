// The status of an environment, from the account itself: stacks, fleets and machines are found by their tags, so any machine sees the same.
import type { AutoScalingGroup } from "@aws-sdk/client-auto-scaling";
import type { Instance } from "@aws-sdk/client-ec2";
import type { DeployedService } from "../../../config/deployment.ts";
import type { InstanceReport, Inventory, RecordedEvent, Status } from "../../../reports.ts";
import { type EventFilter, selectEvents } from "../../events.ts";
import { objectsIn } from "../account/objects.ts";
import { rowsOf } from "../account/pages.ts";
import { observeEnvironment, requireEnvironment, type StackState } from "../cloudformation/describe-stacks.ts";
import { observeEvents } from "../cloudformation/events.ts";
import { type Context, locate } from "../context.ts";
import { type FoundOutputs, outputsOf } from "../environment-outputs.ts";
import { findOpen } from "../lease.ts";
import { loadDrift, lookedAt } from "../plan/drift.ts";
import { type EnvironmentRecord, loadRecord, previousOf } from "../record.ts";
import { findStored } from "../releases/stored-release.ts";
import { describeResources } from "./resources.ts";
import { observeTaskFleet, type ServiceFleet } from "./task-status.ts";

export async function observeStatus(context: Context): Promise<Status> {
  const { account, region } = await locate(context);
  const { environment, app, services, resources } = context.deployment;
  const stacks = await observeEnvironment(context.clients, { app, environment });
  const base = { app, environment, target: "aws" as const, account, region };
  const open = await findOpen(context);
  const operation = open && { operation: open.operation, since: open.since };
  const running = operation && open.running ? { underWay: { ...operation, pid: open.pid, user: `${open.user} on ${open.host}` } } : {};
  const outputs = outputsOf(context.deployment, stacks.values());
  const bucket = outputs.find("shared", "ArtifactsBucket");
  const objects = bucket === undefined ? undefined : objectsIn(context, bucket);
  const record = objects && (await loadRecord(objects, environment));
  const rollout = open?.running ? undefined : unfinishedRollout(record);
  const left = rollout ?? (open && !open.running ? { unfinished: operation } : unfinishedOf(stacks));
  const ofEnvironment = [...stacks.values()].filter(({ tags }) => tags["landfall:environment"] === environment);
  if (ofEnvironment.length === 0) return { ...base, commissioned: false, services: [], resources: [], ...running, ...left };
  const [groups, machines] = await Promise.all([observeGroups(context), observeMachines(context)]);
  const release = releaseIn(outputs, ofEnvironment);
  const stored = objects && release ? await findStored(objects, release) : undefined;
  // What serves is of its release; a service that only the file has is shown as well.
  const shown = { ...services, ...stored?.release.services };
  return {
    ...base,
    commissioned: true,
    address: outputs.find("edge", "Address"),
    ...(context.deployment.settings.network.vpc === undefined ? {} : { network: outputs.find("network", "Vpc") }),
    release,
    previous: record && release && previousOf(record, release),
    description: stored?.release.description,
    services: await Promise.all(
      Object.entries(shown).map(async ([service, settings]) => {
        const tasks = await observeTaskFleet(context, service, outputs);
        return summarize(service, settings, tasks ?? machineFleet(service, groups, machines));
      }),
    ),
    resources: describeResources(context, outputs),
    driftLookedAt: lookedAt(ofEnvironment),
    drift: await loadDrift(
      context,
      ofEnvironment.filter(({ looked }) => looked),
      { app, environment, resources: Object.keys(resources) },
    ),
    ...running,
    ...left,
  };
}

/** The stack of the routes says which; without a web service there is none, and services say it. */
const releaseIn = ({ find }: FoundOutputs, stacks: StackState[]): string | undefined =>
  find("routes", "Release") ??
  stacks.flatMap(({ tags: { "landfall:service": service } }) => (service === undefined ? [] : (find("service", service, "Release") ?? [])))[0];

/** A rollout that came to no end, whatever became of the operation that it was part of. */
function unfinishedRollout(record: EnvironmentRecord | undefined): Pick<Status, "unfinished"> | undefined {
  const rollout = record?.rollout;
  return rollout && { unfinished: { operation: "deploy", since: rollout.since, step: `release ${rollout.to} on its way` } };
}

/** Before there is a lease, and for what was begun without Landfall: the states of the stacks. */
function unfinishedOf(stacks: Map<string, StackState>): Pick<Status, "unfinished"> {
  const stuck = [...stacks.values()].find(({ status }) => !/^(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK|IMPORT_ROLLBACK)_COMPLETE$/.test(status));
  if (!stuck) return {};
  return { unfinished: { operation: "commission", since: stuck.changedAt ?? 0, step: `stack ${stuck.name} is ${stuck.status}` } };
}

const ofEnvironment = ({ deployment: { app, environment } }: Context) => [
  { Name: "tag:landfall:app", Values: [app] },
  { Name: "tag:landfall:environment", Values: [environment] },
];

async function observeGroups(context: Context): Promise<AutoScalingGroup[]> {
  const autoScaling = await context.clients.autoScaling();
  return rowsOf(autoScaling.paginateDescribeAutoScalingGroups({ Filters: ofEnvironment(context) }), (page) => page.AutoScalingGroups);
}

async function observeMachines(context: Context): Promise<Instance[]> {
  const ec2 = await context.clients.ec2();
  const Filters = [...ofEnvironment(context), { Name: "instance-state-name", Values: ["pending", "running", "shutting-down", "stopping"] }];
  return rowsOf(ec2.paginateDescribeInstances({ Filters }), (page) => page.Reservations?.flatMap(({ Instances }) => Instances ?? []));
}

const tagOf = ({ Tags }: { Tags?: { Key?: string; Value?: string }[] }, key: string): string | undefined =>
  Tags?.find((tag) => tag.Key === key)?.Value;

function machineFleet(service: string, groups: AutoScalingGroup[], machines: Instance[]): ServiceFleet {
  const fleetGroups = groups.filter((group) => tagOf(group, "landfall:service") === service);
  const instances = machines
    .filter((machine) => tagOf(machine, "landfall:service") === service)
    .sort((a, b) => (a.LaunchTime?.getTime() ?? 0) - (b.LaunchTime?.getTime() ?? 0))
    .map((machine, index) => describeInstance(machine, { service, slot: index + 1, groups: fleetGroups }));
  const wanted = fleetGroups.reduce((sum, { DesiredCapacity }) => sum + (DesiredCapacity ?? 0), 0);
  return { wanted, instances };
}

function summarize(name: string, settings: DeployedService, { wanted, instances }: ServiceFleet): Status["services"][number] {
  return {
    name,
    kind: settings.kind,
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
        hosts.map((host) => [
          host.id,
          {
            // A container is listed, and takes no connection.
            ...(host.id.startsWith("i-") ? reachedThrough(host.id, region, artifacts) : {}),
            landfall_app: status.app,
            landfall_environment: status.environment,
            landfall_service: host.service,
            landfall_release: host.release,
            landfall_state: host.state,
            ...(host.address === undefined ? {} : { landfall_address: host.address }),
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
  const stacks = await observeEnvironment(context.clients, { app: context.deployment.app, environment: context.deployment.environment });
  return describeHosts(status, region, outputsOf(context.deployment, stacks.values()).find("shared", "ArtifactsBucket"));
}

/** What happened last to each stack: its beginning and end, and whatever failed in between. In the order of time. */
export async function observeHistory(context: Context, filter: EventFilter): Promise<RecordedEvent[]> {
  await locate(context);
  const stacks = await requireEnvironment(context);
  const events: RecordedEvent[] = [];
  for (const { name, id, tags } of stacks.values()) {
    if (id === undefined) continue;
    for (const event of await observeEvents(context.clients, id))
      if (event.ofStack || event.status.endsWith("_FAILED"))
        events.push({
          at: event.at,
          type: event.status.toLowerCase().replaceAll("_", " "),
          text: [event.ofStack ? `stack ${name}` : `${event.logicalId} of stack ${name}`, event.reason].filter(Boolean).join(": "),
          ...(tags["landfall:service"] ? { service: tags["landfall:service"] } : {}),
        });
  }
  return selectEvents(
    events.sort((a, b) => a.at - b.at),
    filter,
  );
}
