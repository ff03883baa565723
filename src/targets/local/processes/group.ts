// A process group and the shell shim that leads it. The shim writes what the supervisor would otherwise learn from
// wait(2), so that the supervisor may die and come back without losing an exit status.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { LandfallError, messageOf } from "../../../error.ts";
import { loadText } from "../../../system/files.ts";
import { openPipe } from "../../../system/pipes.ts";
import { observeStart, type ProcessIdentity } from "../../../system/processes.ts";

/** The files of one start of a process: the pipes for its output, and what the shim says of it. */
export interface RunFiles {
  stdout: string;
  stderr: string;
  status: string;
}

export interface Launch {
  id: string;
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  uid?: number;
  gid?: number;
  files: RunFiles;
  /** The ports whose sockets the program is given: it is told of them by LANDFALL_LISTENERS. */
  listen: readonly number[];
}

/** The shim uses the descriptors up to 4 itself. */
const FIRST_LISTENER = 5;

/** What the shim has written so far. */
export interface RunStatus {
  leader?: number;
  pid?: number;
  /** As the shell counts: 128 and more is a signal. */
  exit?: number;
}

/** Shells export these on their own; the program gets exactly its own environment. */
const ADDED_BY_SHELLS = ["PWD", "OLDPWD", "SHLVL", "_"];

/**
 * The script that leads the group. Signals to the group reach it too: it notes them without dying, so that it is there to write the
 * program's status to descriptor 3. Its own error output goes nowhere, since shells comment on signalled children; the
 * program gets the real one through descriptor 4, in a subshell, since shells redirect themselves for a plain command.
 */
function shimScript(env: Record<string, string>): string {
  const unset = ADDED_BY_SHELLS.filter((name) => !(name in env)).join(" ");
  const program = `echo "pid $$" >&3; ${unset ? `unset ${unset}; ` : ""}exec "$@" 3>&-`;
  return [
    "trap : TERM INT HUP QUIT USR1 USR2",
    "exec 4>&2 2>/dev/null",
    'echo "leader $$" >&3',
    `(exec /bin/sh -c '${program}' "$@" 2>&4 4>&-)`,
    'echo "exit $?" >&3',
  ].join("\n");
}

/**
 * Starts a program as the leader of a new group, its output going into pipes that are there. Resolves when the shim has been spawned. `sockets`
 * are the descriptors of those that it is given, by port.
 */
export async function spawnGroup(launch: Launch, sockets: ReadonlyMap<number, number> = new Map()): Promise<ChildProcess> {
  const { id, files } = launch;
  const [output, errors, status] = [openPipe(files.stdout), openPipe(files.stderr), openSync(files.status, "a", 0o600)];
  try {
    // The shim's few words fit into the block that this claims: a full disk is met here, and not by a shim that could tell nobody.
    writeSync(status, "\n");
    // Programs that open /dev/stdout again need the pipe to be theirs.
    if (launch.uid !== undefined) for (const file of Object.values(files)) chownSync(file, launch.uid, launch.gid ?? -1);
    const child = spawn("/bin/sh", ["-c", shimScript(launch.env), shimName(id), shimName(id), ...launch.argv], {
      cwd: launch.cwd,
      env: { ...launch.env, ...listenersVariable([...sockets.keys()]) },
      detached: true,
      stdio: ["ignore", output, errors, status, "ignore", ...sockets.values()],
      ...(launch.uid === undefined ? {} : { uid: launch.uid }),
      ...(launch.gid === undefined ? {} : { gid: launch.gid }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return child;
  } catch (error) {
    throw new LandfallError({
      code: "INSTANCE_CRASHED",
      what: `process "${id}" could not be started in "${launch.cwd}"`,
      where: id,
      why: messageOf(error),
      standing: "Nothing of it runs; all other processes go on.",
      cause: error,
    });
  } finally {
    for (const handle of [output, errors, status]) closeSync(handle);
  }
}

function listenersVariable(ports: number[]): Record<string, string> {
  if (ports.length === 0) return {};
  return { LANDFALL_LISTENERS: ports.map((port, place) => `${port}:${FIRST_LISTENER + place}`).join(",") };
}

const shimName = (id: string): string => `landfall:${id}`;

export function loadStatus(file: string): RunStatus {
  const status: RunStatus = {};
  // The last line counts only when it is whole: the shim may be writing it now.
  for (const line of (loadText(file) ?? "").split("\n").slice(0, -1)) {
    const [word, number] = line.split(" ");
    if (word === "leader" || word === "pid" || word === "exit") status[word] = Number(number);
  }
  return status;
}

/** The shell's number as the two things it can mean. A program that itself exits with 128 + n is told apart from a signal by nobody. */
export function readExit(status: number | undefined): { code?: number; signal?: string } {
  if (status === undefined) return {};
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0];
  return signal ? { signal } : { code: status };
}

/** The shim of `id` under that pid, if that is what runs there: for a start that was cut off before its start time was noted. */
export function identifyShim(id: string, pid: number): ProcessIdentity | undefined {
  const startedAt = observeStart(pid);
  if (startedAt === undefined) return undefined;
  const command =
    process.platform === "linux"
      ? readFileSync(`/proc/${pid}/cmdline`, "utf8")
      : execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  return command.includes(shimName(id)) ? { pid, startedAt } : undefined;
}
