// A log of records in files that only grow ("segments"). What is awaited is on the disk: one flush serves all that wait for it together.
// A record is [checksum, bytes of text, bytes of content] of four bytes each, its text, its content.
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { flushFolder } from "./flush-folder.ts";

const HEADER_BYTES = 12;
/** A new segment is begun at this size: what is freed is freed a segment at a time. */
const SEGMENT_BYTES = 64 * 2 ** 20;
/** No record is longer; a length beyond is damage. */
const RECORD_BYTES_MAX = 16 * 2 ** 20;
const READ_BYTES = 4 * 2 ** 20;

interface Segment {
  number: number;
  path: string;
  handle: FileHandle;
  bytes: number;
}

/** Where a record's content lies. */
export interface Place {
  segment: number;
  offset: number;
  bytes: number;
  /** Of the whole record. */
  size: number;
}

export interface ReadRecord {
  text: string;
  place: Place;
}

interface Waiting {
  record: Buffer;
  contentBytes: number;
  flush: boolean;
  resolve(place: Place): void;
  reject(error: unknown): void;
}

export interface LogOptions {
  folder: string;
  /** Asked before anything is written: false when the folder is not the one that was opened any more. */
  isThere(): boolean;
  segmentBytes?: number;
}

export class Log {
  readonly #options: LogOptions;
  readonly #segments = new Map<number, Segment>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #active!: Segment;

  private constructor(options: LogOptions) {
    this.#options = options;
  }

  /** Opens the log in `folder`, which must be there, and tells of every record in the order they were written. */
  static async open(options: LogOptions, tell: (record: ReadRecord) => void): Promise<Log> {
    const log = new Log(options);
    try {
      await log.#openAll(tell);
    } catch (error) {
      await log.close();
      throw error;
    }
    return log;
  }

  async #openAll(tell: (record: ReadRecord) => void): Promise<void> {
    const names = (await readdir(this.#options.folder)).filter((name) => /^\d+\.log$/.test(name));
    const numbers = names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
    for (const number of numbers) {
      const segment = await this.#openSegment(number);
      const isLast = number === numbers.at(-1);
      const good = await readRecords(segment, tell);
      if (good < segment.bytes) await this.#cutOff(segment, good, isLast);
      this.#active = segment;
    }
    if (numbers.length === 0) this.#active = await this.#openSegment(1);
  }

  /** All segments, the oldest first, with their size. */
  get segments(): { number: number; bytes: number }[] {
    return [...this.#segments.values()];
  }

  /** Resolves when the record is on the disk; with `flush: false` when it outlives this process, but perhaps not a power cut. */
  append(text: string, content: Uint8Array = new Uint8Array(), { flush = true } = {}): Promise<Place> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record: encode(text, content), contentBytes: content.length, flush, resolve, reject });
      this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined));
    });
  }

  async read({ segment, offset, bytes }: Place): Promise<Buffer> {
    const content = Buffer.allocUnsafe(bytes);
    // Closing waits for reads that have begun, so a segment may be removed meanwhile.
    const { bytesRead } = await this.#segmentOf(segment).handle.read(content, 0, bytes, offset);
    if (bytesRead < bytes) throw new Error(`segment ${segment} ends at ${offset + bytesRead}, within a record`);
    return content;
  }

  /** Removes a segment for good. Those before it must be gone. */
  async remove(number: number): Promise<void> {
    const segment = this.#segmentOf(number);
    this.#segments.delete(number);
    await unlink(segment.path);
    // What follows may say that records of this one were deleted; it must not go while this one could come back.
    await flushFolder(this.#options.folder);
    await segment.handle.close();
  }

  async close(): Promise<void> {
    await this.#writing;
    for (const { handle } of this.#segments.values()) await handle.close();
  }

  #segmentOf(number: number): Segment {
    const segment = this.#segments.get(number);
    if (!segment) throw new Error(`there is no segment ${number} in "${this.#options.folder}"`);
    return segment;
  }

  async #openSegment(number: number): Promise<Segment> {
    const path = join(this.#options.folder, `${String(number).padStart(8, "0")}.log`);
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    await flushFolder(this.#options.folder);
    const segment = { number, path, handle, bytes: (await handle.stat()).size };
    this.#segments.set(number, segment);
    return segment;
  }

  async #writeAll(): Promise<void> {
    // What is asked for together is written together: the others of this moment come first.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        if (!this.#options.isThere()) throw new FolderGone(this.#options.folder);
        if (this.#active.bytes >= (this.#options.segmentBytes ?? SEGMENT_BYTES)) await this.#beginSegment();
        await this.#write(batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
  }

  async #beginSegment(): Promise<void> {
    // Only the last segment may end in the middle of a record.
    await this.#active.handle.datasync().catch(crash);
    this.#active = await this.#openSegment(this.#active.number + 1);
  }

  async #write(batch: Waiting[]): Promise<void> {
    const segment = this.#active;
    const bytes = Buffer.concat(batch.map(({ record }) => record));
    try {
      for (let written = 0; written < bytes.length; )
        written += (await segment.handle.write(bytes, written, bytes.length - written, segment.bytes + written)).bytesWritten;
    } catch (error) {
      // The disk is full: half a record must not stand before the next one.
      await segment.handle.truncate(segment.bytes);
      throw error;
    }
    let offset = segment.bytes;
    const written = batch.map(({ record, contentBytes, flush, resolve }) => {
      offset += record.length;
      const place = { segment: segment.number, offset: offset - contentBytes, bytes: contentBytes, size: record.length };
      return { flush, tell: () => resolve(place) };
    });
    segment.bytes = offset;
    for (const { flush, tell } of written) if (!flush) tell();
    if (batch.some(({ flush }) => flush)) await segment.handle.datasync().catch(crash);
    for (const { flush, tell } of written) if (flush) tell();
  }

  /** What a power cut left of records that nobody was told are stored. It is kept beside, should it ever have been more. */
  async #cutOff(segment: Segment, good: number, isLast: boolean): Promise<void> {
    if (!isLast)
      throw new Error(`"${segment.path}" is damaged at byte ${good}: put it back from a backup, or move it away to go on without its records`);
    const rest = Buffer.alloc(segment.bytes - good);
    await segment.handle.read(rest, 0, rest.length, good);
    await writeFile(`${segment.path}.${randomUUID()}.cut`, rest, { mode: 0o600 });
    await segment.handle.truncate(good);
    await segment.handle.datasync();
    segment.bytes = good;
    console.warn(`"${segment.path}" ended with ${rest.length} bytes of records that were not completed; they lie beside it`);
  }
}

