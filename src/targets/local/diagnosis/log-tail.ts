// Reads what one process has written since it was started, as it comes.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { LineJoiner } from "../log-writer/line-joiner.ts";
import type { LogEntry, LogMark } from "../log-writer/log-file.ts";

export interface Said {
  /** Milliseconds since 1970. */
  at: number;
  line: string;
}

const BYTES_A_LOOK_MAX = 1024 * 1024;

export class LogTail {
  readonly #file: string;
  readonly #since: number;
  readonly #joiner = new LineJoiner();
  #offset = 0;

  /** Lines written before `since` are another life's. */
  constructor(file: string, since: number) {
    this.#file = file;
    this.#since = since;
  }

  /** The lines that have come to their end since the last call, oldest first. A log that is not there yet has none. */
  read(): Said[] {
    const text = this.#readText();
    const end = text.lastIndexOf(0x0a) + 1;
    this.#offset += end;
    return text
      .subarray(0, end)
      .toString("utf8")
      .split("\n")
      .flatMap((row) => {
        const entry: LogEntry | LogMark | undefined = row ? JSON.parse(row) : undefined;
        return entry && "line" in entry ? this.#joiner.add(entry) : [];
      })
      .flatMap(({ at, line, continued }) => (at >= this.#since && !continued ? [{ at, line }] : []));
  }

  #readText(): Buffer {
    let handle: number;
    try {
      handle = openSync(this.#file, "r");
    } catch {
      return Buffer.alloc(0);
    }
    try {
      const { size } = fstatSync(handle);
      // Rotated: what was in the old file was either read or is too much to judge by.
      if (size < this.#offset) this.#offset = 0;
      const bytes = Buffer.alloc(Math.min(size - this.#offset, BYTES_A_LOOK_MAX));
      return bytes.subarray(0, readSync(handle, bytes, 0, bytes.length, this.#offset));
    } finally {
      closeSync(handle);
    }
  }
}
