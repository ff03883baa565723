// The buckets of an environment, each in a folder of its own.
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hasIdentity } from "../../data/data-record.ts";
import { flushFolder } from "../disk/flush-folder.ts";
import { Turns } from "../disk/turns.ts";
import { ServiceError } from "../protocol/service-error.ts";
import { Bucket } from "./bucket.ts";

/** S3's own rule, and what makes a name safe as a folder's. https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const NAME = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export class Buckets {
  readonly #folder: string;
  readonly #buckets = new Map<string, Bucket>();
  readonly #turns = new Turns();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<Buckets> {
    const buckets = new Buckets(folder);
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => NAME.test(name) && hasIdentity(join(folder, name))) : [];
    for (const name of names) buckets.#buckets.set(name, await Bucket.open(join(folder, name), name));
    return buckets;
  }

  list(): Bucket[] {
    return [...this.#buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws NoSuchBucket. */
  get(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (!bucket) throw new ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, { BucketName: name });
    return bucket;
  }

  create(name: string): Promise<void> {
    return this.#turns.take(name, async () => {
      if (!NAME.test(name)) throw new ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, { BucketName: name });
      if (this.#buckets.has(name)) {
        const message = "Your previous request to create the named bucket succeeded and you already own it.";
        throw new ServiceError("BucketAlreadyOwnedByYou", message, 409, { BucketName: name });
      }
      this.#buckets.set(name, await Bucket.make(join(this.#folder, name), name));
    });
  }

  remove(name: string): Promise<void> {
    return this.#turns.take(name, async () => {
      const bucket = this.get(name);
      if (!bucket.isEmpty) throw new ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409, { BucketName: name });
      this.#buckets.delete(name);
      await bucket.close();
      await rm(join(this.#folder, name), { recursive: true, force: true });
      await flushFolder(this.#folder);
    });
  }

  async close(): Promise<void> {
    for (const bucket of this.#buckets.values()) await bucket.close();
  }
}
