// The log of one process: JSON lines, rotated by size. The disk is first met when there is a line to write, so that a full one is met
// where lines can wait for it.
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";

export type Stream = "stdout" | "stderr";

/** One line of output. `part` when the rest of the line follows; `lost` when it says that so many lines are missing here. */
export interface LogEntry {
  at: number;
  stream: Stream;
  line: string;
  run: number;
  part?: true;
  lost?: number;
}

export interface LogOwner {
  id: string;
  service?: string;
  release?: string;
}

/** First in every log file: whose log it is. */
export interface LogMark extends LogOwner {
  at: number;
}

/** A log is begun anew at the first write beyond this. */
export const FILE_BYTES_MAX = 10 * 1024 * 1024;
/** Files kept besides the one that is written. */
export const ROTATIONS_KEPT = 5;
const TAIL_BYTES = 64 * 1024;

export class LogFile {
  readonly #file: string;
  readonly #owner: LogOwner;
  #handle: number | undefined;
  #size = 0;

  constructor(file: string, owner: LogOwner) {
    this.#file = file;
    this.#owner = owner;
  }

  /** All or nothing: throws when the disk refuses, and has taken none of it then. */
  append(entries: LogEntry[]): void {
    const handle = this.#open();
    if (this.#size === 0) this.#write(handle, this.#mark());
    this.#write(this.#size > FILE_BYTES_MAX ? this.#rotate() : handle, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }

  /** The last lines that another process before this one has written, oldest first, without those whose beginning may be further up. */
  loadLast(): LogEntry[] {
    if (!existsSync(this.#file)) return [];
    const entries = readTail(this.#open(), TAIL_BYTES)
      .toString()
      .split("\n")
      .flatMap((text) => parseEntry(text) ?? []);
    const lines = entries.flatMap((entry) => ("line" in entry ? [entry] : []));
    const isWhole = entries.length > lines.length && rotationsOf(this.#file).length === 0;
    return isWhole ? lines : lines.filter((line, index) => lines.findIndex(({ stream }) => stream === line.stream) !== index);
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  #open(): number {
    if (this.#handle !== undefined) return this.#handle;
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const handle = openSync(this.#file, "a+", 0o600);
    this.#handle = handle;
    this.#cutOff(handle);
    return handle;
  }

  #mark(): string {
    return `${JSON.stringify({ at: Date.now(), ...this.#owner } satisfies LogMark)}\n`;
  }

  /** Cuts off a last line that a writer before this one did not come to the end of. */
  #cutOff(handle: number): void {
    const { size } = fstatSync(handle);
    const tail = readTail(handle, TAIL_BYTES);
    const whole = tail.includes("\n") ? tail : readTail(handle, size);
    this.#size = size - whole.length + whole.lastIndexOf("\n") + 1;
    if (this.#size < size) ftruncateSync(handle, this.#size);
  }

  #write(handle: number, text: string): void {
    try {
      this.#size += writeAll(handle, text);
    } catch (error) {
      ftruncateSync(handle, this.#size);
      throw error;
    }
  }

  #rotate(): number {
    const handle = this.#beginNext();
    this.close();
    this.#handle = handle;
    this.#size = fstatSync(handle).size;
    for (const number of rotationsOf(this.#file).slice(0, -ROTATIONS_KEPT)) rmSync(`${this.#file}.${number}`, { force: true });
    return handle;
  }

  /**
   * The new file stands complete, with its mark, before it takes the name: the log is never without a file that says whose it is. The old
   * one has another name by then, which it keeps until it is removed, so that a reader cannot miss it or meet it twice.
   */
  #beginNext(): number {
    const next = `${this.#file}.next`;
    rmSync(next, { force: true });
    const handle = openSync(next, "a+", 0o600);
    try {
      writeAll(handle, this.#mark());
      const last = rotationsOf(this.#file).at(-1) ?? 0;
      // A rotation may have been cut off here before, and a log may have been removed with its release.
      if (existsSync(this.#file) && !isSameFile(this.#file, `${this.#file}.${last}`)) linkSync(this.#file, `${this.#file}.${last + 1}`);
      renameSync(next, this.#file);
      return handle;
    } catch (error) {
      closeSync(handle);
      throw error;
    }
  }
}

function readTail(handle: number, bytes: number): Buffer {
  const { size } = fstatSync(handle);
  const tail = Buffer.alloc(Math.min(size, bytes));
  return tail.subarray(0, readSync(handle, tail, 0, tail.length, size - tail.length));
}

function writeAll(handle: number, text: string): number {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written);
  return bytes.length;
}

/** Undefined for what is not a line of a log: a power cut may leave zeros where lines had not reached the disk. */
export function parseEntry(text: string): LogEntry | LogMark | undefined {
  try {
    return JSON.parse(text);
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
