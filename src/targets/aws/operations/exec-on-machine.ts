// A command run by hand on a machine. What it is, reads and prints goes through objects of the artifact bucket that are gone when it has ended: the
// account keeps the parameters of such calls, and the beginning of what is printed, for weeks.
import { randomUUID } from "node:crypto";
import { LandfallError } from "../../../error.ts";
import type { ProgramEnd } from "../../../system/attend.ts";
import { quote } from "../../../text/shell.ts";
import { findBytes, findObject, objectsIn, removeObject } from "../account/objects.ts";
import { runOn } from "../account/remote-command.ts";
import { assertPlugin, attendSession } from "../account/session.ts";
import type { Context } from "../context.ts";
import { stackName } from "../templates/shared/names.ts";
import { type RemoteOptions, readInput } from "./exec-input.ts";

interface MachineCommand {
  service: string;
  /** The machine's id. */
  instance: string;
  argv: string[];
  region: string;
  /** Of artifacts. */
  bucket: string;
}

/** It is stopped after a day at the latest. */
const EXEC_SECONDS_MAX = 86_400;
const PROGRAM = "setpriv --reuid=app --regid=app --init-groups --no-new-privs /usr/local/lib/landfall/run-app";
/** A document of AWS's own: a command on a terminal. */
const ON_TERMINAL = "AWS-StartInteractiveCommand";

/** What the machine may read and write of the bucket. */
interface Places {
  command: string;
  stdin: string;
  stdout: string;
  stderr: string;
  status: string;
}

/** By Run Command: streams are apart and byte for byte, the input is sent before and the output read after it. */
export async function execOnMachine(context: Context, command: MachineCommand, options: RemoteOptions): Promise<ProgramEnd> {
  const stdin = await readInput(context, options.stdin);
  const { environment } = context.deployment;
  return throughObjects(context, command, async (places) => {
    if (stdin.length > 0) await objectsIn(context, command.bucket).put(places.stdin, stdin);
    const answer = await runOn(context, command.instance, {
      script: scriptOf(command.bucket, places, stdin.length > 0),
      about: `landfall exec ${environment} ${command.service}`,
      seconds: EXEC_SECONDS_MAX,
      onStart: options.onStart,
    });
    for (const stream of ["stdout", "stderr"] as const) {
      const bytes = await findBytes(context, command.bucket, places[stream]);
      if (bytes?.length) options[stream].write(bytes);
      if (!bytes && !answer.cancelled) throw notRun(command, answer.stderr);
    }
    return answer.cancelled ? { signal: answer.cancelled } : { code: answer.code };
  });
}

/** Over Session Manager, whose plugin speaks with the terminal itself. */
export async function execOnTerminal(context: Context, command: MachineCommand, options: RemoteOptions): Promise<ProgramEnd> {
  assertPlugin();
  return throughObjects(context, command, async (places) => {
    const ssm = await context.clients.ssm();
    const script = terminalScriptOf(command.bucket, places, options.terminal ?? "dumb");
    const session = await ssm.startSession({
      Target: command.instance,
      DocumentName: ON_TERMINAL,
      Reason: `landfall exec ${context.deployment.environment} ${command.service}`,
      Parameters: { command: [`sudo /bin/sh -c ${quote(script)}`] },
    });
    const end = await attendSession({ session, target: command.instance, region: command.region }, options);
    const status = await findObject(context, command.bucket, places.status);
    return status === undefined ? end : { code: Number.parseInt(status, 10) };
  });
}

async function throughObjects(context: Context, command: MachineCommand, act: (places: Places) => Promise<ProgramEnd>): Promise<ProgramEnd> {
  const { bucket, service, argv } = command;
  const id = randomUUID();
  const [input, output] = [`releases/exec-${id}`, `reports/${stackName(context.deployment, "service", service)}/exec/${id}`];
  const places = {
    command: `${input}/command`,
    stdin: `${input}/stdin`,
    stdout: `${output}/stdout`,
    stderr: `${output}/stderr`,
    status: `${output}/status`,
  };
  await objectsIn(context, bucket).put(places.command, `exec ${argv.map(quote).join(" ")}`);
  try {
    return await act(places);
  } finally {
    for (const key of Object.values(places)) await removeObject(context, bucket, key);
  }
}

/** Streams go over the disk and not through the agent, which keeps a part of them. */
const scriptOf = (bucket: string, places: Places, hasInput: boolean): string =>
  [
    ...beginning(bucket, places),
    hasInput ? `copy ${at(bucket, places.stdin)} stdin || exit` : ": >stdin",
    `${PROGRAM} /bin/sh -c "$(cat command)" <stdin >stdout 2>stderr`,
    "code=$?",
    `copy stdout ${at(bucket, places.stdout)} && copy stderr ${at(bucket, places.stderr)} && exit "$code"`,
  ].join("\n");

const terminalScriptOf = (bucket: string, places: Places, terminal: string): string =>
  [
    ...beginning(bucket, places),
    `${PROGRAM} env ${quote(`TERM=${terminal}`)} /bin/sh -c "$(cat command)"`,
    "echo $? >status",
    `copy status ${at(bucket, places.status)}`,
  ].join("\n");

const beginning = (bucket: string, { command }: Places): string[] => [
  "umask 077",
  'work=$(mktemp -d /var/tmp/landfall-exec.XXXXXX) && cd "$work" || exit',
  `trap 'rm -rf "$work"' EXIT`,
  'copy() { aws s3 cp --only-show-errors "$@"; }',
  `copy ${at(bucket, command)} command || exit`,
];

const at = (bucket: string, key: string): string => quote(`s3://${bucket}/${key}`);

const notRun = ({ instance }: MachineCommand, words: string) =>
  new LandfallError({
    code: "INSTANCE_UNREACHABLE",
    what: `the command could not be run on machine ${instance}`,
    why: words.trim() || "the machine gave no answer",
    standing: "Nothing was changed, unless the command itself did: what it printed did not come back.",
  });
