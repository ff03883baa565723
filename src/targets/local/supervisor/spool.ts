// Reads what a program has written to its spool file, cuts it into lines and hands them to the log. The program writes to the
// file itself, never to a pipe of ours: it can neither be stopped by a supervisor that died nor lose a line with it.
import { execFile } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, truncateSync } from "node:fs";
import type { LogEntry, LogFile, Stream } from "./log-file.ts";

const CHUNK_BYTES = 256 * 1024;
export const LINE_BYTES_MAX = 64 * 1024;
/** Consumed space is given back to the disk in steps of this size. */
const FREE_BYTES = 8 * 1024 * 1024;

export interface SpoolInput {
  file: string;
  stream: Stream;
  run: number;
  log: LogFile;
}

export class Spool {
  readonly #input: SpoolInput;
  readonly #handle: number;
  #offset: number;
  #freed = 0;
  #canPunch = process.platform === "linux";
  #punching = false;

  constructor(input: SpoolInput) {
    this.#input = input;
    this.#handle = openSync(input.file, "r");
    this.#offset = input.log.offsetsOf(input.run)[input.stream];
    // Only a spool that was emptied is shorter than what was read of it.
    if (fstatSync(this.#handle).size < this.#offset) this.#offset = 0;
  }

  /** Takes over at most one chunk of whole lines. True when there may be more. */
  pump(): boolean {
    return this.#take(false);
  }

  /** Takes over everything, the unended last line included. Call it when nobody writes any more. */
  finish(): void {
    while (this.#take(true));
  }

  close(): void {
    closeSync(this.#handle);
  }

  #take(isLast: boolean): boolean {
    if (fstatSync(this.#handle).size === this.#offset) return false;
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(this.#handle, chunk, 0, CHUNK_BYTES, this.#offset);
    const { entries, taken } = this.#cut(chunk.subarray(0, length), isLast && length < CHUNK_BYTES);
    this.#input.log.append(entries);
    this.#offset += taken;
    this.#free();
    return length === CHUNK_BYTES;
  }

  #cut(bytes: Buffer, takeRest: boolean): { entries: LogEntry[]; taken: number } {
    const { stream, run } = this.#input;
    const at = Date.now();
    const entries: LogEntry[] = [];
    let from = 0;
    while (from < bytes.length) {
      const newline = bytes.indexOf(0x0a, from);
      const end = newline === -1 ? bytes.length : newline;
      if (end - from > LINE_BYTES_MAX) {
        const cut = beforeCharacter(bytes, from + LINE_BYTES_MAX);
        entries.push({ at, stream, line: bytes.toString("utf8", from, cut), run, to: this.#offset + cut, part: true });
        from = cut;
        continue;
      }
      if (newline === -1 && !takeRest) break;
      const next = newline === -1 ? end : end + 1;
      entries.push({
        at,
        stream,
        line: bytes.toString("utf8", from, bytes[end - 1] === 0x0d && end > from ? end - 1 : end),
        run,
        to: this.#offset + next,
      });
      from = next;
    }
    return { entries, taken: from };
  }

  #free(): void {
    if (this.#offset - this.#freed < FREE_BYTES) return;
    if (this.#canPunch) this.#punch();
    else this.#truncate();
  }

  /** Gives the blocks back while offsets stay as they are, so that a writer in the middle of a line is not disturbed. */
  #punch(): void {
    if (this.#punching) return;
    this.#punching = true;
    const upTo = this.#offset - (this.#offset % 4096);
    execFile("fallocate", ["--punch-hole", "--offset", String(this.#freed), "--length", String(upTo - this.#freed), this.#input.file], (error) => {
      this.#punching = false;
      // A file system without holes: the space comes back when the process is started again.
      if (error) this.#canPunch = false;
      else this.#freed = upTo;
    });
  }

  /** Without holes the file can only be emptied, and only at a moment when all of it has been read. */
  #truncate(): void {
    if (fstatSync(this.#handle).size !== this.#offset) return;
    truncateSync(this.#input.file, 0);
    this.#offset = 0;
    const { log, run, stream } = this.#input;
    log.mark(run, { ...log.offsetsOf(run), [stream]: 0 });
  }
}

/** The last place at or before `index` where a UTF-8 character begins. */
function beforeCharacter(bytes: Buffer, index: number): number {
  let place = index;
  while (place > index - 4 && ((bytes[place] ?? 0) & 0xc0) === 0x80) place--;
  return place;
}
