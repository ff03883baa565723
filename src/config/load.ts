// Disk → App. Finds the configuration, evaluates it, and hands the value with its text to check.ts.
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, parse, relative, resolve } from "node:path";
import { createJiti } from "jiti";
import { ERROR_CODES, LandfallError, type SourcePlace } from "../error.ts";
import { defineApp } from "./app.ts";
import { notDefined, validateSource } from "./check.ts";
import type { App } from "./schema.ts";
import { parseSource, placeAt, placeOfImport, type Source } from "./source.ts";

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
    const { landfall } = JSON.parse(readFileSync(file, "utf8")) as { landfall?: unknown };
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
 * Reads, evaluates and checks a configuration. Evaluated anew on each call; files that it imports too.
 * Inside the configuration `landfall` is this program, whether or not the app has it among its dependencies, and offers
 * what describes an app (`defineApp`), not what acts.
 * Errors: CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_SYNTAX, CONFIG_THREW, CONFIG_NOT_DEFINED, and those of `validateText`,
 * all problems in one error, each with its place in the text.
 *
 * @example const { app, folder } = await loadConfig(findConfig(process.cwd()));
 */
export async function loadConfig(file: string): Promise<{ app: App; file: string; folder: string }> {
  const path = resolve(file);
  const source = parseSource(readConfig(path), path);
  if (source.syntaxError) throw syntaxError(source, source.syntaxError);
  const app = validateSource(source, await evaluate(source));
  return { app, file: path, folder: dirname(path) };
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
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

function syntaxError(source: Source, { message, help, span }: NonNullable<Source["syntaxError"]>): LandfallError {
  return new LandfallError({
    code: "CONFIG_SYNTAX",
    what: `"${relative(dirname(source.file), source.file)}" cannot be parsed: ${lowerFirst(message)}`,
    where: placeAt(source, span),
    why: help ?? "The text ends or turns where TypeScript does not allow it.",
    standing: STANDING,
    next: "correct the line, then run  landfall check",
  });
}

const lowerFirst = (text: string) => text.slice(0, 1).toLowerCase() + text.slice(1);

/** Given to the configuration under the name `landfall`: always this very version, and nothing that acts. */
const MODULE = { defineApp, LandfallError, ERROR_CODES };

async function evaluate(source: Source): Promise<unknown> {
  const jiti = createJiti(source.file, {
    virtualModules: { landfall: MODULE },
    moduleCache: false,
    fsCache: false,
    interopDefault: false,
    transformOptions: { retainLines: true },
  });
  let exported: Record<string, unknown>;
  try {
    exported = (await jiti.import(source.file)) as Record<string, unknown>;
  } catch (error) {
    throw threw(source, error);
  }
  const value = exported?.default ?? (source.text.includes("module.exports") ? exported : undefined);
  if (value === undefined) throw notDefined(source, undefined);
  return value;
}

function threw(source: Source, error: unknown): LandfallError {
  const message = error instanceof Error ? error.message : String(error);
  const name = error instanceof Error ? error.name : "a value that is no Error";
  return new LandfallError({
    code: "CONFIG_THREW",
    what: `"${relative(dirname(source.file), source.file)}" failed while it was evaluated`,
    where: placeOfFailure(source, error, message) ?? source.file,
    why: `${name}: ${message.split("\n")[0]}`,
    standing: STANDING,
    next: "correct what failed, then run  landfall check",
    cause: error,
  });
}

/** The import of what is not there, else the topmost frame of the stack that is in the configuration itself. */
function placeOfFailure(source: Source, error: unknown, message: string): SourcePlace | undefined {
  const imported = placeOfImport(source, (specifier) => /^Cannot find (module|package)/.test(message) && message.includes(`'${specifier}'`));
  if (imported) return imported;
  const frames = String((error as Error | undefined)?.stack ?? "")
    .split("\n")
    .filter((frame) => frame.includes(source.file));
  const [, line, column] = frames.map((frame) => /:(\d+):(\d+)\)?\s*$/.exec(frame)).find((match) => match !== null) ?? [];
  if (line === undefined || column === undefined) return undefined;
  const lines = source.text.split(/\r\n|\r|\n/);
  const text = lines[Number(line) - 1];
  if (text === undefined) return undefined;
  const known = Number(column) <= text.length ? Number(column) : text.search(/\S|$/) + 1;
  return { file: source.file, line: Number(line), column: known, text, length: Math.max(1, /^[\w$.]*/.exec(text.slice(known - 1))?.[0].length ?? 1) };
}
