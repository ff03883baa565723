// Looks at the tasks of a service while CloudFormation waits for them: ends the wait with the first that shows that none will come up, and says
// what is waited for.
import type { Deployment as EcsDeployment, Service as EcsService, Task } from "@aws-sdk/client-ecs";
import { LandfallError } from "../../../../error.ts";
import { pollEvery } from "../../account/poll.ts";
import { exitCodeOf, observeTasks, readTask, reasonOf, taskId } from "../../account/tasks.ts";
import { isAbsent } from "../../cloudformation/describe-stacks.ts";
import type { Context } from "../../context.ts";
import type { StackTemplate } from "../../templates/index.ts";
import { logGroupName, stackName } from "../../templates/shared/names.ts";
import type { Running } from "../../templates/shared/running.ts";
import { bearingOf, describeStopped, type StoppedTask } from "./stopped-task.ts";

/** As often as anybody is told of one thing. */
const TASKS_TOLD = 3;
/** A task hands over its last lines after it has ended. */
const LOG_WITHIN_MS = 10_000;

/** Of the stacks of services that run as containers. */
export const foreseeTasks =
  (context: Context, running: Running) =>
  ({ service }: StackTemplate): (() => Promise<LandfallError | undefined>) | undefined => {
    const fleets = (service !== undefined && running[service]) || {};
    return service !== undefined && Object.values(fleets).some(({ settings }) => settings?.container) ? watchTasks(context, service) : undefined;
  };

/** To be called again and again while the stack changes. Gives the failure as soon as it is known, with what the task said. */
function watchTasks(context: Context, service: string): () => Promise<LandfallError | undefined> {
  const said = new Set<string>();
  const say = (text: string) => {
    if (said.has(text)) return;
    said.add(text);
    context.emit({ type: "note", text: `${service}: ${text}` });
  };
  // A look that fails shows nothing, and CloudFormation waits all the same.
  return () =>
    look(context, service, say).catch((error: unknown) => {
      say(`its tasks could not be looked at: ${error instanceof Error ? error.message : error}`);
      return undefined;
    });
}

async function look(context: Context, service: string, say: (text: string) => void): Promise<LandfallError | undefined> {
  const { cluster, names } = await findEcsServices(context, service);
  if (cluster === undefined || names.length === 0) return undefined;
  const { services = [] } = await (await context.clients.ecs()).describeServices({ cluster, services: names });
  const starting = services.flatMap((found) => startingIn(found).map((deployment) => ({ found, deployment })));
  if (starting.length === 0) return undefined;
  for (const text of starting.flatMap(({ found, deployment }) => placesIn(found, deployment))) say(`ECS waits for a place: ${text}`);
  const ids = new Set(starting.map(({ deployment }) => deployment.id));
  const stopped = (await observeTasks(context, { cluster, stopped: true })).filter(({ startedBy }) => ids.has(startedBy));
  const final = stopped.filter((task) => bearingOf(task) === "final");
  if (final.length > 0) return explainStopped(context, service, final);
  for (const task of stopped.filter((task) => bearingOf(task) === "counted")) say(`task ${taskId(task)}: ${reasonOf(task)}; ECS tries again`);
  return undefined;
}

/** Those that the stack has by now; before it has come up, it gives out nothing. */
async function findEcsServices({ clients, deployment }: Context, service: string): Promise<{ cluster?: string; names: string[] }> {
  const cloudFormation = await clients.cloudFormation();
  try {
    const { StackResources = [] } = await cloudFormation.describeStackResources({ StackName: stackName(deployment, "service", service) });
    const idsOf = (type: string) =>
      StackResources.flatMap(({ ResourceType, PhysicalResourceId }) => (ResourceType === type && PhysicalResourceId ? [PhysicalResourceId] : []));
    return { cluster: idsOf("AWS::ECS::Cluster")[0], names: idsOf("AWS::ECS::Service") };
  } catch (error) {
    if (isAbsent(error)) return { names: [] };
    throw error;
  }
}

/** What is being brought up; of what has come up already, a task that stops is replaced. */
const startingIn = ({ deployments = [] }: EcsService): EcsDeployment[] =>
  deployments.filter(({ status, rolloutState }) => status === "PRIMARY" && rolloutState === "IN_PROGRESS");

/** AWS has no room for a task, or the account may not run more: ECS asks again. */
const placesIn = ({ events = [] }: EcsService, { createdAt }: EcsDeployment): string[] =>
  events.flatMap(({ message = "", createdAt: at }) =>
    /unable to place a task/i.test(message) && (at?.getTime() ?? 0) >= (createdAt?.getTime() ?? 0)
      ? [message.replace(/^\(service [^)]*\) /, "")]
      : [],
  );

/** Why tasks of a service stopped; those to be told of, the newest first. */
export async function explainStopped(context: Context, service: string, tasks: Task[]): Promise<LandfallError> {
  const group = logGroupName(context.deployment, service);
  const [first, ...others] = await Promise.all(
    tasks.slice(0, TASKS_TOLD).map(async (task): Promise<StoppedTask> => ({ task, lines: await readLastLines(context, group, task) })),
  );
  if (!first) throw new TypeError(`no task of service "${service}" has stopped`);
  const { environment, services } = context.deployment;
  return new LandfallError({
    ...describeStopped([first, ...others], { service, environment, settings: services[service] }),
    standing: "What served before serves on.",
  });
}

async function readLastLines(context: Context, group: string, task: Task): Promise<string[]> {
  const until = context.clock.now() + LOG_WITHIN_MS;
  for await (const _ of pollEvery(context)) {
    const { lines } = await readTask(context, group, taskId(task));
    // What never ran has said nothing.
    if (lines.length > 0 || exitCodeOf(task) === undefined || context.clock.now() >= until) return lines;
  }
  throw new TypeError("polling ended by itself");
}
