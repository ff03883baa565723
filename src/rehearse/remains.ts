// What rehearsals that were killed have left, of whatever app and environment: machines, mounts, networks, files, and the resources that ran for
// them. Whether one is under way says its lock, which the kernel frees when its holder is gone.
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Deployment } from "../config/deployment.ts";
import { type FileLock, tryFileLock } from "../system/file-lock.ts";
import { removeAll } from "../system/files.ts";
import { appsFolder, findHome } from "../system/home.ts";
import { openLocal } from "../targets/local/target.ts";
import { removeMachines } from "./machine-host.ts";

const RESOURCES_PREFIX = "rehearsal.";
const LOCK = ".lock";

/** Where a rehearsal works, below Landfall's folder. */
export const rehearsalHome = (): string => join(findHome(), "rehearse");
const runningFolder = (home: string): string => join(home, "running");
export const folderOf = (home: string, app: string, environment: string): string => join(runningFolder(home), `${app}-${environment}`);
export const lockFolder = (folder: string): FileLock | undefined => tryFileLock(`${folder}${LOCK}`);

/** The environment on this machine that has the resources of a rehearsal. */
export const resourcesEnvironment = (environment: string): string => `${RESOURCES_PREFIX}${environment}`;

/** Says of which rehearsals it was. One that is under way is left alone. */
export async function removeRemains(home: string, like: Deployment): Promise<string[]> {
  const resources = findResources(home);
  const names = new Set([...foldersIn(runningFolder(home)).map((name) => basename(name, LOCK)), ...resources.map(({ name }) => name)]);
  const removed: string[] = [];
  for (const name of names) {
    const folder = join(runningFolder(home), name);
    const lock = lockFolder(folder);
    if (!lock) continue;
    try {
      await removeMachines(folder);
      for (const one of resources.filter((other) => other.name === name)) await removeResources(like, one);
      removeAll(folder);
      removed.push(name);
    } finally {
      lock.release({ removeFile: true });
    }
  }
  return removed;
}

interface Resources {
  /** Of the rehearsal's folder. */
  name: string;
  app: string;
  environment: string;
}

function findResources(home: string): Resources[] {
  const apps = appsFolder(findHome());
  return foldersIn(apps).flatMap((app) =>
    foldersIn(join(apps, app, "environments"))
      .filter((environment) => environment.startsWith(RESOURCES_PREFIX))
      .map((environment) => ({ name: basename(folderOf(home, app, environment.slice(RESOURCES_PREFIX.length))), app, environment })),
  );
}

/** What stands is known from its own record and processes: of the configuration only the names count. */
async function removeResources(like: Deployment, { app, environment }: Resources): Promise<void> {
  await openLocal({ deployment: { ...like, app, environment }, folder: "/", emit: () => {} }).decommission({});
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
