// One operation at a time on an environment, from whichever machine. The lease is an object in the app's artifact bucket that is only
// ever written on condition that nobody wrote it meanwhile. It stays when an operation ends, or is cut off, so it also tells which one
// was last and whether it ended. Before that bucket is there, CloudFormation itself refuses a second change to a stack.
import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { LandfallError } from "../../error.ts";
import { isRunning, observeStart } from "../../system/processes.ts";
import { observeStack } from "./cloudformation/stand.ts";
import type { Context } from "./context.ts";

/** What the object says of the last operation. */
export interface LeaseNote {
  id: string;
  operation: string;
  user: string;
  host: string;
  pid: number;
  /** Of the process, to tell it from a later one of the same pid. */
  startedAt: string;
  /** Milliseconds since 1970, by the holder's clock. */
  since: number;
  beatAt: number;
  /** Absent while it runs, and for ever when it was cut off. */
  endedAt?: number;
  /** It ended with an error. */
  failed?: boolean;
  /** What it was told, for whoever finishes it. */
  options?: object;
}

const BEAT_EVERY_MS = 15_000;
/** Several beats, and as much again for clocks that differ. */
const EXPIRES_AFTER_MS = 90_000;
const LOOK_EVERY_MS = 2_000;

/** The ids of the leases that this process holds: any other of its own is one whose end could not be written. */
const held = new Set<string>();

interface Place {
  Bucket: string;
  Key: string;
}

interface Written {
  note: LeaseNote;
  etag?: string;
}

/**
 * Runs `act` while no other operation can. Rejects with LEASE_HELD, naming the holder, when one is under way; waits for it when the
 * context says so. Who has not written for a minute and a half, or whose process is gone from this machine, holds it no more.
 */
export async function leased<T>(context: Context, operation: string, act: () => Promise<T>, options?: object): Promise<T> {
  const place = await findPlace(context);
  if (!place) return act();
  const { clock } = context;
  const note = { ...makeNote(operation, clock.now()), ...(options && { options }) };
  let etag = await take(context, place, note);
  held.add(note.id);
  let beating = Promise.resolve();
  const beat = async (ended: Pick<LeaseNote, "endedAt" | "failed"> = {}) => {
    etag = (await write(context, place, { note: { ...note, beatAt: clock.now(), ...ended }, etag }).catch(() => undefined)) ?? etag;
  };
  const timer = setInterval(() => {
    beating = beating.then(() => beat());
  }, BEAT_EVERY_MS).unref();
  let failed = true;
  try {
    const done = await act();
    failed = false;
    return done;
  } finally {
    clearInterval(timer);
    await beating;
    // It may have gone with what was removed.
    await beat({ endedAt: clock.now(), ...(failed && { failed }) });
    held.delete(note.id);
  }
}

/** The operation that was cut off, or that runs now; undefined when the last one came to its end. */
export async function findOpen(context: Context): Promise<Last | undefined> {
  const last = await findLast(context);
  return last?.endedAt === undefined ? last : undefined;
}

type Last = LeaseNote & { running: boolean };

/** The last operation, ended or not. */
export async function findLast(context: Context): Promise<Last | undefined> {
  const place = await findPlace(context);
  const found = place && (await read(context, place));
  return found && asLast(context, found.note);
}

const asLast = ({ clock }: Context, note: LeaseNote): Last => ({ ...note, running: note.endedAt === undefined && !hasExpired(note, clock.now()) });

/** The last operation on each environment of the app in this region, by the leases that lie in its bucket. */
export async function listLeases(context: Context): Promise<{ environment: string; key: string; running: boolean }[]> {
  const place = await findPlace(context);
  if (!place) return [];
  const { Contents = [] } = await (await context.clients.s3()).listObjectsV2({ Bucket: place.Bucket, Prefix: LEASES }).catch(noneIfGone);
  const found = await Promise.all(
    Contents.map(async ({ Key: key = "" }) => {
      const lease = await read(context, { Bucket: place.Bucket, Key: key });
      return lease ? [{ environment: key.slice(LEASES.length, -".json".length), key, running: asLast(context, lease.note).running }] : [];
    }),
  );
  return found.flat();
}

const LEASES = "leases/";

const noneIfGone = (error: unknown): { Contents?: undefined } => {
  if (error instanceof Error && error.name === "NoSuchBucket") return {};
  throw error;
};

async function findPlace({ clients, app }: Context): Promise<Place | undefined> {
  const { outputs } = await observeStack(clients, `${app.app.name}-foundation`);
  return outputs.ArtifactsBucket === undefined ? undefined : { Bucket: outputs.ArtifactsBucket, Key: `${LEASES}${app.name}.json` };
}

function makeNote(operation: string, now: number): LeaseNote {
  const { pid } = process;
  const startedAt = observeStart(pid) ?? "";
  return { id: randomUUID(), operation, user: userName(), host: hostname(), pid, startedAt, since: now, beatAt: now };
}

/** A user without an entry in the machine's list has a number only. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

async function take(context: Context, place: Place, note: LeaseNote): Promise<string | undefined> {
  const { clock, wait, signal, emit } = context;
  for (let said = false; ; ) {
    const found = await read(context, place);
    if (!found || found.note.endedAt !== undefined || hasExpired(found.note, clock.now())) {
      const etag = await write(context, place, { note, etag: found?.etag });
      if (etag !== undefined) return etag;
      continue;
    }
    if (!wait || signal?.aborted) throw leaseHeld(note.operation, found.note);
    if (!said) emit({ type: "note", text: `waiting: ${describe(found.note)}` });
    said = true;
    await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
  }
}

function hasExpired({ id, beatAt, host, pid, startedAt }: LeaseNote, now: number): boolean {
  if (now - beatAt > EXPIRES_AFTER_MS) return true;
  if (host !== hostname()) return false;
  return pid === process.pid ? !held.has(id) : !isRunning({ pid, startedAt });
}

async function read({ clients }: Context, place: Place): Promise<Written | undefined> {
  try {
    const { Body, ETag } = await (await clients.s3()).getObject(place);
    return { note: JSON.parse((await Body?.transformToString()) ?? "") as LeaseNote, etag: ETag };
  } catch (error) {
    if (error instanceof Error && /^NoSuch(Key|Bucket)$/.test(error.name)) return undefined;
    throw error;
  }
}

/**
 * Over the one with this tag, or where there is none. Undefined when somebody else was faster. An answer that was lost is told from that
 * by reading again: what stands there then is our own.
 */
async function write(context: Context, place: Place, { note, etag }: Written): Promise<string | undefined> {
  const condition = etag === undefined ? { IfNoneMatch: "*" } : { IfMatch: etag };
  const s3 = await context.clients.s3();
  try {
    const { ETag } = await s3.putObject({ ...place, ...condition, Body: JSON.stringify(note), ContentType: "application/json" });
    return ETag;
  } catch (error) {
    if (!(error instanceof Error && /^(PreconditionFailed|ConditionalRequestConflict|NoSuchKey)$/.test(error.name))) throw error;
    const found = await read(context, place);
    return found?.note.id === note.id && found.note.beatAt === note.beatAt ? found.etag : undefined;
  }
}

const describe = ({ operation, since, user, host, pid }: LeaseNote) =>
  `"${operation}" runs since ${new Date(since).toISOString()} (user ${user} on ${host}, process ${pid})`;

const leaseHeld = (operation: string, note: LeaseNote) =>
  new LandfallError({
    code: "LEASE_HELD",
    what: `"${operation}" has to wait: another operation holds this environment`,
    why: describe(note),
    standing: "Nothing was changed.",
    next: "run the command again when the other has ended, or with --wait",
  });
