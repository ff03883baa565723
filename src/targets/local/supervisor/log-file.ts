// The log of one process: JSON lines, rotated by size. Each line carries how far its spool file had been read, so that the log itself
// is the record of what has been taken over: a supervisor that was killed between two writes loses no line and doubles none.
import { closeSync, existsSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

export type Stream = "stdout" | "stderr";

/** One line of output. `to` is the offset in the spool file just after it; `part` when the rest of the line follows. */
export interface LogEntry {
  at: number;
  stream: Stream;
  line: string;
  run: number;
  to: number;
  part?: true;
}

/** First in every log file, and again at each start: whose log it is, and where its spools were. */
export interface LogMark {
  at: number;
  id: string;
  service?: string;
  release?: string;
  run: number;
  offsets: Record<Stream, number>;
}

export interface LogOwner {
  id: string;
  service?: string;
  release?: string;
}

const FILE_BYTES_MAX = 10 * 1024 * 1024;
export const ROTATIONS_KEPT = 5;
const LAST_LINES_KEPT = 20;

export class LogFile {
  readonly #file: string;
  readonly #owner: LogOwner;
  #handle: number;
  #size = 0;
  #run = 0;
  #offsets: Record<Stream, number> = { stdout: 0, stderr: 0 };
  #lastLines: string[] = [];

  constructor(file: string, owner: LogOwner) {
    this.#file = file;
    this.#owner = owner;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // A rotation that was cut off between its two renames.
    if (!existsSync(file) && existsSync(`${file}.next`)) renameSync(`${file}.next`, file);
    this.#handle = openSync(file, "a", 0o600);
    this.#recover();
  }

  /** How far the spools of that run have been read: zero for a run the log does not know. */
  offsetsOf(run: number): Record<Stream, number> {
    return run === this.#run ? { ...this.#offsets } : { stdout: 0, stderr: 0 };
  }

  /** Begins a run, or notes that a spool starts again from `offsets`. */
  mark(run: number, offsets: Record<Stream, number> = { stdout: 0, stderr: 0 }): void {
    if (run !== this.#run) this.#lastLines = [];
    this.#run = run;
    this.#offsets = { ...offsets };
    this.#write(`${JSON.stringify(this.#markNow())}\n`);
  }

  append(entries: LogEntry[]): void {
    if (entries.length === 0) return;
    if (this.#size > FILE_BYTES_MAX) this.#rotate();
    this.#write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    for (const entry of entries) this.#offsets[entry.stream] = entry.to;
    this.#lastLines = [...this.#lastLines, ...entries.slice(-LAST_LINES_KEPT).map((entry) => entry.line)].slice(-LAST_LINES_KEPT);
  }

  /** The last lines of the current run, oldest first. */
  get lastLines(): string[] {
    return [...this.#lastLines];
  }

  close(): void {
    closeSync(this.#handle);
  }

  #markNow(): LogMark {
    return { at: Date.now(), ...this.#owner, run: this.#run, offsets: { ...this.#offsets } };
  }

  /** All or nothing: a write that a full disk cut short is taken back, and the spool keeps the lines until it succeeds. */
  #write(text: string): void {
    const bytes = Buffer.from(text);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#handle, bytes, written);
      this.#size += bytes.length;
    } catch (error) {
      ftruncateSync(this.#handle, this.#size);
      throw error;
    }
  }

  #rotate(): void {
    // The new file stands complete, with its mark, before it takes the old one's name: the offsets are never without a home.
    const next = `${this.#file}.next`;
    const mark = Buffer.from(`${JSON.stringify(this.#markNow())}\n`);
    rmSync(next, { force: true });
    const handle = openSync(next, "a", 0o600);
    writeSync(handle, mark);
    for (let number = ROTATIONS_KEPT - 1; number >= 1; number--) {
      if (existsSync(`${this.#file}.${number}`)) renameSync(`${this.#file}.${number}`, `${this.#file}.${number + 1}`);
    }
    renameSync(this.#file, `${this.#file}.1`);
    renameSync(next, this.#file);
    closeSync(this.#handle);
    this.#handle = handle;
    this.#size = mark.length;
  }

  /** Cuts off a half-written last line and reads back the offsets of the last run. */
  #recover(): void {
    const content = readFileSync(this.#file);
    this.#size = content.lastIndexOf(0x0a) + 1;
    if (this.#size < fstatSync(this.#handle).size) ftruncateSync(this.#handle, this.#size);
    if (this.#size === 0) return this.mark(0);
    const lines = content.subarray(0, this.#size).toString().split("\n").slice(0, -1).reverse();
    const found: Partial<Record<Stream, number>> = {};
    for (const text of lines) {
      const entry = parseEntry(text);
      if (!entry) continue;
      if (this.#run === 0) this.#run = entry.run;
      if ("offsets" in entry) {
        this.#offsets = { ...entry.offsets, ...found };
        break;
      }
      found[entry.stream] ??= entry.to;
      if (this.#lastLines.length < LAST_LINES_KEPT) this.#lastLines.unshift(entry.line);
    }
  }
}

/** Undefined for what is not a line of a log: a power cut may leave zeros where lines had not reached the disk. */
export function parseEntry(text: string): LogEntry | LogMark | undefined {
  try {
    return JSON.parse(text) as LogEntry | LogMark;
  } catch {
    return undefined;
  }
}

/** Every file of a log, oldest first. */
export function logFilesOf(file: string): string[] {
  const numbers = Array.from({ length: ROTATIONS_KEPT }, (_, index) => ROTATIONS_KEPT - index);
  return [...numbers.map((number) => `${file}.${number}`), file].filter((name) => existsSync(name));
}
