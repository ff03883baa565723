import { createHash } from "node:crypto";
import type { Deployment } from "../config/deployment.ts";
import type { Environment } from "../config/schema.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import { listParts } from "./parts.ts";
import { hashFile, recipeHash } from "./recipe.ts";
import type { Source } from "./source.ts";

export { packSource } from "./pack.ts";
export { recipeHash } from "./recipe.ts";

/** One immutable version of the app. Plain data; written as JSON beside the release's folder. */
export interface Release {
  /** Ten hex digits over both lists of `parts.ts`: the same content has the same id. */
  id: string;
  /**
   * The release whose folder this one uses and after which its instances are called: itself, or an earlier one from which it differs in its
   * edge alone. Going from one to the other restarts nobody.
   */
  processes: string;
  commit?: string;
  description: string;
  recipeHash: string;
  /** Over the files, without landfall.config.ts: what that file says is in the lists. */
  sourceHash: string;
  /** Over all that reaches a process: the files, the image, the secrets, and the list `process`. */
  processHash: string;
  /** Over the list `edge`. */
  edgeHash: string;
  /** Milliseconds since 1970. Not part of the id. */
  createdAt: number;
  services: Deployment["services"];
  release: Deployment["release"];
  /** With `limits` and `trustedProxies`, what the balancer goes by while this release serves: kept here, so that going back needs no older file. */
  routes: Deployment["routes"];
  limits: Environment["limits"];
  trustedProxies: Environment["trustedProxies"];
}

export interface ReleaseInput {
  deployment: Deployment;
  source: Source;
  /** Changes with every secret that is set or removed: new secrets reach processes only through a new release. */
  secretsRevision: string;
  /** Releases that there are, whose processes may be shared: the first that fits is taken. */
  known?: readonly Release[];
  /** What else reaches processes on this target. */
  reaching?: object;
  clock?: Clock;
}

const ID_LENGTH = 10;

/**
 * Names what would run. Reads every file of the source once and writes nothing. How many instances run, on what, and how the rollout goes, is no
 * part of a release: changing that alone makes no new one. Throws RECIPE_FILE_MISSING.
 */
export async function makeRelease({
  deployment,
  source,
  secretsRevision,
  known = [],
  reaching,
  clock = systemClock,
}: ReleaseInput): Promise<Release> {
  const parts = listParts(deployment);
  const content = { recipeHash: await recipeHash(deployment.recipe, source), sourceHash: await hashSource(source) };
  const processHash = digest({ ...content, secretsRevision, process: parts.process, reaching });
  const edgeHash = digest(parts.edge);
  const id = digest({ processHash, edgeHash }).slice(0, ID_LENGTH);
  return {
    id,
    processes: known.find((release) => release.processHash === processHash)?.processes ?? id,
    commit: source.commit,
    description: source.description,
    ...content,
    processHash,
    edgeHash,
    createdAt: clock.now(),
    services: deployment.services,
    release: deployment.release,
    routes: deployment.routes,
    limits: deployment.settings.limits,
    trustedProxies: deployment.settings.trustedProxies,
  };
}

async function hashSource(source: Source): Promise<string> {
  const hash = createHash("sha256").update("landfall source 1\n");
  for (const file of source.files) if (file.path !== "landfall.config.ts") await hashFile(hash, file);
  return hash.digest("hex");
}

const digest = (value: unknown): string => createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");

/** The order in which keys were written means nothing. */
function sortedKeys(_: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
