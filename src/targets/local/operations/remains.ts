// Remains of environments that are gone, removed when nobody needs them: data that was kept, and what environments share.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { codeOf } from "../../../error.ts";
import type { DecommissionReport, Kept, RemovalReport } from "../../../reports.ts";
import { removeAll } from "../../../system/files.ts";
import { isHomeNamed } from "../../../system/home.ts";
import type { Context } from "../context.ts";
import { findKept, finishKeeping, isKeepingUnfinished, removeIfEmpty } from "../data/retained-data.ts";
import type { Paths } from "../paths.ts";
import { assertNoNames } from "../preconditions.ts";
import { aloneOnShared, removeUnusedNow } from "../releases/shared.ts";
import { removeSharedPrograms } from "../resources/index.ts";

export interface RemovalOptions {
  keepData?: boolean;
  confirmRemove?: string[];
}

/** Whether a decommission was cut off when the environment did not stand any more. */
export const isRemovalUnfinished = ({ paths }: Context): boolean => existsSync(paths.removing) || isKeepingUnfinished(paths);

/** The environment itself is gone already; what was kept of it goes with a decommission that keeps nothing. */
export async function removeRemains(context: Context, { keepData, confirmRemove }: RemovalOptions): Promise<DecommissionReport> {
  assertNoNames(context, "--confirm-remove", confirmRemove);
  const { paths, deployment } = context;
  const removing = existsSync(paths.removing) ? [`folder ${paths.removing}`] : [];
  removeAll(paths.removing);
  const rest = keepData && isKeepingUnfinished(paths) ? [`folder ${paths.environment}`] : [];
  if (keepData) finishKeeping(paths);
  const removed = [...removing, ...rest, ...(keepData ? [] : removeKept(paths))];
  if (removed.length > 0) removed.push(...(await removeShared(context)));
  const checked = { processes: 0, ports: 0, paths: removed.length };
  return { app: deployment.app, environment: deployment.environment, removed, kept: describeKept(context), checked };
}

/** What a decommission would do. Asks no process. */
export function listRemoval(context: Context, { keepData, confirmRemove }: RemovalOptions): RemovalReport {
  assertNoNames(context, "--confirm-remove", confirmRemove);
  const { paths, deployment } = context;
  const standing = existsSync(paths.environment) ? ["its processes and addresses", `folder ${paths.environment}`] : [];
  const kept = keepData ? [paths.kept] : [];
  const before = keepData ? [] : findKept(paths).map((folder) => `folder ${folder}`);
  return {
    app: deployment.app,
    environment: deployment.environment,
    removed: [...standing, ...before],
    kept: kept.map((folder) => asKept(folder, deployment.environment)),
  };
}

export const describeKept = ({ paths, deployment }: Context): Kept[] => findKept(paths).map((folder) => asKept(folder, deployment.environment));

const asKept = (folder: string, environment: string): Kept => ({
  what: `folder ${folder}`,
  why: `its data and secrets, taken up again by  landfall commission ${environment}`,
});

export function removeKept(paths: Paths): string[] {
  const kept = findKept(paths);
  for (const folder of kept) removeAll(folder);
  removeIfEmpty(dirname(paths.kept));
  return kept.map((folder) => `folder ${folder}`);
}

/** What environments share goes when no other needs it: releases, images, the folders above, programs. */
export async function removeShared(context: Context): Promise<string[]> {
  const { paths } = context;
  const removed = await aloneOnShared(context, () => removeSharedNow(context));
  const apps = dirname(paths.app);
  removeIfEmpty(paths.app);
  // Only when it is empty, and in one step: another app's environment may be about to begin in it.
  removeIfEmpty(apps);
  if (!existsSync(apps)) {
    removed.push(...removeSharedPrograms(paths.home).map((thing) => (thing.startsWith("/") ? `folder ${thing}` : thing)));
    removeAll(paths.cache);
    if (!isHomeNamed()) removeHome(paths.home);
    if (!existsSync(paths.home)) removed.push(`folder ${paths.home}`);
  }
  return removed;
}

function removeSharedNow(context: Context): string[] {
  const { paths } = context;
  removeUnusedNow(context);
  const environments = dirname(paths.environment);
  removeIfEmpty(environments);
  if (existsSync(environments)) return [];
  for (const path of [paths.releases, paths.images, join(paths.app, "logs"), paths.sharing]) removeAll(path);
  return [`folder ${paths.images}`, `folder ${paths.releases}`];
}

/** Unless something else is in it. One that a user names is the user's. A mount point, or a folder in somebody else's folder, stays, empty. */
function removeHome(home: string): void {
  try {
    removeIfEmpty(home);
  } catch (error) {
    if (!["EBUSY", "EACCES", "EPERM", "EROFS"].includes(codeOf(error) ?? "")) throw error;
  }
}
