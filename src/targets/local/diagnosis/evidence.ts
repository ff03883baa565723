// Evidence for a failure that is known: the variable, the resource, the disk, who holds the port.
import { existsSync, statfsSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { resolve } from "node:path";
import type { LogMatch } from "../../log-patterns.ts";
import { findHolder, type Holder } from "../ports/listeners.ts";
import { findRecord } from "../record.ts";
import { touch } from "../resources/readiness.ts";
import type { Evidence, Failure, Watched } from "./watched.ts";

/** Looks up what belongs to that kind of fault. Never rejects for what cannot be server: that is left out. */
export async function gatherEvidence(failure: Failure): Promise<Evidence> {
  const { watched, process, seen, fault } = failure;
  const { match } = fault;
  switch (fault.kind) {
    case "variableMissing":
      return match?.subject ? { variable: findVariable(failure, match.subject) } : {};
    case "resourceUnreachable":
    case "resourceRefused":
      return match ? { server: await findServer(watched, match) } : {};
    case "diskFull":
      return { disk: observeDisk(watched.paths.environment) };
    case "outOfMemory":
      return { memory: { freeBytes: freemem(), sizeBytes: totalmem() } };
    case "fileMissing":
    case "writeRefused":
      return match?.subject?.includes("/") ? { file: findFile(process.spec.cwd, match.subject) } : {};
    case "portInUse":
      return match?.port ? { holder: await nameHolder(watched, findHolder(match.port)) } : {};
    case "foreignAnswer": {
      const answer = seen.attempts.at(-1)?.answer;
      return { holder: await nameHolder(watched, answer?.kind === "answered" ? answer.foreign : undefined) };
    }
    default:
      return {};
  }
}

function findVariable({ watched, process }: Failure, name: string): Evidence["variable"] {
  const { env, secretEnv } = process.spec;
  const { settings, service } = watched;
  const value = env[name];
  const isOfResource = name in secretEnv || value !== undefined;
  const source =
    name in settings.environment
      ? `services.${service}.environment`
      : settings.secrets.includes(name)
        ? `services.${service}.secrets`
        : isOfResource
          ? "Landfall"
          : undefined;
  return { name, ...(source ? { source } : {}), isEmpty: value === "" };
}

async function findServer({ paths, supervisor }: Watched, match: LogMatch): Promise<Evidence["server"]> {
  const resources = findRecord(paths)?.resources ?? [];
  const isAt = (address: string) => match.port !== undefined && readAddress(address)?.port === match.port;
  const ofType = resources.filter(({ type }) => type === match.resource);
  // The address decides where the program named one: the same kind of server somewhere else is another server.
  const server = match.port === undefined ? (ofType.length === 1 ? ofType[0] : undefined) : resources.find(({ address }) => isAt(address));
  const address = server?.address ?? (match.host && match.port ? `${match.host}:${match.port}` : match.host);
  const { processes } = await supervisor.observe();
  const state = server?.processId === undefined ? server?.state : (processes.find(({ spec }) => spec.id === server.processId)?.state ?? "stopped");
  return {
    ...(server ? { resource: { name: server.name, type: server.type, state: state ?? "external" } } : {}),
    ...(address ? { address } : {}),
    listens: await isListening(server?.address ?? address),
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

function observeDisk(path: string): Evidence["disk"] {
  try {
    const { bsize, bavail, blocks } = statfsSync(path);
    return { path, freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}

function findFile(folder: string, subject: string): Evidence["file"] {
  const path = resolve(folder, subject.replace(/^file:\/\//, ""));
  return { path, exists: existsSync(path) };
}

async function nameHolder({ supervisor }: Watched, holder: Holder | undefined): Promise<Evidence["holder"]> {
  if (!holder) return undefined;
  const { processes } = await supervisor.observe();
  const instance = processes.find(({ group }) => group?.pid === holder.group)?.spec.id;
  return { ...holder, ...(instance ? { instance } : {}) };
}
