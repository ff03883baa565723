// Asks a process tree to stop by its signal, and waits until all of it has ended. Not all of it gets the signal, because a worker's
// children die of it with the job that they have in hand, while their parent would have waited for them. Only those are asked whom nobody
// else of the tree answers for; they know what to tell their own children. docs/decisions/0018 has the reasons, and
// src/machine/programs/stop-app.sh is the same for machines.

import { basename } from "node:path";
import { messageOf } from "../../../error.ts";
import type { Process } from "../../../system/process-table.ts";
import { catches, findProgram } from "../../../system/processes.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import { nameOf, type ProcessTree, signalOne } from "./process-tree.ts";

const LOOK_EVERY_MS = 100;
/** Shells pass no signal on. One that has not ended by then waits for its program before it takes it, and somebody has to ask that one. */
const SHELL_WAIT_MS = 300;
const SHELLS = ["sh", "dash", "bash", "ash", "busybox", "ksh", "mksh", "zsh"];

/** True when all of it has ended within the time. The shim is never asked: it ends with its program. */
export async function stopTree(tree: ProcessTree, { signal, timeoutMs }: ProcessSpec["stop"]): Promise<boolean> {
  const asking = new Asking(tree, signal);
  asking.look();
  const timer = setInterval(() => asking.look(), LOOK_EVERY_MS);
  try {
    return await tree.waitGone(timeoutMs);
  } finally {
    clearInterval(timer);
  }
}

class Asking {
  readonly #tree: ProcessTree;
  readonly #signal: NodeJS.Signals;
  /** Who was asked; of a shell when its programs are to be asked too. */
  readonly #asked = new Map<string, number>();
  /** Who had a handler of the signal before anybody was asked. */
  #handlers: Set<string> | undefined;
  /** Who was to be asked at the last look. */
  #waited = new Set<string>();

  constructor(tree: ProcessTree, signal: NodeJS.Signals) {
    this.#tree = tree;
    this.#signal = signal;
  }

  /** Asks whoever is to be asked by now, each of them once. When there is nothing to be seen, for want of files perhaps, the next look asks. */
  look(): void {
    try {
      this.#askDue(this.#tree.members());
    } catch (error) {
      console.error(`it could not be looked who is to be asked to stop: ${messageOf(error)}`);
    }
  }

  #askDue(members: Process[]): void {
    this.#handlers ??= new Set(members.filter((member) => catches(member.pid, this.#signal)).map(nameOf));
    const due = this.#dueOf(members);
    for (const member of due) if (member.parent === this.#tree.leader?.pid || this.#isPrepared(member)) this.#ask(member);
    // The signal ends all others at once: the end of a pipe has to outlive what writes to it. The table is not of one moment, so the
    // second look decides.
    const isBusy = members.some((member) => this.#asked.has(nameOf(member)) && this.#isPrepared(member));
    for (const member of due) if (!isBusy && this.#waited.has(nameOf(member))) this.#ask(member);
    this.#waited = new Set(due.map(nameOf));
  }

  #isPrepared(member: Process): boolean {
    return this.#handlers?.has(nameOf(member)) || catches(member.pid, this.#signal);
  }

  /** Those without a parent in the tree, and the programs of shells that do nothing but wait for them. */
  #dueOf(members: Process[]): Process[] {
    const now = performance.now();
    const parents = new Map(members.map((member) => [member.pid, member]));
    return members.filter((member) => {
      if (this.#asked.has(nameOf(member))) return false;
      if (!parents.has(member.parent)) return true;
      return catches(member.pid, this.#signal) && now >= this.#waitsFrom(member, parents);
    });
  }

  /** When the shell above it was given time enough. One without a handler that was not asked passes nothing on: the one above it counts. */
  #waitsFrom(member: Process, parents: Map<number, Process>): number {
    const parent = parents.get(member.parent);
    if (!parent) return Number.POSITIVE_INFINITY;
    const from = this.#asked.get(nameOf(parent));
    if (from !== undefined) return from;
    return isShell(parent) && !this.#isPrepared(parent) ? this.#waitsFrom(parent, parents) : Number.POSITIVE_INFINITY;
  }

  #ask(member: Process): void {
    if (this.#asked.has(nameOf(member))) return;
    this.#asked.set(nameOf(member), isShell(member) ? performance.now() + SHELL_WAIT_MS : Number.POSITIVE_INFINITY);
    // Its parent passed the signal on and ended before it. A handler for one time is gone by then, and a second signal would kill.
    if (this.#handlers?.has(nameOf(member)) && !catches(member.pid, this.#signal)) return;
    // It may have ended, or belong to another user: whoever is there at the time-out is killed.
    signalOne(member, this.#signal);
  }
}

/** By its program: a script's own name says nothing. */
const isShell = ({ pid }: Process): boolean => SHELLS.includes(basename(findProgram(pid) ?? ""));
