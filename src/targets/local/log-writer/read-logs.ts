// Reads the logs of an environment as one: the lines of all processes in the order of their times, across rotations, and on as they come.

import { closeSync, existsSync, type FSWatcher, fstatSync, openSync, readdirSync, readSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../../error.ts";
import type { LogFilter, LogLine } from "../../../reports.ts";
import { removeAll } from "../../../system/files.ts";
import type { Paths } from "../paths.ts";
import { LineJoiner, type WholeLine } from "./line-joiner.ts";
import { type LogMark, logFilesOf, parseEntry } from "./log-file.ts";

const CHUNK_BYTES = 256 * 1024;
const LOOK_AGAIN_MS = 250;

/**
 * The lines of all processes that the filter lets through, by time; lines of one process always in the order they were written.
 * Ends after the last line, or with `follow` when the signal aborts. Output that the supervisor has not taken over yet is not there.
 */
export async function* readLogs(paths: Paths, filter: LogFilter = {}): AsyncGenerator<LogLine> {
  const readers = new Map<string, LogReader>();
  const changes = filter.follow ? watchFolder(paths.logs, filter.signal) : undefined;
  try {
    findReaders(paths.logs, filter, readers);
    yield* lastOf(merge([...readers.values()], filter), filter.tail);
    while (changes && !filter.signal?.aborted) {
      await changes.next();
      findReaders(paths.logs, filter, readers);
      yield* merge([...readers.values()], filter);
    }
  } finally {
    changes?.close();
    for (const reader of readers.values()) reader.close();
  }
}

/** Everything written so far, smallest time first. */
function* merge(readers: LogReader[], filter: LogFilter): Generator<LogLine> {
  const heads = readers.map((reader) => ({ reader, head: reader.next() }));
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const candidate of heads) if (candidate.head && (!first?.head || candidate.head.at < first.head.at)) first = candidate;
    if (!first?.head) return;
    if (passes(first.head, filter)) yield first.head;
    first.head = first.reader.next();
  }
}

function passes({ at, line }: LogLine, { since, grep }: LogFilter): boolean {
  if (since && at < since.getTime()) return false;
  if (!grep) return true;
  // A global expression remembers where it stopped, and would skip lines.
  grep.lastIndex = 0;
  return grep.test(line);
}

function* lastOf(lines: Generator<LogLine>, count: number | undefined): Generator<LogLine> {
  if (count === undefined) return yield* lines;
  let kept: LogLine[] = [];
  for (const line of lines) {
    kept.push(line);
    if (kept.length > count * 2 + 1000) kept = kept.slice(-count);
  }
  if (count > 0) yield* kept.slice(-count);
}

function findReaders(folder: string, filter: LogFilter, readers: Map<string, LogReader>): void {
  for (const name of namesIn(folder)) {
    const id = name.endsWith(".jsonl") ? name.slice(0, -".jsonl".length) : undefined;
    if (id === undefined || readers.has(id)) continue;
    if (filter.instance !== undefined && id !== filter.instance && !id.startsWith(`${filter.instance}.`)) continue;
    const file = join(folder, name);
    const mark = loadMark(file);
    // Without its first line it was made this moment: it is looked at again at the next change.
    if (!mark) continue;
    if (filter.service !== undefined && mark.service !== filter.service) continue;
    if (filter.release !== undefined && mark.release !== filter.release) continue;
    readers.set(id, new LogReader(file, id, filter.since));
  }
}

/** A log that is just being removed, and a folder that nobody has written to yet, hold nothing. */
const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

function loadMark(file: string): LogMark | undefined {
  const handle = openOrNone(file);
  if (handle === undefined) return undefined;
  try {
    const bytes = Buffer.alloc(4096);
    const text = bytes.toString("utf8", 0, readSync(handle, bytes, 0, bytes.length, 0));
    const entry = text.includes("\n") ? parseEntry(text.slice(0, text.indexOf("\n"))) : undefined;
    return entry && !("line" in entry) ? entry : undefined;
  } finally {
    closeSync(handle);
  }
}

/** Reads one process's log forward, from its oldest file into its newest. The open file is followed when it is renamed. */
class LogReader {
  readonly #file: string;
  readonly #id: string;
  #handle: number | undefined;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);
  #ready: LogLine[] = [];
  #taken = 0;
  readonly #joiner = new LineJoiner();
  /** Files last written before it are passed over. */
  readonly #since: number;

