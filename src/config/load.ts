// Finds and reads the configuration. What evaluates and checks it is heavy (a compiler, a parser, the table of keys), and is
// loaded only for a text that has not passed before.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, parse, relative, resolve } from "node:path";
import { errnoOf, LandfallError } from "../error.ts";
import { findCached, keepCached } from "./cache.ts";
import type { App } from "./schema.ts";

const STANDING = "Nothing was changed.";
const NAMES = ["landfall.config.ts", "landfall.config.mts", "landfall.config.js", "landfall.config.mjs"];

/**
 * The configuration's file: in `startDir`, or in the nearest folder above it; or where the key "landfall" of a package.json
 * on the way says that the app's folder is. Does not read the configuration.
 * Errors: CONFIG_NOT_FOUND.
 */
export function findConfig(startDir: string): string {
  const start = resolve(startDir);
  for (let folder = start; ; folder = dirname(folder)) {
    const file = configIn(folder) ?? configOfPackage(folder);
    if (file) return file;
    if (folder === parse(folder).root) throw notFound(start);
  }
}

/** The configuration that stands in this very folder. */
export function configIn(folder: string): string | undefined {
  return NAMES.map((name) => join(folder, name)).find((file) => existsSync(file));
}

function configOfPackage(folder: string): string | undefined {
  const file = join(folder, "package.json");
  const named = landfallKey(file);
  if (named === undefined) return undefined;
  const config = configIn(resolve(folder, named));
  if (config) return config;
  throw new LandfallError({
    code: "CONFIG_NOT_FOUND",
    what: `no landfall.config.ts in the folder "${named}"`,
    where: file,
    why: `The key "landfall" of this package.json says that the app is there.`,
    standing: STANDING,
    next: `correct the key, or run  landfall init  in ${named}`,
  });
}

/** A package.json that cannot be read is npm's concern; here it only names no folder. */
function landfallKey(file: string): string | undefined {
  try {
    const { landfall }: { landfall?: unknown } = JSON.parse(readFileSync(file, "utf8"));
    return typeof landfall === "string" ? landfall : undefined;
  } catch {
    return undefined;
  }
}

function notFound(start: string): LandfallError {
  const missing = !existsSync(start);
  return new LandfallError({
    code: "CONFIG_NOT_FOUND",
    what: missing ? `there is no folder "${start}"` : `no landfall.config.ts in "${start}" or above it`,
    why: missing
      ? "The configuration is looked for in a folder and in those above it."
      : `Looked for ${NAMES.join(", ")}, and for the key "landfall" in package.json.`,
    standing: STANDING,
    next: missing ? undefined : "landfall init",
  });
}

/**
 * Reads, evaluates and checks a configuration. Evaluated anew on each call, files that it imports too; but a text that passed before,
 * and whose app follows from that text alone, is not evaluated again.
 * Inside the configuration `landfall` is this program, whether or not the app has it among its dependencies, and offers
 * what describes an app (`defineApp`), not what acts.
 * Errors: PACKAGE_MISSING, CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_SYNTAX, CONFIG_THREW, CONFIG_NOT_DEFINED, and those of `validateText`,
 * all problems in one error, each with its place in the text.
 *
 * @example const { app, folder } = await loadConfig(findConfig(process.cwd()));
 */
export async function loadConfig(file: string): Promise<{ app: App; file: string; folder: string }> {
  const path = resolve(file);
  const text = readConfig(path);
  const app = findCached(path, text) ?? (await evaluateAndKeep(path, text));
  return { app, file: path, folder: dirname(path) };
}

/**
 * As `loadConfig`; but mistakes that are in nothing of that environment are passed over: what is wrong with an app must not keep anybody from
 * removing where it runs.
 */
export async function loadConfigFor(environment: string, file: string): Promise<Awaited<ReturnType<typeof loadConfig>>> {
  try {
    return await loadConfig(file);
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    const path = resolve(file);
    const { evaluateWithout } = await import("./evaluate.ts");
    const app = await evaluateWithout(readConfig(path), path, environment).catch(() => undefined);
    if (!app) throw error;
    return { app, file: path, folder: dirname(path) };
  }
}

async function evaluateAndKeep(path: string, text: string): Promise<App> {
  const { evaluateText } = await import("./evaluate.ts").catch((error) => {
    throw packageMissing(error) ?? error;
  });
  const app = await evaluateText(text, path);
  keepCached(path, text, app);
  return app;
}

/** The parser's own words send people to a fault of npm that is none. Undefined for what went wrong otherwise. */
function packageMissing(error: unknown): LandfallError | undefined {
  if (!/Cannot find native binding/.test(String(error))) return undefined;
  return new LandfallError({
    code: "PACKAGE_MISSING",
    what: `the parser of the configuration is not installed for ${process.platform}-${process.arch}`,
    where: `npm package @oxc-parser/binding-${process.platform}-${process.arch}`,
    why: "It comes as an optional dependency, which npm leaves out with --omit=optional and when it uses a node_modules of another platform.",
    standing: STANDING,
    next: "npm install --include=optional",
    cause: error,
  });
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const { code, message } = errnoOf(error);
    if (code === "ENOENT") throw fileNotThere(file);
    throw new LandfallError({
      code: "CONFIG_UNREADABLE",
      what: `the configuration "${relative(dirname(file), file)}" could not be read`,
      where: file,
      why: `${message.replace(/, (open|read).*$/s, "")}.${code === "EACCES" ? modeOf(file) : ""}`,
      standing: STANDING,
      next: code === "EACCES" ? `chmod u+r ${file}` : undefined,
      cause: error,
    });
  }
}

/** Modes are what people compare with `ls -l`; without search permission on the folder there is none to show. */
function modeOf(file: string): string {
  try {
    const { mode, uid } = statSync(file);
    return `\nIts mode is ${(mode & 0o777).toString(8).padStart(3, "0")} and its owner's id ${uid}; this process has the id ${process.getuid?.() ?? "unknown"}.`;
  } catch {
    return "";
  }
}

const fileNotThere = (file: string) =>
  new LandfallError({
    code: "CONFIG_NOT_FOUND",
    what: `there is no file "${file}"`,
    why: "The configuration was asked for by this path.",
    standing: STANDING,
    next: "landfall init",
  });
