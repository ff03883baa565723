// All that one start of a process has become, found by what is there: programs leave their group (setsid, daemons) and their parents (two
// forks), and what was started is known for none of them. docs/decisions/0035 has the reasons.
import { messageOf } from "../../../error.ts";
import type { Stray } from "../../../reports.ts";
import { observeTable, type Process, withDescendants } from "../../../system/process-table.ts";
import { isRunning, loadCommand, loadVariables, observeStat, type ProcessIdentity, signalGroup } from "../../../system/processes.ts";

/** The variable by which a process is known whatever becomes of it, since children inherit it: the place of its run's files. */
export const RUN_VARIABLE = "LANDFALL_RUN";
const VARIABLE = `${RUN_VARIABLE}=`;

/** After SIGKILL only a process stuck in the kernel stays; nobody can wait for that one to the end. */
const KILL_WAIT_MS = 5_000;
const KILL_AGAIN_MS = 50;

/** A pid may come again while its tree stops. */
export const nameOf = ({ pid, startedAt }: ProcessIdentity): string => `${pid} ${startedAt}`;

export class ProcessTree {
  /** The shim. Without one, all that bears the mark is the tree. */
  readonly leader: ProcessIdentity | undefined;
  readonly #mark: string;
  /** Whoever was a member once stays one, also when it has lost the parent by which it was known. */
  readonly #seen = new Set<string>();
  #emptyAt: number | undefined;

  /** `mark` is a run's, or a folder of runs: then the tree is that of all of them. */
  constructor(leader: ProcessIdentity | undefined, mark: string) {
    this.leader = leader;
    this.#mark = mark;
  }

  /**
   * All but the shim: who is of its group, who bears the mark, and who descends from one of these. Throws when the process table cannot be
   * read. Where the system shows no variables (macOS), whoever left its group is known only as long as its parent runs.
   */
  members(): Process[] {
    return this.membersAmong(observeTable().processes);
  }

  /** The same of one look, for whoever compares them with others of that look. */
  membersAmong(processes: Process[]): Process[] {
    const shim = this.leader && processes.find(({ pid }) => pid === this.leader?.pid);
    // Its pid belongs to somebody else by now, and so may a group of that number.
    const isTaken = shim !== undefined && shim.startedAt !== this.leader?.startedAt;
    const isRoot = (process: Process) =>
      this.#seen.has(nameOf(process)) || bears(process, this.#mark) || (!isTaken && this.leader !== undefined && process.group === this.leader.pid);
    const members = withDescendants(processes, processes.filter(isRoot)).filter((member) => member !== shim && member.pid !== process.pid);
    for (const member of members) this.#seen.add(nameOf(member));
    return members;
  }

  /**
   * Whether any of it still runs. Zombies do not count: where nobody reaps orphans they would stay for ever. What cannot be looked at is
   * not known to have ended.
   */
  isAlive(): boolean {
    try {
      return this.#isLeaderThere() || this.#hasMembers();
    } catch (error) {
      console.error(`it could not be looked whether processes have ended: ${messageOf(error)}`);
      return true;
    }
  }

  /** The last to end, as a rule: only without it the whole process table has to be looked through. */
  #isLeaderThere(): boolean {
    if (!this.leader) return false;
    // A child of ours that has ended goes from the table in a moment.
    return isRunning(this.leader) || isOwnZombie(this.leader);
  }

  /** A table is not of one moment: who forks and ends while it is read may be missing in it with its child, and is not in the next. */
  #hasMembers(): boolean {
    const { at, processes } = observeTable();
    if (this.membersAmong(processes).length > 0) {
      this.#emptyAt = undefined;
      return true;
    }
    this.#emptyAt ??= at;
    return this.#emptyAt === at;
  }

  /** True when all of it has ended within the time. The kernel tells nobody but a parent, so this has to look again and again. */
  async waitGone(timeoutMs: number): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    // At most a tenth late, since each wave of a rollout waits here.
    for (let pauseMs = 1; this.isAlive(); pauseMs = Math.min(pauseMs * 1.1, 100)) {
      const remainingMs = end - performance.now();
      if (remainingMs <= 0) return false;
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, remainingMs)));
    }
    return true;
  }

  /**
   * Again and again, since between the look and the signal a process may fork; what is stuck in the kernel is left after a while. Says who
   * of them had left the group.
   */
  async kill(): Promise<Stray[]> {
    const strays = new Map<string, Stray>();
    const end = performance.now() + KILL_WAIT_MS;
    while (this.isAlive() && performance.now() < end) {
      for (const member of this.#killSeen()) strays.set(nameOf(member), member);
      await this.waitGone(KILL_AGAIN_MS);
    }
    return [...strays.values()].map(({ pid, command }) => ({ pid, command }));
  }

  #killSeen(): (Process & Stray)[] {
    // The group first, at one blow: it needs no look.
    if (this.leader && isRunning(this.leader)) signalGroup(this.leader.pid, "SIGKILL");
    try {
      const members = this.members().map((member) => ({ ...member, command: loadCommand(member.pid) }));
      for (const member of members) signalOne(member, "SIGKILL");
      return members.filter(({ group }) => group !== this.leader?.pid);
    } catch (error) {
      console.error(`it could not be looked what is to be killed: ${messageOf(error)}`);
      return [];
    }
  }
}

/** Nothing happens to one that has ended, or belongs to another user. */
export function signalOne(target: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    if (isRunning(target)) process.kill(target.pid, signal);
  } catch {}
}

function bears(member: Process, mark: string): boolean {
  const run = runOf(member);
  return run === mark || run?.startsWith(`${mark}/`) === true;
}

/** One reading a table for all trees that look at it. */
const runs = new WeakMap<Process, { run?: string }>();

/** The place of the files of the run that a process was started for; undefined when it was not, or nobody can tell. */
export function runOf(member: Process): string | undefined {
  const mark = runs.get(member) ?? {
    run: loadVariables(member.pid)
      .find((variable) => variable.startsWith(VARIABLE))
      ?.slice(VARIABLE.length),
  };
  runs.set(member, mark);
  return mark.run;
}

function isOwnZombie({ pid, startedAt }: ProcessIdentity): boolean {
  if (process.platform !== "linux") return false;
  const stat = observeStat(pid);
  return stat?.ended === true && stat.startedAt === startedAt && stat.parent === process.pid;
}
