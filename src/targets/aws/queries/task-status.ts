// The state of a service's containers: tasks from ECS, and for a web service the balancer's health of each.
import type { Task } from "@aws-sdk/client-ecs";
import type { InstanceReport } from "../../../reports.ts";
import { observeTasks, taskId } from "../account/tasks.ts";
import type { Context } from "../context.ts";
import type { FoundOutputs } from "../environment-outputs.ts";
import { SLOTS } from "../templates/shared/running.ts";

/** How many instances a service is to have, and those that it has. */
export interface ServiceFleet {
  wanted: number;
  instances: InstanceReport[];
}

/** Undefined when it is no service of containers. */
export async function observeTaskFleet(context: Context, service: string, outputs: FoundOutputs): Promise<ServiceFleet | undefined> {
  const cluster = outputs.find("service", service, "Cluster");
  if (cluster === undefined) return undefined;
  const slots = SLOTS.filter((slot) => outputs.find("service", service, slot, "Tasks"));
  const names = slots.flatMap((slot) => outputs.find("service", service, slot, "Tasks") ?? []);
  const targets = slots.flatMap((slot) => outputs.find("service", service, slot, "TargetGroup") ?? []);
  const [tasks, wanted, health] = await Promise.all([
    observeTasks(context, { cluster }),
    countWanted(context, cluster, names),
    targets.length === 0 ? undefined : observeTargets(context, targets),
  ]);
  const oldestFirst = tasks.reverse();
  return { wanted, instances: oldestFirst.map((task, index) => describeInstance(task, { service, slot: index + 1, health })) };
}

/** How many tasks these ECS services are to have. */
export async function countWanted({ clients }: Pick<Context, "clients">, cluster: string, services: string[]): Promise<number> {
  if (services.length === 0) return 0;
  const { services: found = [] } = await (await clients.ecs()).describeServices({ cluster, services });
  return found.reduce((sum, { desiredCount = 0, status }) => sum + (status === "ACTIVE" ? desiredCount : 0), 0);
}

async function observeTargets({ clients }: Context, groups: string[]): Promise<Map<string, string>> {
  const balancing = await clients.balancing();
  const pages = await Promise.all(groups.map((TargetGroupArn) => balancing.describeTargetHealth({ TargetGroupArn })));
  return new Map(
    pages.flatMap(({ TargetHealthDescriptions = [] }) =>
      TargetHealthDescriptions.map(({ Target, TargetHealth }): [string, string] => [Target?.Id ?? "", TargetHealth?.State ?? ""]),
    ),
  );
}

interface Place {
  service: string;
  slot: number;
  /** What the balancer says, by address; undefined where there is none. */
  health: Map<string, string> | undefined;
}

function describeInstance(task: Task, { service, slot, health }: Place): InstanceReport {
  const address = addressOf(task);
  return {
    id: taskId(task),
    service,
    release: task.tags?.find(({ key }) => key === "landfall:release")?.value ?? "",
    slot,
    state: stateOf(task, health?.get(address ?? "")),
    ...(address === undefined ? {} : { address }),
    since: (task.startedAt ?? task.createdAt)?.getTime() ?? 0,
    restarts: 0,
  };
}

const addressOf = ({ attachments = [] }: Task): string | undefined =>
  attachments.flatMap(({ details = [] }) => details).find(({ name }) => name === "privateIPv4Address")?.value;

/** `target` is the balancer's word on it; undefined when there is no balancer, or it does not know the task yet. */
function stateOf({ lastStatus = "", desiredStatus }: Task, target: string | undefined): InstanceReport["state"] {
  if (desiredStatus === "STOPPED" || /^(DEACTIVATING|STOPPING|DEPROVISIONING)$/.test(lastStatus)) return "draining";
  if (lastStatus !== "RUNNING" || target === "initial") return "starting";
  if (target === "draining") return "draining";
  return target === undefined || target === "healthy" ? "healthy" : "unhealthy";
}
