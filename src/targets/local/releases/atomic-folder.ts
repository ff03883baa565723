// Folders that are there as a whole or not at all. They cannot be made elsewhere and renamed, because what recipes make
// (a Python venv, for one) holds its own absolute path. So a record beside the folder, written last, says that it is whole.
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import { type FileLock, loadNote, tryFileLock } from "../../../system/file-lock.ts";
import { eachEntry, removeTree } from "../../../system/files.ts";
import { isRunning, observeStart, type ProcessIdentity, signalGroup } from "../../../system/processes.ts";
import { loadStateIfWhole, removeState, writeState } from "../../../system/state-file.ts";

const WAIT_MS = 50;

/** Left in the lock file by the maker: after it was killed, its step may still be writing. */
interface MakerNote {
  maker: ProcessIdentity;
  step?: ProcessIdentity;
}

/** Passed to `make`: tells the lock which step runs, so that a later maker can end it. */
export interface Making {
  handle: number;
  noteStep(pid: number): void;
}

export interface WholeOptions<T> {
  folder: string;
  emit: (line: string) => void;
  signal?: AbortSignal;
  /** The record of what is in the folder. */
  describe: () => T;
  /** Fills the folder, which is empty. When it throws, nothing is kept. */
  make: (making: Making) => Promise<void>;
}

export const recordFile = (folder: string): string => `${folder}.json`;
const lockFile = (folder: string): string => `${folder}.lock`;

/** The record of a whole folder; undefined when it is not there, was never finished, or its record is damaged. */
export function loadAtomicFolder<T extends object>(folder: string): T | undefined {
  return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() ? loadStateIfWhole<T>(recordFile(folder)) : undefined;
}

/** Whether the folder was whole: what its record said may be lost. */
export const wasWhole = (folder: string): boolean => existsSync(recordFile(folder)) && existsSync(folder);

/** Makes the folder unless it is whole already. Of several makers at once, in any process, one makes it and the others wait. */
export async function ensureAtomicFolder<T extends object>({
  folder,
  emit,
  signal,
  describe,
  make,
}: WholeOptions<T>): Promise<{ made: boolean; record: T }> {
  const there = loadAtomicFolder<T>(folder);
  if (there) return { made: false, record: there };
  makeParent(folder);
  const lock = await waitForLock(folder, emit, signal);
  try {
    const madeByOther = loadAtomicFolder<T>(folder);
    if (madeByOther) return { made: false, record: madeByOther };
    const made = !wasWhole(folder);
    if (made) {
      removeTree(folder);
      mkdirSync(folder, { mode: 0o755 });
      await make(makingUnder(lock));
    }
    const record = describe();
    writeState(recordFile(folder), record);
    return { made, record };
  } catch (error) {
    if (!wasWhole(folder)) removeTree(folder);
    throw error;
  } finally {
    lock.release();
  }
}

/** Removes the folder unless somebody makes it right now; says whether it did. */
export function removeAtomicFolder(folder: string): boolean {
  const lock = tryFileLock(lockFile(folder));
  if (!lock) return false;
  try {
    // The record goes first: a crash after it leaves an unfinished folder, which counts as none.
    removeState(recordFile(folder));
    removeTree(folder);
    return true;
  } finally {
    lock.release({ removeFile: true });
  }
}

/** The names of the whole folders in a folder, and of all that stands there, sorted. */
export function listAtomicFolders(parent: string): { whole: string[]; all: string[] } {
  const names = lstatSync(parent, { throwIfNoEntry: false }) ? readdirSync(parent) : [];
  const ids = [...new Set(names.map((name) => name.replace(/\.(json|lock)$/, "")))].filter((name) => /^[0-9a-z-]+$/.test(name)).sort();
  return { all: ids, whole: ids.filter((name) => loadAtomicFolder(join(parent, name)) !== undefined) };
}

/** Takes the right to write from everybody, in the whole tree. Symlinks are not followed. */
export function makeReadOnly(folder: string): void {
  eachEntry(folder, (path, stat) => {
    if (!stat.isSymbolicLink() && stat.mode & 0o222) chmodSync(path, stat.mode & 0o7555);
  });
}

/** Other users may pass through the upper folders (the database's own user must) but may not look into this one. */
function makeParent(folder: string): void {
  mkdirSync(dirname(dirname(folder)), { recursive: true, mode: 0o711 });
  mkdirSync(dirname(folder), { recursive: true, mode: 0o700 });
}

const identify = (pid: number): ProcessIdentity => ({ pid, startedAt: observeStart(pid) ?? "" });

function makingUnder(lock: FileLock): Making {
  const maker = identify(process.pid);
  lock.note({ maker } satisfies MakerNote);
  return { handle: lock.handle, noteStep: (pid) => lock.note({ maker, step: identify(pid) } satisfies MakerNote) };
}

async function waitForLock(folder: string, emit: (line: string) => void, signal: AbortSignal | undefined): Promise<FileLock> {
  let hasTold = false;
  for (;;) {
    if (signal?.aborted) throw interrupted(signal);
    const lock = tryFileLock(lockFile(folder));
    if (lock) return lock;
    const note = loadNote<MakerNote>(lockFile(folder));
    if (note && !isRunning(note.maker)) endOrphan(note);
    else if (!hasTold) emit(`waiting for process ${note?.maker.pid ?? "(just starting)"}, which makes ${folder} right now`);
    hasTold = true;
    await systemClock.sleep(WAIT_MS, signal).catch(() => {});
  }
}

/** The step of a maker that was killed still writes into the folder, and holds the lock with the handle it was given. */
function endOrphan({ step }: MakerNote): void {
  if (step && isRunning(step)) signalGroup(step.pid, "SIGKILL");
}

/** The error of an operation that was asked to stop. */
export function interrupted(signal: AbortSignal): LandfallError {
  if (signal.reason instanceof LandfallError) return signal.reason;
  return new LandfallError({
    code: "INTERRUPTED",
    what: "the operation was interrupted",
    standing: "What runs goes on running; what was being made was not kept.",
    next: "run the same command again",
  });
}
