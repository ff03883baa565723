// One operation at a time on an environment, from whichever machine. The lease is an object in the app's artifact bucket that is only
// ever written on condition that nobody wrote it meanwhile. It stays when an operation ends, or is cut off, so it also tells which one
// was last and whether it ended. Before that bucket is there, CloudFormation itself refuses a second change to a stack.
import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { LandfallError } from "../../error.ts";
import { isRunning, observeStart } from "../../system/processes.ts";
import { observeStack } from "./cloudformation/describe-stacks.ts";
import type { Context } from "./context.ts";
import { outputsOf } from "./environment-outputs.ts";
import { guardClients } from "./guarded-clients.ts";
import { stackName } from "./templates/shared/names.ts";

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
/** After a beat nobody takes the lease for so long, however much clocks differ. */
const CERTAIN_FOR_MS = EXPIRES_AFTER_MS / 2;
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
 * context says so. Who has not written for a minute and a half, or whose process is gone from this machine, holds it no more: by the context
 * that `act` gets it changes nothing from then on, and rejects with LEASE_LOST.
 */
export async function leased<T>(context: Context, operation: string, act: (context: Context) => Promise<T>, options?: object): Promise<T> {
  const place = await findPlace(context);
  if (!place) return act(context);
  const note = { ...makeNote(operation, context.clock.now()), ...(options && { options }) };
  const lease = new HeldLease(context, place, { note, etag: await take(context, place, note) });
  held.add(note.id);
  const timer = setInterval(() => lease.beat(), BEAT_EVERY_MS).unref();
  let failed = true;
  try {
    const result = await act({ ...context, clients: guardClients(context.clients, () => lease.verify()) });
    failed = false;
    return result;
  } finally {
    clearInterval(timer);
    await lease.end(failed);
    held.delete(note.id);
  }
}

/** One that this process took. Its writes come one after another, since each is made on condition of the one before. */
class HeldLease {
  readonly #context: Context;
  readonly #place: Place;
  readonly #note: LeaseNote;
  #etag: string | undefined;
  /** The last beat that is known to have been written. */
  #beatAt: number;
  #lost: LandfallError | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(context: Context, place: Place, { note, etag }: Written) {
    this.#context = context;
    this.#place = place;
    this.#note = note;
    this.#etag = etag;
    this.#beatAt = note.beatAt;
  }

  /** A beat that fails is made good by the next one, or by whoever wants to know. */
  async beat(): Promise<void> {
    await this.#inTurn(() => this.#renew()).catch(() => {});
  }

  /** Throws LEASE_LOST when another operation has it; what AWS says when that cannot be known. To be called before each change. */
  async verify(): Promise<void> {
    if (this.#lost) throw this.#lost;
    if (this.#context.clock.now() - this.#beatAt < CERTAIN_FOR_MS) return;
    await this.#inTurn(() => this.#renew());
  }

  async end(failed: boolean): Promise<void> {
    const endedAt = this.#context.clock.now();
    // It may have gone with what was removed.
    await this.#inTurn(() => this.#renew({ endedAt, ...(failed && { failed }) })).catch(() => {});
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(act);
    this.#writing = turn.catch(() => {});
    return turn;
  }

  async #renew(ended: Pick<LeaseNote, "endedAt" | "failed"> = {}): Promise<void> {
    if (this.#lost) throw this.#lost;
    const note = { ...this.#note, beatAt: this.#context.clock.now(), ...ended };
    const etag = await write(this.#context, this.#place, { note, etag: this.#etag });
    if (etag !== undefined) {
      this.#etag = etag;
      this.#beatAt = note.beatAt;
      return;
    }
    const standing = await read(this.#context, this.#place);
    // Gone with what was removed: nobody has it.
    if (!standing) return;
    if (standing.note.id !== note.id) {
      this.#lost = leaseLost(note.operation, standing.note);
      throw this.#lost;
    }
    // A beat of ours, whose answer did not arrive.
    this.#etag = standing.etag;
    this.#beatAt = standing.note.beatAt;
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
  const lease = place && (await read(context, place));
  return lease && asLast(context, lease.note);
}

const asLast = ({ clock }: Context, note: LeaseNote): Last => ({ ...note, running: note.endedAt === undefined && !hasExpired(note, clock.now()) });

/** The last operation on each environment of the app in this region, by the leases that lie in its bucket. */
export async function listLeases(context: Context): Promise<{ environment: string; key: string; running: boolean }[]> {
  const place = await findPlace(context);
  if (!place) return [];
  const { Contents = [] } = await (await context.clients.s3()).listObjectsV2({ Bucket: place.Bucket, Prefix: LEASES }).catch(noneIfGone);
  const leases = await Promise.all(
    Contents.map(async ({ Key: key = "" }) => {
      const lease = await read(context, { Bucket: place.Bucket, Key: key });
      return lease ? [{ environment: key.slice(LEASES.length, -".json".length), key, running: asLast(context, lease.note).running }] : [];
    }),
  );
  return leases.flat();
}

const LEASES = "leases/";

const noneIfGone = (error: unknown): { Contents?: undefined } => {
  if (error instanceof Error && error.name === "NoSuchBucket") return {};
  throw error;
};

async function findPlace({ clients, deployment }: Context): Promise<Place | undefined> {
  const shared = await observeStack(clients, stackName(deployment, "shared"));
  const Bucket = outputsOf(deployment, [shared]).find("shared", "ArtifactsBucket");
  return Bucket === undefined ? undefined : { Bucket, Key: `${LEASES}${deployment.environment}.json` };
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
  for (let announced = false; ; ) {
    const lease = await read(context, place);
    if (!lease || lease.note.endedAt !== undefined || hasExpired(lease.note, clock.now())) {
      const etag = await write(context, place, { note, etag: lease?.etag });
      if (etag !== undefined) return etag;
      continue;
    }
    if (!wait || signal?.aborted) throw leaseHeld(note.operation, lease.note);
    if (!announced) emit({ type: "note", text: `waiting: ${describe(lease.note)}` });
    announced = true;
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
    return { note: JSON.parse((await Body?.transformToString()) ?? ""), etag: ETag };
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
    const lease = await read(context, place);
    return lease?.note.id === note.id && lease.note.beatAt === note.beatAt ? lease.etag : undefined;
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

const leaseLost = (operation: string, note: LeaseNote) =>
  new LandfallError({
    code: "LEASE_LOST",
    what: `"${operation}" did nothing for more than ${EXPIRES_AFTER_MS / 1000} s, and lost its lease on this environment`,
    why: describe(note),
    standing: "It stopped where it was; the other operation goes on from there.",
  });
