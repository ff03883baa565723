// The supervisor's side of the log writer: there is one as long as the supervisor lives, and it is told of every run.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { messageOf } from "../../../error.ts";
import { controlClient, isCutOff, isSilent } from "../../../system/control.ts";
import { isRunning, type ProcessIdentity } from "../../../system/processes.ts";
import { removeSocket, socketPathOf } from "../../../system/socket-path.ts";
import { loadStateIfWhole } from "../../../system/state-file.ts";
import type { Paths } from "../paths.ts";
import { type LogWriterApi, type Run, writerFileOf } from "./api.ts";

const LOOK_AGAIN_MS = 20;
/** One that was started and does not answer by then is started again, and so is one that has ended, after a pause. */
const START_WAIT_MS = 10_000;
const START_AGAIN_MS = 250;
/** How long starts and stops wait for a log writer that does not come back: all of them together, and each of them after that. */
const OUTAGE_MS_MAX = 10_000;
const ANSWER_MS_MAX = 250;

const PROGRAM = fileURLToPath(new URL("./main.js", import.meta.url));

export class LogWriterClient {
  readonly #paths: Paths;
  readonly #runs = new Map<string, Run>();
  #isLeaving = false;
  #missingSince: number | undefined;
  #kept: Promise<void> | undefined;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /** Starts a log writer unless one runs, and again whenever it has ended, until `leave`. */
  keep(): void {
    this.#kept = this.#keep();
  }

  async #keep(): Promise<void> {
    while (!this.#isLeaving) {
      try {
        await this.#ensure();
        for (const run of this.#runs.values()) await this.#api.follow(run);
        if (!this.#isLeaving) await this.#api.live();
      } catch (error) {
        if (isSilent(error)) this.#endSilent();
        else if (!isCutOff(error)) console.error(error);
      }
    }
  }

  /** One that is stopped or hangs. What waits in the pipes is taken over by the next. */
  #endSilent(): void {
    const writer = loadStateIfWhole<ProcessIdentity>(writerFileOf(this.#paths));
    if (!writer || !isRunning(writer)) return;
    console.error(`log writer ${writer.pid} says nothing and is killed`);
    process.kill(writer.pid, "SIGKILL");
  }

  /** What the run writes from now on is taken up, by this log writer and by those that come after it, until `conclude`. */
  async follow(run: Run): Promise<void> {
    this.#runs.set(keyOf(run), run);
    await this.#ask(run, () => this.#api.follow(run));
  }

  /** Everything that the run has written is in its log, or waits for room in it. Gives its last lines. */
  async conclude(run: Run): Promise<string[]> {
    this.#runs.delete(keyOf(run));
    return (await this.#ask(run, () => this.#api.conclude(run)))?.lastLines ?? [];
  }

  /** Asks a log writer that is just being started as soon as it answers, but not for ever: starts and stops wait for it. */
  async #ask<T>(run: Run, call: () => Promise<T>): Promise<T | undefined> {
    const now = performance.now();
    const end = Math.max((this.#missingSince ?? now) + OUTAGE_MS_MAX, now + ANSWER_MS_MAX);
    const tooLate = silence(end);
    for (;;) {
      try {
        const answer = await Promise.race([call(), tooLate]);
        this.#missingSince = undefined;
        return answer;
      } catch (error) {
        this.#missingSince ??= now;
        if (isCutOff(error) && performance.now() < end) await sleep(LOOK_AGAIN_MS);
        else return void console.error(`the output of "${run.id}" could not be taken over: ${messageOf(error)}`);
      }
    }
  }

  /** Ends it, also one that is just being started, and returns when it is gone. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#end();
    await this.#kept;
    await this.#end();
    removeSocket(this.#paths.logWriterSocket);
  }

  async #end(): Promise<void> {
    const state = await this.#observe();
    if (!state) return;
    await this.#api.leave().catch((error) => {
      if (!isCutOff(error)) throw error;
    });
    while (isRunning(state.writer)) await sleep(LOOK_AGAIN_MS);
  }

  get #api(): LogWriterApi {
    return controlClient<LogWriterApi>(socketPathOf(this.#paths.logWriterSocket));
  }

  async #ensure(): Promise<void> {
    if (await this.#observe()) return;
    const child = this.#start();
    let hasEnded = false;
    child.once("exit", () => (hasEnded = true));
    child.once("error", () => (hasEnded = true));
    const end = performance.now() + START_WAIT_MS;
    while (!(await this.#observe()) && !hasEnded && performance.now() < end) await sleep(LOOK_AGAIN_MS);
    if (hasEnded) await sleep(START_AGAIN_MS);
  }

  #observe(): Promise<{ writer: ProcessIdentity } | undefined> {
    return this.#api.observe().catch((error) => {
      if (isSilent(error)) this.#endSilent();
      return undefined;
    });
  }

  #start(): ChildProcess {
    const log = openSync(join(this.#paths.supervisor, "log-writer.log"), "a", 0o600);
    const child = spawn(process.execPath, [PROGRAM, this.#paths.environment], {
      cwd: this.#paths.environment,
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.once("error", (error) => console.error(error));
    child.unref();
    closeSync(log);
    return child;
  }
}

async function silence(end: number): Promise<never> {
  await sleep(end - performance.now(), undefined, { ref: false });
  throw new Error("the log writer does not answer");
}

const keyOf = ({ id, run }: Run): string => `${id} ${run}`;
