// Files that survive a crash: written beside, flushed, renamed.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { LandfallError } from "../error.ts";

export interface WriteOptions {
  /** False: it outlives this process, but perhaps not the machine. Waiting for the disk takes milliseconds. */
  flush?: boolean;
}

/** Replaces a file's content as a whole, with mode 0600 unless told otherwise. Makes the folder (0700). */
export function writeWhole(file: string, content: string | Uint8Array, mode = 0o600, { flush = true }: WriteOptions = {}): void {
  const beside = `${file}.${process.pid}.new`;
  explainUnwritableSync(file, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const handle = openSync(beside, "w", mode);
    try {
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written);
      if (flush) fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(beside, file);
  });
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
export function loadText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export const writeJson = (file: string, value: unknown, options?: WriteOptions): void =>
  writeWhole(file, `${JSON.stringify(value, null, 2)}\n`, 0o600, options);

export function loadJson<T>(file: string): T | undefined {
  const text = loadText(file);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

/** The objects of a JSONL file. A last line that a crash cut short is left out. */
export function loadLines<T>(file: string): T[] {
  return (loadText(file) ?? "").split("\n").flatMap((line) => {
    try {
      return line ? [JSON.parse(line) as T] : [];
    } catch {
      return [];
    }
  });
}

/** Removes a file or a folder with all that is in it, if it is there. */
export const removeAll = (path: string): void => explainUnwritableSync(path, () => rmSync(path, { recursive: true, force: true }));

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
    const { path } = error as NodeJS.ErrnoException;
    // A write to a file that is open already does not say which it was.
    throw (path === undefined || path.startsWith(folder) ? asUnwritable(path ?? folder, error) : undefined) ?? error;
  }
}

const FULL = ["ENOSPC", "EDQUOT"];
const REFUSED = ["EROFS", "EACCES", "EPERM", "ENOTDIR", "EEXIST", "EISDIR"];

function asUnwritable(path: string, error: unknown): LandfallError | undefined {
  const { code = "", message, syscall } = error as NodeJS.ErrnoException;
  const isFull = FULL.includes(code);
  // On a read-only disk Node says of a folder whose parent is missing too that it "does not exist".
  const isRefused = REFUSED.includes(code) || (code === "ENOENT" && syscall === "mkdir");
  if (error instanceof LandfallError || !(isFull || isRefused)) return undefined;
  return new LandfallError({
    code: "STATE_UNWRITABLE",
    what: isFull ? `the disk has no room for the state in "${path}"` : `the state in "${path}" could not be written`,
    where: path,
    why: message,
    standing: "What runs goes on running; this step was not done.",
    next: isFull
      ? "make room on that disk (df -h shows how full it is), then run the command again"
      : "make that folder writable for this user, or set LANDFALL_HOME to another one, then run the command again",
    cause: error,
  });
}
