// Text → App: evaluates the configuration, and hands the value with its text to check.ts.
import { dirname, relative } from "node:path";
import { createJiti } from "jiti";
import { ERROR_CODES, LandfallError, type SourcePlace } from "../error.ts";
import { defineApp } from "./app.ts";
import { notDefined, validateSource } from "./check.ts";
import type { App } from "./schema.ts";
import { parseSource, placeAt, placeOfImport, type Source } from "./source.ts";

const STANDING = "Nothing was changed.";

/** Evaluates and checks the text of the configuration at `path`. Errors: those of `loadConfig` but for finding and reading. */
export async function evaluateText(text: string, path: string): Promise<App> {
  const source = parseSource(text, path);
  if (source.syntaxError) throw syntaxError(source, source.syntaxError);
  return validateSource(source, await evaluate(source));
}

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
