// An instance that is watched until it is healthy, and what is known of it when it fails.
import type { Service } from "../../../config/schema.ts";
import type { Paths } from "../paths.ts";
import type { Holder } from "../ports/listeners.ts";
import type { ProcessRecord, SupervisorApi } from "../supervisor/api.ts";
import type { Fault, Observations } from "./classify.ts";

export interface Watched {
  id: string;
  service: string;
  release: string;
  settings: Service;
  /** The release that serves meanwhile. */
  serving?: string;
  /** Some instance of its release, be it of another service, has got requests. */
  gotRequests?: boolean;
  /** It serves already, and is only asked whether it would by the rules of this release. */
  servesAlready?: boolean;
  environment: string;
  paths: Paths;
  supervisor: SupervisorApi;
  /** An exit before this moment (milliseconds since 1970) is another life's. */
  since: number;
  signal?: AbortSignal;
}

/** What could be looked up about a failure: the variable, the resource, the disk, who holds the port. */
export interface Evidence {
  /** `source`: the key of the configuration it comes from; absent when nothing gives it. */
  variable?: { name: string; source?: string; isEmpty: boolean };
  /** A resource of the app, or only an address when it is none of them. */
  server?: { resource?: { name: string; type: string; state: string }; address?: string; listens?: boolean };
  disk?: { path: string; freeBytes: number; sizeBytes: number };
  memory?: { freeBytes: number; sizeBytes: number };
  file?: { path: string; exists: boolean };
  /** `instance`: when it is one of this environment's processes. */
  holder?: Holder & { instance?: string };
}

export interface Failure {
  watched: Watched;
  process: ProcessRecord;
  seen: Observations;
  fault: Fault;
}
