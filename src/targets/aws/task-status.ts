// How the containers of a service are: tasks from ECS, and for a web service what the balancer finds of each.
import type { Task } from "@aws-sdk/client-ecs";
import type { InstanceReport } from "../../reports.ts";
import type { Context } from "./context.ts";
import { logicalName } from "./stacks/names.ts";
import { SLOTS } from "./stacks/running.ts";
import { observeTasks, taskId } from "./tasks.ts";

type Outputs = Record<string, string>;

export interface TaskFleet {
  wanted: number;
  instances: InstanceReport[];
}

/** By the outputs of the service's stack; undefined when it is no service of containers. */
export async function observeTaskFleet(context: Context, service: string, outputs: Outputs): Promise<TaskFleet | undefined> {
  const cluster = outputs[`${logicalName(service)}Cluster`];
  if (cluster === undefined) return undefined;
  const slots = SLOTS.map((slot) => `${logicalName(service)}${logicalName(slot)}`);
  const names = slots.flatMap((slot) => outputs[`${slot}Tasks`] ?? []);
  const targets = slots.flatMap((slot) => (outputs[`${slot}Tasks`] && outputs[`${slot}TargetGroup`]) || []);
  const [tasks, wanted, found] = await Promise.all([
    observeTasks(context, { cluster }),
    countWanted(context, cluster, names),
    targets.length === 0 ? undefined : observeTargets(context, targets),
  ]);
  const oldestFirst = tasks.reverse();
  return { wanted, instances: oldestFirst.map((task, index) => describeInstance(task, service, index + 1, found)) };
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

function describeInstance(task: Task, service: string, slot: number, targets: Map<string, string> | undefined): InstanceReport {
  const address = addressOf(task);
  return {
    id: taskId(task),
    service,
    release: task.tags?.find(({ key }) => key === "landfall:release")?.value ?? "",
    slot,
    state: stateOf(task, targets?.get(address ?? "")),
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
