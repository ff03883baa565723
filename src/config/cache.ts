// Apps of configurations that passed, so that a command need not load what evaluates and checks them. Only a text that always
// gives the same app is kept. A cache that cannot be read or written is no failure: the text is then evaluated.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadJson, removeAll, writeJson } from "../system/files.ts";
import { appsFolder, cacheFolder, findHome } from "../system/home.ts";
import type { App } from "./schema.ts";

interface Kept {
  /** Of the text and of the code that checked it. */
  hash: string;
  /** Of the configuration. */
  path: string;
  app: App;
}

/** A folder of examples or of tests may hold very many configurations. */
const KEPT_MAX = 200;

export function findCached(path: string, text: string): App | undefined {
  try {
    const file = fileOf(path);
    const kept = existsSync(file) ? loadJson<Kept>(file) : undefined;
    return kept?.hash === hashOf(text) ? kept.app : undefined;
  } catch {
    return undefined;
  }
}

/** Makes no state folder where none stands: looking at a configuration leaves nothing behind. */
export function keepCached(path: string, text: string, app: App): void {
  try {
    const file = fileOf(path);
    if (!isSelfContained(text) || !existsSync(appsFolder(findHome()))) return;
    const folder = dirname(file);
    if (existsSync(folder) && readdirSync(folder).length >= KEPT_MAX) removeAll(folder);
    writeJson(file, { hash: hashOf(text), path, app } satisfies Kept);
  } catch {
    // A full or read-only disk is told by the command that needs to write there.
  }
}

/** Forgets configurations whose file is gone; returns their paths. */
export function removeStaleCached(): string[] {
  const folder = folderOf(findHome());
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => {
    const path = pathIn(join(folder, name));
    if (path !== undefined && existsSync(path)) return [];
    removeAll(join(folder, name));
    return path ?? [];
  });
}

/** Undefined when the file cannot be made sense of. */
function pathIn(file: string): string | undefined {
  try {
    return loadJson<Kept>(file)?.path;
  } catch {
    return undefined;
  }
}

const IMPORT_OF_LANDFALL = /^\s*import\s[^"';]*["']landfall["']\s*;?/gm;
/** Where something could come from that is not in the text: another file, the environment, the clock, chance. */
const FROM_OUTSIDE =
  /\b(import|require|process|global|globalThis|Date|Math|Intl|performance|crypto|fetch|eval|Function|constructor|await|navigator)\b|\bfrom\s*["']|\\u/;

/** Whether the app follows from the text alone. A word in a comment may say no, which costs time only. */
export const isSelfContained = (text: string): boolean => !FROM_OUTSIDE.test(text.replace(IMPORT_OF_LANDFALL, ""));

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const folderOf = (home: string): string => join(cacheFolder(home), "config");

const fileOf = (path: string): string => join(folderOf(findHome()), `${sha256(path)}.json`);

const hashOf = (text: string): string => sha256(`${describeBuild()}\n${text}`);

/** Another version of this folder may read a text otherwise. When files were put here tells: in packages all versions bear one time of change. */
function describeBuild(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const code = readdirSync(here).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  return code.map((name) => `${name} ${statSync(join(here, name)).ctimeMs}`).join("\n");
}
