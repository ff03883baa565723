// How the rest of Landfall gets hold of an environment's supervisor.
import { spawn } from "node:child_process";
import { closeSync, existsSync, type FSWatcher, mkdirSync, openSync, watch } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LandfallError } from "../../../error.ts";
import { controlClient, isCutOff } from "../../../system/control.ts";
import { loadText } from "../../../system/files.ts";
import type { Places } from "../places.ts";
import type { SupervisorApi } from "./api.ts";
import { socketPathOf } from "./socket.ts";

/** Taking up hundreds of processes may take a while; a supervisor that is not there after this is not coming. */
const START_WAIT_MS = 30_000;

/** Whether a supervisor answers for this environment. */
export async function answers(places: Places): Promise<boolean> {
  try {
    await clientOf(places).observe();
    return true;
  } catch {
    return false;
  }
}

/**
 * The running supervisor's client, as `ensureSupervisor` gives it. Starts nothing at first: throws SUPERVISOR_UNREACHABLE when none answers.
 */
export async function connectSupervisor(places: Places): Promise<SupervisorApi> {
  if (await answers(places)) return lastingClient(places);
  throw unreachable(places, "nobody listens on its socket");
}

/**
 * The supervisor's client, after starting one if none answers. A started one takes up every process of its predecessor before it
 * answers, and outlives the caller. A supervisor that is killed later, even in the middle of a call, is started again, and the call
 * repeated. Throws SUPERVISOR_UNREACHABLE with the last words of its log when it does not come up.
 */
export async function ensureSupervisor(places: Places): Promise<SupervisorApi> {
  await answerOrStart(places);
  return lastingClient(places);
}

async function answerOrStart(places: Places): Promise<void> {
  if (!(await answers(places))) await startSupervisor(places);
}

const clientOf = (places: Places): SupervisorApi => controlClient<SupervisorApi>(socketPathOf(places.supervisorSocket));

/** A supervisor that dies this often during one call dies of that call. */
const REPEATS_MAX = 3;

function lastingClient(places: Places): SupervisorApi {
  return new Proxy({} as SupervisorApi, {
    // Awaiting the client itself must not look like a call of "then".
    get: (_, method: string) => (method === "then" ? undefined : (input?: unknown) => callRepeatedly(places, method as keyof SupervisorApi, input)),
  });
}

async function callRepeatedly(places: Places, method: keyof SupervisorApi, input: unknown): Promise<unknown> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await (clientOf(places)[method] as (input: unknown) => Promise<unknown>)(input);
    } catch (error) {
      if (!isCutOff(error)) throw error;
      // One that was to end must not be brought back: neither by the call that ends it nor by one that came too late.
      const isToEnd = method === "shutdown" || !existsSync(pidFileOf(places));
      if (isToEnd || repeats === REPEATS_MAX) throw unreachable(places, (error as Error).message);
      await answerOrStart(places);
    }
  }
}

/** The program next to this file; when this file is read as source, the one that was built from it. */
function programFile(): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith(".ts") ? here.replace(/\/src\/(?!.*\/src\/)(.*)start\.ts$/, "/dist/$1main.js") : here.replace(/start\.js$/, "main.js");
}

async function startSupervisor(places: Places): Promise<void> {
  mkdirSync(places.supervisor, { recursive: true, mode: 0o700 });
  const log = openSync(logFileOf(places), "a", 0o600);
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, [programFile(), places.environment], {
    cwd: places.environment,
    detached: true,
    stdio: ["ignore", log, log],
    // Whoever started it may have had credentials in the environment; nothing of that stays with a process that lives on.
    env: Object.fromEntries(Object.entries({ PATH, HOME, TMPDIR }).filter(([, value]) => value !== undefined)) as NodeJS.ProcessEnv,
  });
  child.unref();
  closeSync(log);
  await answering(places, new Promise((resolve) => child.once("exit", resolve).once("error", resolve)));
}

/** Resolves when the socket answers; looks whenever something changes in the folder, and now and then besides. */
async function answering(places: Places, ended: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  let wake = () => {};
  void ended.then(() => {
    hasEnded = true;
    wake();
  });
  const watcher: FSWatcher = watch(places.environment, () => wake());
  const end = performance.now() + START_WAIT_MS;
  try {
    while (!(await answers(places))) {
      // One that found another in its place ends too, and then the other answers.
      if (hasEnded && !(await answers(places))) throw unreachable(places, lastWords(places));
      if (performance.now() > end) throw unreachable(places, `it did not answer within ${START_WAIT_MS / 1000} s`);
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
export const pidFileOf = (places: Places): string => join(places.supervisor, "supervisor.json");

const logFileOf = (places: Places): string => join(places.supervisor, "supervisor.log");

const lastWords = (places: Places): string => `it ended at once: ${(loadText(logFileOf(places)) ?? "").trim().split("\n").slice(-5).join("\n")}`;

function unreachable(places: Places, why: string): LandfallError {
  return new LandfallError({
    code: "SUPERVISOR_UNREACHABLE",
    what: `the supervisor of "${places.environment}" does not answer`,
    where: places.supervisorSocket,
    why,
    standing: "Nothing was changed. What ran there runs on, without being restarted after a crash.",
  });
}
