// Files that survive a crash: written beside, flushed, renamed.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { codeOf, errnoOf, LandfallError, messageOf } from "../error.ts";

export interface WriteOptions {
  /** False: it outlives this process, but perhaps not the machine. Waiting for the disk takes milliseconds. */
  flush?: boolean;
}

/** Replaces a file's content as a whole, with mode 0600 unless told otherwise. Makes the folder (0700). */
export function writeWhole(file: string, content: string | Uint8Array, { mode = 0o600, flush = true }: WriteOptions & { mode?: number } = {}): void {
  const beside = `${file}.${process.pid}.new`;
  explainUnwritableSync(file, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    try {
      writeBeside(beside, content, { mode, flush });
      renameSync(beside, file);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
  });
}

function writeBeside(beside: string, content: string | Uint8Array, { mode, flush }: Required<WriteOptions> & { mode: number }): void {
  const handle = openSync(beside, "w", mode);
  try {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written);
    if (flush) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Adds one line to a file and flushes it, unless told otherwise. */
export function appendLine(file: string, line: string, { flush = true }: WriteOptions = {}): void {
  explainUnwritableSync(file, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const handle = openSync(file, "a", 0o600);
    try {
      writeSync(handle, `${line}\n`);
      if (flush) fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  });
}

/** The file's text, or undefined when there is no such file. */
export const loadText = (file: string): string | undefined => load(file)?.toString("utf8");

/** The file's bytes, or undefined when there is no such file. */
export const loadBytes = (file: string): Uint8Array | undefined => load(file);

function load(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

export const writeJson = (file: string, value: unknown, options?: WriteOptions): void =>
  writeWhole(file, `${JSON.stringify(value, null, 2)}\n`, options);

export function loadJson<T>(file: string): T | undefined {
  const text = loadText(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LandfallError({
      code: "STATE_DAMAGED",
      what: `the file "${file}" is damaged`,
      where: file,
      why: messageOf(error),
      standing: "Nothing was changed. What runs goes on running.",
      next: `restore it from a backup, or remove it, and run the command again`,
      cause: error,
    });
  }
}

/** The objects of a JSONL file. A line that is none, such as a last one that a crash cut short, is left out. */
export function loadLines<T>(file: string): T[] {
  return (loadText(file) ?? "").split("\n").flatMap((line) => {
    try {
      const value = line ? JSON.parse(line) : undefined;
      return typeof value === "object" && value !== null && !Array.isArray(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

/** Removes a file or a folder with all that is in it, if it is there: folders that are read-only, as Go's in a home, too. */
export const removeAll = (path: string): void => explainUnwritableSync(path, () => removeTree(path));

/** Removes a tree whose folders may be read-only. */
export function removeTree(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    eachEntry(folder, (path, stat) => {
      if (stat.isDirectory() && (stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
    });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder before what is in it. Symlinks are not followed. */
export function eachEntry(path: string, visit: (path: string, stat: Stats) => void): void {
  const stat = lstatSync(path);
  visit(path, stat);
  if (stat.isDirectory()) for (const name of readdirSync(path)) eachEntry(join(path, name), visit);
}

/** Runs `act`, which writes `path`; what the disk refuses becomes STATE_UNWRITABLE. */
export function explainUnwritableSync<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw asUnwritable(path, error) ?? error;
  }
}

/** Runs `act`; when the disk refuses something in `folder` meanwhile, rejects with STATE_UNWRITABLE. */
export async function explainUnwritable<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { path } = errnoOf(error);
    // A write to a file that is open already does not say which it was.
    throw (path === undefined || path.startsWith(folder) ? asUnwritable(path ?? folder, error) : undefined) ?? error;
  }
}

/** Why nothing can be made below the nearest folder that is there. */
function refusalAbove(path: string): string {
  const above = dirname(path);
  try {
    accessSync(above, constants.W_OK);
    return `"${above}" was removed meanwhile`;
  } catch (error) {
    return codeOf(error) === "ENOENT" && above !== path ? refusalAbove(above) : messageOf(error);
  }
}

const FULL = ["ENOSPC", "EDQUOT"];
/** The last two: a mount point cannot be renamed, and nothing can be renamed onto another file system. */
const REFUSED = ["EROFS", "EACCES", "EPERM", "ENOTDIR", "EEXIST", "EISDIR", "EBUSY", "EXDEV"];

function asUnwritable(path: string, error: unknown): LandfallError | undefined {
  const { code = "", message, syscall } = errnoOf(error);
  const isFull = FULL.includes(code);
  // On a read-only disk Node says of a folder whose parent is missing too that it "does not exist".
  const isRefused = REFUSED.includes(code) || (code === "ENOENT" && syscall === "mkdir");
  if (error instanceof LandfallError || !(isFull || isRefused)) return undefined;
  return new LandfallError({
    code: "STATE_UNWRITABLE",
    what: isFull ? `the disk has no room for the state in "${path}"` : `the state in "${path}" could not be written`,
    where: path,
    why: code === "ENOENT" ? refusalAbove(path) : message,
    standing: "What runs goes on running; this step was not done.",
    next: isFull
      ? "make room on that disk (df -h shows how full it is), then run the command again"
      : "make that folder writable for this user, or set LANDFALL_HOME to another one, then run the command again",
    cause: error,
  });
}
