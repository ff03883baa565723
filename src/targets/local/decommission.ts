// Removes all of an environment and looks again: a process, port or path that is still there is an error, named.
import { existsSync, readdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { removeStaleCached } from "../../config/cache.ts";
import { LandfallError } from "../../error.ts";
import { during } from "../../progress.ts";
import type { CleanReport, DecommissionReport, Kept, RemovalReport } from "../../reports.ts";
import type { Journal } from "../../state/journal.ts";
import { removeAll } from "../../system/files.ts";
import { isPortFree } from "../../system/network.ts";
import { isRunning, type ProcessIdentity } from "../../system/processes.ts";
import { type Context, findRecord, loadRecords } from "./context.ts";
import { listImages, removeUnusedImages } from "./images.ts";
import { findKept, keepData, removeIfEmpty } from "./keep.ts";
import { removeLogsOfReleases } from "./logs.ts";
import type { Places } from "./places.ts";
import { listReleases, removeUnusedReleases } from "./releases.ts";
import { removeSharedPrograms } from "./resources/index.ts";
import type { SupervisorState } from "./supervisor/api.ts";
import { removeSocket } from "./supervisor/socket.ts";
import { ensureSupervisor } from "./supervisor/start.ts";

export async function decommission(context: Context, journal: Journal, options: { keepData?: boolean }): Promise<DecommissionReport> {
  const { places } = context;
  const { name, app } = context.app;
  const record = findRecord(places);
  // A dead supervisor is started again first: only it knows which processes are ours.
  const state = await (await ensureSupervisor(places)).observe();
  await during(context.emit, "stop", "stopping all processes", async () => {
    await journal.perform("stop all processes", async () => {
      await (await ensureSupervisor(places)).shutdown();
      await waitGone(context, state.supervisor);
      for (const socket of [places.supervisorSocket, places.balancerSocket]) removeSocket(socket);
    });
    return `${state.processes.length} processes and the supervisor stopped`;
  });
  if (options.keepData) await journal.perform("keep the data", () => keepData(places));
  // The journal goes with the folder: a result that is written after this would make the folder anew.
  moveAway(places);
  removeAll(places.removing);
  const shared = [...(options.keepData ? [] : removeKept(places)), ...removeShared(context)];

  const identities = [state.supervisor, ...state.processes.flatMap((one) => one.group ?? [])];
  const ports = [...state.processes.flatMap((one) => one.port ?? []), ...(record ? [record.port, record.metricsPort] : [])];
  await refuseLeftovers(context, identities, ports);
  return {
    app: app.name,
    environment: name,
    removed: [...describeProcesses(state), ...ports.map((port) => `port ${port}`), `folder ${places.environment}`, ...shared],
    kept: describeKept(context),
    checked: { processes: identities.length, ports: ports.length, paths: 1 + shared.length },
  };
}

/** From here on there is no environment; a crash leaves what was moved away, and `decommissionRest` removes it. */
function moveAway(places: Places): void {
  removeAll(places.removing);
  renameSync(places.environment, places.removing);
}

/** The environment itself is gone already; what was kept of it goes with a decommission that keeps nothing. */
export function decommissionRest(context: Context, { keepData }: { keepData?: boolean }): DecommissionReport {
  const { places, app } = context;
  const removing = existsSync(places.removing) ? [`folder ${places.removing}`] : [];
  removeAll(places.removing);
  const removed = [...removing, ...(keepData ? [] : removeKept(places))];
  if (removed.length > 0) removed.push(...removeShared(context));
  const checked = { processes: 0, ports: 0, paths: removed.length };
  return { app: app.app.name, environment: app.name, removed, kept: describeKept(context), checked };
}

/** What a decommission would do. Asks no process. */
export function listRemoval({ places, app }: Context, { keepData }: { keepData?: boolean }): RemovalReport {
  const standing = existsSync(places.environment) ? ["its processes and addresses", `folder ${places.environment}`] : [];
  const kept = keepData ? [places.kept] : [];
  const before = keepData ? [] : findKept(places).map((folder) => `folder ${folder}`);
  return { app: app.app.name, environment: app.name, removed: [...standing, ...before], kept: kept.map((folder) => asKept(folder, app.name)) };
}

const describeKept = ({ places, app }: Context): Kept[] => findKept(places).map((folder) => asKept(folder, app.name));

const asKept = (folder: string, environment: string): Kept => ({
  what: `folder ${folder}`,
  why: `its data and secrets, taken up again by  landfall commission ${environment}`,
});

function removeKept(places: Places): string[] {
  const kept = findKept(places);
  for (const folder of kept) removeAll(folder);
  removeIfEmpty(dirname(places.kept));
  return kept.map((folder) => `folder ${folder}`);
}

async function waitGone(context: Context, identity: ProcessIdentity): Promise<void> {
  for (let waited = 0; waited < 10_000 && isRunning(identity); waited += 20) await context.clock.sleep(20);
}

/** What environments share goes when no other needs it: releases, images, the folders above, programs. */
function removeShared({ places }: Context): string[] {
  const used = loadRecords(places).flatMap((record) => [record.release, record.previous, ...record.rolledOut].filter((id) => id !== undefined));
  removeUnusedReleases(places, used);
  removeUnusedImages(
    places,
    listReleases(places).map((release) => release.recipeHash),
  );
  const environments = dirname(places.environment);
  const removed: string[] = [];
  if (isEmpty(environments)) {
    for (const folder of [environments, places.releases, places.images, join(places.app, "logs")]) removeAll(folder);
    removed.push(`folder ${places.images}`, `folder ${places.releases}`);
  }
  const apps = dirname(places.app);
  removeIfEmpty(places.app);
  if (isEmpty(apps)) {
    removed.push(...removeSharedPrograms(places.home).map((thing) => (thing.startsWith("/") ? `folder ${thing}` : thing)));
    removeAll(places.cache);
    removeAll(apps);
    removeHome(places.home);
    if (!existsSync(places.home)) removed.push(`folder ${places.home}`);
  }
  return removed;
}

/** Unless something else is in it. A mount point, or a folder in somebody else's folder, stays, empty. */
function removeHome(home: string): void {
  try {
    removeIfEmpty(home);
  } catch (error) {
    if (!["EBUSY", "EACCES", "EPERM", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

const isEmpty = (folder: string): boolean => existsSync(folder) && readdirSync(folder).length === 0;

async function refuseLeftovers({ app, places }: Context, identities: ProcessIdentity[], ports: number[]): Promise<void> {
  const busy = await Promise.all(ports.map(async (port) => ((await isPortFree(port)) ? [] : [`port ${port}`])));
  const left = [
    ...identities.filter(isRunning).map((identity) => `process ${identity.pid}`),
    ...busy.flat(),
    ...(existsSync(places.environment) ? [`folder ${places.environment}`] : []),
  ];
  if (left.length === 0) return;
  throw new LandfallError({
    code: "LEFT_BEHIND",
    what: `environment "${app.name}" is not completely gone`,
    evidence: left.map((text): [string, string] => ["left", text]),
    standing: "Everything else of it was removed.",
    next: `landfall decommission ${app.name}`,
  });
}

const describeProcesses = (state: SupervisorState): string[] => [
  ...state.processes.flatMap((one) => (one.group ? [`process ${one.spec.id} (pid ${one.pid ?? one.group.pid})`] : [])),
  `process supervisor (pid ${state.supervisor.pid})`,
];

/** Releases and images that no environment could go back to, and what is remembered of configurations that are gone. */
export function clean({ places }: Context): CleanReport {
  const releasesBefore = listReleases(places).map((release) => release.id);
  const imagesBefore = listImages(places);
  const used = loadRecords(places).flatMap((record) => [record.release, record.previous].filter((id) => id !== undefined));
  removeUnusedReleases(places, used);
  removeUnusedImages(
    places,
    listReleases(places).map((release) => release.recipeHash),
  );
  const left = new Set([...listReleases(places).map((release) => release.id), ...listImages(places)]);
  const removed = [...releasesBefore.map((id) => ["release", id]), ...imagesBefore.map((hash) => ["image", hash])]
    .filter(([, id]) => !left.has(id ?? ""))
    .map(([kind, id]) => `${kind} ${id}`);
  removeLogsOfReleases(places, { except: [...left] });
  return { removed: [...removed, ...removeStaleCached().map((path) => `cache of ${path}`)] };
}