  constructor(file: string, id: string, since?: Date) {
    this.#file = file;
    this.#id = id;
    this.#since = since?.getTime() ?? 0;
  }

  /** The next line, or undefined when all that is there has been read. */
  next(): LogLine | undefined {
    while (this.#taken === this.#ready.length) {
      this.#ready = [];
      this.#taken = 0;
      if (!this.#read()) {
        // Of a line without an end what is there is given, rather than nothing.
        this.#give(this.#joiner.finish());
        if (this.#ready.length === 0) return undefined;
      }
    }
    return this.#ready[this.#taken++];
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** Reads some more. False when there is nothing more for now. */
  #read(): boolean {
    this.#handle ??= this.#openOldest();
    const handle = this.#handle;
    if (handle === undefined) return false;
    if (this.#readChunk(handle)) return true;
    const newer = this.#newerThan(handle);
    if (newer === undefined) return false;
    // What was written between the last read and the rename.
    if (this.#readChunk(handle)) return true;
    const next = openOrNone(newer);
    if (next === undefined) return false;
    closeSync(handle);
    this.#handle = next;
    this.#offset = 0;
    this.#rest = Buffer.alloc(0);
    return true;
  }

  #readChunk(handle: number): boolean {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const length = readSync(handle, chunk, 0, CHUNK_BYTES, this.#offset);
    if (length === 0) return false;
    this.#offset += length;
    const bytes = Buffer.concat([this.#rest, chunk.subarray(0, length)]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    this.#rest = Buffer.from(bytes.subarray(end));
    for (const text of bytes.toString("utf8", 0, end).split("\n")) if (text) this.#take(text);
    return true;
  }

  #take(text: string): void {
    const entry = parseEntry(text);
    if (entry && "line" in entry) this.#give(this.#joiner.add(entry));
  }

  #give(lines: WholeLine[]): void {
    for (const { at, stream, line, part } of lines) this.#ready.push({ at, id: this.#id, stream, line, ...(part && { part }) });
  }

  #openOldest(): number | undefined {
    const files = logFilesOf(this.#file).filter((file) => (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= this.#since);
    return openOrNone(files[0] ?? this.#file);
  }

  /** The file that came after the open one: none while the open one is still the newest. */
  #newerThan(handle: number): string | undefined {
    const inode = fstatSync(handle).ino;
    const files = logFilesOf(this.#file);
    // A file that is just being rotated has two names.
    const place = files.findLastIndex((file) => statSync(file, { throwIfNoEntry: false })?.ino === inode);
    // Rotated away entirely: the oldest that is left comes next.
    if (place === -1) return files[0];
    return files[place + 1];
  }
}

function openOrNone(file: string): number | undefined {
  try {
    return openSync(file, "r");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export const hasLogsOf = (paths: Paths, release: string): boolean =>
  namesIn(paths.logs).some((name) => name.endsWith(".jsonl") && loadMark(join(paths.logs, name))?.release === release);

/** Removes what the processes of other releases than these have written; what belongs to no release (balancer, resources) stays. */
export function removeLogsOfReleases(paths: Paths, { except }: { except: readonly string[] }): void {
  for (const name of namesIn(paths.logs)) {
    const file = join(paths.logs, name);
    const release = name.endsWith(".jsonl") ? loadMark(file)?.release : undefined;
    if (release === undefined || except.includes(release)) continue;
    for (const rotated of logFilesOf(file)) removeAll(rotated);
  }
}

/** Tells of changes in a folder: at once where the system does, and every so often in any case. */
function watchFolder(folder: string, signal?: AbortSignal): { next(): Promise<void>; close(): void } {
  let hasChanged = false;
  let wake = () => {};
  const changed = () => {
    hasChanged = true;
    wake();
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(folder, changed).on("error", () => watcher?.close());
  } catch {
    // The system's watches are used up; looking again every so often finds everything too.
  }
  signal?.addEventListener("abort", changed);
  return {
    async next() {
      if (!hasChanged && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, LOOK_AGAIN_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      hasChanged = false;
    },
    close() {
      watcher?.close();
      signal?.removeEventListener("abort", changed);
    },
  };
}
