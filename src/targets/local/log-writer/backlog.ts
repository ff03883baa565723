// The backlog of a log whose disk is full waits in memory: a program must not be stopped by it. What there is no room for
// is counted, and the log says how much it was as soon as it takes lines again.
import { messageOf } from "../../../error.ts";
import type { LogEntry } from "./log-file.ts";

/** How much may wait for one log, about as it lies in memory. */
export const BACKLOG_BYTES_MAX = 1024 * 1024;
/** What an entry takes besides its line. */
const ENTRY_BYTES = 200;
/** Written at once: a disk with a little room takes a part of what waits. */
const BATCH = 500;

export class Backlog {
  readonly #log: { append(entries: LogEntry[]): void };
  #waiting: LogEntry[] = [];
  #bytes = 0;
  #lost = 0;
  #reason: string | undefined;

  constructor(log: { append(entries: LogEntry[]): void }) {
    this.#log = log;
  }

  /** Hands the lines to the log, or keeps them when it refused the last ones: then `retry` is to be called now and then. */
  append(entries: LogEntry[]): void {
    for (const entry of entries) this.#bytes += sizeOf(entry);
    this.#waiting = this.#waiting.length === 0 ? entries : this.#waiting.concat(entries);
    if (this.#reason === undefined) this.retry();
    else this.#drop();
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  retry(): void {
    try {
      this.#tellLoss();
      let written = 0;
      try {
        for (; written < this.#waiting.length; written += BATCH) this.#log.append(this.#waiting.slice(written, written + BATCH));
      } finally {
        this.#remove(written);
      }
      this.#reason = undefined;
    } catch (error) {
      this.#reason = messageOf(error);
      this.#drop();
    }
  }

  /** The oldest go first: the last ones say why a program ended. */
  #drop(): void {
    let over = this.#bytes - BACKLOG_BYTES_MAX;
    let count = 0;
    for (const entry of this.#waiting) {
      if (over <= 0) break;
      over -= sizeOf(entry);
      count += 1;
    }
    this.#lost += count;
    this.#remove(count);
  }

  #remove(count: number): void {
    for (const entry of this.#waiting.splice(0, count)) this.#bytes -= sizeOf(entry);
  }

  #tellLoss(): void {
    const [next] = this.#waiting;
    if (this.#lost === 0 || !next) return;
    const line = `${this.#lost} lines before this one are lost: ${this.#reason}`;
    this.#log.append([{ at: Date.now(), stream: "stderr", line, run: next.run, lost: this.#lost }]);
    this.#lost = 0;
  }
}

const sizeOf = ({ line }: LogEntry): number => line.length + ENTRY_BYTES;
