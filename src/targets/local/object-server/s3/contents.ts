// The content of objects that are too large for a log, in files that never change: written once, linked for a copy, removed when nobody reads them.
import { randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { copyFile, type FileHandle, link, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../../../error.ts";
import { flushFolder } from "../disk/flush-folder.ts";

export interface ContentFile {
  name: string;
  bytes: number;
}

/** Bytes from `start` to `end`, both included. */
export interface Range {
  start: number;
  end: number;
}

export interface ReceiveOptions {
  /** Content that is no longer is given back in memory. */
  inlineBytesMax: number;
  bytesMax: number;
  tooLarge(): Error;
}

const WRITE_BYTES = 1024 * 1024;

export class Contents {
  readonly #folder: string;
  /** Readers, by file. */
  readonly #readers = new Map<string, number>();
  readonly #removable = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Removes the files that no record speaks of: what a crash left half written. */
  async removeOthers(known: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#folder)) if (!known.has(name)) await unlink(join(this.#folder, name));
  }

  /** Stores what comes; resolves when it is on the disk, or in memory when it is short. */
  async receive(pieces: AsyncIterable<Buffer>, options: ReceiveOptions): Promise<Buffer | ContentFile> {
    let gathered: Buffer[] = [];
    let gatheredBytes = 0;
    let bytes = 0;
    const file = new ContentWriter(this.#folder);
    let isInFile = false;
    const spill = async () => {
      isInFile = true;
      await file.write(gathered);
      gathered = [];
      gatheredBytes = 0;
    };
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        if (bytes > options.bytesMax) throw options.tooLarge();
        gathered.push(piece);
        gatheredBytes += piece.length;
        if (gatheredBytes > (isInFile ? WRITE_BYTES : options.inlineBytesMax)) await spill();
      }
      if (!isInFile && bytes <= options.inlineBytesMax) return Buffer.concat(gathered);
      await spill();
      await file.finish();
      return { name: file.name, bytes };
    } catch (error) {
      await file.abandon();
      throw error;
    }
  }

  /** The same content under another name, in the folder of `to`. */
  async copy(files: ContentFile[], to: Contents): Promise<ContentFile[]> {
    const copies = files.map(({ bytes }) => ({ name: randomUUID(), bytes }));
    for (const [index, { name }] of files.entries()) await copyOne(join(this.#folder, name), join(to.#folder, copies[index]?.name ?? ""));
    await flushFolder(to.#folder);
    return copies;
  }

  /** Keeps files until what is returned has been called. */
  hold(files: ContentFile[]): () => void {
    for (const { name } of files) this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (isHeld) for (const { name } of files) this.#release(name);
      isHeld = false;
    };
  }

  /** Of files that are held. */
  async *read(files: ContentFile[], { start, end }: Range): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const { name, bytes } of files) {
      const [from, to] = [Math.max(start - offset, 0), Math.min(end - offset, bytes - 1)];
      offset += bytes;
      if (from <= to) yield* createReadStream(join(this.#folder, name), { start: from, end: to, highWaterMark: 256 * 1024 });
    }
  }

  async remove(files: ContentFile[] = []): Promise<void> {
    for (const { name } of files) {
      if (this.#readers.has(name)) this.#removable.add(name);
      else await this.#unlink(name);
    }
  }

  #release(name: string): void {
    const left = (this.#readers.get(name) ?? 1) - 1;
    if (left > 0) return void this.#readers.set(name, left);
    this.#readers.delete(name);
    if (this.#removable.delete(name)) void this.#unlink(name).catch((error) => console.error(`"${name}" could not be removed:`, error));
  }

  async #unlink(name: string): Promise<void> {
    await unlink(join(this.#folder, name)).catch((error) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  }
}

class ContentWriter {
  readonly name = randomUUID();
  readonly #folder: string;
  #file: FileHandle | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(pieces: Buffer[]): Promise<void> {
    this.#file ??= await open(join(this.#folder, this.name), "wx", 0o600);
    // A write to a disk that is nearly full can be a part of what was given.
    for (let rest = Buffer.concat(pieces); rest.length > 0; ) rest = rest.subarray((await this.#file.write(rest)).bytesWritten);
  }

  /** The file and its name are on the disk. */
  async finish(): Promise<void> {
    await Promise.all([this.#file?.datasync(), flushFolder(this.#folder)]);
    await this.#file?.close();
  }

  async abandon(): Promise<void> {
    await this.#file?.close();
    await unlink(join(this.#folder, this.name)).catch(() => {});
  }
}

async function copyOne(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // Each bucket may be on a disk of its own.
    if (!["EXDEV", "EPERM", "EMLINK"].includes(codeOf(error) ?? "")) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
    const copy = await open(to, "r+");
    await copy.datasync();
    await copy.close();
  }
}
