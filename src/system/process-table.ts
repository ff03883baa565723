// The processes of this machine, as its table has them at about one moment.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { observeStat, type ProcessIdentity } from "./processes.ts";

/** A zombie is none. */
export interface Process extends ProcessIdentity {
  parent: number;
  group: number;
}

export interface ProcessTable {
  /** When the look began. */
  at: number;
  processes: Process[];
}

let kept: (ProcessTable & { until: number }) | undefined;

/** One look is enough for all who look at the same time. Kept for twice as long as it took, so that looking never takes up the machine. */
export function observeTable(): ProcessTable {
  if (kept && performance.now() < kept.until) return kept;
  const at = performance.now();
  const processes = process.platform === "linux" ? listOfProc() : listOfPs();
  const end = performance.now();
  kept = { at, processes, until: end + 2 * (end - at) };
  return kept;
}

const listOfProc = (): Process[] =>
  readdirSync("/proc").flatMap((name) => {
    const stat = /^\d+$/.test(name) ? observeStat(Number(name)) : undefined;
    return stat === undefined || stat.ended ? [] : [{ pid: Number(name), parent: stat.parent, group: stat.group, startedAt: stat.startedAt }];
  });

function listOfPs(): Process[] {
  const rows = execFileSync("ps", ["-axo", "pid=,ppid=,pgid=,stat=,lstart="], { encoding: "utf8" }).trim().split("\n");
  return rows.flatMap((row) => {
    const [pid, parent, group, state = "Z", ...startedAt] = row.trim().split(/\s+/);
    return state.startsWith("Z") ? [] : [{ pid: Number(pid), parent: Number(parent), group: Number(group), startedAt: startedAt.join(" ") }];
  });
}

/** These and all that descends from them. */
export function withDescendants(processes: Process[], roots: Process[]): Process[] {
  const children = new Map<number, Process[]>();
  for (const process of processes) children.set(process.parent, [...(children.get(process.parent) ?? []), process]);
  const descendants = new Set<Process>();
  const waiting = [...roots];
  for (let process = waiting.pop(); process !== undefined; process = waiting.pop()) {
    if (descendants.has(process)) continue;
    descendants.add(process);
    waiting.push(...(children.get(process.pid) ?? []));
  }
  return processes.filter((process) => descendants.has(process));
}
