// Text → App: evaluates the configuration, and hands the value with its text to check.ts.
import { once } from "node:events";
import { dirname, relative } from "node:path";
import { SHARE_ENV, Worker } from "node:worker_threads";
import { codeOf, LandfallError, type SourcePlace } from "../error.ts";
import { builtProgram } from "../system/built.ts";
import { describeDuration } from "../text/units.ts";
import { notDefined, validateSource, validateWithout } from "./check.ts";
import { OFFERED } from "./offered.ts";
import { asFunction } from "./plain.ts";
import { type Evaluated, fromPortable } from "./portable.ts";
import type { App } from "./schema.ts";
import { parseSource, placeAt, placeOfImport, type Source } from "./source.ts";

const STANDING = "Nothing was changed.";

/** A configuration is a list of facts: one that has not come to its end by then never will. */
const EVALUATE_MS_MAX = 30_000;

/** Evaluates and checks the text of the configuration at `path`. Errors: those of `loadConfig` but for finding and reading. */
export async function evaluateText(text: string, path: string, timeoutMs = EVALUATE_MS_MAX): Promise<App> {
  const source = parseSource(text, path);
  if (source.syntaxError) throw syntaxError(source, source.syntaxError);
  return validateSource(source, await evaluate(source, timeoutMs));
}

/** The app without what is wrong in it, for what needs no more than that environment. Errors: those of evaluating; undefined when that is wrong too. */
export const evaluateWithout = async (text: string, path: string, environment: string): Promise<App | undefined> => {
  const source = parseSource(text, path);
  return source.syntaxError ? undefined : validateWithout(await evaluate(source, EVALUATE_MS_MAX), environment);
};

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

async function evaluate(source: Source, timeoutMs: number): Promise<unknown> {
  let value: unknown;
  try {
    const plain = asFunction(source, timeoutMs);
    value = plain ? plain(OFFERED) : await importDefault(source, timeoutMs);
  } catch (error) {
    if (codeOf(error) === "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw interruptedBy("SIGINT");
    throw error instanceof LandfallError && error.code === "INTERRUPTED" ? error : threw(source, error);
  }
  if (value === undefined) throw notDefined(source, undefined);
  return value;
}

async function importDefault({ file, text }: Source, timeoutMs: number): Promise<unknown> {
  const thread = new Worker(builtProgram(new URL("./evaluate-main.js", import.meta.url)), {
    workerData: { file, isCommonJs: text.includes("module.exports") },
    env: SHARE_ENV,
  });
  const end = new AbortController();
  const ending = { signal: end.signal };
  const stop = () => end.abort(interruptedBy("SIGINT"));
  process.once("SIGINT", stop);
  const late = setTimeout(() => end.abort(new Error(`it did not come to its end within ${describeDuration(timeoutMs)}`)), timeoutMs);
  try {
    const told: Evaluated = await Promise.race([
      once(thread, "message", ending).then(([said]) => said),
      once(thread, "exit", ending).then(([code]) => Promise.reject(new Error(`it called process.exit(${code})`))),
    ]).catch((error) => Promise.reject(end.signal.aborted ? end.signal.reason : error));
    if ("value" in told) return fromPortable(told.value);
    throw told.thrown.name === undefined ? told.thrown.message : Object.assign(new Error(told.thrown.message), told.thrown);
  } finally {
    clearTimeout(late);
    process.off("SIGINT", stop);
    await thread.terminate();
  }
}

const interruptedBy = (signal: string) =>
  new LandfallError({ code: "INTERRUPTED", what: `the configuration was being evaluated when ${signal} came`, standing: STANDING });

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
  const frames = String((error instanceof Error && error.stack) || "")
    .split("\n")
    .filter((frame) => frame.includes(source.file));
  const [, line, column] = frames.map((frame) => /:(\d+):(\d+)\)?\s*$/.exec(frame)).find((match) => match !== null) ?? [];
  if (line === undefined || column === undefined) return undefined;
  const lines = source.text.split(/\r\n|\r|\n/);
  const text = lines[Number(line) - 1];
  if (text === undefined) return undefined;
  const offset = Number(column) <= text.length ? Number(column) : text.search(/\S|$/) + 1;
  return {
    file: source.file,
    line: Number(line),
    column: offset,
    text,
    length: Math.max(1, /^[\w$.]*/.exec(text.slice(offset - 1))?.[0].length ?? 1),
  };
}
