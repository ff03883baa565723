// From the app's resources to what the local target starts and hands to instances. One file a type, all of one shape.
import { prepareBucket } from "./bucket.ts";
import { prepareCache } from "./cache.ts";
import { isGiven } from "./given.ts";
import { prepareMysql } from "./mysql.ts";
import { prepareObjectServer } from "./object-server.ts";
import { preparePostgres } from "./postgres.ts";
import { prepareQueue } from "./queue.ts";
import type { PreparedResource, ResourceContext } from "./resource.ts";

export { removeSharedPrograms } from "./postgres-programs.ts";
export type { PreparedResource } from "./resource.ts";

/**
 * Makes everything the app's resources need before their processes start: folders, ports, passwords, a data folder for each
 * Postgres. Starts nothing, and changes nothing outside the environment's folder but, for root, the shared copy of Postgres
 * and its system user under `places.home`. Idempotent.
 *
 * Throws RESOURCE_PROGRAM_MISSING, PORT_TAKEN, RESOURCE_FAILED or SECRETS_KEY_UNSAFE; what was made until then is used again.
 *
 * @example for (const one of await prepareResources({ places, app, secrets })) { ...start(one.spec); await one.ready(); await one.establish(); }
 */
export async function prepareResources(input: Omit<ResourceContext, "emit"> & { emit?: (text: string) => void }): Promise<PreparedResource[]> {
  const context: ResourceContext = { emit: () => {}, ...input };
  const entries = Object.entries(context.app.resources);
  const taken = new Set<number>();
  const ofServer = entries.filter(([, { type }]) => type === "queue" || type === "bucket");
  const server = ofServer.some(([, resource]) => !isGiven(resource))
    ? await prepareObjectServer(
        context,
        taken,
        ofServer.some(([, resource]) => isGiven(resource)),
      )
    : undefined;

  const prepared: PreparedResource[] = [];
  // One after the other: two that prepare at once could choose the same port.
  for (const [name, resource] of entries) {
    if (resource.type === "postgres") prepared.push(await preparePostgres(name, resource, context, taken));
    else if (resource.type === "mysql") prepared.push(prepareMysql(name, resource, context));
    else if (resource.type === "cache") prepared.push(await prepareCache(name, resource, context, taken));
    else if (resource.type === "queue") prepared.push(prepareQueue(name, resource, context, server));
    else prepared.push(prepareBucket(name, resource, context, server));
  }
  return prepared;
}
