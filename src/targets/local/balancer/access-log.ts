// One JSON line a request, written in batches: a request never waits for the disk.
import { appendFileSync, existsSync, renameSync, statSync } from "node:fs";
import { appendFile } from "node:fs/promises";

const ROTATE_AT_BYTES = 10_000_000;
const KEPT = 3;
const FLUSH_AFTER_MS = 250;
const FLUSH_AT_CHARACTERS = 64_000;
/** When the disk is slower than the requests, lines are dropped rather than memory filled. */
const WAITING_MAX_CHARACTERS = 16_000_000;

export class AccessLog {
  readonly #file: string;
  readonly #rotateAtBytes: number;
  #waiting = "";
  #bytes: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(file: string, rotateAtBytes = ROTATE_AT_BYTES) {
    this.#file = file;
    this.#rotateAtBytes = rotateAtBytes;
    this.#bytes = existsSync(file) ? statSync(file).size : 0;
  }

  /** Takes a whole line without its line break. */
  add(line: string): void {
    if (this.#waiting.length > WAITING_MAX_CHARACTERS) return;
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= FLUSH_AT_CHARACTERS) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_AFTER_MS).unref();
  }

  /** Resolves when everything added so far has been written. A disk that refuses costs lines, never requests. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#writing) await this.#writing;
    if (!this.#waiting) return;
    const text = this.#take();
    this.#writing = appendFile(this.#file, text, { mode: 0o600 })
      .catch(() => undefined)
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
  }

  /** For the end of the process, when nothing can be waited for. */
  flushNow(): void {
    clearTimeout(this.#timer);
    if (!this.#waiting) return;
    try {
      appendFileSync(this.#file, this.#take(), { mode: 0o600 });
    } catch {
      // The process ends either way, and its requests are done.
    }
  }

  #take(): string {
    if (this.#bytes >= this.#rotateAtBytes) this.#rotate();
    const text = this.#waiting;
    this.#waiting = "";
    this.#bytes += Buffer.byteLength(text);
    return text;
  }

  #rotate(): void {
    try {
      for (let number = KEPT - 1; number >= 1; number--) {
        if (existsSync(`${this.#file}.${number}`)) renameSync(`${this.#file}.${number}`, `${this.#file}.${number + 1}`);
      }
      renameSync(this.#file, `${this.#file}.1`);
      this.#bytes = 0;
    } catch {
      // Someone else moved the file: the next batch starts a new one.
      this.#bytes = 0;
    }
  }
}
