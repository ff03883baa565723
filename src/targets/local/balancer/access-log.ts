// One JSON line a request, written in batches: a request never waits for the disk.
import { existsSync, renameSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const ROTATE_AT_BYTES = 10_000_000;
const KEPT = 3;
const FLUSH_AFTER_MS = 250;
/** Small enough that making bytes of it holds up no request. */
const FLUSH_AT_CHARACTERS = 64_000;
/** Opening the file costs more than writing to it; but one that somebody moved away should not be written to for long. */
const REOPEN_AFTER_MS = 1_000;
/** When the disk is slower than the requests, lines are dropped rather than memory filled. */
const WAITING_MAX_CHARACTERS = 16_000_000;

export class AccessLog {
  readonly #file: string;
  readonly #rotateAtBytes: number;
  #waiting = "";
  #bytes: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #open: { handle: FileHandle; until: number } | undefined;

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
    this.#writing = this.#write(this.#take())
      .catch(() => undefined)
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
  }

  /** Writes what is left and lets go of the file. */
  async close(): Promise<void> {
    await this.flush();
    await this.#close();
  }

  #take(): Buffer {
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = "";
    return bytes;
  }

  async #write(bytes: Buffer): Promise<void> {
    const rotates = this.#bytes >= this.#rotateAtBytes;
    if (rotates || (this.#open && performance.now() > this.#open.until)) await this.#close();
    if (rotates) this.#rotate();
    this.#open ??= { handle: await open(this.#file, "a", 0o600), until: performance.now() + REOPEN_AFTER_MS };
    this.#bytes += bytes.length;
    await this.#open.handle.writeFile(bytes);
  }

  async #close(): Promise<void> {
    const before = this.#open;
    this.#open = undefined;
    await before?.handle.close().catch(() => undefined);
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
