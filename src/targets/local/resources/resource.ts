// A resource that is prepared, and the parts that types share.
import type { Deployment } from "../../../config/deployment.ts";
import type { Resource } from "../../../config/schema.ts";
import { type ErrorParts, LandfallError } from "../../../error.ts";
import type { DataPart } from "../data/data-record.ts";
import type { Secrets } from "../data/secret-store.ts";
import type { Paths } from "../paths.ts";
import type { ProcessSpec } from "../supervisor/api.ts";

/** A resource of an environment. The caller starts `spec`, then waits for `ready`, then calls `establish`. */
export interface PreparedResource {
  name: string;
  type: Resource["type"];
  /** Absent when the resource is given by URL. A queue and a bucket have the same one. */
  spec?: ProcessSpec;
  /** Resolves once it answers; rejects with RESOURCE_FAILED after a bounded time, or at once when waiting cannot help. */
  ready(): Promise<void>;
  /** Makes what the app will use, where it is not there yet; `created` names what was made. */
  establish(): Promise<{ created: string[] }>;
  /** What instances get: plain variables, and variables by the name of the secret that holds them. */
  variables: { env: Record<string, string>; secretEnv: Record<string, string> };
  /** Where it is, without a password. */
  address: string;
  /** Where its data lies; absent when it has none here that must outlive its process. */
  data?: Omit<DataPart, "identity" | "since">;
}

export interface ResourceContext {
  paths: Paths;
  deployment: Deployment;
  secrets: Secrets;
  /** The resources whose data is there already: nothing of theirs is made. */
  known: ReadonlySet<string>;
  /** Ports that no resource may choose; those that are chosen are added. */
  taken: Set<number>;
  /** Told of steps that take seconds. */
  emit: (text: string) => void;
}

/** What a resource's process and data folder are called. "objects" is the object server's; a resource's own name has no dot. */
export const placeName = (name: string): string => (name === "objects" ? "objects.own" : name);

/** The name of one of a resource's internal secrets; the "/" keeps it out of every list. */
export const secretName = (resource: string, part: string): string => `resource/${resource}/${part}`;

export const resourceFailed = (parts: Omit<ErrorParts, "code" | "standing"> & { standing?: string }): LandfallError =>
  new LandfallError({ code: "RESOURCE_FAILED", standing: "No release was changed; instances that run go on running.", ...parts });
