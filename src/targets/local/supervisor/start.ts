// Finds or starts an environment's supervisor, for the rest of Landfall.
import { spawn } from "node:child_process";
import { closeSync, existsSync, type FSWatcher, mkdirSync, openSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LandfallError, messageOf } from "../../../error.ts";
import { controlClient, isCutOff, isSilent, SILENCE_MS } from "../../../system/control.ts";
import { loadText } from "../../../system/files.ts";
import { isRunning, type ProcessIdentity } from "../../../system/processes.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import { loadStateIfWhole } from "../../../system/state-file.ts";
import { describeDuration } from "../../../text/units.ts";
import type { Paths } from "../paths.ts";
import type { SupervisorApi } from "./api.ts";
import { eventWriter } from "./events.ts";

/** Taking up hundreds of processes may take a while; a supervisor that is not there after this is not coming. */
const START_WAIT_MS = 30_000;

/** A killed process is gone within milliseconds, unless its disk does not answer the kernel. */
const END_WAIT_MS = 10_000;
const LOOK_AGAIN_MS = 20;

/** Whether a supervisor answers for this environment; `silent` when one is there that does not. */
export async function observeSupervisor(paths: Paths): Promise<"answers" | "silent" | "absent"> {
  try {
    await clientOf(paths).observe({ ids: [] });
    return "answers";
  } catch (error) {
    return isSilent(error) ? "silent" : "absent";
  }
}

export const answers = async (paths: Paths): Promise<boolean> => (await observeSupervisor(paths)) === "answers";

/**
 * The running supervisor's client, as `ensureSupervisor` gives it. Starts nothing where none runs: throws SUPERVISOR_UNREACHABLE then.
 */
export async function connectSupervisor(paths: Paths): Promise<SupervisorApi> {
  const state = await observeSupervisor(paths);
  if (state === "absent") throw unreachable(paths, "nobody listens on its socket");
  if (state === "silent") await answerOrStart(paths);
  return lastingClient(paths);
}

/**
 * The supervisor's client, after starting one if none answers. A started one takes up every process of its predecessor before it
 * answers, and outlives the caller. A supervisor that is killed later, even in the middle of a call, is started again, and the call
 * repeated; so is one that hangs, after it was killed. Throws SUPERVISOR_UNREACHABLE with the last words of its log when it does not come up.
 */
export async function ensureSupervisor(paths: Paths): Promise<SupervisorApi> {
  await answerOrStart(paths);
  return lastingClient(paths);
}

/** Says whether it had to do anything. */
export async function answerOrStart(paths: Paths): Promise<boolean> {
  // Before it is asked: what has taken its place meanwhile is not to be killed for its silence.
  const running = loadStateIfWhole<ProcessIdentity>(pidFileOf(paths));
  const state = await observeSupervisor(paths);
  if (state === "answers") return false;
  if (state === "silent" && running) await endSilent(paths, running);
  await startSupervisor(paths);
  return true;
}

/** What it looks after runs on, as after any end of it. */
async function endSilent(paths: Paths, supervisor: ProcessIdentity): Promise<void> {
  if (!isRunning(supervisor)) return;
  process.kill(supervisor.pid, "SIGKILL");
  const text = `said nothing for ${describeDuration(SILENCE_MS)} and was killed: another takes its place`;
  eventWriter(paths.events, (words) => words)("killed", { id: "supervisor" }, text);
  const end = performance.now() + END_WAIT_MS;
  while (isRunning(supervisor)) {
    if (performance.now() > end) throw unreachable(paths, `process ${supervisor.pid} says nothing and cannot be killed: it waits for the kernel`);
    await sleep(LOOK_AGAIN_MS);
  }
}

const clientOf = (paths: Paths): SupervisorApi => controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket));

/** A supervisor that dies this often during one call dies of that call. */
const REPEATS_MAX = 3;

function lastingClient(paths: Paths): SupervisorApi {
  return new Proxy({} as SupervisorApi, {
    // Awaiting the client itself must not look like a call of "then".
    get: (_, method: keyof SupervisorApi | "then") => (method === "then" ? undefined : (input?: unknown) => callRepeatedly(paths, method, input)),
  });
}

async function callRepeatedly(paths: Paths, method: keyof SupervisorApi, input: unknown): Promise<unknown> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await (clientOf(paths)[method] as (input: unknown) => Promise<unknown>)(input);
    } catch (error) {
      if (!isCutOff(error) && !isSilent(error)) throw error;
      // One that was to end must not be brought back: neither by the call that ends it nor by one that came too late.
      const isToEnd = method === "shutdown" || !existsSync(pidFileOf(paths));
      if (isToEnd || repeats === REPEATS_MAX) throw unreachable(paths, messageOf(error));
      await answerOrStart(paths);
    }
  }
}

/** The program next to this file; when this file is read as source, the one that was built from it. */
function programFile(): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith(".ts") ? here.replace(/\/src\/(?!.*\/src\/)(.*)start\.ts$/, "/dist/$1main.js") : here.replace(/start\.js$/, "main.js");
}

async function startSupervisor(paths: Paths): Promise<void> {
  mkdirSync(paths.supervisor, { recursive: true, mode: 0o700 });
  const log = openSync(logFileOf(paths), "a", 0o600);
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, [programFile(), paths.environment], {
    cwd: paths.environment,
    detached: true,
    stdio: ["ignore", log, log],
    // Whoever started it may have had credentials in the environment; nothing of that stays with a process that lives on.
    env: { PATH, HOME, TMPDIR },
  });
  child.unref();
  closeSync(log);
  await answering(paths, new Promise((resolve) => child.once("exit", resolve).once("error", resolve)));
}

/** Resolves when the socket answers; looks whenever something changes in the folder, and now and then besides. */
async function answering(paths: Paths, ended: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  let wake = () => {};
  void ended.then(() => {
    hasEnded = true;
    wake();
  });
  const watcher: FSWatcher = watch(paths.environment, () => wake());
  const end = performance.now() + START_WAIT_MS;
  try {
    while (!(await answers(paths))) {
      // One that found another in its place ends too, and then the other answers.
      if (hasEnded && !(await answers(paths))) throw unreachable(paths, lastWords(paths));
      if (performance.now() > end) throw unreachable(paths, `it did not answer within ${describeDuration(START_WAIT_MS)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    watcher.close();
  }
}

/** Names the running supervisor; one that was shut down, and did not die, has removed it. */
export const pidFileOf = (paths: Paths): string => join(paths.supervisor, "supervisor.json");

const logFileOf = (paths: Paths): string => join(paths.supervisor, "supervisor.log");

const lastWords = (paths: Paths): string => `it ended at once: ${(loadText(logFileOf(paths)) ?? "").trim().split("\n").slice(-5).join("\n")}`;

function unreachable(paths: Paths, why: string): LandfallError {
  return new LandfallError({
    code: "SUPERVISOR_UNREACHABLE",
    what: `the supervisor of "${paths.environment}" does not answer`,
    where: paths.supervisorSocket,
    why,
    standing: "Nothing was changed. What ran there runs on, without being restarted after a crash.",
  });
}
