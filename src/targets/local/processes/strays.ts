// Processes that were started for an environment and that nobody watches any more: they have left their group and their parent. Linux only:
// elsewhere the system does not show by which variables they could be known.
import { basename, dirname } from "node:path";
import type { Stray, StrayReport } from "../../../reports.ts";
import { observeTable, type Process, withDescendants } from "../../../system/process-table.ts";
import { loadCommand } from "../../../system/processes.ts";
import type { Paths } from "../paths.ts";
import { observeSessions } from "../sessions.ts";
import { identifyShim } from "./group.ts";
import { ProcessTree, runOf } from "./process-tree.ts";
import { stopTree } from "./stop-tree.ts";

/** For what no record names any more, and its `stop` with it. */
const STOP = { signal: "SIGTERM", timeoutMs: 10_000 } as const;

export const canFindStrays = process.platform === "linux";

/** All but the shims of what runs, what descends from them, and what is run by hand. */
export function findStrays(paths: Paths): StrayReport[] {
  const { processes } = observeTable();
  const byHand = observeSessions(paths).map(({ id }) => id);
  const marked = new ProcessTree(undefined, paths.runs).membersAmong(processes);
  const watched = new Set(withDescendants(processes, marked.filter(isShim)));
  const strays = marked.filter((member) => !watched.has(member) && !byHand.includes(idOf(member)));
  return strays.map((member) => ({ ...asStray(member), id: idOf(member) }));
}

/** Of all that the environment has ever started. */
export const findStarted = (paths: Paths): Stray[] => new ProcessTree(undefined, paths.runs).members().map(asStray);

/** For an environment without a supervisor: asks them to stop, kills them at the time-out, and names them. */
export async function endStarted(paths: Paths): Promise<Stray[]> {
  const started = findStarted(paths);
  const tree = new ProcessTree(undefined, paths.runs);
  if (!(await stopTree(tree, STOP))) await tree.kill();
  return started;
}

const asStray = ({ pid }: Process): Stray => ({ pid, command: loadCommand(pid) });

const isShim = (member: Process): boolean => identifyShim(idOf(member), member.pid) !== undefined;

const idOf = (member: Process): string => basename(dirname(runOf(member) ?? ""));
