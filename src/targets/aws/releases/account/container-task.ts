// The release phase of an app without machines: one task of the new release's image, with the rights and variables of a service.
import type { Task } from "@aws-sdk/client-ecs";
import { serviceOf } from "../../../../config/deployment.ts";
import { containerEntry } from "../../../../machine/container.ts";
import { pollEvery } from "../../account/poll.ts";
import { exitCodeOf, observeTasks, readTask, reasonOf, taskId } from "../../account/tasks.ts";
import { type Context, locate } from "../../context.ts";
import type { EnvironmentOutputs } from "../../environment-outputs.ts";
import { CONTAINER, describeTask, familiesOf } from "../../templates/compute/task.ts";
import { havePublicAddresses } from "../../templates/network/existing.ts";
import { logGroupName } from "../../templates/shared/names.ts";
import type { ContainerPhase, TaskReport } from "../driver.ts";
import { securityGroupsOf } from "./placement.ts";

const STEP = "release phase";
const TAIL_LINES = 20;
/** ECS has so long to find room, fetch the image and start it, beside the phase's own time. */
const BOOT_MS = 10 * 60_000;
const KILL_AFTER_MS = 10_000;

/**
 * Runs it, or goes on with the task of the same phase and release that runs or has ended well. Whoever was cut off after that finds the
 * task for about an hour.
 */
export async function runContainerTask(context: Context, outputs: EnvironmentOutputs, input: ContainerPhase): Promise<TaskReport> {
  const cluster = outputs.get("service", input.service, "Cluster");
  const startedBy = `${input.phase}-${input.release.id}`;
  const [, family] = familiesOf(context.deployment, input.service);
  const isOurs = (task: Task) => task.startedBy === startedBy;
  const running = (await observeTasks(context, { cluster, family })).filter(isOurs);
  const ended = (await observeTasks(context, { cluster, family, stopped: true })).filter(isOurs);
  const earlier = running[0] ?? ended.find((task) => exitCodeOf(task) === 0);
  if (earlier) return watch(context, cluster, earlier, input);
  return withDefinition(context, outputs, input, async (taskDefinition) => {
    const task = await startTask(context, outputs, { cluster, startedBy, taskDefinition, service: input.service });
    return watch(context, cluster, task, input);
  });
}

/** A description of its own, since the service's is changed only once the phase is over. It is gone when this returns or throws. */
async function withDefinition<T>(
  context: Context,
  outputs: EnvironmentOutputs,
  { release, image, service, command, timeoutMs }: ContainerPhase,
  use: (arn: string) => Promise<T>,
): Promise<T> {
  const { account, region, partition } = await locate(context);
  const described = describeTask({
    site: context.deployment,
    service,
    fleet: { release: release.id, image, settings: { ...serviceOf(release, service), command } },
    region,
    executionRole: outputs.get("service", service, "ExecutionRole"),
    taskRole: outputs.get("service", service, "TaskRole"),
    parameterArn: (path) => `arn:${partition}:ssm:${region}:${account}:parameter${path}`,
    take: (...output) => outputs.get("data", ...output),
  });
  const stop = { signal: "SIGTERM" as const, timeout: KILL_AFTER_MS };
  const entryPoint = containerEntry(stop, Math.ceil(timeoutMs / 1000));
  const ecs = await context.clients.ecs();
  const { taskDefinition: { taskDefinitionArn = "" } = {} } = await ecs.registerTaskDefinition({
    ...described,
    family: familiesOf(context.deployment, service)[1],
    containerDefinitions: described.containerDefinitions.map((definition) => ({
      ...definition,
      entryPoint,
      portMappings: [],
      healthCheck: undefined,
    })),
    tags: tagsOf(context, release.id).map(({ Key, Value }) => ({ key: Key, value: Value })),
  });
  try {
    return await use(taskDefinitionArn);
  } finally {
    await ecs.deregisterTaskDefinition({ taskDefinition: taskDefinitionArn });
    await ecs.deleteTaskDefinitions({ taskDefinitions: [taskDefinitionArn] });
  }
}

const tagsOf = ({ deployment: { app, environment } }: Context, release: string) =>
  Object.entries({ "landfall:app": app, "landfall:environment": environment, "landfall:release": release }).map(([Key, Value]) => ({ Key, Value }));

interface Start {
  cluster: string;
  startedBy: string;
  taskDefinition: string;
  service: string;
}

async function startTask(context: Context, outputs: EnvironmentOutputs, { cluster, startedBy, taskDefinition, service }: Start): Promise<Task> {
  const { tasks = [], failures = [] } = await (await context.clients.ecs()).runTask({
    cluster,
    taskDefinition,
    startedBy,
    count: 1,
    // Each description is registered once: the same call again starts nothing more.
    clientToken: taskDefinition.slice(-64),
    capacityProviderStrategy: [{ capacityProvider: "FARGATE", weight: 1 }],
    networkConfiguration: {
      awsvpcConfiguration: {
        subnets: outputs.get("network", "InstanceSubnets").split(","),
        securityGroups: securityGroupsOf(outputs, service),
        assignPublicIp: havePublicAddresses(context.deployment.settings.network) ? "ENABLED" : "DISABLED",
      },
    },
  });
  const [task] = tasks;
  if (!task) throw new Error(`ECS did not start a task: ${failures.map(({ reason }) => reason).join("; ")}`);
  context.emit({ type: "output", step: STEP, line: `task ${taskId(task)} starts` });
  return task;
}

async function watch(context: Context, cluster: string, started: Task, { service, command, timeoutMs }: ContainerPhase): Promise<TaskReport> {
  const { clock, emit } = context;
  const until = clock.now() + BOOT_MS + timeoutMs;
  const [id, group] = [taskId(started), logGroupName(context.deployment, service)];
  const tail: string[] = [];
  let mark: string | undefined;
  const show = async () => {
    const { lines, next } = await readTask(context, group, id, mark);
    for (const line of lines) emit({ type: "output", step: STEP, line });
    tail.push(...lines);
    mark = next;
  };
  const ecs = await context.clients.ecs();
  for await (const _ of pollEvery(context)) {
    const { tasks: [task] = [] } = await ecs.describeTasks({ cluster, tasks: [started.taskArn ?? ""] });
    await show();
    if (task && task.lastStatus !== "STOPPED" && clock.now() <= until) continue;
    if (task && task.lastStatus !== "STOPPED") await ecs.stopTask({ cluster, task: id, reason: "its time is over" });
    const code = task && exitCodeOf(task);
    const reason = task ? reasonOf(task) : `ECS does not know task ${id} any more`;
    return {
      ok: code === 0,
      step: code === undefined ? `start of the container "${CONTAINER}"` : command,
      code: code ?? 1,
      tail: [...tail, ...(code === 0 || reason === "" ? [] : [reason])].slice(-TAIL_LINES),
    };
  }
  throw new TypeError("polling ended by itself");
}
