// What every type of resource gives, and the parts of it that they share.
import type { App, Resource } from "../../../config/schema.ts";
import { type ErrorParts, LandfallError } from "../../../error.ts";
import type { Places } from "../places.ts";
import type { Secrets } from "../secrets.ts";
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
}

export interface ResourceContext {
  places: Places;
  app: App;
  secrets: Secrets;
  /** Told of steps that take seconds. */
  emit: (text: string) => void;
}

export type ResourceOf<T extends Resource["type"]> = Extract<Resource, { type: T }>;

/** `main-database` gives `MAIN_DATABASE`. */
export const variablePrefix = (name: string): string => name.toUpperCase().replaceAll("-", "_");

/** What a resource's process and data folder are called. "objects" is the object server's; a resource's own name has no dot. */
export const placeName = (name: string): string => (name === "objects" ? "objects.own" : name);

/** The name of one of a resource's internal secrets; the "/" keeps it out of every list. */
export const secretName = (resource: string, part: string): string => `resource/${resource}/${part}`;

export const resourceFailed = (parts: Omit<ErrorParts, "code" | "standing"> & { standing?: string }): LandfallError =>
  new LandfallError({ code: "RESOURCE_FAILED", standing: "No release was changed; instances that run go on running.", ...parts });
