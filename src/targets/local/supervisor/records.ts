// The supervisor's records of its processes on disk: enough to take them up again after its own end. Never a secret.
import { closeSync, openSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { type ErrorParts, messageOf } from "../../../error.ts";
import { explainUnwritableSync, loadLines, removeAll } from "../../../system/files.ts";
import { observeBoot, type ProcessIdentity } from "../../../system/processes.ts";
import { isDamaged, loadState, loadStateIfWhole, type StateFile, writeState } from "../../../system/state-file.ts";
import type { Paths } from "../paths.ts";
import type { HandledEdge, ProcessRecord } from "./api.ts";

const WHOLE = "processes.json";
const CHANGES = "processes.changes.jsonl";

const SAVE_AGAIN_MS = 1_000;

/** How long a change may be only in the system's memory. */
const FLUSH_AFTER_MS = 1_000;

/** A record with what only the supervisor itself needs. */
export interface KeptRecord extends ProcessRecord {
  /** Has been replaced and is finishing what it had in hand. */
  former?: ProcessIdentity & { run: number };
  /** Counts the starts: names the files of each. */
  run: number;
  /** The start of the machine in which that run began: in another, its pids mean nothing. */
  boot?: string;
  /** The last run whose end is recorded: no end is recorded twice. */
  endedRun?: number;
  /** Crashes in a row: decides the pause before the next start. */
  crashes: number;
  /** How the last of them ended. */
  endings?: string[];
  /** It could not be started, because somebody else has its port; it is tried again until that is free. */
  portTaken?: ErrorParts;
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

/**
 * What was last kept of an environment's processes, for those who do not ask its supervisor: that may be dead, or hang. What has just ended may be
 * among it, but nothing that stands is missing: the changes, which go with the next writing of the file, are read before it.
 */
export function observeKept(paths: Paths): ProcessRecord[] {
  const changes = loadLines<Change>(join(paths.supervisor, CHANGES)).flatMap((change) =>
    "record" in change && change.record ? [change.record] : [],
  );
  return [...changes, ...(loadState<Whole>(wholeOf(paths))?.records ?? [])];
}

interface Whole {
  records: KeptRecord[];
}

const wholeOf = (paths: Paths): StateFile => ({
  file: join(paths.supervisor, WHOLE),
  lost: "which processes run",
  next: `landfall resume ${basename(paths.environment)}   ends what was started and is not known any more, and starts it again`,
});

const edgeFileOf = (paths: Paths): string => join(paths.supervisor, "edge.json");

/** What the balancer was told last; undefined where nothing of that is left. */
export const loadEdge = (paths: Paths): HandledEdge | undefined => loadStateIfWhole<HandledEdge>(edgeFileOf(paths));

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
  /** Why nothing is known of what an earlier supervisor started. */
  readonly lost: string | undefined;
  readonly #file: string;
  readonly #changesFile: string;
  readonly #edgeFile: string;
  #edge: HandledEdge | undefined;
  #changes: number | undefined;
  #isIncomplete = false;
  #flushing: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor(paths: Paths) {
    this.#file = join(paths.supervisor, WHOLE);
    this.#changesFile = join(paths.supervisor, CHANGES);
    this.#edgeFile = edgeFileOf(paths);
    try {
      for (const record of loadState<Whole>(wholeOf(paths))?.records ?? []) this.byId.set(record.spec.id, record);
      this.#loadChanges();
    } catch (error) {
      if (!isDamaged(error)) throw error;
      // A supervisor that did not start would help nobody. The changes alone would be a part of the processes, taken for all of them.
      this.lost = messageOf(error);
    }
    this.#edge = loadEdge(paths);
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
    writeState(this.#file, { records: [...this.byId.values()] } satisfies Whole);
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
    console.error(`the records were not saved: ${messageOf(error)}`);
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

  get edge(): HandledEdge | undefined {
    return this.#edge;
  }

  keepEdge(edge: HandledEdge): void {
    writeState(this.#edgeFile, edge);
    this.#edge = edge;
  }
}

/** The processes as a supervisor that does not answer knew them last. */
export const observeLast = (paths: Paths): ProcessRecord[] => [...new Records(paths).byId.values()].map(publish);
