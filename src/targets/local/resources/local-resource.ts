// The interface of a type of resource on this machine.
import type { Resource } from "../../../resources/index.ts";
import type { ObjectServer } from "./object-server.ts";
import type { PreparedResource, ResourceContext } from "./resource.ts";

export interface LocalPlace {
  context: ResourceContext;
  /** The one behind queues and buckets; prepared by whoever asks first. */
  server: () => Promise<ObjectServer>;
}

export interface LocalResource<Of extends Resource = Resource> {
  /** Makes what it needs before its process starts. Left out where Landfall starts none: the configuration is refused without its URL. */
  prepare?(name: string, resource: Of, place: LocalPlace): Promise<PreparedResource>;
  /** Refuses where the program that it is made of is not on this machine. Makes nothing. */
  requireProgram?(name: string): void;
  /** Whether it lives in the server of queues and buckets. */
  isServed?: boolean;
  /** Asks one that is given by URL, and rejects when it does not answer; a TCP connection is opened when left out. */
  ask?(url: string): Promise<void>;
}
