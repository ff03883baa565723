// The logs of one environment: what comes out of the pipes of every process, line by line, each into the log of its process.
import { statSync } from "node:fs";
import { join } from "node:path";
import { Backlog } from "./backlog.ts";
import { joinLines, LineJoiner, type WholeLine } from "./line-joiner.ts";
import { type Line, LineCutter } from "./lines.ts";
import { LogFile, type LogOwner, type Stream } from "./log-file.ts";
import { Pipe } from "./pipe.ts";

const LAST_LINES_KEPT = 40;
/** Of the characters of one process's last lines, but for the very last. */
const LAST_LENGTH_KEPT = 2 * 1024 * 1024;
/** How often it is tried again to write what a full disk refused. */
const RETRY_MS = 250;

/** One start of a process, and the pipes that its output goes to. */
export interface Run extends LogOwner {
  /** Counts the starts, from 1 again once the process was forgotten. */
  run: number;
  /** When it was started, in milliseconds since 1970. */
  since: number;
  stdout: string;
  stderr: string;
}

export class LogWriter {
  readonly #folder: string;
  readonly #logs = new Map<string, Log>();

  constructor(folder: string) {
    this.#folder = folder;
    setInterval(() => this.#retry(), RETRY_MS).unref();
  }

  follow(run: Run): void {
    this.#logOf(run).follow(run);
  }

  conclude(run: Run): { lastLines: string[] } {
    const log = this.#logOf(run);
    log.follow(run);
    log.conclude(run.run);
    this.#letGoOfIdle();
    return { lastLines: log.lastLinesOf(run) };
  }

  leave(): void {
    for (const log of this.#logs.values()) log.leave();
  }

  #logOf({ id, service, release }: Run): Log {
    const log = this.#logs.get(id) ?? new Log(new LogFile(join(this.#folder, `${id}.jsonl`), { id, service, release }));
    this.#logs.set(id, log);
    return log;
  }

  #retry(): void {
    for (const log of this.#logs.values()) log.retry();
    this.#letGoOfIdle();
  }

  #letGoOfIdle(): void {
    for (const [id, log] of this.#logs)
      if (log.isIdle) {
        log.close();
        this.#logs.delete(id);
      }
  }
}

interface Source {
  run: number;
  /** Takes over what is in the pipe, and the unended last line with it, as one whose rest may come or not. */
  drain(rest: { isPart: boolean }): void;
}

/** The log of one process, and the pipes that it comes from: those of its last run, and of runs before that something still holds. */
class Log {
  readonly #file: LogFile;
  readonly #backlog: Backlog;
  /** By the number that the file system gave the pipe: another may have come under the same name since. */
  readonly #sources = new Map<number, Source>();
  readonly #joiner = new LineJoiner();
  #last: WholeLine[];

  constructor(file: LogFile) {
    this.#file = file;
    this.#backlog = new Backlog(file);
    this.#last = loadLast(file);
  }

  get isIdle(): boolean {
    return this.#sources.size === 0 && this.#backlog.isEmpty;
  }

  follow(run: Run): void {
    for (const stream of ["stdout", "stderr"] as const) {
      const pipe = statSync(run[stream], { throwIfNoEntry: false })?.ino;
      // Without it the run has ended, and all that it wrote is here.
      if (pipe !== undefined && !this.#sources.has(pipe)) this.#open(run, stream, pipe);
    }
  }

  #open(run: Run, stream: Stream, number: number): void {
    const cutter = new LineCutter();
    const take = (lines: Line[]) => this.#append(run.run, stream, lines);
    const pipe = new Pipe(run[stream], {
      bytes: (chunk) => take(cutter.add(chunk)),
      end: () => {
        take(cutter.finish());
        this.#sources.delete(number);
      },
    });
    const drain = (rest: { isPart: boolean }) => {
      pipe.drain();
      take(cutter.finish(rest));
    };
    this.#sources.set(number, { run: run.run, drain });
  }

  #append(run: number, stream: Stream, lines: Line[]): void {
    if (lines.length === 0) return;
    const at = Date.now();
    const entries = lines.map((line) => ({ at, stream, ...line, run }));
    this.#last = lastOf([...this.#last, ...entries.flatMap((entry) => this.#joiner.add(entry))]);
    this.#backlog.append(entries);
  }

  conclude(run: number): void {
    for (const source of this.#sources.values()) if (source.run === run) source.drain({ isPart: false });
  }

  leave(): void {
    for (const source of this.#sources.values()) source.drain({ isPart: true });
  }

  retry(): void {
    if (!this.#backlog.isEmpty) this.#backlog.retry();
  }

  lastLinesOf({ run, since }: Run): string[] {
    return this.#last.flatMap((entry) => (entry.run === run && entry.at >= since && !entry.continued ? [entry.line] : []));
  }

  close(): void {
    this.#file.close();
  }
}

/** A log that cannot be read does not stand in the way of the pipes. */
function loadLast(file: LogFile): WholeLine[] {
  try {
    return lastOf(joinLines(file.loadLast()));
  } catch (error) {
    console.error(error);
    return [];
  }
}

function lastOf(lines: WholeLine[]): WholeLine[] {
  const last = lines.slice(-LAST_LINES_KEPT);
  let length = last.reduce((sum, { line }) => sum + line.length, 0);
  while (last.length > 1 && length > LAST_LENGTH_KEPT) length -= last.shift()?.line.length ?? 0;
  return last;
}
