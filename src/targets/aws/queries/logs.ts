// The logs of an environment's instances, from CloudWatch Logs: one group a service, one stream for each unit of each instance.
import type { LogFilter, LogLine } from "../../../reports.ts";
import { assertKnown, releaseUnknown } from "../../preconditions.ts";
import { objectsIn } from "../account/objects.ts";
import { rowsOf } from "../account/pages.ts";
import { logStreamOf, observeTasks, taskId } from "../account/tasks.ts";
import { observeEnvironment, requireEnvironment, type StackState } from "../cloudformation/describe-stacks.ts";
import { type Context, locate } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { loadRecord } from "../record.ts";
import { findStored } from "../releases/stored-release.ts";
import { CONTAINER } from "../templates/compute/task.ts";
import { logGroupName } from "../templates/shared/names.ts";
import { hasContainers } from "../templates/shared/running.ts";

const LOOK_AGAIN_MS = 2_000;
/** Shippers are seconds late, and not all equally: what is older than this has come. */
const SETTLED_MS = 20_000;
/** How far back is looked for the last lines, further each time until there are enough. */
const WINDOWS_MS = [10 * 60_000, 2 * 3_600_000, 24 * 3_600_000];

/** One reading of logs, and the ids of the lines that it has given. */
interface Reading {
  context: Context;
  filter: LogFilter;
  groups: Group[];
  seen: Set<string>;
}

/** By time. With `follow` it goes on until the signal aborts, and a line that comes late stands after younger ones. */
export async function* readLogs(context: Context, filter: LogFilter = {}): AsyncGenerator<LogLine> {
  const { clock } = context;
  await locate(context);
  const stacks = await requireEnvironment(context);
  const services = servicesIn(context, stacks);
  if (filter.service !== undefined) assertKnown(filter.service, services);
  if (filter.release !== undefined) await assertReleased(context, stacks, filter.release);
  const reading: Reading = { context, filter, groups: await findGroups(context, filter, services), seen: new Set() };
  const begun = clock.now();
  yield* filter.tail === undefined ? await readFrom(reading, filter.since?.getTime()) : await readLast(reading, filter.tail);
  if (!filter.follow) return;
  for (let from = begun - SETTLED_MS; !filter.signal?.aborted; from = clock.now() - SETTLED_MS - LOOK_AGAIN_MS) {
    await clock.sleep(LOOK_AGAIN_MS, filter.signal).catch(() => {});
    yield* await readFrom(reading, from);
  }
}

/** What it has not given yet. */
async function readFrom(reading: Reading, from: number | undefined): Promise<LogLine[]> {
  const lines = await Promise.all(reading.groups.map((group) => collect(reading, group, from)));
  return lines.flat().sort((a, b) => a.at - b.at);
}

async function readLast(reading: Reading, count: number): Promise<LogLine[]> {
  const { since } = reading.filter;
  for (const windowMs of WINDOWS_MS) {
    const from = reading.context.clock.now() - windowMs;
    if (since && since.getTime() > from) break;
    const lines = await readFrom(reading, from);
    if (lines.length >= count) return lines.slice(lines.length - count);
    reading.seen.clear();
  }
  const lines = await readFrom(reading, since?.getTime());
  return lines.slice(Math.max(0, lines.length - count));
}

interface Group {
  service: string;
  name: string;
  /** Streams that are asked for; all when left out. */
  instances?: string[];
}

/** Those of the file, and those that only the release that serves has. */
function servicesIn({ deployment }: Context, stacks: Map<string, StackState>): string[] {
  const own = [...stacks.values()].filter(({ tags }) => tags["landfall:environment"] === deployment.environment);
  return [...new Set([...Object.keys(deployment.services), ...own.flatMap(({ tags }) => tags["landfall:service"] ?? [])])];
}

