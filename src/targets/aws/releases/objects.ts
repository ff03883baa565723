// Objects of the app's artifact bucket.
import type { Context } from "../context.ts";

type Place = Pick<Context, "clients">;

/** The text of an object; undefined when there is none. */
export async function findObject({ clients }: Place, Bucket: string, Key: string): Promise<string | undefined> {
  try {
    const { Body } = await (await clients.s3()).getObject({ Bucket, Key });
    return (await Body?.transformToString()) ?? "";
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function hasObject({ clients }: Place, Bucket: string, Key: string): Promise<boolean> {
  try {
    await (await clients.s3()).headObject({ Bucket, Key });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

export async function putObject({ clients }: Place, Bucket: string, Key: string, Body: string | Buffer): Promise<void> {
  await (await clients.s3()).putObject({ Bucket, Key, Body });
}

const isMissing = (error: unknown) => error instanceof Error && /^(NoSuchKey|NotFound)$/.test(error.name);
