// From the app's resources to what the local target starts and hands to instances. One file a type, all of one shape.
import type { Resource, ResourceOf } from "../../../resources/index.ts";
import { bucket } from "./bucket.ts";
import { cache } from "./cache.ts";
import { isExternal, prepareExternal } from "./external.ts";
import type { LocalPlace, LocalResource } from "./local-resource.ts";
import { mysql } from "./mysql.ts";
import { type ObjectServer, prepareObjectServer } from "./object-server.ts";
import { postgres } from "./postgres.ts";
import { queue } from "./queue.ts";
import type { PreparedResource, ResourceContext } from "./resource.ts";

export { removeSharedPrograms } from "./postgres-programs.ts";
export type { PreparedResource } from "./resource.ts";

const TYPES: { [Type in Resource["type"]]: LocalResource<ResourceOf<Type>> } = { postgres, mysql, cache, queue, bucket };

const localTypeOf = ({ type }: Resource): LocalResource => TYPES[type] as LocalResource;

/**
 * Makes everything the app's resources need before their processes start: folders, ports, passwords, a data folder for each
 * Postgres. Starts nothing, and changes nothing outside the environment's folder but, for root, the shared copy of Postgres
 * and its system user under `paths.home`. Idempotent.
 *
 * Throws RESOURCE_PROGRAM_MISSING, PORT_TAKEN, RESOURCE_FAILED or SECRETS_KEY_UNSAFE; what was made until then is used again.
 */
export async function prepareResources(
  input: Omit<ResourceContext, "emit" | "known" | "taken"> & Partial<Pick<ResourceContext, "emit" | "known" | "taken">>,
): Promise<PreparedResource[]> {
  const context: ResourceContext = { emit: () => {}, known: new Set(), ...input, taken: new Set(input.taken) };
  let server: Promise<ObjectServer> | undefined;
  const place: LocalPlace = { context, server: () => (server ??= prepareServer(context)) };
  const prepared: PreparedResource[] = [];
  // One after the other: two that prepare at once could choose the same port.
  for (const [name, resource] of Object.entries(context.deployment.resources)) prepared.push(await prepare(name, resource, place));
  return prepared;
}

/**
 * Looks for the programs of the resources, and asks those that are given by URL. Makes and starts nothing.
 * Errors: RESOURCE_PROGRAM_MISSING, RESOURCE_FAILED.
 */
export async function requireResources(resources: Record<string, Resource>, secrets: ResourceContext["secrets"]): Promise<void> {
  for (const [name, resource] of Object.entries(resources)) if (!isExternal(resource)) localTypeOf(resource).requireProgram?.(name);
  for (const [name, resource] of Object.entries(resources))
    if (isExternal(resource)) await prepareExternal(name, resource, { secrets, ask: localTypeOf(resource).ask }).ready();
}

async function prepare(name: string, resource: Resource, place: LocalPlace): Promise<PreparedResource> {
  const type = localTypeOf(resource);
  if (isExternal(resource)) return prepareExternal(name, resource, { secrets: place.context.secrets, ask: type.ask });
  if (!type.prepare) throw new TypeError(`${resource.type} "${name}" has no URL`);
  return type.prepare(name, resource, place);
}

function prepareServer(context: ResourceContext): Promise<ObjectServer> {
  const served = Object.entries(context.deployment.resources).filter(([, resource]) => localTypeOf(resource).isServed);
  return prepareObjectServer(context, {
    besideOthers: served.some(([, resource]) => isExternal(resource)),
    hasQueues: served.some(([name, { type }]) => type === "queue" && context.known.has(name)),
  });
}
