// The logs of an environment's instances, from CloudWatch Logs: one group a service, one stream for each unit of each instance.
import type { LogFilter, LogLine } from "../../reports.ts";
import { observeEnvironment } from "./cloudformation/stand.ts";
import { type Context, locate } from "./context.ts";
import { logicalName } from "./stacks/names.ts";
import { hasContainers } from "./stacks/running.ts";
import { logGroupName } from "./stacks/settings.ts";
import { CONTAINER } from "./stacks/task.ts";
import { logStreamOf, observeTasks, taskId } from "./tasks.ts";

const LOOK_AGAIN_MS = 2_000;
/** Shippers are seconds late, and not all equally: what is older than this has come. */
const SETTLED_MS = 20_000;
/** How far back is looked for the last lines, further each time until there are enough. */
const WINDOWS_MS = [10 * 60_000, 2 * 3_600_000, 24 * 3_600_000];

/** By time. With `follow` it goes on until the signal aborts, and a line that comes late stands after younger ones. */
export async function* readLogs(context: Context, filter: LogFilter = {}): AsyncGenerator<LogLine> {
  await locate(context);
  const groups = await findGroups(context, filter);
  const begun = context.clock.now();
  const seen = new Set<string>();
  const read = async (from: number | undefined): Promise<LogLine[]> => {
    const lines = (await Promise.all(groups.map((group) => collect(context, group, filter, from, seen)))).flat();
    return lines.sort((one, other) => one.at - other.at);
  };
  yield* filter.tail === undefined ? await read(filter.since?.getTime()) : await readLast(context, filter, filter.tail, read, seen);
  if (!filter.follow) return;
  for (let from = begun - SETTLED_MS; !filter.signal?.aborted; from = context.clock.now() - SETTLED_MS - LOOK_AGAIN_MS) {
    await context.clock.sleep(LOOK_AGAIN_MS, filter.signal).catch(() => {});
    yield* await read(from);
  }
}

async function readLast(
  { clock }: Context,
  { since }: LogFilter,
  count: number,
  read: (from: number | undefined) => Promise<LogLine[]>,
  seen: Set<string>,
): Promise<LogLine[]> {
  for (const windowMs of WINDOWS_MS) {
    const from = clock.now() - windowMs;
    if (since && since.getTime() > from) break;
    const lines = await read(from);
    if (lines.length >= count) return lines.slice(lines.length - count);
    seen.clear();
  }
  const lines = await read(since?.getTime());
  return lines.slice(Math.max(0, lines.length - count));
}

interface Group {
  service: string;
  name: string;
  /** Streams that are asked for; all when left out. */
  instances?: string[];
}

async function findGroups(context: Context, { service, release, instance }: LogFilter): Promise<Group[]> {
  const { app } = context.app;
  const named = instance?.split(".").at(-1) as string;
  const instances = instance === undefined ? release && (await instancesOf(context, release)) : [streamOf(named)];
  return Object.keys(app.services)
    .filter((name) => service === undefined || name === service)
    .map((name) => ({ service: name, name: logGroupName(context.app, name), ...(instances ? { instances } : {}) }));
}

/** `i-0123…/app` is a stream of machine `i-0123…`; of a container, the stream is named after its task. */
function streamOf(named: string): string {
  const words = named.split("/");
  const id = words.at(words[0] === CONTAINER ? -1 : 0) as string;
  return id.startsWith("i-") ? id : logStreamOf(id);
}

/** Those that AWS still knows: for about an hour after their end. */
async function instancesOf(context: Context, release: string): Promise<string[]> {
  const {
    clients,
    app: { app, name },
  } = context;
  const { Reservations = [] } = await (await clients.ec2()).describeInstances({
    Filters: [
      { Name: "tag:landfall:app", Values: [app.name] },
      { Name: "tag:landfall:environment", Values: [name] },
      { Name: "tag:landfall:release", Values: [release] },
    ],
  });
  const machines = Reservations.flatMap(({ Instances = [] }) => Instances.flatMap(({ InstanceId }) => InstanceId ?? []));
  return [...machines, ...(await tasksOf(context, release))];
}

async function tasksOf(context: Context, release: string): Promise<string[]> {
  const { app, name } = context.app;
  if (!hasContainers(app)) return [];
  const stacks = await observeEnvironment(context.clients, { app: app.name, environment: name });
  const clusters = Object.keys(app.services).flatMap(
    (service) => stacks.get(`${app.name}-${name}-service-${service}`)?.outputs[`${logicalName(service)}Cluster`] ?? [],
  );
  const tasks = await Promise.all(
    clusters.flatMap((cluster) => [observeTasks(context, { cluster }), observeTasks(context, { cluster, stopped: true })]),
  );
  const own = tasks.flat().filter(({ tags }) => tags?.some(({ key, value }) => key === "landfall:release" && value === release));
  return own.map((task) => logStreamOf(taskId(task)));
}

async function collect({ clients }: Context, group: Group, filter: LogFilter, startTime: number | undefined, seen: Set<string>): Promise<LogLine[]> {
  const logs = await clients.logs();
  const lines: LogLine[] = [];
  const prefixes = group.instances ?? [undefined];
  for (const logStreamNamePrefix of prefixes) {
    let nextToken: string | undefined;
    do {
      const page = await logs.filterLogEvents({ logGroupName: group.name, startTime, logStreamNamePrefix, nextToken }).catch((error: unknown) => {
        // Nobody has written a line yet, or the environment does not stand.
        if (error instanceof Error && error.name === "ResourceNotFoundException") return { events: [], nextToken: undefined };
        throw error;
      });
      for (const { eventId = "", timestamp = 0, message = "", logStreamName = "" } of page.events ?? []) {
        if (seen.has(eventId)) continue;
        seen.add(eventId);
        const line = message.replace(/\r?\n$/, "");
        if (passes(line, filter)) lines.push({ at: timestamp, id: `${group.service}.${logStreamName}`, stream: "stdout", line });
      }
      nextToken = page.nextToken;
    } while (nextToken);
  }
  return lines;
}

function passes(line: string, { grep }: LogFilter): boolean {
  if (!grep) return true;
  // A global expression remembers where it stopped, and would skip lines.
  grep.lastIndex = 0;
  return grep.test(line);
}
