// A type of resource, as it is on every target. What a target makes of it is in that target's own folder `resources`.
import { z } from "zod";
import { key, variable } from "../text/key.ts";

/** A key with a value that a target cannot have, and the limit in words. */
export type BeyondLimit = [key: string, value: string, limit: string];

export interface ResourceType<Keys extends z.ZodType = z.ZodType> {
  keys: Keys;
  /** The keys that an environment can change. */
  changeable: readonly string[];
  /** The variable that each resource of the type gives, without the resource's name: `URL` for `DATABASE_URL`. */
  variable: string;
  /** What it gives besides, unless it is given by URL. */
  moreVariables(resource: z.output<Keys>): string[];
  /** What the variable says of a resource that is given by URL; the URL itself when left out. */
  valueOfUrl?(url: string): string;
  /** The ports of the protocols of its URLs. */
  ports: Record<string, number>;
  /** Apps keep tables in it, and release phases change them. */
  isDatabase: boolean;
  /** On AWS it is in the environment's network and takes addresses there; else it is a service that is reached from everywhere. */
  inNetwork: boolean;
  /** The Debian package with its client, for machines. */
  client?: string;
  /** Its client has to be shown RDS's certificates. */
  needsCertificates?: boolean;
  /** Why the local target makes none, so that it has to be given by URL there. */
  notLocal?: { what: string; why: string; example: string };
  /** Values that AWS would not take. */
  limitsOnAws(resource: z.output<Keys>): BeyondLimit[];
}

/** Lets the compiler see each type's own keys in what is said of its resources. */
export const resourceType = <Keys extends z.ZodType>(type: ResourceType<Keys>): ResourceType<Keys> => type;

export const kind = <T extends string>(type: T) => key(z.literal(type), { about: "What it is." });

const url = z.union([
  z.string().regex(/^[a-z][a-z0-9+.-]*:\/\//, { error: 'a URL such as "postgres://db.example.com:5432/app"' }),
  z.strictObject({ secret: key(variable, { about: "The secret that holds the URL." }) }),
]);
export const urlKey = key(url.optional(), { about: "Use this one instead of starting one: a URL, or `{ secret: NAME }` when it has a password." });
