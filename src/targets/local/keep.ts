// Data that outlives its environment: set aside by a decommission that keeps data, taken up by the next commission of that name.
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeAll } from "../../system/files.ts";
import type { Places } from "./places.ts";

/** The resources' data, and the secrets that hold its passwords. */
const keptOf = (places: Places): string[] => [places.data, places.secrets, places.secretsKey];

export const findKept = (places: Places): string[] => (existsSync(places.kept) ? [places.kept] : []);

/** Moves one thing at a time, so that it can be interrupted anywhere and done again. */
export function keepData(places: Places): void {
  // Without its record the environment does not stand, and nothing makes new data beside what is being moved.
  removeAll(places.record);
  for (const path of keptOf(places)) moveInto(path, places.kept);
}

/** Moves back what was kept. Says whether there was anything. */
export function takeUpKept(places: Places): boolean {
  if (!existsSync(places.kept)) return false;
  for (const path of keptOf(places)) moveInto(join(places.kept, basename(path)), dirname(path));
  removeIfEmpty(places.kept);
  removeIfEmpty(dirname(places.kept));
  return true;
}

export function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

function moveInto(path: string, folder: string): void {
  if (!existsSync(path)) return;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  renameSync(path, join(folder, basename(path)));
}
