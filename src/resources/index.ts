// The types of resources. A new one is a file here and a line below; then the compiler asks each target for its own.
import { z } from "zod";
import { bucket } from "./bucket.ts";
import { cache } from "./cache.ts";
import { mysql } from "./mysql.ts";
import { postgres } from "./postgres.ts";
import { queue } from "./queue.ts";
import type { BeyondLimit, ResourceType } from "./resource-type.ts";

const TYPES = { postgres, mysql, queue, bucket, cache };

export const resourceSchema = z.discriminatedUnion("type", [postgres.keys, mysql.keys, queue.keys, bucket.keys, cache.keys]);
export type Resource = z.output<typeof resourceSchema>;
export type ResourceOf<Type extends Resource["type"]> = Extract<Resource, { type: Type }>;
/** One whose type's `isDatabase` is true. */
export type Database = ResourceOf<"postgres" | "mysql">;

/** What is true of all resources of this one's type. */
export const typeOf = (resource: Pick<Resource, "type">): ResourceType => TYPES[resource.type] as ResourceType;

export const isDatabase = (resource: Resource): resource is Database => typeOf(resource).isDatabase;

/** `("main-database", "URL")` → `MAIN_DATABASE_URL`. */
export const variableOf = (name: string, part: string): string => `${name.toUpperCase().replaceAll("-", "_")}_${part}`;

/** The variables that a resource gives to every service, its own one first. */
export function variablesOf(name: string, resource: Resource): string[] {
  const { variable, moreVariables } = typeOf(resource);
  return [variable, ...(resource.url === undefined ? moreVariables(resource) : [])].map((part) => variableOf(name, part));
}

/** The port of a URL that names none, by its protocol. */
export const portOf = (protocol: string): number | undefined => Object.assign({}, ...Object.values(TYPES).map(({ ports }) => ports))[protocol];

/** What its variable says of a resource that is given by this URL. */
export const valueOfUrl = (resource: Resource, url: string): string => typeOf(resource).valueOfUrl?.(url) ?? url;

/** Errors in values that only AWS would refuse. */
export const limitsOnAws = (resource: Resource): BeyondLimit[] => typeOf(resource).limitsOnAws(resource);
