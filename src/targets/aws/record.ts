// The record of an environment's releases, beside the notes in its templates: an object in the artifact bucket, written under the lease.
import type { Deployment } from "../../config/deployment.ts";
import { isDatabase } from "../../resources/index.ts";
import type { Counts } from "../counts.ts";
import type { Contracted } from "../preconditions.ts";
import type { ObjectStore } from "./account/objects.ts";
import type { FoundOutputs } from "./environment-outputs.ts";
import type { Standing } from "./templates/shared/running.ts";

export interface EnvironmentRecord {
  /** Releases whose rollout came to its end, in the order in which they last did. */
  rolledOut: string[];
  /** Of those that have the processes of another release: which one. Their archive is that one's. */
  processes?: Record<string, string>;
  /** Releases whose expand phase has run, and on which databases (`databasesOf`). */
  expanded: { release: string; on: string }[];
  /** How many instances were asked for of services that had no fleet yet. */
  counts?: Counts;
  contracted?: Contracted & { on: string };
  /** The rollout that is under way, or was cut off, since when (milliseconds since 1970), what served before it, and the numbers asked for. */
  rollout?: { to: string; before: Standing; since: number; counts?: Counts };
}

/**
 * Which databases stand, by their addresses: one that was made anew, or restored beside and put in the other's place, has another. Nothing
 * here can ask a database itself what ran on it: it lets nobody in but the environment's machines.
 */
export function databasesOf({ resources }: Deployment, outputs: FoundOutputs): string {
  const databases = Object.entries(resources).filter(([, resource]) => isDatabase(resource) && resource.url === undefined);
  return databases
    .map(([name]) => `${name}=${outputs.find("data", name, "Address") ?? ""}`)
    .sort()
    .join(" ");
}

export const hasExpanded = ({ expanded }: EnvironmentRecord, release: string, on: string): boolean =>
  expanded.some((phase) => phase.release === release && phase.on === on);

/** Undefined when it ran on databases that are not there any more. */
export const contractedOn = ({ contracted }: EnvironmentRecord, on: string): Contracted | undefined =>
  contracted?.on === on ? contracted : undefined;

/** The release that would come back. */
export const previousOf = ({ rolledOut }: EnvironmentRecord, release: string): string | undefined => rolledOut.filter((id) => id !== release).at(-1);

/** Its own, or those of another that it differs from in its rules alone. */
export const processesOf = ({ processes = {} }: EnvironmentRecord, release: string): string => processes[release] ?? release;

export const recordKey = (environment: string): string => `environments/${environment}.json`;

export async function loadRecord(objects: ObjectStore, environment: string): Promise<EnvironmentRecord> {
  const text = await objects.find(recordKey(environment));
  return text === undefined ? { rolledOut: [], expanded: [] } : JSON.parse(text);
}

export const writeRecord = (objects: ObjectStore, environment: string, record: EnvironmentRecord): Promise<void> =>
  objects.put(recordKey(environment), JSON.stringify(record));