/** Errors: RELEASE_UNKNOWN. */
async function assertReleased(context: Context, stacks: Map<string, StackState>, release: string): Promise<void> {
  const bucket = outputsOf(context.deployment, stacks.values()).find("shared", "ArtifactsBucket");
  if (bucket === undefined) return;
  const objects = objectsIn(context, bucket);
  if (await findStored(objects, release)) return;
  const { rolledOut } = await loadRecord(objects, context.deployment.environment);
  throw releaseUnknown(release, "in this app's bucket", rolledOut.toReversed());
}

async function findGroups(context: Context, { service, release, instance }: LogFilter, services: string[]): Promise<Group[]> {
  const instances = instance === undefined ? release && (await instancesOf(context, release)) : [streamOf(instance)];
  return services
    .filter((name) => service === undefined || name === service)
    .map((name) => ({ service: name, name: logGroupName(context.deployment, name), ...(instances ? { instances } : {}) }));
}

/** `i-0123…/app` is a stream of machine `i-0123…`; of a container, the stream is named after its task. */
function streamOf(instance: string): string {
  const words = instance.slice(instance.lastIndexOf(".") + 1).split("/");
  const id = words.at(words[0] === CONTAINER ? -1 : 0) ?? "";
  return id.startsWith("i-") ? id : logStreamOf(id);
}

/** Those that AWS still knows: for about an hour after their end. */
async function instancesOf(context: Context, release: string): Promise<string[]> {
  const {
    clients,
    deployment: { app, environment },
  } = context;
  const { Reservations = [] } = await (await clients.ec2()).describeInstances({
    Filters: [
      { Name: "tag:landfall:app", Values: [app] },
      { Name: "tag:landfall:environment", Values: [environment] },
      { Name: "tag:landfall:release", Values: [release] },
    ],
  });
  const machines = Reservations.flatMap(({ Instances = [] }) => Instances.flatMap(({ InstanceId }) => InstanceId ?? []));
  return [...machines, ...(await tasksOf(context, release))];
}

async function tasksOf(context: Context, release: string): Promise<string[]> {
  const deployment = context.deployment;
  if (!hasContainers(deployment)) return [];
  const stacks = await observeEnvironment(context.clients, deployment);
  const outputs = outputsOf(context.deployment, stacks.values());
  const clusters = Object.keys(deployment.services).flatMap((service) => outputs.find("service", service, "Cluster") ?? []);
  const tasks = await Promise.all(
    clusters.flatMap((cluster) => [observeTasks(context, { cluster }), observeTasks(context, { cluster, stopped: true })]),
  );
  const matching = tasks.flat().filter(({ tags }) => tags?.some(({ key, value }) => key === "landfall:release" && value === release));
  return matching.map((task) => logStreamOf(taskId(task)));
}

async function collect({ context, filter, seen }: Reading, group: Group, startTime: number | undefined): Promise<LogLine[]> {
  const logs = await context.clients.logs();
  const lines: LogLine[] = [];
  const prefixes = group.instances ?? [undefined];
  for (const logStreamNamePrefix of prefixes) {
    const pages = logs.paginateFilterLogEvents({ logGroupName: group.name, startTime, logStreamNamePrefix });
    const events = await rowsOf(pages, (page) => page.events).catch((error: unknown) => {
      // Nobody has written a line yet.
      if (error instanceof Error && error.name === "ResourceNotFoundException") return [];
      throw error;
    });
    for (const { eventId = "", timestamp = 0, message = "", logStreamName = "" } of events) {
      if (seen.has(eventId)) continue;
      seen.add(eventId);
      const line = message.replace(/\r?\n$/, "");
      if (passes(line, filter)) lines.push({ at: timestamp, id: `${group.service}.${logStreamName}`, stream: "stdout", line });
    }
  }
  return lines;
}

function passes(line: string, { grep }: LogFilter): boolean {
  if (!grep) return true;
  // A global expression remembers where it stopped, and would skip lines.
  grep.lastIndex = 0;
  return grep.test(line);
}
