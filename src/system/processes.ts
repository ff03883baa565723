// What the operating system knows of processes. A pid alone is not an identity (it is used again); pid and start time are.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

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

/** The process's start time, or undefined when there is no such process (or it is a zombie). */
export function observeStart(pid: number): string | undefined {
  try {
    if (process.platform === "linux") {
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
    }
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() || undefined;
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
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const pending = BigInt(`0x${/^SigPnd:\s*(\w+)$/m.exec(status)?.[1] ?? "0"}`);
    return /^State:\s*[ZX]/m.test(status) || (pending & SIGKILL_PENDING) !== 0n || isExiting(pid);
  } catch {
    return true;
  }
}

/** The kernel's flag of a process on its way out (PF_EXITING, include/linux/sched.h), the ninth field of proc_pid_stat(5). */
const isExiting = (pid: number): boolean =>
  (Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ")[6] ?? 0) & PF_EXITING) !== 0;

const PF_EXITING = 0x4;
const SIGKILL_PENDING = 1n << 8n;

/** Sends a signal to a whole process group. False when the group is gone. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-leaderPid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
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
