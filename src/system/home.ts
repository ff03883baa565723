// The folder that keeps what Landfall knows on this machine.
import { homedir } from "node:os";
import { join } from "node:path";

/** LANDFALL_HOME, else /var/lib/landfall for root (Postgres' own user must reach it), else the XDG state folder. */
export function findHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env.LANDFALL_HOME) return env.LANDFALL_HOME;
  if (process.getuid?.() === 0) return "/var/lib/landfall";
  return join(env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "landfall");
}

/** Holds a folder for each app; gone when none stands. */
export const appsFolder = (home: string): string => join(home, "apps");

/** What can be made again at any time; removed with the last app. */
export const cacheFolder = (home: string): string => join(home, "cache");
