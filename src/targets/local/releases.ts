// Releases on disk: one read-only folder each, with a record beside it that says it is whole.
import { lstatSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { LandfallError } from "../../error.ts";
import { cleanName } from "../../release/recipe.ts";
import type { Release } from "../../release/release.ts";
import type { Source } from "../../release/source.ts";
import { writeFiles } from "./images.ts";
import type { Places } from "./places.ts";
import { describeEnd, runSteps, type StepEnd, stepEnvironment } from "./steps.ts";
import { ensureWhole, listWhole, loadWhole, makeReadOnly, removeWhole } from "./whole.ts";

export interface ReleaseOptions {
  places: Places;
  release: Release;
  source: Source;
  /** From `ensureImage`. */
  imageFolder: string;
  /** `recipe.files`: what the image's folder held before its steps ran. */
  recipeFiles: readonly string[];
  /** Variables for the build steps, over the clean environment that steps start from. */
  environment: Record<string, string>;
  emit: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Makes the release's folder unless it is there: the source's files, symlinks to what the recipe made, then the build steps'
 * work; read-only at the end. The record, `<id>.json` beside the folder, is written last. Killed anywhere, it leaves nothing that
 * counts as a release.
 *
 * Errors: IMAGE_ENTRY_CONFLICT, BUILD_STEP_FAILED, SOURCE_CHANGED, INTERRUPTED when the signal aborts; the release is not kept then.
 */
export async function ensureRelease(options: ReleaseOptions): Promise<{ folder: string; made: boolean }> {
  const { places, release, source, imageFolder, emit, signal } = options;
  const folder = join(places.releases, release.id);
  const log = join(places.app, "logs", `release-${release.id}.log`);
  const { made } = await ensureWhole<Release>({
    folder,
    emit,
    signal,
    make: async (making) => {
      await writeFiles(folder, source.files);
      linkImage(folder, imageFolder, options.recipeFiles.map(cleanName));
      const env = { ...stepEnvironment(), ...options.environment };
      const failed = await runSteps({ steps: release.release.build, folder, env, log, emit, signal, making });
      if (failed) throw buildFailed(failed, log);
      makeReadOnly(folder);
      return release;
    },
  });
  return { folder, made };
}

/** Throws RELEASE_UNKNOWN, with the releases that are there. */
export const findRelease = (places: Places, id: string): Release | undefined =>
  /^[0-9a-f]+$/.test(id) ? loadWhole<Release>(join(places.releases, id)) : undefined;

export function loadRelease(places: Places, id: string): Release {
  const release = findRelease(places, id);
  if (!release) throw releaseUnknown(id, listReleases(places));
  return release;
}

/** The releases that are whole, the newest first. */
export function listReleases(places: Places): Release[] {
  return listWhole(places.releases)
    .whole.flatMap((id) => loadWhole<Release>(join(places.releases, id)) ?? [])
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
}

/** False when it is being made right now. Removing one that is not there does nothing. */
export const removeRelease = (places: Places, id: string): boolean => removeWhole(join(places.releases, id));

/** Removes every release but these, and what a crash left of one. Returns what it removed. */
export function removeUnusedReleases(places: Places, keep: Iterable<string>): string[] {
  const kept = new Set(keep);
  return listWhole(places.releases).all.filter((id) => !kept.has(id) && removeRelease(places, id));
}

/** Links what the recipe made, and descends only into the folders that held files of the recipe. */
function linkImage(release: string, image: string, recipeNames: string[], below = ""): void {
  for (const name of readdirSync(join(image, below)).sort()) {
    const path = below + name;
    if (recipeNames.includes(path)) continue;
    if (recipeNames.some((one) => one.startsWith(`${path}/`))) {
      linkImage(release, image, recipeNames, `${path}/`);
      continue;
    }
    const link = join(release, path);
    if (lstatSync(link, { throwIfNoEntry: false })) throw entryConflict(path);
    mkdirSync(dirname(link), { recursive: true, mode: 0o755 });
    symlinkSync(relative(dirname(link), join(image, path)), link);
  }
}

function entryConflict(path: string): LandfallError {
  return new LandfallError({
    code: "IMAGE_ENTRY_CONFLICT",
    what: `"${path}" was made by the recipe's steps and is also in the release's source`,
    where: path,
    why: "Only one of them can stand there: either could break the app in the other's place.",
    standing: "The release was not kept. What runs goes on running.",
    next: `git rm -r --cached "${path}" and add "/${path}" to .gitignore; or, if the steps read it, add it to recipe.files`,
  });
}

function buildFailed(end: StepEnd, log: string): LandfallError {
  return new LandfallError({
    code: "BUILD_STEP_FAILED",
    what: `the build step "${end.step}" ${describeEnd(end)}`,
    where: log,
    evidence: end.lastLines.map((line, index) => [index === 0 ? "last lines" : "", line]),
    standing: "The release was not kept. What runs goes on running.",
  });
}

function releaseUnknown(id: string, known: Release[]): LandfallError {
  const rows = known.slice(0, 10).map((release) => `  ${release.id}  ${release.description}`);
  return new LandfallError({
    code: "RELEASE_UNKNOWN",
    what: `there is no release "${id}" on this machine`,
    why: rows.length ? ["These are kept, the newest first:", ...rows].join("\n") : "No release is kept here.",
    standing: "Nothing was changed.",
  });
}
