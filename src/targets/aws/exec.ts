// A command run by hand on one instance of a service, through Systems Manager: no port is open for it.
import { LandfallError } from "../../error.ts";
import type { InstanceReport } from "../../reports.ts";
import { unknownService } from "../refusals.ts";
import { pollEvery } from "./cloudformation/poll.ts";
import { announce, type Context } from "./context.ts";
import { findObject } from "./releases/objects.ts";
import { loadSite } from "./releases/site.ts";
import { observeStatus } from "./status.ts";

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
  const { bucket } = await loadSite(context);
  const prefix = `reports/${app.name}-${name}-service-${service}/exec`;
  const ssm = await context.clients.ssm();
  const { Command } = await ssm.sendCommand({
    InstanceIds: [machine.id],
    DocumentName: "AWS-RunShellScript",
    Comment: `landfall exec ${name} ${service}`.slice(0, 100),
    Parameters: { commands: [`exec ${PROGRAM} ${argv.map(quote).join(" ")}`], executionTimeout: [String(EXEC_SECONDS_MAX)] },
    OutputS3BucketName: bucket,
    OutputS3KeyPrefix: prefix,
  });
  const CommandId = Command?.CommandId ?? "";
  for await (const _ of pollEvery(context)) {
    const answer = await ssm.getCommandInvocation({ CommandId, InstanceId: machine.id }).catch((error: unknown) => {
      // The agent has not heard of it yet.
      if (error instanceof Error && error.name === "InvocationDoesNotExist") return undefined;
      throw error;
    });
    if (!answer || /^(Pending|InProgress|Delayed)$/.test(answer.Status ?? "")) continue;
    for (const [stream, said = ""] of [
      ["stdout", answer.StandardOutputContent],
      ["stderr", answer.StandardErrorContent],
    ] as const) {
      const whole =
        said.length < ANSWER_CHARACTERS_MAX ? undefined : await findObject(context, bucket, outputKey(prefix, CommandId, machine.id, stream));
      for (const line of (whole ?? said).replace(/\n$/, "").split("\n"))
        if (line !== "" || said !== "") context.emit({ type: "output", step: "exec", line });
    }
    return { code: answer.ResponseCode ?? 128 };
  }
  throw new TypeError("polling ended by itself");
}

const outputKey = (prefix: string, command: string, machine: string, stream: string) =>
  `${prefix}/${command}/${machine}/awsrunShellScript/0.awsrunShellScript/${stream}`;

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

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
