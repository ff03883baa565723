// A bucket: what is known of its objects in a log, their content there too when it is short, else in files of its own.
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ensureIdentity, hasIdentity } from "../../data/data-record.ts";
import { flushFolder } from "../disk/flush-folder.ts";
import { Records } from "../disk/records.ts";
import { Turns } from "../disk/turns.ts";
import type { ReceivedChecksum } from "../protocol/body.ts";
import { ServiceError } from "../protocol/service-error.ts";
import { type ContentFile, Contents, type Range } from "./contents.ts";
import { Keys } from "./keys.ts";

/** Content up to this lies in the log, where many objects share a flush. */
const INLINE_BYTES_MAX = 64 * 1024;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const PUT_BYTES_MAX = 5 * 2 ** 30;

/** What is said of an object when it is stored and told again with it. */
export interface Description {
  /** Content-Type, Cache-Control and their like. */
  headers: Record<string, string>;
  metadata: Record<string, string>;
  tags: Record<string, string>;
}

export interface Stored {
  etag: string;
  bytes: number;
  /** In milliseconds since 1970. */
  at: number;
  checksum?: ReceivedChecksum & { isComposite?: boolean };
  /** Absent when the content lies in the log. */
  files?: ContentFile[];
}

export interface StoredObject extends Stored, Description {
  /** Of an object that was put together, the size of each part. */
  parts?: number[];
  /** And the checksum of each, where they have one. */
  partSums?: string[];
  /** And the upload that it was put together in. */
  uploadId?: string;
}

export interface Upload extends Description {
  key: string;
  at: number;
  algorithm?: string;
  isWhole?: boolean;
}

export interface Part extends Stored {
  files: ContentFile[];
}

interface Settings {
  createdAt: number;
  tags?: Record<string, string>;
}

type Item = { object: StoredObject } | { upload: Upload } | { part: Part } | { settings: Settings };

const objectKey = (key: string): string => `o/${key}`;
const uploadKey = (id: string): string => `u/${id}`;
const partKey = (id: string, number: number): string => `p/${id}/${number}`;
const SETTINGS = "s";

/** Content that was received, in memory or on the disk. */
export type Content = Buffer | ContentFile[];

export class Bucket {
  readonly name: string;
  readonly contents: Contents;
  readonly keys: Keys;
  readonly #records: Records<Item>;
  readonly #turns = new Turns();
  /** By upload, its parts by their numbers. */
  readonly #parts = new Map<string, Map<number, Part>>();

  private constructor(name: string, records: Records<Item>, contents: Contents) {
    this.name = name;
    this.#records = records;
    this.contents = contents;
    const keys: string[] = [];
    for (const [key, item] of records.entries()) {
      if ("object" in item) keys.push(key.slice(2));
      if ("upload" in item) this.#parts.set(key.slice(2), new Map());
    }
    for (const [key, item] of records.entries()) if ("part" in item) this.#placePart(key, item.part);
    this.keys = new Keys(keys);
  }

  /** Makes the folder of a new bucket; its name must be one that S3 takes. */
  static async make(folder: string, name: string): Promise<Bucket> {
    mkdirSync(join(folder, "content"), { recursive: true, mode: 0o700 });
    ensureIdentity(folder);
    for (const path of [folder, join(folder, ".."), join(folder, "..", "..")]) await flushFolder(path);
    const bucket = await Bucket.open(folder, name);
    await bucket.#records.put(SETTINGS, { settings: { createdAt: Date.now() } });
    return bucket;
  }

  static async open(folder: string, name: string): Promise<Bucket> {
    await mkdir(join(folder, "content"), { recursive: true, mode: 0o700 });
    const records = await Records.open<Item>({ folder, isThere: () => hasIdentity(folder) });
    await forgetEndedUploads(records);
    const contents = new Contents(join(folder, "content"));
    const bucket = new Bucket(name, records, contents);
    await contents.removeOthers(new Set([...records.entries()].flatMap(([, item]) => filesOf(item)).map(({ name }) => name)));
    return bucket;
  }

  get settings(): Settings {
    const item = this.#records.get(SETTINGS);
    return item && "settings" in item ? item.settings : { createdAt: 0 };
  }

  get isEmpty(): boolean {
    return this.keys.size === 0;
  }

  close(): Promise<void> {
    return this.#records.close();
  }

  setTags(tags: Record<string, string> | undefined): Promise<void> {
    return this.#records.put(SETTINGS, { settings: { ...this.settings, tags } });
  }

  find(key: string): StoredObject | undefined {
    const item = this.#records.get(objectKey(key));
    return item && "object" in item ? item.object : undefined;
  }

  async receive(pieces: AsyncIterable<Buffer>, { inlineBytesMax = INLINE_BYTES_MAX } = {}): Promise<Content> {
    const tooLarge = () =>
      new ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size of 5 GiB; upload it in parts.", 400);
    const received = await this.contents.receive(pieces, { inlineBytesMax, bytesMax: PUT_BYTES_MAX, tooLarge });
    return Buffer.isBuffer(received) ? received : [received];
  }

  /** A part of what is stored now, however it changes while it is read. `release` must be called at the end. */
  read(key: string, { files }: StoredObject, range: Range): { pieces: AsyncIterable<Buffer>; release(): void } {
    if (files) return { pieces: this.contents.read(files, range), release: this.contents.hold(files) };
    const content = this.#records.content(objectKey(key));
    // Whoever reads it hears of it then.
    content.catch(() => {});
    return { pieces: piecesOf(content, range), release: () => {} };
  }

