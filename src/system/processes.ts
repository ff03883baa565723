// Processes, as the operating system knows them. A pid alone is not an identity (it is used again); pid and start time are.

import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { codeOf, messageOf } from "../error.ts";

/** A process that can be recognised after a crash of ours. */
export interface ProcessIdentity {
  pid: number;
  /** The kernel's start time of that pid, as text; only compared. */
  startedAt: string;
}

/** Names this start of the machine: while it stays the same, pids and what was written to files hold. */
export function observeBoot(): string {
  if (process.platform === "linux") return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return execFileSync("sysctl", ["-n", "kern.bootsessionuuid"], { encoding: "utf8" }).trim();
}

export interface Stat {
  ended: boolean;
  parent: number;
  group: number;
  /** The group that its terminal sends Ctrl-C to; -1 without a terminal. */
  foreground: number;
  flags: number;
  /** The kernel's start time, as text; only compared. */
  startedAt: string;
}

/** What proc_pid_stat(5) says of a process, or undefined when there is none. Linux only. */
export function observeStat(pid: number): Stat | undefined {
  const fields = loadProc(pid, "stat")?.split(") ").at(-1)?.split(" ");
  if (!fields) return undefined;
  const [state = "", parent, group, , , foreground] = fields;
  return {
    // The first thread is a zombie before the others have ended; until they have, files and sockets stay open.
    ended: "ZX".includes(state) && Number(fields[17]) <= 1,
    parent: Number(parent),
    group: Number(group),
    foreground: Number(foreground),
    flags: Number(fields[6]),
    startedAt: fields[19] ?? "",
  };
}

/** The variables with which a process was started, `NAME=value`; none when they are not for us to see. Linux only. */
export const loadVariables = (pid: number): string[] => (process.platform === "linux" ? (loadProc(pid, "environ")?.split("\0") ?? []) : []);

/** What a process was called with; none when they are not for us to see. Linux only. */
export const loadArguments = (pid: number): string[] => (process.platform === "linux" ? (loadProc(pid, "cmdline")?.split("\0") ?? []) : []);

/** The name of its program; empty when it has ended. */
export function loadCommand(pid: number): string {
  if (process.platform === "linux") return loadProc(pid, "comm")?.trim() ?? "";
  return observeByPs(pid, "comm=") ?? "";
}

/** The file of its program. Undefined when it has ended, or is not for us to see. */
export function findProgram(pid: number): string | undefined {
  if (process.platform !== "linux") return observeByPs(pid, "comm=");
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

const NOT_THERE = ["ENOENT", "ESRCH"];
const NOT_OURS = ["EACCES", "EPERM"];

/** Undefined when there is no such process, or it is not for us to see. Throws when it may well be there: no more files can be opened. */
function loadProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch (error) {
    if ([...NOT_THERE, ...NOT_OURS].includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** Whether a process has a handler of a signal; where the system does not say, every program counts as if it had. */
export function catches(pid: number, signal: NodeJS.Signals): boolean {
  if (process.platform !== "linux") return true;
  const caught = BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(loadProc(pid, "status") ?? "")?.[1] ?? "0"}`);
  return (caught & (1n << BigInt(constants.signals[signal] - 1))) !== 0n;
}

/** The process's start time, or undefined when there is no such process (or nothing is left of it but its exit status). */
export function observeStart(pid: number): string | undefined {
  if (process.platform === "linux") {
    const stat = observeStat(pid);
    return stat?.ended ? undefined : stat?.startedAt;
  }
  return observeByPs(pid, "lstart=");
}

/** One column of what ps says; undefined when there is no such process. */
function observeByPs(pid: number, column: string): string | undefined {
  try {
    return execFileSync("ps", ["-o", column, "-p", String(pid)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() || undefined;
  } catch {
    return undefined;
  }
}

export const isRunning = (identity: ProcessIdentity): boolean => observeStart(identity.pid) === identity.startedAt;

/**
 * Whether a process was killed and has not ended yet, or has ended. Linux only; elsewhere it is never known.
 * `SigPnd` holds SIGKILL from the moment of the kill; the state is Z or X, or the file is gone, once it has come to its end.
 */
export function isDying(pid: number): boolean {
  if (process.platform !== "linux") return false;
  const [status, stat] = [loadProc(pid, "status"), observeStat(pid)];
  if (status === undefined || stat === undefined || /^State:\s*[ZX]/m.test(status)) return true;
  const pending = BigInt(`0x${/^SigPnd:\s*(\w+)$/m.exec(status)?.[1] ?? "0"}`);
  return (pending & SIGKILL_PENDING) !== 0n || (stat.flags & PF_EXITING) !== 0;
}

/** The kernel's flag of a process on its way out (include/linux/sched.h). */
const PF_EXITING = 0x4;
const SIGKILL_PENDING = 1n << 8n;

/** Sends a signal to a whole process group. False when the group is gone. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-leaderPid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    throw error;
  }
}

/**
 * For programs that others depend on: their output goes to files, and on a full disk Node ends a process that could not write.
 * A line of output is the lesser loss.
 */
export function outliveFullDisk(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

/** For what is worth having written and no reason to stop: that it could not be is said, and that is all. */
export function despiteDisk(write: () => void): void {
  try {
    write();
  } catch (error) {
    console.error(messageOf(error));
  }
}
