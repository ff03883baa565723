// A command run by hand on one instance of a service, through Systems Manager: no port is open for it.
import { LandfallError } from "../../error.ts";
import type { InstanceReport } from "../../reports.ts";
import { unknownService } from "../refusals.ts";
import { pollEvery } from "./cloudformation/poll.ts";
import { announce, type Context } from "./context.ts";
import { findObject } from "./releases/objects.ts";
import { loadSite } from "./releases/site.ts";
import { logicalName } from "./stacks/names.ts";
import { observeStatus } from "./status.ts";
import { execInTask } from "./task-exec.ts";

/** It is stopped after a day at the latest. */
const EXEC_SECONDS_MAX = 86_400;
/** Longer output than this is cut in the answer, and whole in the bucket. */
const ANSWER_CHARACTERS_MAX = 24_000;
const PROGRAM = "setpriv --reuid=app --regid=app --init-groups --no-new-privs /usr/local/lib/landfall/run-app";

/** Errors: SERVICE_UNKNOWN, INSTANCE_UNREACHABLE when none of the service's instances can be asked. */
export async function exec(context: Context, service: string, argv: string[]): Promise<{ code: number; signal?: string }> {
  const { app, name } = context.app;
  if (!app.services[service]) throw unknownService(service, Object.keys(app.services));
  await announce(context);
  const machine = await findMachine(context, service);
  context.emit({ type: "note", text: `on ${machine.id}, release ${machine.release}` });
  const { bucket, stacks } = await loadSite(context);
  const cluster = stacks.get(`${app.name}-${name}-service-${service}`)?.outputs[`${logicalName(service)}Cluster`];
  if (cluster !== undefined) return execInTask(context, cluster, machine.id, argv, quote);
  const prefix = `reports/${app.name}-${name}-service-${service}/exec`;
  const answer = await runOn(context, machine.id, {
    script: `exec ${PROGRAM} ${argv.map(quote).join(" ")}`,
    about: `landfall exec ${name} ${service}`,
    seconds: EXEC_SECONDS_MAX,
    output: { bucket, prefix },
  });
  for (const stream of ["stdout", "stderr"] as const) {
    const said = answer[stream];
    const isCut = said.length >= ANSWER_CHARACTERS_MAX;
    const whole = isCut ? await findObject(context, bucket, outputKey(prefix, answer.command, machine.id, stream)) : undefined;
    if (said !== "") for (const line of (whole ?? said).replace(/\n$/, "").split("\n")) context.emit({ type: "output", step: "exec", line });
  }
  return { code: answer.code };
}

export interface RemoteCommand {
  /** For the shell, as root. */
  script: string;
  /** Shown in the account's list of commands. */
  about: string;
  seconds: number;
  /** Where its whole output goes; an answer holds the beginning. */
  output?: { bucket: string; prefix: string };
}

export interface RemoteAnswer {
  command: string;
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a script on one machine, and waits for its end. */
export async function runOn(context: Context, machine: string, { script, about, seconds, output }: RemoteCommand): Promise<RemoteAnswer> {
  const ssm = await context.clients.ssm();
  const { Command } = await ssm.sendCommand({
    InstanceIds: [machine],
    DocumentName: "AWS-RunShellScript",
    Comment: about.slice(0, 100),
    Parameters: { commands: [script], executionTimeout: [String(seconds)] },
    ...(output && { OutputS3BucketName: output.bucket, OutputS3KeyPrefix: output.prefix }),
  });
  const CommandId = Command?.CommandId ?? "";
  for await (const _ of pollEvery(context)) {
    const answer = await ssm.getCommandInvocation({ CommandId, InstanceId: machine }).catch((error: unknown) => {
      // The agent has not heard of it yet.
      if (error instanceof Error && error.name === "InvocationDoesNotExist") return undefined;
      throw error;
    });
    if (!answer || /^(Pending|InProgress|Delayed)$/.test(answer.Status ?? "")) continue;
    return {
      command: CommandId,
      code: answer.ResponseCode ?? 128,
      stdout: answer.StandardOutputContent ?? "",
      stderr: answer.StandardErrorContent ?? "",
    };
  }
  throw new TypeError("polling ended by itself");
}

const outputKey = (prefix: string, command: string, machine: string, stream: string) =>
  `${prefix}/${command}/${machine}/awsrunShellScript/0.awsrunShellScript/${stream}`;

/** One word for the shell. */
export const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

async function findMachine(context: Context, service: string): Promise<InstanceReport> {
  const status = await observeStatus(context);
  const instances = status.services.find(({ name }) => name === service)?.instances ?? [];
  const machine = instances.find(({ state }) => state === "healthy") ?? instances.find(({ state }) => state === "unhealthy");
  if (machine) return machine;
  throw new LandfallError({
    code: "INSTANCE_UNREACHABLE",
    what: `service "${service}" of environment "${context.app.name}" has no instance that could run a command`,
    why: instances.length === 0 ? "none runs" : `they are: ${instances.map(({ id, state }) => `${id} ${state}`).join(", ")}`,
    standing: "Nothing was changed.",
    next: `landfall status ${context.app.name}`,
  });
}
