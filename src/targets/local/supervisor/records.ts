// What the supervisor keeps on disk of its processes: enough to take them up again after its own end. Never a secret.
import { join } from "node:path";
import { loadJson, loadText, writeJson } from "../../../system/files.ts";
import type { Edge } from "../balancer/api.ts";
import type { Places } from "../places.ts";
import type { ProcessRecord } from "./api.ts";

const SAVE_AGAIN_MS = 1_000;

/** A record with what only the supervisor itself needs. */
export interface KeptRecord extends ProcessRecord {
  /** Counts the starts: names the spool files. */
  run: number;
  /** Crashes in a row: decides the pause before the next start. */
  crashes: number;
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

export class Records {
  readonly byId = new Map<string, KeptRecord>();
  readonly #file: string;
  readonly #edgeFile: string;
  #edge: Edge | undefined;
  #later: NodeJS.Timeout | undefined;
  readonly #boot = loadText("/proc/sys/kernel/random/boot_id")?.trim();
  /** False after the machine was started again: then no pid of the records means anything. */
  readonly pidsHold: boolean;

  constructor(places: Places) {
    this.#file = join(places.supervisor, "processes.json");
    this.#edgeFile = join(places.supervisor, "edge.json");
    const kept = loadJson<Kept>(this.#file);
    for (const record of kept?.processes ?? []) this.byId.set(record.spec.id, record);
    this.#edge = loadJson<Edge>(this.#edgeFile);
    this.pidsHold = kept?.boot === this.#boot;
  }

  /** Throws when the disk refuses: for what must not be done without a record. */
  save(): void {
    writeJson(this.#file, { boot: this.#boot, processes: [...this.byId.values()] } satisfies Kept);
  }

  /** For what has happened already: a full disk must not end the supervisor, which tries again until there is room. */
  saveOrLater(): void {
    clearTimeout(this.#later);
    try {
      this.save();
    } catch (error) {
      console.error(`the records were not saved: ${(error as Error).message}`);
      this.#later = setTimeout(() => this.saveOrLater(), SAVE_AGAIN_MS).unref();
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
