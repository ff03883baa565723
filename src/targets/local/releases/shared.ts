// Releases and images that the environments of an app share on this machine: their users, and the removal of the rest.

import { existsSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { messageOf } from "../../../error.ts";
import { findUnfinished, type Journal, type Operation } from "../../../state/journal.ts";
import { loadNote, tryFileLock } from "../../../system/file-lock.ts";
import type { Context } from "../context.ts";
import { type Paths, pathsOf } from "../paths.ts";
import { findRecord } from "../record.ts";
import { observeSessions } from "../sessions.ts";
import { observeKept } from "../supervisor/records.ts";
import { interrupted } from "./atomic-folder.ts";
import { removeUnusedImages } from "./images.ts";
import { findRelease, listReleases, removeUnusedReleases } from "./release-store.ts";

/** Releases kept for rolling back in each environment, besides the one that serves. */
const WAYS_BACK = 5;

const LOOK_EVERY_MS = 50;

/** What an operation works with, by name: there already, or yet to be made. */
interface Needs {
  release?: string;
  /** The release whose processes it shares. */
  processes?: string;
  image?: string;
}

/**
 * Writes into the journal what the operation needs. From then on no environment of the app removes it until the operation has ended, be it
 * after a crash and by another command. To be called before it is looked for.
 */
export const holdShared = (context: Context, journal: Journal, needs: Needs): Promise<void> => aloneOnShared(context, () => journal.learn({ needs }));

/**
 * Removes the releases that no environment of the app serves, could go back to, runs anything of, or has an unfinished operation for; and the
 * images of none of those that are left. Where that cannot be known nothing is removed, and a note says why.
 */
export async function removeUnused(context: Context, waysBack = WAYS_BACK): Promise<void> {
  if (!existsSync(context.paths.app)) return;
  // What brought this about has been done by now: an interruption does not undo it.
  await aloneOnShared({ ...context, signal: undefined }, () => removeUnusedNow(context, waysBack));
}

/** To be called within `aloneOnShared`. */
export function removeUnusedNow(context: Context, waysBack = WAYS_BACK): void {
  const used = observeUsed(context, waysBack);
  if (!used) return;
  const { paths } = context;
  const ids = used.flatMap(({ release, processes }) => [release, processes].filter((id) => id !== undefined));
  removeUnusedReleases(paths, [...ids, ...ids.flatMap((id) => findRelease(paths, id)?.processes ?? [])]);
  const ofReleases = listReleases(paths).map(({ recipeHash }) => recipeHash);
  removeUnusedImages(paths, [...ofReleases, ...used.flatMap(({ image }) => image ?? [])]);
}

/** Between looking at what is used and removing the rest nobody begins to use it: one process at a time does either. */
export async function aloneOnShared<T>({ paths, clock, emit, signal }: Context, act: () => T): Promise<T> {
  let lock = tryFileLock(paths.sharing);
  if (!lock) emit({ type: "note", text: `waiting for process ${loadNote(paths.sharing) ?? "(just starting)"}, which looks through the releases` });
  for (; !lock; lock = tryFileLock(paths.sharing)) {
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
    if (signal?.aborted) throw interrupted(signal);
  }
  try {
    lock.note(process.pid);
    return act();
  } finally {
    lock.release();
  }
}

function observeUsed({ paths, emit }: Context, waysBack: number): Needs[] | undefined {
  try {
    return environmentsOf(paths).flatMap((environment) => [
      ...recordedIn(environment, waysBack),
      ...unfinishedIn(environment),
      ...runningIn(environment),
    ]);
  } catch (error) {
    emit({ type: "warning", text: `no release or image was removed, since it is not known which are in use: ${messageOf(error)}` });
    return undefined;
  }
}

/** All that stand, half made ones too. */
function environmentsOf({ home, app, environment }: Paths): Paths[] {
  const folder = dirname(environment);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.map((name) => pathsOf(home, basename(app), name));
}

function recordedIn(paths: Paths, waysBack: number): Needs[] {
  const { release, previous, rolledOut = [] } = findRecord(paths) ?? {};
  return [release, previous, ...rolledOut.toReversed().slice(0, waysBack)].map((id) => ({ release: id }));
}

const unfinishedIn = ({ journal }: Paths): Needs[] => needsOf(findUnfinished(journal)?.operation);

/** Undoing an operation needs what the operation needed. */
const needsOf = (operation: Operation | undefined): Needs[] => {
  const { needs, release, of } = (operation?.input ?? {}) as { needs?: Needs; release?: string; of?: Operation };
  return operation ? [{ release }, ...(needs ? [needs] : []), ...needsOf(of)] : [];
};

/** Serving, warm, of a schedule, or run by hand. */
const runningIn = (paths: Paths): Needs[] => [
  ...observeKept(paths).flatMap(({ state, spec }) => (state === "exited" ? [] : [{ release: spec.release }])),
  ...observeSessions(paths),
];
