// The log of one process: JSON lines, rotated by size. Each line carries how far its spool file had been read, so that the log itself
// is the record of what has been taken over: a supervisor that was killed between two writes loses no line and doubles none.
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";

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

/** A log is begun anew at the first write beyond this. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
/** Files kept besides the one that is written. */
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
    // The new file stands complete, with its mark, before it takes the name: the log and its offsets are never without a home. The old
    // one has another name by then, which it keeps until it is removed, so that a reader cannot miss it or meet it twice.
    const next = `${this.#file}.next`;
    const mark = Buffer.from(`${JSON.stringify(this.#markNow())}\n`);
    rmSync(next, { force: true });
    const handle = openSync(next, "a", 0o600);
    writeSync(handle, mark);
    const numbers = rotationsOf(this.#file);
    const last = numbers.at(-1) ?? 0;
    // A rotation may have been cut off here before, and a log may have been removed with its release.
    if (existsSync(this.#file) && !isSameFile(this.#file, `${this.#file}.${last}`)) linkSync(this.#file, `${this.#file}.${last + 1}`);
    renameSync(next, this.#file);
    for (const number of numbers.slice(0, 1 - ROTATIONS_KEPT)) rmSync(`${this.#file}.${number}`, { force: true });
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
export const logFilesOf = (file: string): string[] =>
  [...rotationsOf(file).map((number) => `${file}.${number}`), file].filter((name) => existsSync(name));

/** The numbers of the files before the current one: a newer file has a higher number. */
function rotationsOf(file: string): number[] {
  const prefix = `${basename(file)}.`;
  const rests = readdirSync(dirname(file)).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  return rests
    .filter((rest) => /^\d+$/.test(rest))
    .map(Number)
    .sort((a, b) => a - b);
}

const isSameFile = (a: string, b: string): boolean => statSync(a).ino === statSync(b, { throwIfNoEntry: false })?.ino;
