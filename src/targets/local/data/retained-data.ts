// Data that outlives its environment: set aside by a decommission that keeps data, taken up by the next commission of that name.
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { removeAll } from "../../../system/files.ts";
import type { Paths } from "../paths.ts";

/** The resources' data, what is known of it, and the secrets that hold its passwords. */
const keptOf = (paths: Paths): string[] => [paths.data, paths.dataRecord, paths.secrets, paths.secretsKey];
/** Where one of them is while it is kept. */
export const keptPlaceOf = (paths: Paths, path: string): string => join(paths.kept, basename(path));

/** What was kept are the environment's secrets until it takes them up again. */
export function secretPlacesOf(paths: Paths): Pick<Paths, "environment" | "secrets" | "secretsKey"> {
  const kept = { secrets: keptPlaceOf(paths, paths.secrets), secretsKey: keptPlaceOf(paths, paths.secretsKey) };
  return !existsSync(paths.secrets) && existsSync(kept.secrets) ? { ...paths, ...kept } : paths;
}

export const findKept = (paths: Paths): string[] => (existsSync(paths.kept) ? [paths.kept] : []);

/** Whether there is data that an environment of this name had before, here or kept. */
export const hasData = (paths: Paths): boolean => [...keptOf(paths), paths.kept].some((path) => existsSync(path));

/**
 * The environment's folder becomes the kept one, in one piece: until then the environment is whole, and from then on its data is kept.
 * What else was in it goes. What an interrupted commission left in the kept folder is of the same data, and comes along.
 */
export function setAsideData(paths: Paths): void {
  takeUpKept(paths);
  mkdirSync(dirname(paths.kept), { recursive: true, mode: 0o700 });
  renameSync(paths.environment, paths.kept);
  finishKeeping(paths);
}

/** Moves back what was kept, one thing at a time: it can be interrupted anywhere and done again. */
export function takeUpKept(paths: Paths): void {
  for (const path of keptOf(paths)) if (existsSync(keptPlaceOf(paths, path))) renameSync(keptPlaceOf(paths, path), path);
  finishKeeping(paths);
}

/** Whether a decommission that keeps data was cut off after the data was safe. */
export const isKeepingUnfinished = (paths: Paths): boolean => listBesides(paths).length > 0;

/** Removes what is not data from the kept folder, and the folder when nothing is left. */
export function finishKeeping(paths: Paths): void {
  for (const path of listBesides(paths)) removeAll(path);
  removeIfEmpty(paths.kept);
  removeIfEmpty(dirname(paths.kept));
}

function listBesides(paths: Paths): string[] {
  const names = keptOf(paths).map((path) => basename(path));
  const entries = existsSync(paths.kept) ? readdirSync(paths.kept) : [];
  return entries.filter((name) => !names.includes(name)).map((name) => join(paths.kept, name));
}

export function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Refuses what renaming cannot do as a whole: two of a thing for one place, or data on a file system of its own. */
export function assertKeepable(paths: Paths): void {
  const twice = keptOf(paths).find((path) => existsSync(path) && existsSync(keptPlaceOf(paths, path)));
  if (twice) throw keepRefused(twice, `"${keptPlaceOf(paths, twice)}" was kept before, and neither may take the other's place.`, paths.kept);
  const standing = [paths.environment, ...keptOf(paths)].filter((path) => existsSync(path));
  const apart = standing.find((path) => lstatSync(path).dev !== lstatSync(paths.app).dev);
  if (apart) throw keepRefused(apart, `It is on another file system than "${paths.app}": no rename takes it there in one piece.`, apart);
}

const keepRefused = (path: string, why: string, away: string) =>
  new LandfallError({
    code: "KEEP_REFUSED",
    what: `the data in "${path}" can be neither kept nor taken up`,
    where: path,
    why,
    standing: "Nothing was changed.",
    next: `move ${away} to a place of yours, then run the command again`,
  });
