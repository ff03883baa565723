// The release phase of an app without machines: one task of the new release's image, with the rights and variables of a service.
import type { Task } from "@aws-sdk/client-ecs";
import { pollEvery } from "../cloudformation/poll.ts";
import { type Context, locate } from "../context.ts";
import { logicalName } from "../stacks/names.ts";
import { taskFactsOf } from "../stacks/running.ts";
import { logGroupName } from "../stacks/settings.ts";
import { CONTAINER, describeTask, familiesOf } from "../stacks/task.ts";
import { exitCodeOf, observeTasks, readTask, reasonOf, taskId } from "../tasks.ts";
import type { ErrandReport } from "./errand.ts";
import { placeOf, type Site } from "./site.ts";
import type { StoredRelease } from "./store.ts";

const STEP = "release phase";
const TAIL_LINES = 20;
/** ECS has so long to find room, fetch the image and start it, beside the phase's own time. */
const BOOT_MS = 10 * 60_000;
const KILL_AFTER_S = 10;

interface PhaseInput {
  service: string;
  phase: string;
  command: string;
  timeoutMs: number;
}

/**
 * Runs it, or goes on with the task of the same phase and release that runs or has ended well. Whoever was cut off after that finds the
 * task for about an hour.
 */
export async function runTaskPhase(context: Context, site: Site, stored: StoredRelease, input: PhaseInput): Promise<ErrandReport> {
  const cluster = site.look(`service-${input.service}`, `${logicalName(input.service)}Cluster`);
  const startedBy = `${input.phase}-${stored.release.id}`;
  const [, family] = familiesOf(context.app, input.service);
  const isOurs = (task: Task) => task.startedBy === startedBy;
  const running = (await observeTasks(context, { cluster, family })).filter(isOurs);
  const ended = (await observeTasks(context, { cluster, family, stopped: true })).filter(isOurs);
  const known = running[0] ?? ended.find((task) => exitCodeOf(task) === 0);
  if (known) return watch(context, cluster, known, input);
  return withDefinition(context, site, stored, input, async (taskDefinition) => {
    const task = await startTask(context, site, { cluster, startedBy, taskDefinition, service: input.service });
    return watch(context, cluster, task, input);
  });
}

/** A description of its own, since the service's is changed only once the phase is over. It is gone when this returns or throws. */
async function withDefinition<T>(
  context: Context,
  site: Site,
  { release, containers }: StoredRelease,
  { service, command, timeoutMs }: PhaseInput,
  use: (arn: string) => Promise<T>,
): Promise<T> {
  const { account, region, partition } = await locate(context);
  const own = (output: string) => site.look(`service-${service}`, `${logicalName(service)}${output}`);
  const described = describeTask({
    site: context.app,
    service,
    fleet: { release: release.id, image: containers[service] as string, task: { ...taskFactsOf(release.services[service] as never), command } },
    region,
    executionRole: own("ExecutionRole"),
    taskRole: own("TaskRole"),
    parameterArn: (path) => `arn:${partition}:ssm:${region}:${account}:parameter${path}`,
    take: (output) => site.look("data", output),
  });
  const entryPoint = ["timeout", "-k", String(KILL_AFTER_S), String(Math.ceil(timeoutMs / 1000)), "/bin/sh", "-c"];
  const ecs = await context.clients.ecs();
  const { taskDefinition: { taskDefinitionArn = "" } = {} } = await ecs.registerTaskDefinition({
    ...described,
    family: familiesOf(context.app, service)[1],
    containerDefinitions: described.containerDefinitions.map((one) => ({ ...one, entryPoint, portMappings: [] })),
    tags: tagsOf(context, release.id).map(({ Key, Value }) => ({ key: Key, value: Value })),
  });
  try {
    return await use(taskDefinitionArn);
  } finally {
    await ecs.deregisterTaskDefinition({ taskDefinition: taskDefinitionArn });
    await ecs.deleteTaskDefinitions({ taskDefinitions: [taskDefinitionArn] });
  }
}

const tagsOf = ({ app: { app, name } }: Context, release: string) =>
  Object.entries({ "landfall:app": app.name, "landfall:environment": name, "landfall:release": release }).map(([Key, Value]) => ({ Key, Value }));

interface Start {
  cluster: string;
  startedBy: string;
  taskDefinition: string;
  service: string;
}

async function startTask(context: Context, site: Site, { cluster, startedBy, taskDefinition, service }: Start): Promise<Task> {
  const { subnets, securityGroups, publicAddress } = serviceNetwork(context, site, service);
  const { tasks = [], failures = [] } = await (await context.clients.ecs()).runTask({
    cluster,
    taskDefinition,
    startedBy,
    count: 1,
    // Each description is registered once: the same call again starts nothing more.
    clientToken: taskDefinition.slice(-64),
    capacityProviderStrategy: [{ capacityProvider: "FARGATE", weight: 1 }],
    networkConfiguration: {
      awsvpcConfiguration: { subnets, securityGroups, assignPublicIp: publicAddress ? "ENABLED" : "DISABLED" },
    },
  });
  const [task] = tasks;
  if (!task) throw new Error(`ECS did not start a task: ${failures.map(({ reason }) => reason).join("; ")}`);
  context.emit({ type: "output", step: STEP, line: `task ${taskId(task)} starts` });
  return task;
}

function serviceNetwork(context: Context, site: Site, service: string) {
  const { app, name } = context.app;
  const own = site.look(`service-${service}`, `${logicalName(service)}SecurityGroup`);
  const clients = site.stacks.get(`${app.name}-${name}-data`)?.outputs.ClientsSecurityGroup;
  const { publicAddress } = placeOf(context, site, []);
  return { subnets: site.look("network", "InstanceSubnets").split(","), securityGroups: [own, ...(clients ? [clients] : [])], publicAddress };
}

async function watch(context: Context, cluster: string, started: Task, { service, command, timeoutMs }: PhaseInput): Promise<ErrandReport> {
  const { clock, emit } = context;
  const until = clock.now() + BOOT_MS + timeoutMs;
  const [id, group] = [taskId(started), logGroupName(context.app, service)];
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
