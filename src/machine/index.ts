// Everything that runs on an instance, as text made from the configuration: shell, Debian's Python and systemd, and no runtime of ours. It calls nothing.
import { createHash } from "node:crypto";
import type { Deployment } from "../config/deployment.ts";
import { recipeHash } from "../release/recipe.ts";
import type { Source } from "../release/source.ts";
import { bakeScript } from "./bake.ts";

export { bakeScript } from "./bake.ts";
export { bootScript, type ReleaseArtifact } from "./boot.ts";
export { type TaskResult, type TaskWork, taskScript } from "./one-off-task.ts";

const HASH_LENGTH = 16;

/** What an instance that could not start leaves in `reports/<stack name>/<instance id>.json`. */
export interface BootReport {
  ok: false;
  /** `release`, `secrets`, `lease`, `start`, `health`, `proxy` or `steady`. */
  step: string;
  code: number;
  /** The app's last lines, without the values of secrets. */
  tail: string[];
  why: string;
  /** What its health check was; empty when it did not come to it. */
  asked: string;
  /** `3 times from 0.1 s to 2.2 s: connection refused`, oldest first. */
  answered: string[];
  service: string;
  release: string;
  instance: string;
}

/** The address of a machine's image: 16 hex digits over the recipe and over everything else that is put on it. Throws RECIPE_FILE_MISSING. */
export async function imageHash(deployment: Deployment, source: Source): Promise<string> {
  const recipe = await recipeHash(deployment.recipe, source);
  return createHash("sha256").update(`landfall image 1\n${recipe}\n`).update(bakeScript(deployment)).digest("hex").slice(0, HASH_LENGTH);
}
