// What the supervisor keeps on disk of its processes: enough to take them up again after its own end. Never a secret.
import { join } from "node:path";
import { loadJson, writeJson } from "../../../system/files.ts";
import type { ProcessIdentity } from "../../../system/processes.ts";
import { observeBoot } from "../../../system/processes.ts";
import type { Edge } from "../balancer/api.ts";
import type { Places } from "../places.ts";
import type { ProcessRecord } from "./api.ts";

const SAVE_AGAIN_MS = 1_000;

/** How long a change may be only in the system's memory. */
const FLUSH_AFTER_MS = 200;

/** A record with what only the supervisor itself needs. */
export interface KeptRecord extends ProcessRecord {
  /** Has been replaced and is finishing what it had in hand. */
  former?: ProcessIdentity;
  /** Counts the starts: names the spool files. */
  run: number;
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

interface Kept {
  /** Which start of the machine the pids belong to. */
  boot?: string;
  processes: KeptRecord[];
}

/** What of a record others may know. */
export function publish(kept: KeptRecord): ProcessRecord {
  const { spec, state, group, pid, port, since, restarts, lastExit, traffic, share, warm } = kept;
  return { spec, state, group, pid, port, since, restarts, lastExit, traffic, share, warm };
}

/**
 * Two files of the same shape. Each change goes to the recent one at once, without waiting for the disk: it is there for whoever comes
 * after a crash of this process, and counts until the machine is started again. The lasting one is flushed, and follows a moment later.
 */
export class Records {
  readonly byId = new Map<string, KeptRecord>();
  readonly #file: string;
  readonly #recentFile: string;
  readonly #edgeFile: string;
  #edge: Edge | undefined;
  #flushing: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;
  readonly #boot = observeBoot();
  /** False after the machine was started again: then no pid of the records means anything. */
  readonly pidsHold: boolean;

  constructor(places: Places) {
    this.#file = join(places.supervisor, "processes.json");
    this.#edgeFile = join(places.supervisor, "edge.json");
    this.#recentFile = join(places.supervisor, "processes.recent.json");
    const kept = this.#loadRecent() ?? loadJson<Kept>(this.#file);
    for (const record of kept?.processes ?? []) this.byId.set(record.spec.id, record);
    this.#edge = loadJson<Edge>(this.#edgeFile);
    this.pidsHold = kept?.boot === this.#boot;
  }

  /** Throws when the disk refuses: for what must not be done without a record. `flush`: it is on the disk when this returns. */
  save({ flush = false } = {}): void {
    if (flush) this.#flush();
    else this.#flushing ??= setTimeout(() => this.saveOrLater({ flush: true }), FLUSH_AFTER_MS);
    writeJson(this.#recentFile, this.#kept(), { flush: false });
  }

  /** For what has happened already: a full disk must not end the supervisor, which tries again until there is room. */
  saveOrLater(options?: { flush?: boolean }): void {
    clearTimeout(this.#later);
    try {
      this.save(options);
    } catch (error) {
      console.error(`the records were not saved: ${(error as Error).message}`);
      this.#later = setTimeout(() => this.saveOrLater({ flush: true }), SAVE_AGAIN_MS).unref();
    }
  }

  /** Nothing is written after this. */
  close(): void {
    clearTimeout(this.#flushing);
    clearTimeout(this.#later);
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    writeJson(this.#file, this.#kept());
  }

  #kept(): Kept {
    return { boot: this.#boot, processes: [...this.byId.values()] };
  }

  /** Undefined when it is another boot's: then it may be old, or cut off where the power went. */
  #loadRecent(): Kept | undefined {
    try {
      const kept = loadJson<Kept>(this.#recentFile);
      return kept?.boot === this.#boot ? kept : undefined;
    } catch {
      return undefined;
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
