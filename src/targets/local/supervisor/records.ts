// What the supervisor keeps on disk of its processes: enough to take them up again after its own end. Never a secret.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { explainUnwritableSync, loadJson, loadLines, removeAll, writeJson } from "../../../system/files.ts";
import { observeBoot, type ProcessIdentity } from "../../../system/processes.ts";
import type { Edge } from "../balancer/api.ts";
import type { Places } from "../places.ts";
import type { ProcessRecord } from "./api.ts";

const SAVE_AGAIN_MS = 1_000;

/** How long a change may be only in the system's memory. */
const FLUSH_AFTER_MS = 1_000;

/** A record with what only the supervisor itself needs. */
export interface KeptRecord extends ProcessRecord {
  /** Has been replaced and is finishing what it had in hand. */
  former?: ProcessIdentity;
  /** Counts the starts: names the spool files. */
  run: number;
  /** The start of the machine in which that run began: in another, its pids mean nothing. */
  boot?: string;
  /** The last run whose end is recorded: no end is recorded twice. */
  endedRun?: number;
  /** Crashes in a row: decides the pause before the next start. */
  crashes: number;
  /** How the last of them ended. */
  endings?: string[];
  /** A one-shot process: it was stopped because its time was up. */
  timedOut?: boolean;
  /** Attached, but out of the balancer until it is healthy again. */
  suspended?: boolean;
  /** A one-shot process: when its time is up. */
  endsBy?: number;
  /** A run of a schedule: the schedule's id. */
  scheduleId?: string;
  /** A schedule: the last time that was due and was taken up. */
  lastDueAt?: number;
}

/** A line of the changes: in which start of the machine the next ones were written, or what one record is now, if it is there. */
type Change = { boot: string } | { id: string; record?: KeptRecord };

/** What of a record others may know. */
export function publish(kept: KeptRecord): ProcessRecord {
  const { spec, state, group, pid, port, since, restarts, lastExit, traffic, share, warm } = kept;
  return { spec, state, group, pid, port, since, restarts, lastExit, traffic, share, warm };
}

/**
 * All records in one file that is flushed, and the changes since then in another that is not: these outlive this process, whatever
 * kills it, but not the machine. So a start does not wait for the disk, and a power cut loses a second at most.
 */
export class Records {
  readonly byId = new Map<string, KeptRecord>();
  readonly boot = observeBoot();
  readonly #file: string;
  readonly #changesFile: string;
  readonly #edgeFile: string;
  #edge: Edge | undefined;
  #changes: number | undefined;
  #isIncomplete = false;
  #flushing: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor(places: Places) {
    this.#file = join(places.supervisor, "processes.json");
    this.#changesFile = join(places.supervisor, "processes.changes.jsonl");
    this.#edgeFile = join(places.supervisor, "edge.json");
    for (const record of loadJson<KeptRecord[]>(this.#file) ?? []) this.byId.set(record.spec.id, record);
    this.#loadChanges();
    this.#edge = loadJson<Edge>(this.#edgeFile);
  }

  /** Throws when the disk refuses: for what must not be done without a record. */
  save(record: KeptRecord): void {
    // What is to run once must not run twice, not even after a power cut; and a change that the disk refused is not among the changes.
    if (record.spec.kind === "job" || this.#isIncomplete) return this.flush();
    const { id } = record.spec;
    explainUnwritableSync(this.#changesFile, () => this.#append({ id, record: this.byId.get(id) }));
    this.#flushing ??= setTimeout(() => this.#flushOrLater(), FLUSH_AFTER_MS);
  }

  /** For what has happened already: a full disk must not end the supervisor, which tries again until there is room. */
  saveOrLater(record: KeptRecord): void {
    try {
      this.save(record);
    } catch (error) {
      this.#tryLater(error);
    }
  }

  /** All of it is on the disk when this returns. Throws when the disk refuses. */
  flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    writeJson(this.#file, [...this.byId.values()]);
    this.#closeChanges();
    removeAll(this.#changesFile);
    this.#isIncomplete = false;
  }

  /** Writes what is left to write, and nothing after that. */
  close(): void {
    this.#flushOrLater();
    clearTimeout(this.#later);
    this.#closeChanges();
  }

  #flushOrLater(): void {
    try {
      this.flush();
    } catch (error) {
      this.#tryLater(error);
    }
  }

  #tryLater(error: unknown): void {
    this.#isIncomplete = true;
    console.error(`the records were not saved: ${(error as Error).message}`);
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#flushOrLater(), SAVE_AGAIN_MS).unref();
  }

  /** The line break comes first: it parts the line from one before it that was cut off. */
  #append(change: Change): void {
    const isNew = this.#changes === undefined;
    this.#changes ??= openSync(this.#changesFile, "a", 0o600);
    const lines = isNew ? [{ boot: this.boot } satisfies Change, change] : [change];
    const bytes = Buffer.from(lines.map((line) => `\n${JSON.stringify(line)}`).join(""));
    if (writeSync(this.#changes, bytes) < bytes.length) throw Object.assign(new Error("ENOSPC: the disk is full"), { code: "ENOSPC" });
  }

  #closeChanges(): void {
    if (this.#changes !== undefined) closeSync(this.#changes);
    this.#changes = undefined;
  }

  /** Those of this start of the machine: of an earlier one it is not known which reached the disk. */
  #loadChanges(): void {
    let holds = false;
    for (const change of loadLines<Change>(this.#changesFile)) {
      if ("boot" in change) holds = change.boot === this.boot;
      else if (!holds) continue;
      else if (change.record) this.byId.set(change.id, change.record);
      else this.byId.delete(change.id);
    }
  }

  get edge(): Edge | undefined {
    return this.#edge;
  }

  keepEdge(edge: Edge): void {
    writeJson(this.#edgeFile, edge);
    this.#edge = edge;
  }
}