  /** Stores an object unless `check`, which is shown what stands, refuses. What stood goes. */
  store(
    key: string,
    { object, content }: { object: StoredObject; content: Content },
    check?: (standing: StoredObject | undefined) => void,
  ): Promise<void> {
    return this.#turns.take(key, async () => {
      const standing = this.find(key);
      try {
        check?.(standing);
        const isInline = Buffer.isBuffer(content);
        await this.#records.put(
          objectKey(key),
          { object: isInline ? object : { ...object, files: content } },
          { content: isInline ? content : undefined },
        );
      } catch (error) {
        await this.drop(content);
        throw error;
      }
      this.keys.add(key);
      await this.contents.remove(standing?.files);
    });
  }

  /** Says something else of an object whose content stays. */
  change(key: string, change: (standing: StoredObject) => StoredObject): Promise<void> {
    return this.#turns.take(key, async () => {
      const standing = this.find(key);
      if (!standing) throw noSuchKey(key);
      const content = standing.files ? undefined : await this.#records.content(objectKey(key));
      await this.#records.put(objectKey(key), { object: change(standing) }, { content });
    });
  }

  remove(key: string, check?: (standing: StoredObject | undefined) => void): Promise<void> {
    return this.#turns.take(key, async () => {
      const standing = this.find(key);
      check?.(standing);
      if (!standing) return;
      await this.#records.delete(objectKey(key));
      this.keys.delete(key);
      await this.contents.remove(standing.files);
    });
  }

  /** Content that nothing will speak of. */
  async drop(content: Content): Promise<void> {
    if (!Buffer.isBuffer(content)) await this.contents.remove(content);
  }

  uploads(): [id: string, upload: Upload][] {
    return [...this.#parts.keys()].map((id) => [id, this.upload(id)]);
  }

  /** Throws NoSuchUpload. */
  upload(id: string, key?: string): Upload {
    const item = this.#records.get(uploadKey(id));
    if (item && "upload" in item && (key === undefined || item.upload.key === key)) return item.upload;
    const message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    throw new ServiceError("NoSuchUpload", message, 404, { UploadId: id });
  }

  async beginUpload(upload: Upload): Promise<string> {
    const id = randomUUID().replaceAll("-", "");
    await this.#records.put(uploadKey(id), { upload });
    this.#parts.set(id, new Map());
    return id;
  }

  /** By their numbers, in that order. */
  parts(id: string): [number: number, part: Part][] {
    return [...(this.#parts.get(id) ?? [])].sort(([a], [b]) => a - b);
  }

  /** Parts always lie in files, which the object takes over as they are. */
  async storePart({ id, number }: { id: string; number: number }, part: Part): Promise<void> {
    await this.#turns.take(partKey(id, number), async () => {
      const parts = this.#parts.get(id);
      const standing = parts?.get(number);
      await this.#records.put(partKey(id, number), { part });
      parts?.set(number, part);
      await this.contents.remove(standing?.files);
      // It may have ended meanwhile.
      if (this.#parts.get(id) !== parts || !parts) await this.#forgetPart(partKey(id, number), part);
    });
  }

  /** Stores what an upload comes to, from the files of its parts; then the upload is over. When `check` refuses, it goes on. */
  storeUpload(
    id: string,
    { key, object, files }: { key: string; object: StoredObject; files: ContentFile[] },
    check: (standing?: StoredObject) => void,
  ): Promise<void> {
    return this.#turns.take(key, async () => {
      // Asked for twice at once, it is over by now.
      this.upload(id, key);
      const standing = this.find(key);
      check(standing);
      await this.#records.put(objectKey(key), { object: { ...object, files } });
      this.keys.add(key);
      await this.contents.remove(standing?.files);
      await this.abort(id, new Set(files.map(({ name }) => name)));
    });
  }

  /** Ends an upload. The files that are used elsewhere stay. */
  async abort(id: string, used: ReadonlySet<string> = new Set()): Promise<void> {
    const parts = this.parts(id);
    await this.#records.delete(uploadKey(id));
    this.#parts.delete(id);
    for (const [number, part] of parts) await this.#forgetPart(partKey(id, number), part, used);
  }

  async #forgetPart(key: string, { files }: Part, used: ReadonlySet<string> = new Set()): Promise<void> {
    // Without its upload nobody finds it, so that this needs no flush.
    await this.#records.delete(key, { flush: false });
    await this.contents.remove(files.filter(({ name }) => !used.has(name)));
  }

  #placePart(key: string, part: Part): void {
    const [, id = "", number] = key.split("/");
    this.#parts.get(id)?.set(Number(number), part);
  }
}

async function* piecesOf(content: Promise<Buffer | undefined>, { start, end }: Range): AsyncIterable<Buffer> {
  const bytes = await content;
  if (bytes) yield bytes.subarray(start, end + 1);
}

/** A crash may have come between an object and the end of the upload that it was put together from. */
async function forgetEndedUploads(records: Records<Item>): Promise<void> {
  const items = [...records.entries()];
  const inObjects = new Set(items.flatMap(([, item]) => ("object" in item ? filesOf(item) : [])).map(({ name }) => name));
  const isEnded = (key: string, item: Item) =>
    "part" in item && (!records.get(uploadKey(uploadOf(key))) || filesOf(item).some(({ name }) => inObjects.has(name)));
  const ended = new Set(items.filter(([key, item]) => isEnded(key, item)).map(([key]) => uploadOf(key)));
  for (const [key, item] of items) if (("part" in item || "upload" in item) && ended.has(uploadOf(key))) await records.delete(key);
}

/** Of the record of an upload or of one of its parts. */
const uploadOf = (recordKey: string): string => recordKey.split("/")[1] ?? "";

function filesOf(item: Item): ContentFile[] {
  if ("object" in item) return item.object.files ?? [];
  return "part" in item ? item.part.files : [];
}

export const noSuchKey = (key: string): ServiceError => new ServiceError("NoSuchKey", "The specified key does not exist.", 404, { Key: key });
