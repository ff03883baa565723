// One operation at a time on an environment. The kernel frees the lock the moment its holder dies, however it dies. A holder that
// lives but does nothing any more (stopped, or hung on a dead disk) is known by its heartbeat: its lease expires.
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { LandfallError } from "../error.ts";
import type { Clock } from "../system/clock.ts";
import { type FileLock, loadNote, tryFileLock } from "../system/file-lock.ts";
import { isRunning, observeStart } from "../system/processes.ts";
import { userName } from "../system/user.ts";

export interface LeaseOptions {
  file: string;
  clock: Clock;
  /** What the lease is for: shown to others that want it. */
  operation: string;
  /** Wait until the other operation has ended, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
  /** Called once, when there is something to wait for. */
  onWait?: (text: string) => void;
  signal?: AbortSignal;
}

export interface Lease {
  /** Throws LEASE_LOST when it expired meanwhile and another operation took it. To be called before each act. */
  verify(): void;
}

export interface Holder {
  /** Unique to this lease. */
  id: string;
  operation: string;
  pid: number;
  /** Of the process, to tell it from a later one of the same pid. */
  startedAt: string;
  user: string;
  /** ISO 8601. */
  since: string;
  /** Milliseconds since 1970. */
  beatAt: number;
}

const BEAT_EVERY_MS = 5_000;
const EXPIRES_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** Runs `act` while no other operation can; rejects with LEASE_HELD, naming the holder, when one is under way. */
export async function withLease<T>(options: LeaseOptions, act: (lease: Lease) => Promise<T>): Promise<T> {
  const { file, clock, operation } = options;
  const lock = await takeLock(options);
  const { pid } = process;
  const holder = {
    id: randomUUID(),
    operation,
    pid,
    startedAt: observeStart(pid) ?? "",
    user: userName(),
    since: new Date(clock.now()).toISOString(),
  };
  const beat = () => lock.note({ ...holder, beatAt: clock.now() } satisfies Holder);
  beat();
  const beating = setInterval(() => lock.isHeld() && despiteFullDisk(beat), BEAT_EVERY_MS).unref();
  try {
    return await act({
      verify() {
        if (!lock.isHeld()) throw leaseLost(operation, loadNote<Holder | null>(file));
      },
    });
  } finally {
    clearInterval(beating);
    if (lock.isHeld()) despiteFullDisk(() => lock.note(null));
    lock.release();
  }
}

/** What is under way says so itself; a note that could not be written must not end it. */
function despiteFullDisk(note: () => void): void {
  try {
    note();
  } catch {
    // The kernel's lock holds all the same.
  }
}

/** Who holds the lease now, if anybody does. Looks without trying to take it, which could refuse somebody else. */
export function observeHolder(file: string): Holder | undefined {
  const holder = loadNote<Holder | null>(file);
  return holder && isRunning({ pid: holder.pid, startedAt: holder.startedAt }) ? holder : undefined;
}

/** When the holder that died with the lease in its hand was alive last; undefined when nobody did, or somebody holds it now. */
export function observeLost(file: string): number | undefined {
  const holder = loadNote<Holder | null>(file);
  return holder && !isRunning({ pid: holder.pid, startedAt: holder.startedAt }) ? holder.beatAt : undefined;
}

async function takeLock(options: LeaseOptions): Promise<FileLock> {
  const { file, clock, operation, wait, onWait, signal } = options;
  // Others may pass through the folder, since Postgres' user has to, but not list it.
  mkdirSync(dirname(file), { recursive: true, mode: 0o711 });
  for (let announced = false; ; announced = true) {
    const lock = tryFileLock(file);
    if (lock) return lock;
    const holder = loadNote<Holder | null>(file);
    if (holder && hasExpired(holder, clock)) {
      removeExpired(file, holder, clock);
      continue;
    }
    if (!wait) throw leaseHeld(operation, holder);
    if (!announced) onWait?.(`waiting: ${describeHolder(holder)}`);
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
    if (signal?.aborted) throw leaseHeld(operation, holder);
  }
}

const hasExpired = ({ beatAt }: Holder, clock: Clock): boolean => clock.now() - beatAt > EXPIRES_AFTER_MS;

/** Takes the file away from its holder: the next one makes another. Of several that find it expired, one does so. */
function removeExpired(file: string, expired: Holder, clock: Clock): void {
  const removing = tryFileLock(`${file}.expired`);
  if (!removing) return;
  try {
    const now = loadNote<Holder | null>(file);
    if (now?.id === expired.id && hasExpired(now, clock)) rmSync(file, { force: true });
  } finally {
    removing.release({ removeFile: true });
  }
}

const describeHolder = (holder: Holder | null | undefined): string =>
  holder ? `"${holder.operation}" runs since ${holder.since} (process ${holder.pid}, user ${holder.user})` : "another operation has just begun";

const leaseHeld = (operation: string, holder: Holder | null | undefined) =>
  new LandfallError({
    code: "LEASE_HELD",
    what: `"${operation}" has to wait: another operation holds this environment`,
    why: describeHolder(holder),
    standing: "Nothing was changed.",
    next: "run the command again when the other has ended, or with --wait",
  });

const leaseLost = (operation: string, holder: Holder | null | undefined) =>
  new LandfallError({
    code: "LEASE_LOST",
    what: `"${operation}" did nothing for more than ${EXPIRES_AFTER_MS / 1000} s, and lost its lease on this environment`,
    why: describeHolder(holder),
    standing: "It stopped where it was; the other operation goes on from there.",
  });
