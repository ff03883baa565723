// All environments of this machine, whatever folder one looks from.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentEntry } from "../../../reports.ts";
import { appsFolder, findHome } from "../../../system/home.ts";
import { isRunning, type ProcessIdentity } from "../../../system/processes.ts";
import { loadStateIfWhole } from "../../../system/state-file.ts";
import { type Paths, pathsOf } from "../paths.ts";
import { addressOf, findRecord } from "../record.ts";
import { pidFileOf } from "../supervisor/start.ts";

/** By app and name. Those of other users, or of another LANDFALL_HOME, are not seen. */
export function listLocal(): EnvironmentEntry[] {
  const home = findHome();
  return namesIn(appsFolder(home)).flatMap((app) =>
    namesIn(join(appsFolder(home), app, "environments")).flatMap((environment) => describe(pathsOf(home, app, environment)) ?? []),
  );
}

/** Undefined of one that is half made: nothing is known of it yet. */
function describe(paths: Paths): EnvironmentEntry | undefined {
  const record = findRecord(paths);
  if (!record) return undefined;
  const { app, environment, folder, release } = record;
  const supervisor = loadStateIfWhole<ProcessIdentity>(pidFileOf(paths));
  return { app, environment, address: addressOf(record), release, state: supervisor && isRunning(supervisor) ? "running" : "stopped", folder };
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
