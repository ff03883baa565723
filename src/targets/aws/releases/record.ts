// What an environment remembers of its releases, beside what its templates say: an object in the artifact bucket, written under the lease.
import type { Contracted } from "../../refusals.ts";
import type { Context } from "../context.ts";
import type { Running } from "../stacks/index.ts";
import { findObject, putObject } from "./objects.ts";

export interface EnvironmentRecord {
  /** Releases whose rollout came to its end, in the order in which they last did. */
  rolledOut: string[];
  /** Releases whose expand phase has run. */
  expanded: string[];
  contracted?: Contracted;
  /** The rollout that is under way, or was cut off, since when (milliseconds since 1970) and what ran before it. */
  rollout?: { to: string; before: Running; since: number };
}

const keyOf = ({ app }: Context) => `environments/${app.name}.json`;

export async function loadRecord(context: Context, bucket: string): Promise<EnvironmentRecord> {
  const text = await findObject(context, bucket, keyOf(context));
  return text === undefined ? { rolledOut: [], expanded: [] } : (JSON.parse(text) as EnvironmentRecord);
}

/** When the environment goes and its app's bucket stays. */
export const removeRecord = async (context: Context, bucket: string): Promise<unknown> =>
  (await context.clients.s3()).deleteObject({ Bucket: bucket, Key: keyOf(context) });

export const writeRecord = (context: Context, bucket: string, record: EnvironmentRecord): Promise<void> =>
  putObject(context, bucket, keyOf(context), JSON.stringify(record));
