// Lines as they were written, from the entries of a log, which has long ones in parts. Who hides what must not be seen needs whole ones: the second half
// of a secret does not tell what it is.
import type { LogEntry, Stream } from "./log-file.ts";

/** A longer line is given in pieces. */
const LINE_LENGTH_MAX = 8 * 1024 * 1024;

export interface WholeLine {
  /** Of its beginning, in milliseconds since 1970. */
  at: number;
  run: number;
  stream: Stream;
  line: string;
  /** The rest of it follows, or is not there. */
  part?: true;
  /** Its beginning was given before, or is not there. */
  continued?: true;
}

interface Begun {
  first: LogEntry;
  texts: string[];
  length: number;
  continued?: true;
}

export class LineJoiner {
  readonly #begun = new Map<Stream, Begun>();

  /** Takes entries of one process in the order in which they were written. Returns the lines that come to their end with this one. */
  add(entry: LogEntry): WholeLine[] {
    const { stream, line, part, run, lost } = entry;
    const before = this.#begun.get(stream);
    // Nearly every line: as much as writing one would cost otherwise.
    if (!before && !part) return [{ at: entry.at, run, stream, line }];
    const isOther = before !== undefined && (before.first.run !== run || lost !== undefined);
    const given = isOther ? this.#give(stream, { isPart: true }) : [];
    const begun: Begun = this.#begun.get(stream) ?? { first: entry, texts: [], length: 0 };
    this.#begun.set(stream, begun);
    begun.texts.push(line);
    begun.length += line.length;
    if (!part) return [...given, ...this.#give(stream, { isPart: false })];
    if (begun.length <= LINE_LENGTH_MAX) return given;
    const piece = this.#give(stream, { isPart: true });
    this.#begun.set(stream, { first: entry, texts: [], length: 0, continued: true });
    return [...given, ...piece];
  }

  /** What there is of lines that have not come to their end. */
  finish(): WholeLine[] {
    return [...this.#begun.keys()].flatMap((stream) => this.#give(stream, { isPart: true }));
  }

  #give(stream: Stream, { isPart }: { isPart: boolean }): WholeLine[] {
    const begun = this.#begun.get(stream);
    this.#begun.delete(stream);
    if (!begun || begun.texts.length === 0) return [];
    const { first, texts, continued } = begun;
    const { at, run } = first;
    return [{ at, run, stream, line: texts.join(""), ...(isPart && { part: true }), ...(continued && { continued }) }];
  }
}

/** The lines of entries from the beginning of a log on, without pieces of which the beginning is missing. */
export function joinLines(entries: Iterable<LogEntry>): WholeLine[] {
  const joiner = new LineJoiner();
  return [...[...entries].flatMap((entry) => joiner.add(entry)), ...joiner.finish()].filter(({ continued }) => !continued);
}
