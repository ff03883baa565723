// One operation at a time on an environment. The kernel frees the lock the moment its holder dies, however it dies.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { LandfallError } from "../error.ts";
import { loadNote, tryFileLock } from "../system/file-lock.ts";

interface Holder {
  operation: string;
  pid: number;
  user: string;
  since: string;
}

/** Runs `act` while no other operation can; rejects with LEASE_HELD, naming the holder, when one is under way. */
export async function withLease<T>(file: string, operation: string, act: () => Promise<T>): Promise<T> {
  // Others may pass through the folder, since Postgres' user has to, but not list it.
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  const lock = tryFileLock(file);
  if (!lock) throw leaseHeld(operation, loadNote<Holder>(file));
  try {
    lock.note({ operation, pid: process.pid, user: process.env.USER ?? String(process.getuid?.() ?? ""), since: new Date().toISOString() });
    return await act();
  } finally {
    lock.release();
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
