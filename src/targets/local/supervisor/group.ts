// A process group: its shell shim, its signals, and who is left in it. The shim writes what the supervisor would otherwise learn from
// wait(2), so that the supervisor may die and come back without losing an exit status.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { LandfallError } from "../../../error.ts";
import { loadText } from "../../../system/files.ts";
import { observeStart, type ProcessIdentity, signalGroup } from "../../../system/processes.ts";

/** The files of one start of a process: its output, and what the shim says of it. */
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
  /** Listening sockets for the program, by port: it is told of them by LANDFALL_LISTENERS. */
  listeners?: ReadonlyMap<number, number>;
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

/** Starts a program as the leader of a new group, its output going straight to files. Resolves when the shim has been spawned. */
export async function spawnGroup(launch: Launch): Promise<ChildProcess> {
  const { id, files } = launch;
  const handles = [files.stdout, files.stderr, files.status].map((file) => openSync(file, "a", 0o600));
  try {
    // The shim's few words fit into the block that this claims: a full disk is met here, and not by a shim that could tell nobody.
    writeSync(handles[2] as number, "\n");
    // Programs that open /dev/stdout again need the file to be theirs.
    if (launch.uid !== undefined) for (const file of Object.values(files)) chownSync(file, launch.uid, launch.gid ?? -1);
    const child = spawn("/bin/sh", ["-c", shimScript(launch.env), shimName(id), shimName(id), ...launch.argv], {
      cwd: launch.cwd,
      env: { ...launch.env, ...listenersVariable(launch) },
      detached: true,
      stdio: ["ignore", handles[0], handles[1], handles[2], "ignore", ...(launch.listeners?.values() ?? [])],
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
      why: (error as Error).message,
      standing: "Nothing of it runs; all other processes go on.",
      cause: error,
    });
  } finally {
    for (const handle of handles) closeSync(handle);
  }
}

function listenersVariable({ listeners }: Launch): Record<string, string> {
  if (!listeners?.size) return {};
  return { LANDFALL_LISTENERS: [...listeners.keys()].map((port, place) => `${port}:${FIRST_LISTENER + place}`).join(",") };
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

/** Whether any process of the group still runs. Zombies do not count: where nobody reaps orphans they would stay for ever. */
export function isGroupAlive(leaderPid: number): boolean {
  try {
    process.kill(-leaderPid, 0);
  } catch {
    return false;
  }
  // The leader is the last to end, as a rule: only without it the whole process table has to be looked through. A child of ours that
  // has ended goes from the table in a moment, and then the signal above tells.
  if (observeStart(leaderPid) !== undefined || isOwnZombie(leaderPid)) return true;
  return process.platform === "linux" ? hasMemberInProc(leaderPid) : hasMemberInPs(leaderPid);
}

function isOwnZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  const [state, parent] = (loadText(`/proc/${pid}/stat`) ?? "").split(") ").at(-1)?.split(" ") ?? [];
  return state === "Z" && Number(parent) === process.pid;
}

function hasMemberInProc(group: number): boolean {
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const [state, , memberOf] = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      return Number(memberOf) === group && state !== "Z" && state !== "X";
    } catch {
      return false;
    }
  });
}

function hasMemberInPs(group: number): boolean {
  const rows = execFileSync("ps", ["-axo", "pgid=,stat="], { encoding: "utf8" }).split("\n");
  return rows.some((row) => {
    const [memberOf, state] = row.trim().split(/\s+/);
    return Number(memberOf) === group && !state?.startsWith("Z");
  });
}

/** True when the whole group has ended within the time. The kernel tells nobody but a parent, so this has to look again and again. */
export async function waitGroupGone(leaderPid: number, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  // At most a tenth late, since each wave of a rollout waits here.
  for (let pauseMs = 1; isGroupAlive(leaderPid); pauseMs = Math.min(pauseMs * 1.1, 100)) {
    const left = end - performance.now();
    if (left <= 0) return false;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, left)));
  }
  return true;
}

/** After SIGKILL only a process stuck in the kernel stays; nobody can wait for that one to the end. */
const KILL_WAIT_MS = 5_000;

export async function killGroup(leaderPid: number): Promise<void> {
  if (!isGroupAlive(leaderPid)) return;
  signalGroup(leaderPid, "SIGKILL");
  await waitGroupGone(leaderPid, KILL_WAIT_MS);
}
