// Folders that are there as a whole or not at all. They cannot be made elsewhere and renamed, because what recipes make
// (a Python venv, for one) holds its own absolute path. So a record beside the folder, written last, says that it is whole.
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { LandfallError } from "../../error.ts";
import { systemClock } from "../../system/clock.ts";
import { type FileLock, loadNote, tryFileLock } from "../../system/file-lock.ts";
import { loadJson, writeJson } from "../../system/files.ts";
import { isRunning, observeStart, type ProcessIdentity, signalGroup } from "../../system/processes.ts";

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
  /** Fills the folder, which is empty, and returns its record. When it throws, nothing is kept. */
  make: (making: Making) => Promise<T>;
}

export const recordFile = (folder: string): string => `${folder}.json`;
const lockFile = (folder: string): string => `${folder}.lock`;

/** The record of a whole folder; undefined when it is not there, or was never finished. */
export function loadWhole<T>(folder: string): T | undefined {
  return lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() ? loadJson<T>(recordFile(folder)) : undefined;
}

/** Makes the folder unless it is whole already. Of several makers at once, in any process, one makes it and the others wait. */
export async function ensureWhole<T>({ folder, emit, signal, make }: WholeOptions<T>): Promise<{ made: boolean; record: T }> {
  const there = loadWhole<T>(folder);
  if (there) return { made: false, record: there };
  makeParent(folder);
  const lock = await waitForLock(folder, emit, signal);
  try {
    const madeByOther = loadWhole<T>(folder);
    if (madeByOther) return { made: false, record: madeByOther };
    removeTree(folder);
    mkdirSync(folder, { mode: 0o755 });
    const record = await make(makingUnder(lock));
    writeJson(recordFile(folder), record);
    return { made: true, record };
  } catch (error) {
    removeTree(folder);
    throw error;
  } finally {
    lock.release();
  }
}

/** Removes the folder unless somebody makes it right now; says whether it did. */
export function removeWhole(folder: string): boolean {
  const lock = tryFileLock(lockFile(folder));
  if (!lock) return false;
  try {
    // The record goes first: a crash after it leaves an unfinished folder, which counts as none.
    rmSync(recordFile(folder), { force: true });
    removeTree(folder);
    return true;
  } finally {
    lock.release({ removeFile: true });
  }
}

/** The names of the whole folders in a folder, and of all that stands there, sorted. */
export function listWhole(parent: string): { whole: string[]; all: string[] } {
  const names = lstatSync(parent, { throwIfNoEntry: false }) ? readdirSync(parent) : [];
  const all = [...new Set(names.map((name) => name.replace(/\.(json|lock)$/, "")))].filter((name) => /^[0-9a-z-]+$/.test(name)).sort();
  return { all, whole: all.filter((name) => loadWhole(join(parent, name)) !== undefined) };
}

/** Removes a tree whose folders may be read-only. */
export function removeTree(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })) return;
  eachEntry(folder, (path, stat) => {
    if (stat.isDirectory() && (stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
  });
  rmSync(folder, { recursive: true, force: true });
}

/** Takes the right to write from everybody, in the whole tree. Symlinks are not followed. */
export function makeReadOnly(folder: string): void {
  eachEntry(folder, (path, stat) => {
    if (!stat.isSymbolicLink()) chmodSync(path, stat.mode & 0o7555);
  });
}

function eachEntry(path: string, visit: (path: string, stat: import("node:fs").Stats) => void): void {
  const stat = lstatSync(path);
  visit(path, stat);
  if (stat.isDirectory()) for (const name of readdirSync(path)) eachEntry(join(path, name), visit);
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
  let said = false;
  for (;;) {
    if (signal?.aborted) throw interrupted(signal);
    const lock = tryFileLock(lockFile(folder));
    if (lock) return lock;
    const note = loadNote<MakerNote>(lockFile(folder));
    if (note && !isRunning(note.maker)) endOrphan(note);
    else if (!said) emit(`waiting for process ${note?.maker.pid ?? "(just starting)"}, which makes ${folder} right now`);
    said = true;
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
