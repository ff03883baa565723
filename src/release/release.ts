import { createHash } from "node:crypto";
import type { EnvironmentApp } from "../config/app.ts";
import type { App } from "../config/schema.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { hashFile, recipeHash } from "./recipe.ts";
import type { Source } from "./source.ts";

export { packSource } from "./pack.ts";
export { recipeHash } from "./recipe.ts";

/** One immutable version of the app. Plain data; written as JSON beside the release's folder. */
export interface Release {
  /** Ten hex digits over everything that reaches the processes: the same content has the same id. */
  id: string;
  commit?: string;
  description: string;
  recipeHash: string;
  /** Over the files, without landfall.config.ts: what that file says is in the configuration's hash. */
  sourceHash: string;
  configurationHash: string;
  /** Milliseconds since 1970. Not part of the id. */
  createdAt: number;
  services: App["services"];
  release: App["release"];
}

export interface ReleaseInput {
  app: EnvironmentApp;
  source: Source;
  /** Changes with every secret that is set or removed: new secrets reach processes only through a new release. */
  secretsRevision: string;
  clock?: Clock;
}

const ID_LENGTH = 10;

/**
 * Names what would run. Reads every file of the source once and writes nothing. How many instances run, and how the
 * balancer and the rollout behave, is no part of a release: changing that alone makes no new one.
 * Throws RECIPE_FILE_MISSING.
 */
export async function makeRelease({ app, source, secretsRevision, clock = systemClock }: ReleaseInput): Promise<Release> {
  const hashes = {
    recipeHash: await recipeHash(app.app.recipe, source),
    sourceHash: await hashSource(source),
    configurationHash: hashConfiguration(app.app),
  };
  return {
    id: digest({ ...hashes, secretsRevision }).slice(0, ID_LENGTH),
    commit: source.commit,
    description: source.description,
    ...hashes,
    createdAt: clock.now(),
    services: app.app.services,
    release: app.app.release,
  };
}

async function hashSource(source: Source): Promise<string> {
  const hash = createHash("sha256").update("landfall source 1\n");
  for (const file of source.files) if (file.path !== "landfall.config.ts") await hashFile(hash, file);
  return hash.digest("hex");
}

function hashConfiguration({ name, services, resources, release }: App): string {
  return digest({
    name,
    release,
    services: mapValues(services, ({ instances: _, ...service }) => service),
    // Of a resource a process sees only the variables that its name, type, URL and users give.
    resources: mapValues(resources, (resource) => ({
      type: resource.type,
      url: resource.url,
      readOnlyUser: resource.type === "postgres" && resource.readOnlyUser,
    })),
  });
}

const mapValues = <T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");

/** The order in which keys were written means nothing. */
function sortedKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
