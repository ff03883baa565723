// The supervisor's side of the keeper: there is one as long as the supervisor lives, and it is told of every run.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LandfallError, messageOf } from "../../../error.ts";
import { controlClient, isCutOff, isSilent } from "../../../system/control.ts";
import { isRunning, type ProcessIdentity } from "../../../system/processes.ts";
import { removeSocket, socketPathOf } from "../../../system/socket-path.ts";
import { loadStateIfWhole } from "../../../system/state-file.ts";
import type { Run } from "../log-writer/log-writer.ts";
import type { Paths } from "../paths.ts";
import type { Launch } from "../processes/group.ts";
import { type KeeperApi, keeperFileOf } from "./api.ts";

const LOOK_AGAIN_MS = 20;
/** One that was started and does not answer by then is started again, and so is one that has ended, after a pause. */
const START_WAIT_MS = 10_000;
const START_AGAIN_MS = 250;
/** How long starts and stops wait for a keeper that does not come back: all of them together, and each of them after that. */
const OUTAGE_MS_MAX = 10_000;
const ANSWER_MS_MAX = 250;

const PROGRAM = fileURLToPath(new URL("./main.js", import.meta.url));

export class KeeperClient {
  readonly #paths: Paths;
  readonly #runs = new Map<string, Run>();
  #isLeaving = false;
  #missingSince: number | undefined;
  #kept: Promise<void> | undefined;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /** Starts a keeper unless one runs, and again whenever it has ended, until `leave`. */
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

  /** One that is stopped or hangs. What waits in the pipes is taken over by the next; the sockets go, but for those that are served. */
  #endSilent(): void {
    const keeper = loadStateIfWhole<ProcessIdentity>(keeperFileOf(this.#paths));
    if (!keeper || !isRunning(keeper)) return;
    console.error(`keeper ${keeper.pid} says nothing and is killed`);
    process.kill(keeper.pid, "SIGKILL");
  }

  /** What the run writes from now on is taken up, by this keeper and by those that come after it, until `conclude`. */
  async follow(run: Run): Promise<void> {
    this.#runs.set(keyOf(run), run);
    await this.#ask(run, () => this.#api.follow(run));
  }

  /** Everything that the run has written is in its log, or waits for room in it. Gives its last lines. */
  async conclude(run: Run): Promise<string[]> {
    this.#runs.delete(keyOf(run));
    return (await this.#ask(run, () => this.#api.conclude(run)))?.lastLines ?? [];
  }

  /** The ports whose sockets it holds, of these. */
  async holds(ports: readonly number[]): Promise<boolean> {
    const held = (await this.#patiently(() => this.#api.observe())).ports;
    return ports.every((port) => held.includes(port));
  }

  async hold(ports: readonly number[], standing?: string): Promise<void> {
    if (ports.length > 0) await this.#patiently(() => this.#api.hold({ ports, standing }));
  }

  async requireFree(ports: readonly number[], standing?: string): Promise<void> {
    if (ports.length > 0) await this.#patiently(() => this.#api.requireFree({ ports, standing }));
  }

  /** A keeper that went away has let go of them. */
  async release(ports: readonly number[]): Promise<void> {
    if (ports.length > 0) await this.#api.release({ ports }).catch((error) => isCutOff(error) || console.error(error));
  }

  /** Asked once: whether a keeper that went away meanwhile has started it, its files say. */
  async start(launch: Launch): Promise<number> {
    return (await this.#api.start(launch)).pid;
  }

  async #ask<T>(run: Run, call: () => Promise<T>): Promise<T | undefined> {
    return this.#patiently(call).catch((error) => {
      console.error(`the output of "${run.id}" could not be taken over: ${messageOf(error)}`);
      return undefined;
    });
  }

  /** Asks a keeper that is just being started as soon as it answers, but not for ever: starts and stops wait for it. */
  async #patiently<T>(call: () => Promise<T>): Promise<T> {
    const now = performance.now();
    const end = Math.max((this.#missingSince ?? now) + OUTAGE_MS_MAX, now + ANSWER_MS_MAX);
    const tooLate = silence(end);
    tooLate.catch(() => {});
    for (;;) {
      try {
        const answer = await Promise.race([call(), tooLate]);
        this.#missingSince = undefined;
        return answer;
      } catch (error) {
        if (error instanceof LandfallError) throw error;
        this.#missingSince ??= now;
        if (!isCutOff(error) || performance.now() >= end) throw error;
        await sleep(LOOK_AGAIN_MS);
      }
    }
  }

  /** Ends it, also one that is just being started, and returns when it is gone. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#end();
    await this.#kept;
    await this.#end();
    removeSocket(this.#paths.keeperSocket);
  }

  async #end(): Promise<void> {
    const state = await this.#observe();
    if (!state) return;
    await this.#api.leave().catch((error) => {
      if (!isCutOff(error)) throw error;
    });
    while (isRunning(state.keeper)) await sleep(LOOK_AGAIN_MS);
  }

  get #api(): KeeperApi {
    return controlClient<KeeperApi>(socketPathOf(this.#paths.keeperSocket));
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

  #observe(): Promise<{ keeper: ProcessIdentity } | undefined> {
    return this.#api.observe().catch((error) => {
      if (isSilent(error)) this.#endSilent();
      return undefined;
    });
  }

  #start(): ChildProcess {
    const log = openSync(join(this.#paths.supervisor, "keeper.log"), "a", 0o600);
    const child = spawn(process.execPath, [PROGRAM, this.#paths.environment, String(process.pid)], {
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
  throw new Error("the keeper does not answer");
}

const keyOf = ({ id, run }: Run): string => `${id} ${run}`;
