// A command in a container of a service: ECS Exec, which gives it a terminal whether there is one here or not. So stdout and stderr come as one, and
// no status comes back but what is printed: at a terminal here nothing is printed of ours, and the status is lost.
import { randomUUID } from "node:crypto";
import { PassThrough, Writable } from "node:stream";
import type { ProgramEnd } from "../../../system/attend.ts";
import { quote } from "../../../text/shell.ts";
import { assertPlugin, attendSession } from "../account/session.ts";
import { observeTasks, taskId } from "../account/tasks.ts";
import type { Context } from "../context.ts";
import { CONTAINER } from "../templates/compute/task.ts";
import { assertNoInput, type RemoteOptions } from "./exec-input.ts";

interface TaskCommand {
  cluster: string;
  /** The task's id. */
  instance: string;
  argv: string[];
  region: string;
}

/** Errors: SESSION_PLUGIN_MISSING, USAGE for what is on stdin. */
export async function execInTask(context: Context, command: TaskCommand, options: RemoteOptions): Promise<ProgramEnd> {
  assertPlugin();
  const words = command.argv.map(quote).join(" ");
  if (options.terminal !== undefined) return attendSession(await begin(context, command, `TERM=${quote(options.terminal)} exec ${words}`), options);
  await assertNoInput(context, options.stdin);
  const marks = { begin: `landfall-${randomUUID()}`, end: `landfall-${randomUUID()}:` };
  // The terminal would add carriage returns.
  const script = `stty -onlcr -echo 2>/dev/null; printf %s ${marks.begin}; ${words}; printf '%s%d.' ${marks.end} $?`;
  const between = passBetween(marks, options.stdout);
  const session = await begin(context, command, script);
  const end = await attendSession(session, { ...options, stdin: new PassThrough(), stdout: between });
  return between.code === undefined ? end : { code: between.code };
}

async function begin(context: Context, { cluster, instance, region }: TaskCommand, script: string) {
  const ecs = await context.clients.ecs();
  const asked = { cluster, task: instance, container: CONTAINER, interactive: true, command: `/bin/sh -c ${quote(script)}` };
  const [{ session = {} }, tasks] = await Promise.all([ecs.executeCommand(asked), observeTasks(context, { cluster })]);
  const { containers = [] } = tasks.find((task) => taskId(task) === instance) ?? {};
  const runtime = containers.find(({ name }) => name === CONTAINER)?.runtimeId;
  const { sessionId, streamUrl, tokenValue } = session;
  return {
    session: { SessionId: sessionId, StreamUrl: streamUrl, TokenValue: tokenValue },
    target: `ecs:${cluster.slice(cluster.lastIndexOf("/") + 1)}_${instance}_${runtime}`,
    region,
  };
}

interface Marks {
  begin: string;
  end: string;
}

/** Passes on what stands between the two marks, as it comes; after the second stand the status and a dot. */
export function passBetween({ begin, end }: Marks, to: Writable): Writable & { code?: number } {
  let held = Buffer.alloc(0);
  let state: "before" | "between" | "after" = "before";
  const passed: Writable & { code?: number } = new Writable({
    write(chunk: Buffer, _, done) {
      held = Buffer.concat([held, chunk]);
      if (state === "before" && held.includes(begin)) {
        held = held.subarray(held.indexOf(begin) + begin.length);
        state = "between";
      }
      if (state === "between") {
        const at = held.indexOf(end);
        // What may be the beginning of the mark waits for the rest.
        const sure = at === -1 ? Math.max(0, held.length - end.length) : at;
        if (sure > 0) to.write(held.subarray(0, sure));
        held = held.subarray(at === -1 ? sure : at + end.length);
        if (at !== -1) state = "after";
      }
      if (state === "after") passed.code ??= statusIn(held);
      done();
    },
  });
  return passed;
}

const statusIn = (held: Buffer): number | undefined => {
  const status = /^(\d+)\./.exec(held.toString())?.[1];
  return status === undefined ? undefined : Number(status);
};
