// Runs one step of a recipe or of a release: a shell line in a folder, with a clean environment and its output kept.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { codeOf } from "../../../error.ts";
import { signalGroup } from "../../../system/processes.ts";
import { excerptOf } from "../../../text/excerpt.ts";
import { interrupted, type Making } from "./atomic-folder.ts";

export interface StepsOptions {
  steps: readonly string[];
  folder: string;
  env: Record<string, string>;
  /** What stands before each step's shell. */
  prefix?: readonly string[];
  /** Where the output of all steps is kept; an earlier file of that name is replaced. */
  log: string;
  emit: (line: string) => void;
  signal?: AbortSignal;
  making: Making;
}

export interface StepEnd {
  step: string;
  code?: number;
  signal?: string;
  /** Oldest first, at most 20: those that say why. */
  lastLines: string[];
}

const LAST_LINES = 20;
/** Kept to choose those from. */
const LINES_KEPT = 100;
/** A longer line comes in pieces. Each is gone through for secrets, which are shorter by far. */
const LINE_LENGTH_MAX = 8 * 1024 * 1024;
const STOP_MS = 5_000;
/** A process that left the group may hold the output open for ever; what it says after this is nobody's. */
const OUTPUT_END_MS = 2_000;

/** Only these reach a step. `npm run` also sets what describes its own call, which must not change what a step makes. */
const PASSED = /^(PATH|HOME|USER|LOGNAME|LANG|TMPDIR|XDG_CACHE_HOME|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|PIP_.*)$/;
const PASSED_ANY_CASE = /^(https?_proxy|all_proxy|no_proxy|npm_config_.*)$/i;
const NPM_CALL =
  /^npm_config_(prefix|local_prefix|global_prefix|global|location|package|call|workspaces?|include_workspace_root|dry_run|omit|include|production)$/i;

/** The environment that steps start from: nothing of the caller's but where programs, caches, proxies and registries are. */
export function stepEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const passes = (name: string) => (PASSED.test(name) || PASSED_ANY_CASE.test(name)) && !NPM_CALL.test(name);
  const passed = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && passes(entry[0]));
  return { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8", ...Object.fromEntries(passed) };
}

/** Runs the steps one after another. Returns the end of the first that failed, or undefined when all did well. */
export async function runSteps(options: StepsOptions): Promise<StepEnd | undefined> {
  mkdirSync(dirname(options.log), { recursive: true, mode: 0o700 });
  const log = openSync(options.log, "w", 0o600);
  try {
    for (const step of options.steps) {
      const end = await runStep(step, options, (line) => {
        writeSync(log, `${line}\n`);
        options.emit(line);
      });
      if (end.code !== 0) return end;
    }
    return undefined;
  } finally {
    closeSync(log);
  }
}

/** `ended with status 3` or `killed by SIGKILL`. */
export const describeEnd = ({ code, signal }: StepEnd): string => (signal ? `was killed by ${signal}` : `ended with status ${code}`);

/** Errors and output in one stream keep their order; the umask keeps the result the same for every user. */
const SHELL = 'exec 2>&1; umask 022; exec sh -c "$1"';

async function runStep(step: string, { folder, env, prefix = [], signal, making }: StepsOptions, emit: (line: string) => void): Promise<StepEnd> {
  if (signal?.aborted) throw interrupted(signal);
  emit(`$ ${step}`);
  // A group of its own, so that all of it can be stopped. The lock's handle goes along: while a step runs, nobody else starts over.
  const [program = "sh", ...words] = [...prefix, "sh", "-c", SHELL, "sh", step];
  const child = spawn(program, words, { cwd: folder, env, detached: true, stdio: ["ignore", "pipe", "ignore", making.handle] });
  if (child.pid !== undefined) making.noteStep(child.pid);

  const lastLines: string[] = [];
  const lines = splitLines((line) => {
    lastLines.push(line);
    if (lastLines.length > LINES_KEPT) lastLines.shift();
    emit(line);
  });
  child.stdout?.on("data", lines.add);

  const stopStep = () => {
    signalStep(child.pid, "SIGTERM");
    killLater = setTimeout(() => signalStep(child.pid, "SIGKILL"), STOP_MS);
  };
  let killLater: NodeJS.Timeout | undefined;
  signal?.addEventListener("abort", stopStep, { once: true });
  try {
    const end = await new Promise<Pick<StepEnd, "code" | "signal">>((resolve, reject) => {
      let exit: Pick<StepEnd, "code" | "signal"> | undefined;
      child.once("error", reject);
      child.once("exit", (code, name) => {
        exit = { code: code ?? undefined, signal: name ?? undefined };
        // What a step leaves running in the background must not outlive it.
        signalStep(child.pid, "SIGKILL");
        setTimeout(() => child.stdout?.destroy(), OUTPUT_END_MS).unref();
      });
      child.once("close", () => exit && resolve(exit));
    });
    lines.end();
    if (signal?.aborted) throw interrupted(signal);
    return { step, ...end, lastLines: excerptOf(lastLines, LAST_LINES) };
  } finally {
    clearTimeout(killLater);
    signal?.removeEventListener("abort", stopStep);
  }
}

function signalStep(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    signalGroup(pid, name);
  } catch (error) {
    // macOS answers EPERM for a group whose last member is ending.
    if (codeOf(error) !== "EPERM") throw error;
  }
}

/** Whole lines from chunks. A progress bar redraws its line with carriage returns: its last state is the line. */
function splitLines(emit: (line: string) => void): { add(chunk: Buffer): void; end(): void } {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const emitLine = (line: string) => emit(line.replace(/\r$/, "").split("\r").at(-1) ?? "");
  return {
    add(chunk) {
      const parts = (rest + decoder.write(chunk)).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) emitLine(part);
      if (rest.length > LINE_LENGTH_MAX) {
        emitLine(rest);
        rest = "";
      }
    },
    end() {
      rest += decoder.end();
      if (rest) emitLine(rest);
      rest = "";
    },
  };
}
