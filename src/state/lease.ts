// One operation at a time on an environment. The kernel frees the lock the moment its holder dies, however it dies.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { createRequire } from "node:module";
import { LandfallError } from "../error.ts";
import { loadJson, writeJson } from "../system/files.ts";

const { tryLock, unlock } = createRequire(import.meta.url)("fs-native-extensions") as {
  tryLock(handle: number): boolean;
  unlock(handle: number): void;
};

interface Holder {
  operation: string;
  pid: number;
  user: string;
  since: string;
}

/** Runs `act` while no other operation can; rejects with LEASE_HELD, naming the holder, when one is under way. */
export async function withLease<T>(file: string, operation: string, act: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const handle = openSync(`${file}.lock`, "a", 0o600);
  try {
    if (!tryLock(handle)) throw leaseHeld(operation, loadJson<Holder>(file));
    writeJson(file, { operation, pid: process.pid, user: process.env.USER ?? String(process.getuid?.() ?? ""), since: new Date().toISOString() });
    try {
      return await act();
    } finally {
      unlock(handle);
    }
  } finally {
    closeSync(handle);
  }
}

const leaseHeld = (operation: string, holder: Holder | undefined) =>
  new LandfallError({
    code: "LEASE_HELD",
    what: `"${operation}" has to wait: another operation holds this environment`,
    why: holder ? `"${holder.operation}" runs since ${holder.since} (process ${holder.pid}, user ${holder.user})` : undefined,
    standing: "Nothing was changed.",
    next: "run the command again when the other has ended",
  });
