// The record of an environment's data: each part's place and identity, and the release phases that ran on it. The record of that lies
// beside the data, since a disk that is not mounted is an empty folder, and goes with the data when that is kept.
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { codeOf, LandfallError, messageOf } from "../../../error.ts";
import type { MissingData } from "../../../reports.ts";
import { loadText, writeWhole } from "../../../system/files.ts";
import { loadState, loadStateIfWhole, writeState } from "../../../system/state-file.ts";
import type { Paths } from "../paths.ts";

export interface DataPart {
  kind: "postgres" | "bucket" | "queue" | "service" | "secrets";
  /** Below the environment's folder. */
  path: string;
  /** What tells it from any other of its kind: Postgres' own system identifier, the id of the key of secrets, else a file in the folder. */
  identity: string;
  /** When the environment first had it, in milliseconds since 1970. */
  since: number;
  /** The process, or the service, that must not run without it. */
  usedBy?: string;
}

/** A release phase that has run, and on which databases. */
export interface PhaseRun {
  phase: "expand" | "contract";
  release: string;
  at: number;
  /** Of a contract phase: the releases that cannot come back since. */
  bars?: string[];
  /** Of each database: that it remembers the phase itself, or else who it was. */
  on: Record<string, "remembers" | { identity: string }>;
}

export interface DataRecord {
  /** By the name that `--empty` takes: a resource's, `services/<service>`, or `secrets`. */
  parts: Record<string, DataPart>;
  phases: PhaseRun[];
}

type DataPaths = Pick<Paths, "environment" | "dataRecord">;

/** Errors: STATE_DAMAGED. */
export function loadDataRecord(paths: DataPaths): DataRecord {
  const environment = basename(paths.environment);
  const record = loadState<DataRecord>({
    file: paths.dataRecord,
    lost: "what data the environment had, and which release phases ran on it",
    next: `look that all of it is in ${join(paths.environment, "data")}; then remove that file, and run  landfall commission ${environment}  , which notes what is there`,
  });
  return record ?? { parts: {}, phases: [] };
}

export const SECRETS_PART = { kind: "secrets", path: "secrets.json" } as const;

export const serviceDataName = (service: string): string => `services/${service}`;

/** In a folder of data that is no Postgres'; hidden, because in a service's folder the app's own files stand beside it. */
const IDENTITY_FILE = ".landfall-identity";

/** Gives a folder an identity unless it has one. The folder must be there. */
export function ensureIdentity(folder: string): void {
  if (loadText(join(folder, IDENTITY_FILE)) === undefined) writeWhole(join(folder, IDENTITY_FILE), `${randomUUID()}\n`);
}

/** Whether a folder is one of data and not the empty one that a lost disk leaves. */
export const hasIdentity = (folder: string): boolean => loadText(join(folder, IDENTITY_FILE)) !== undefined;

function identify(kind: DataPart["kind"], path: string): string | undefined {
  if (kind === "secrets") return loadStateIfWhole<{ keyId: string }>(path)?.keyId;
  if (kind === "postgres") return identifyCluster(path);
  return loadText(join(path, IDENTITY_FILE))?.trim();
}

/** The first eight bytes of its control file, in every version: `pg_controldata` prints them as "Database system identifier". */
function identifyCluster(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, "global", "pg_control"))
      .readBigUInt64LE(0)
      .toString();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Remembers parts that the environment did not know. What it knows stays as it is: a part never becomes another by itself. */
export function noteParts(paths: DataPaths, parts: Record<string, Omit<DataPart, "identity" | "since">>, now: number): void {
  const record = loadDataRecord(paths);
  const added = Object.entries(parts).flatMap(([name, part]): [string, DataPart][] => {
    const identity = record.parts[name] ? undefined : identify(part.kind, join(paths.environment, part.path));
    return identity === undefined ? [] : [[name, { ...part, identity, since: now }]];
  });
  if (added.length > 0) writeState(paths.dataRecord, { ...record, parts: { ...record.parts, ...Object.fromEntries(added) } });
}

/** A service's own data folder, made for a service that had none; one that is known must be there. Throws DATA_MISSING. */
export function ensureServiceData(paths: Paths, service: string, now: number): string {
  const path = join("data", "services", service);
  const folder = join(paths.environment, path);
  const name = serviceDataName(service);
  if (loadDataRecord(paths).parts[name]) assertDataPresent(paths, [name]);
  else {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    ensureIdentity(folder);
    noteParts(paths, { [name]: { kind: "service", path, usedBy: service } }, now);
  }
  return folder;
}

