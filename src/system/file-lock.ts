// A lock that the kernel frees when its holder is gone, however it went.

import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { present } from "../error.ts";

interface Native {
  tryLock(handle: number): boolean;
  waitForLockSync(handle: number): void;
  unlock(handle: number): void;
}

let loaded: Native | undefined;
/** Loaded with the first lock, because commands that only read take none. */
const native = (): Native => (loaded ??= createRequire(import.meta.url)("fs-native-extensions"));

export interface FileLock {
  /** Given to a child as one of its `stdio`, it keeps the lock until that child has ended too. */
  handle: number;
  /** Leaves word for those who wait: read with `loadNote`. */
  note(value: unknown): void;
  /** False once somebody has removed the file: another may hold the lock of a new one by now. */
  isHeld(): boolean;
  release(options?: { removeFile?: boolean }): void;
}

/** Takes the lock of a file, which is made if need be; undefined when another holds it. */
export const tryFileLock = (file: string): FileLock | undefined => takeFileLock(file, native().tryLock);

/** Runs `act` under the lock of a file. Blocks this process while another holds it: only for what takes milliseconds. */
export function underFileLock<T>(file: string, act: () => T): T {
  const lock = present(
    takeFileLock(file, (handle) => (native().waitForLockSync(handle), true)),
    "lock that was waited for",
  );
  try {
    return act();
  } finally {
    lock.release();
  }
}

function takeFileLock(file: string, lock: (handle: number) => boolean): FileLock | undefined {
  mkdirSync(dirname(file), { recursive: true });
  const handle = openSync(file, "a+", 0o600);
  if (!lock(handle)) {
    closeSync(handle);
    return undefined;
  }
  const isHeld = () => statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(handle).ino;
  // Whoever held it before may have removed the file: then ours is the lock of a file that nobody else can find.
  if (!isHeld()) {
    closeSync(handle);
    return takeFileLock(file, lock);
  }
  return {
    handle,
    isHeld,
    note(value) {
      ftruncateSync(handle);
      writeSync(handle, JSON.stringify(value));
    },
    release({ removeFile = false } = {}) {
      if (removeFile) rmSync(file, { force: true });
      native().unlock(handle);
      closeSync(handle);
    },
  };
}

/** What the lock's holder noted, or undefined when it has noted nothing (or is writing it now). */
export function loadNote<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
