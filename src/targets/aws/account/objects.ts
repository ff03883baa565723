// Objects of the app's artifact bucket.
import type { Account } from "./account.ts";

export interface ObjectStore {
  /** The text of an object; undefined when there is none. */
  find(key: string): Promise<string | undefined>;
  has(key: string): Promise<boolean>;
  put(key: string, body: string | Buffer): Promise<void>;
}

type Place = Pick<Account, "clients">;

export const objectsIn = (place: Place, bucket: string): ObjectStore => ({
  find: (key) => findObject(place, bucket, key),
  has: (key) => hasObject(place, bucket, key),
  async put(Key, Body) {
    await (await place.clients.s3()).putObject({ Bucket: bucket, Key, Body });
  },
});

/** The text of an object; undefined when there is none. */
export async function findObject(place: Place, bucket: string, key: string): Promise<string | undefined> {
  const bytes = await findBytes(place, bucket, key);
  return bytes && Buffer.from(bytes).toString();
}

/** The bytes of an object; undefined when there is none. */
export async function findBytes({ clients }: Place, Bucket: string, Key: string): Promise<Uint8Array | undefined> {
  try {
    const { Body } = await (await clients.s3()).getObject({ Bucket, Key });
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function hasObject({ clients }: Place, Bucket: string, Key: string): Promise<boolean> {
  try {
    await (await clients.s3()).headObject({ Bucket, Key });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export async function removeObject({ clients }: Place, Bucket: string, Key: string): Promise<void> {
  await (await clients.s3()).deleteObject({ Bucket, Key });
}

const isMissing = (error: unknown) => error instanceof Error && /^(NoSuchKey|NotFound)$/.test(error.name);