/** The disk that the folder was on is not there any more. */
export class FolderGone extends Error {
  constructor(folder: string) {
    super(`the folder "${folder}" is not where it was`);
  }
}

/** After a flush that failed nobody knows what is on the disk, and asking again would say that all is well. The next start reads what is there. */
function crash(error: unknown): never {
  console.error("the disk failed to keep what was written:", error);
  process.exit(1);
}

function encode(text: string, content: Uint8Array): Buffer {
  const textBytes = Buffer.byteLength(text);
  const record = Buffer.allocUnsafe(HEADER_BYTES + textBytes + content.length);
  record.writeUInt32LE(textBytes, 4);
  record.writeUInt32LE(content.length, 8);
  record.write(text, HEADER_BYTES);
  record.set(content, HEADER_BYTES + textBytes);
  record.writeUInt32LE(crc32(record.subarray(4)), 0);
  return record;
}

/** Tells of the records of a segment; gives where the last whole one ends. */
async function readRecords(segment: Segment, tell: (record: ReadRecord) => void): Promise<number> {
  let rest = Buffer.alloc(0);
  let start = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await segment.handle.read(chunk, 0, READ_BYTES, start + rest.length);
    if (bytesRead === 0) return start;
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    let offset = 0;
    for (;;) {
      const found = decode(bytes, offset);
      if (found === "damaged") return start + offset;
      if (found === "more") break;
      const { text, contentBytes, size } = found;
      offset += size;
      tell({ text, place: { segment: segment.number, offset: start + offset - contentBytes, bytes: contentBytes, size } });
    }
    rest = bytes.subarray(offset);
    start += offset;
  }
}

function decode(bytes: Buffer, offset: number): { text: string; contentBytes: number; size: number } | "more" | "damaged" {
  if (bytes.length < offset + HEADER_BYTES) return "more";
  const [textBytes, contentBytes] = [bytes.readUInt32LE(offset + 4), bytes.readUInt32LE(offset + 8)];
  const size = HEADER_BYTES + textBytes + contentBytes;
  // A disk that grew a file without writing it leaves zeros, whose checksum would be right.
  if (size > RECORD_BYTES_MAX || textBytes === 0) return "damaged";
  if (bytes.length < offset + size) return "more";
  if (crc32(bytes.subarray(offset + 4, offset + size)) !== bytes.readUInt32LE(offset)) return "damaged";
  return { text: bytes.toString("utf8", offset + HEADER_BYTES, offset + HEADER_BYTES + textBytes), contentBytes, size };
}
