// The containers of an environment: the tasks of its services, from ECS itself.
import type { ECS, Task } from "@aws-sdk/client-ecs";
import { CONTAINER } from "../templates/compute/task.ts";
import type { Account } from "./account.ts";

/** What ECS takes in one call. */
const DESCRIBED_MAX = 100;

export const taskId = ({ taskArn = "" }: Pick<Task, "taskArn">): string => taskArn.slice(taskArn.lastIndexOf("/") + 1);

/** As CloudWatch has it. */
export const logStreamOf = (id: string): string => `${CONTAINER}/${CONTAINER}/${id}`;

interface Asked {
  cluster: string;
  /** Of their descriptions; all tasks of the cluster when left out. */
  family?: string;
  /** ECS knows tasks that have stopped for about an hour. */
  stopped?: boolean;
}

/** The newest first. A cluster that is gone has none. */
export async function observeTasks({ clients }: Pick<Account, "clients">, { cluster, family, stopped }: Asked): Promise<Task[]> {
  const ecs = await clients.ecs();
  const tasks: Task[] = [];
  const asked = { cluster, family, desiredStatus: stopped ? "STOPPED" : "RUNNING", maxResults: DESCRIBED_MAX } as const;
  try {
    for await (const { taskArns } of ecs.paginateListTasks(asked)) if (taskArns?.length) tasks.push(...(await describe(ecs, cluster, taskArns)));
  } catch (error) {
    if (!(error instanceof Error && /^(ClusterNotFound|ServiceNotFound)/.test(error.name))) throw error;
  }
  return tasks.sort((a, b) => (b.createdAt?.getTime() ?? 0) - (a.createdAt?.getTime() ?? 0));
}

const describe = async (ecs: ECS, cluster: string, tasks: string[]): Promise<Task[]> =>
  (await ecs.describeTasks({ cluster, tasks, include: ["TAGS"] })).tasks ?? [];

/** Those that nobody waits for: what a job or a phase has begun would keep its cluster from going. */
export async function stopTasks({ clients }: Pick<Account, "clients">, tasks: Task[], cluster: string): Promise<void> {
  const ecs = await clients.ecs();
  for (const task of tasks) await ecs.stopTask({ cluster, task: task.taskArn, reason: "its cluster is removed" });
}

/** How the app's container ended; undefined while it runs, and for one that never began. */
export const exitCodeOf = ({ containers = [] }: Task): number | undefined => containers.find(({ name }) => name === CONTAINER)?.exitCode;

/** Why a task stopped, in ECS's words: its own reason, and its container's. */
export const reasonOf = ({ stoppedReason, containers = [] }: Task): string =>
  [stoppedReason, ...containers.map(({ reason }) => reason)].filter(Boolean).join("; ");

interface Page {
  lines: string[];
  next: string | undefined;
}

/** The lines of a task from the mark on that the last call gave. None before the first line is written. */
export async function readTask({ clients }: Pick<Account, "clients">, logGroupName: string, id: string, from?: string): Promise<Page> {
  const logs = await clients.logs();
  try {
    const { events = [], nextForwardToken } = await logs.getLogEvents({
      logGroupName,
      logStreamName: logStreamOf(id),
      startFromHead: true,
      nextToken: from,
    });
    return { lines: events.map(({ message = "" }) => message.replace(/\r?\n$/, "")), next: nextForwardToken ?? from };
  } catch (error) {
    if (error instanceof Error && error.name === "ResourceNotFoundException") return { lines: [], next: from };
    throw error;
  }
}