export function notePhase(paths: DataPaths, run: PhaseRun): void {
  const { phases, ...record } = loadDataRecord(paths);
  const others = phases.filter(({ phase, release }) => phase !== run.phase || release !== run.release);
  writeState(paths.dataRecord, { ...record, phases: [...others, run] });
}

/** What is begun anew is forgotten, and with a database the phases that ran on it. */
export function forgetParts(paths: DataPaths, names: string[]): void {
  const { parts, phases } = loadDataRecord(paths);
  const remaining = Object.entries(parts).filter(([name]) => !names.includes(name));
  const databases = names.filter((name) => parts[name]?.kind === "postgres");
  const kept = phases.filter(({ on }) => !databases.some((name) => name in on));
  writeState(paths.dataRecord, { parts: Object.fromEntries(remaining), phases: kept } satisfies DataRecord);
}

/** The parts that are not where and who they were. Looks at the disk alone. */
export function listMissing(paths: DataPaths): MissingData[] {
  return Object.entries(loadDataRecord(paths).parts).flatMap(([name, part]) => {
    const trouble = observePart(join(paths.environment, part.path), part);
    return trouble ? [describeMissing(paths, name, part, trouble)] : [];
  });
}

/** Undefined when the part is there. */
function observePart(path: string, { kind, identity }: DataPart): Pick<MissingData, "found" | "isFree"> | undefined {
  try {
    const now = identify(kind, path);
    if (now === identity) return undefined;
    if (now !== undefined) return { found: `another one: ${now} instead of ${identity}`, isFree: false };
    // A new file system has this folder.
    const entries = readdirSync(path).filter((entry) => entry !== "lost+found");
    return entries.length === 0
      ? { found: "an empty folder", isFree: true }
      : { found: `something else: ${entries.slice(0, 3).join(", ")}`, isFree: false };
  } catch (error) {
    const isAbsent = codeOf(error) === "ENOENT";
    return { found: isAbsent ? "nothing" : messageOf(error), isFree: isAbsent };
  }
}

const describeMissing = (paths: DataPaths, name: string, part: DataPart, trouble: Pick<MissingData, "found" | "isFree">): MissingData => ({
  name,
  what: describePart(name, part),
  path: join(paths.environment, part.path),
  since: part.since,
  ...trouble,
});

export function describePart(name: string, { kind, usedBy }: DataPart): string {
  if (kind === "secrets") return "the secrets";
  return kind === "service" ? `the data folder of service "${usedBy}"` : `the data of ${kind} "${name}"`;
}

/** Refuses to go on without data that was there: all of it, or the parts that are named. */
export function assertDataPresent(paths: Paths, names?: string[]): void {
  const [first, ...more] = listMissing(paths)
    .filter(({ name }) => names?.includes(name) ?? true)
    .map((missing) => dataMissing(paths, missing));
  if (first) throw new LandfallError(first.parts, more);
}

/** Refuses to start a process without its data. */
export function assertDataPresentOf(paths: Paths, { id, service }: { id: string; service?: string }): void {
  const used = Object.entries(loadDataRecord(paths).parts).filter(([, { usedBy }]) => usedBy !== undefined && [id, service].includes(usedBy));
  if (used.length > 0)
    assertDataPresent(
      paths,
      used.map(([name]) => name),
    );
}

/** Refuses when the server of a resource that was there says that it has no such thing. Does nothing for one that is new. */
export function assertNotLost(paths: Paths, name: string, found: string): void {
  const part = loadDataRecord(paths).parts[name];
  if (part) throw dataMissing(paths, describeMissing(paths, name, part, { found, isFree: true }));
}

function dataMissing(paths: Paths, { name, what, path, since, found, isFree }: MissingData): LandfallError {
  const environment = basename(paths.environment);
  const back = isFree ? "mount its disk, or put it back" : "put it back in the place of what is there";
  return new LandfallError({
    code: "DATA_MISSING",
    what: `${what} of environment "${environment}" is not there`,
    where: path,
    evidence: [
      ["since", new Date(since).toISOString()],
      ["found", found],
    ],
    why: "It was there, and nothing is made in its place: that would pass for the data.",
    standing: "Nothing was started and nothing was made.",
    next: `${back}, and run the command again;${isFree ? "" : " or move that away, and"} to begin with an empty one:  landfall commission ${environment} --empty ${name}`,
  });
}
