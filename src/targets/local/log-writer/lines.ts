// Cuts a stream of bytes into lines.
export const LINE_BYTES_MAX = 64 * 1024;

/** `part` when the rest of the line follows. */
export interface Line {
  line: string;
  part?: true;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class LineCutter {
  #waiting: Buffer[] = [];
  #length = 0;

  /** The lines that have come to their end. A line that is too long to wait for its end comes in parts. */
  add(chunk: Buffer): Line[] {
    this.#waiting.push(chunk);
    this.#length += chunk.length;
    if (this.#length <= LINE_BYTES_MAX && !chunk.includes(NEWLINE)) return [];
    const bytes = this.#take();
    const lines: Line[] = [];
    let from = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, from);
      const end = newline === -1 ? bytes.length : newline;
      if (end - from > LINE_BYTES_MAX) {
        const cut = beforeCharacter(bytes, from + LINE_BYTES_MAX);
        lines.push({ line: bytes.toString("utf8", from, cut), part: true });
        from = cut;
        continue;
      }
      if (newline === -1) break;
      lines.push({ line: bytes.toString("utf8", from, end > from && bytes[end - 1] === RETURN ? end - 1 : end) });
      from = end + 1;
    }
    // A copy: a short rest must not keep a large chunk in memory.
    if (from < bytes.length) this.#waiting = [Buffer.from(bytes.subarray(from))];
    this.#length = bytes.length - from;
    return lines;
  }

  /** The last line, if it has no end. `isPart` when its rest may still come. */
  finish({ isPart = false } = {}): Line[] {
    const rest = this.#take();
    return rest.length === 0 ? [] : [{ line: rest.toString(), ...(isPart ? { part: true } : {}) }];
  }

  #take(): Buffer {
    const [first, ...others] = this.#waiting;
    const bytes = first && others.length === 0 ? first : Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#length = 0;
    return bytes;
  }
}

/** The last place at or before `index` where a UTF-8 character begins. */
function beforeCharacter(bytes: Buffer, index: number): number {
  let place = index;
  while (place > index - 4 && ((bytes[place] ?? 0) & 0xc0) === 0x80) place--;
  return place;
}
