// What can be looked up about a failure once it is known: the variable, the resource, the disk, who holds the port.
import { existsSync, statfsSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { resolve } from "node:path";
import { findRecord } from "../context.ts";
import { touch } from "../resources/answer.ts";
import type { ProcessRecord } from "../supervisor/api.ts";
import type { Fault, Observations } from "./classify.ts";
import { findHolder, type Holder } from "./listeners.ts";
import type { Saying } from "./sayings.ts";
import type { Watched } from "./wait-healthy.ts";

export interface Facts {
  /** `given`: the key of the configuration it comes from; absent when nothing gives it. */
  variable?: { name: string; given?: string; isEmpty: boolean };
  /** A resource of the app, or only an address when it is none of them. */
  server?: { resource?: { name: string; type: string; state: string }; address?: string; listens?: boolean };
  disk?: { path: string; freeBytes: number; sizeBytes: number };
  memory?: { freeBytes: number; sizeBytes: number };
  file?: { path: string; exists: boolean };
  /** `instance`: when it is one of this environment's processes. */
  holder?: Holder & { instance?: string };
}

export interface Failure {
  watched: Watched;
  process: ProcessRecord;
  seen: Observations;
  fault: Fault;
}

/** Looks up what belongs to that kind of fault. Never rejects for what cannot be found: that is left out. */
export async function gatherFacts(failure: Failure): Promise<Facts> {
  const { watched, process, seen, fault } = failure;
  const { saying } = fault;
  switch (fault.kind) {
    case "variableMissing":
      return saying?.subject ? { variable: findVariable(failure, saying.subject) } : {};
    case "resourceUnreachable":
    case "resourceRefused":
      return saying ? { server: await findServer(watched, saying) } : {};
    case "diskFull":
      return { disk: observeDisk(watched.places.environment) };
    case "outOfMemory":
      return { memory: { freeBytes: freemem(), sizeBytes: totalmem() } };
    case "fileMissing":
      return saying?.subject?.includes("/") ? { file: findFile(process.spec.cwd, saying.subject) } : {};
    case "portInUse":
      return saying?.port ? { holder: await nameHolder(watched, findHolder(saying.port)) } : {};
    case "foreignAnswer": {
      const answer = seen.attempts.at(-1)?.answer;
      return { holder: await nameHolder(watched, answer?.kind === "answered" ? answer.foreign : undefined) };
    }
    default:
      return {};
  }
}

function findVariable({ watched, process }: Failure, name: string): Facts["variable"] {
  const { env, secretEnv } = process.spec;
  const { settings, service } = watched;
  const value = env[name];
  const isOfResource = name in secretEnv || value !== undefined;
  const given =
    name in settings.environment
      ? `services.${service}.environment`
      : settings.secrets.includes(name)
        ? `services.${service}.secrets`
        : isOfResource
          ? "Landfall"
          : undefined;
  return { name, ...(given ? { given } : {}), isEmpty: value === "" };
}

async function findServer({ places, supervisor }: Watched, saying: Saying): Promise<Facts["server"]> {
  const resources = findRecord(places)?.resources ?? [];
  const isAt = (address: string) => saying.port !== undefined && readAddress(address)?.port === saying.port;
  const ofType = resources.filter(({ type }) => type === saying.resource);
  // The address decides where the program named one: the same kind of server somewhere else is another server.
  const found = saying.port === undefined ? (ofType.length === 1 ? ofType[0] : undefined) : resources.find(({ address }) => isAt(address));
  const address = found?.address ?? (saying.host && saying.port ? `${saying.host}:${saying.port}` : saying.host);
  const { processes } = await supervisor.observe();
  const state = found?.processId === undefined ? found?.state : (processes.find(({ spec }) => spec.id === found.processId)?.state ?? "stopped");
  return {
    ...(found ? { resource: { name: found.name, type: found.type, state: state ?? "external" } } : {}),
    ...(address ? { address } : {}),
    listens: await isListening(found?.address ?? address),
  };
}

/** `127.0.0.1:5432/app`, `http://127.0.0.1:4566/bucket`, `[::1]:6379`. */
function readAddress(address: string): { host: string; port: number } | undefined {
  const text = address.includes("://") ? address : `tcp://${address}`;
  if (!URL.canParse(text)) return undefined;
  const { hostname, port } = new URL(text);
  return port ? { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) } : undefined;
}

async function isListening(address: string | undefined): Promise<boolean | undefined> {
  const place = address === undefined ? undefined : readAddress(address);
  if (!place) return undefined;
  return touch(place.host, place.port).then(
    () => true,
    () => false,
  );
}

function observeDisk(path: string): Facts["disk"] {
  try {
    const { bsize, bavail, blocks } = statfsSync(path);
    return { path, freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

function findFile(folder: string, subject: string): Facts["file"] {
  const path = resolve(folder, subject.replace(/^file:\/\//, ""));
  return { path, exists: existsSync(path) };
}

async function nameHolder({ supervisor }: Watched, holder: Holder | undefined): Promise<Facts["holder"]> {
  if (!holder) return undefined;
  const { processes } = await supervisor.observe();
  const instance = processes.find(({ group }) => group?.pid === holder.group)?.spec.id;
  return { ...holder, ...(instance ? { instance } : {}) };
}
