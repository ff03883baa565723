// Images: what a recipe makes, once per hash, shared by every release and environment of the app.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { type RecipeContent, recipeFiles } from "../../../release/recipe.ts";
import type { Source } from "../../../release/source.ts";
import { systemClock } from "../../../system/clock.ts";
import { explainUnreached } from "../../../text/unreached.ts";
import { writeFiles } from "../../write-files.ts";
import type { Paths } from "../paths.ts";
import { ensureAtomicFolder, listAtomicFolders, removeAtomicFolder } from "./atomic-folder.ts";
import { sealImage } from "./image-copy.ts";
import { describeEnd, runSteps, type StepEnd, stepEnvironment } from "./run-step.ts";

interface ImageRecord {
  hash: string;
  recipe: RecipeContent;
  /** Its files that hold its own path, which in a release has to be the release's. */
  namesItself: string[];
  /** Milliseconds since 1970. */
  madeAt: number;
}

export interface Image {
  folder: string;
  /** Just now; else it was there. */
  made: boolean;
  record: ImageRecord;
}

export interface ImageOptions {
  paths: Paths;
  recipe: RecipeContent;
  /** From `recipeHash`. */
  hash: string;
  source: Source;
  emit: (line: string) => void;
  signal?: AbortSignal;
  /** Stands in for this process's own environment. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Makes the image unless it is there: runs the recipe's steps in the image's final folder, where only the recipe's files are.
 * The steps' output goes to `emit` line by line and to `logs/image-<hash>.log` in the app's folder.
 * Killed anywhere, it leaves nothing that counts as an image. The packages are looked for each time, and never installed.
 *
 * Errors: RECIPE_PACKAGE_MISSING, RECIPE_FILE_MISSING, RECIPE_STEP_FAILED, INTERRUPTED when the signal aborts; no image is kept then.
 */
export async function ensureImage({ paths, recipe, hash, source, emit, signal, env = process.env }: ImageOptions): Promise<Image> {
  await checkPackages(recipe.packages, emit, env);
  const folder = join(paths.images, hash);
  const log = join(paths.app, "logs", `image-${hash}.log`);
  const { made, record } = await ensureAtomicFolder<ImageRecord>({
    folder,
    emit,
    signal,
    describe: () => ({ hash, recipe, namesItself: sealImage(folder), madeAt: systemClock.now() }),
    make: async (making) => {
      await writeFiles(folder, recipeFiles(recipe, source));
      const failed = await runSteps({ steps: recipe.steps, folder, env: stepEnvironment(env), log, emit, signal, making });
      if (failed) throw stepFailed(failed, log);
    },
  });
  return { folder, made, record };
}

/** The hashes of the images that are whole, sorted. */
export const listImages = (paths: Paths): string[] => listAtomicFolders(paths.images).whole;

/** Removes every image whose hash is not in use, and what a crash left of one; not those that are being made. Returns what it removed. */
export function removeUnusedImages(paths: Paths, inUse: Iterable<string>): string[] {
  const kept = new Set(inUse);
  return listAtomicFolders(paths.images).all.filter((hash) => !kept.has(hash) && removeAtomicFolder(join(paths.images, hash)));
}

/** Node is here, from wherever it came: Landfall runs by it. */
const OF_NODE = ["nodejs", "npm"];

/** Throws RECIPE_PACKAGE_MISSING naming every package that dpkg does not have. Where there is no dpkg, says so and goes on. */
export async function checkPackages(packages: readonly string[], emit: (line: string) => void, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  if (packages.length === 0) return;
  const installed = await observePackages(env);
  if (!installed) {
    emit(`this machine has no dpkg, so these packages of the recipe were not looked for: ${packages.join(", ")}`);
    return;
  }
  const missing = packages.filter((name) => !installed.has(name) && !OF_NODE.includes(name));
  if (missing.length > 0) throw packagesMissing(missing);
}

/** Names of the installed packages and of what they provide; undefined without dpkg. */
function observePackages(env: NodeJS.ProcessEnv): Promise<Set<string> | undefined> {
  // biome-ignore format: one field a column
  const format = "${db:Status-Status}\\t${Package}\\t${Provides}\\n";
  return new Promise((resolve, reject) => {
    execFile("dpkg-query", ["-W", "-f", format], { env, maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout) => {
      if (error?.code === "ENOENT") return resolve(undefined);
      if (error) return reject(error);
      resolve(new Set(stdout.split("\n").flatMap(namesOf)));
    });
  });
}

function namesOf(line: string): string[] {
  const [status, name = "", provides = ""] = line.split("\t");
  if (status !== "installed") return [];
  // `mail-transport-agent, libfoo (= 1.2)`
  return [name, ...provides.split(",").map((entry) => entry.trim().split(" ")[0] ?? "")].filter(Boolean);
}

function packagesMissing(missing: string[]): LandfallError {
  const names = missing.map((name) => `"${name}"`).join(", ");
  return new LandfallError({
    code: "RECIPE_PACKAGE_MISSING",
    what: `the recipe's Debian ${missing.length === 1 ? `package ${names} is` : `packages ${names} are`} not installed on this machine`,
    where: "recipe.packages in landfall.config.ts",
    why: "Landfall looks for packages here, and never installs them: that would change a machine that is not its own.",
    standing: "Nothing was changed. What runs goes on running.",
    next: `sudo apt-get install ${missing.join(" ")}`,
  });
}

function stepFailed(end: StepEnd, log: string): LandfallError {
  return new LandfallError({
    code: "RECIPE_STEP_FAILED",
    what: `the recipe's step "${end.step}" ${describeEnd(end)}`,
    where: log,
    evidence: end.lastLines.map((line, index) => [index === 0 ? "last lines" : "", line]),
    standing: "The image was not kept. What runs goes on running.",
    ...(explainUnreached(end.lastLines) ?? { next: "make the step work in a folder that holds only recipe.files, then run the command again" }),
  });
}
