// Releases on disk: one read-only folder each, with a record beside it that says it is whole.
import { basename, join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { recipeFiles } from "../../../release/recipe.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import { obeyingModes } from "../../../system/obeying-modes.ts";
import { stateDamaged } from "../../../system/state-file.ts";
import { explainUnreached } from "../../../text/unreached.ts";
import { releaseUnknown } from "../../preconditions.ts";
import { writeFiles } from "../../write-files.ts";
import type { Paths } from "../paths.ts";
import type { EnvironmentRecord } from "../record.ts";
import { ensureAtomicFolder, listAtomicFolders, loadAtomicFolder, makeReadOnly, recordFile, removeAtomicFolder, wasWhole } from "./atomic-folder.ts";
import { copyImage } from "./image-copy.ts";
import type { Image } from "./images.ts";
import { describeEnd, runSteps, type StepEnd, stepEnvironment } from "./run-step.ts";
import { pathOf } from "./surroundings.ts";

export interface ReleaseOptions {
  paths: Paths;
  release: Release;
  source: Source;
  /** From `ensureImage`. */
  image: Image;
  /** Variables for the build steps, over the clean environment that steps start from. */
  environment: Record<string, string>;
  emit: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Makes the release's folder unless it is there: nothing in it where another has its files, or else the source's files, copies of what the recipe made, then the build
 * steps' work; read-only at the end. The record, `<id>.json` beside the folder, is written last. Killed anywhere, it leaves nothing that
 * counts as a release.
 *
 * Errors: IMAGE_ENTRY_CONFLICT, BUILD_STEP_FAILED, SOURCE_CHANGED, INTERRUPTED when the signal aborts; the release is not kept then.
 */
export async function ensureRelease(options: ReleaseOptions): Promise<{ folder: string; made: boolean; release: Release }> {
  const { paths, release, source, image, emit, signal } = options;
  const folder = join(paths.releases, release.id);
  const log = join(paths.app, "logs", `release-${release.id}.log`);
  const { made, record } = await ensureAtomicFolder<Release>({
    folder,
    emit,
    signal,
    describe: () => release,
    make: async (making) => {
      // Another release has the files already, and differs in nothing that is made of them.
      if (release.processes !== release.id) return;
      await writeFiles(folder, source.files);
      await copyImage({ image, release: folder, fromSource: new Set(recipeFiles(image.record.recipe, source).map(({ path }) => path)) });
      const env = { ...stepEnvironment(), PATH: pathOf(folder), ...options.environment };
      const failed = await runSteps({ steps: release.release.build, folder, env, prefix: obeyingModes(), log, emit, signal, making });
      if (failed) throw buildFailed(failed, log);
      makeReadOnly(folder);
    },
  });
  return { folder, made, release: record };
}

export const findRelease = (paths: Paths, id: string): Release | undefined =>
  /^[0-9a-f]+$/.test(id) ? loadAtomicFolder<Release>(join(paths.releases, id)) : undefined;

/** Errors: RELEASE_UNKNOWN, with the releases that are there; STATE_DAMAGED. */
export function loadRelease(paths: Paths, id: string): Release {
  const release = findRelease(paths, id);
  if (release) return release;
  if (/^[0-9a-f]+$/.test(id) && wasWhole(join(paths.releases, id))) throw releaseDamaged(paths, id);
  throw releaseUnknown(
    id,
    "on this machine",
    listReleases(paths).map((stored) => `${stored.id}  ${stored.description}`),
  );
}

const releaseDamaged = (paths: Paths, id: string) =>
  stateDamaged({
    file: recordFile(join(paths.releases, id)),
    lost: `what release ${id} is`,
    next: `landfall deploy ${basename(paths.environment)} <commit>   of the commit that it was made of writes it again;  landfall events ${basename(paths.environment)}  names that`,
  });

/** The releases that are whole, the newest first. */
export function listReleases(paths: Paths): Release[] {
  return listAtomicFolders(paths.releases)
    .whole.flatMap((id) => loadAtomicFolder<Release>(join(paths.releases, id)) ?? [])
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
}

/**
 * By the name that instances have, the release by whose rules they are handled: of those with the same processes the one that serves, or else
 * the one that served last. `target` is one that is on its way to serve.
 */
export function releasesByProcesses(paths: Paths, record: EnvironmentRecord, target?: Release): Map<string, Release> {
  const served = [...record.rolledOut, record.release ?? ""].flatMap((id) => findRelease(paths, id) ?? []);
  return new Map([...served, ...(target ? [target] : [])].map((release) => [release.processes, release]));
}

/** False when it is being made right now. Removing one that is not there does nothing. */
export const removeRelease = (paths: Paths, id: string): boolean => removeAtomicFolder(join(paths.releases, id));

/** Removes every release but these, and what a crash left of one. Returns what it removed. */
export function removeUnusedReleases(paths: Paths, keep: Iterable<string>): string[] {
  const kept = new Set(keep);
  return listAtomicFolders(paths.releases).all.filter((id) => !kept.has(id) && removeRelease(paths, id));
}

function buildFailed(end: StepEnd, log: string): LandfallError {
  return new LandfallError({
    code: "BUILD_STEP_FAILED",
    what: `the build step "${end.step}" ${describeEnd(end)}`,
    where: log,
    evidence: end.lastLines.map((line, index) => [index === 0 ? "last lines" : "", line]),
    standing: "The release was not kept. What runs goes on running.",
    ...explainUnreached(end.lastLines),
  });
}
