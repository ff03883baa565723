// One process under the supervisor: started, followed, restarted after a crash, stopped with all of its group. It reads only files and
// the process table, so that a process begun by an earlier supervisor is handled just as one of its own.
import { existsSync, type FSWatcher, mkdirSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LandfallError } from "../../../error.ts";
import { loadText, removeAll } from "../../../system/files.ts";
import { isPortFree } from "../../../system/network.ts";
import { isRunning, observeStart, type ProcessIdentity, signalGroup } from "../../../system/processes.ts";
import type { Places } from "../places.ts";
import type { Exit, ProcessSpec } from "./api.ts";
import { describeEndings, isGivenUp, pauseAfter, STEADY_AFTER_MS } from "./back-off.ts";
import type { Tell } from "./events.ts";
import { identifyShim, killGroup, loadStatus, type RunFiles, readExit, spawnGroup, waitGroupGone } from "./group.ts";
import { LogFile } from "./log-file.ts";
import type { KeptRecord } from "./records.ts";
import { Spool } from "./spool.ts";

const POLL_MS = 250;
/** A shell that was spawned says so within milliseconds; on a machine that swaps it may take longer. */
const SHIM_WAIT_MS = 1_000;
const ENDINGS_KEPT = 6;

export interface Surroundings {
  places: Places;
  tell: Tell;
  /** Names this start of the machine. */
  boot: string;
  /** Throws when the disk refuses. */
  save(): void;
  /** Tries again until it has succeeded. */
  saveOrLater(): void;
  reveal(secret: string): string;
  /** A port that no record holds, reserved for that id from now on. */
  reservePort(id: string): Promise<number>;
  /** The descriptors of the ports' sockets. */
  hold(ports: readonly number[]): ReadonlyMap<number, number>;
  /** It went down or came up: what the balancer is told has to change. */
  changed(process: Supervised): void;
}

export class Supervised {
  readonly record: KeptRecord;
  readonly #around: Surroundings;
  readonly #folder: string;
  readonly #log: LogFile;
  #spools: Spool[] = [];
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** True from a start until its end has been noticed. */
  #isFollowed = false;
  /** By us, with its shim, which then cannot say so. */
  #wasKilled = false;
  #memoryKillsBefore = 0;
  #launching: Promise<void> | undefined;
  #waiters: (() => void)[] = [];

  constructor(record: KeptRecord, around: Surroundings) {
    this.record = record;
    this.#around = around;
    this.#folder = spoolFolder(around.places, record.spec.id);
    const { id, service, release } = record.spec;
    this.#log = new LogFile(join(around.places.logs, `${id}.jsonl`), { id, service, release });
  }

  /** Starts it and returns when the program's pid is known. Throws when there was nothing to start. */
  async launch(): Promise<void> {
    this.#launching = this.#launch();
    await this.#launching;
  }

  async #launch(): Promise<void> {
    const { record } = this;
    const { spec } = record;
    await this.#choosePort();
    const env = this.#environment();
    record.run += 1;
    record.boot = this.#around.boot;
    record.group = undefined;
    record.pid = undefined;
    this.#around.save();
    const files = this.#files();
    removeAll(this.#folder);
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#log.mark(record.run);
    this.#memoryKillsBefore = countMemoryKills();
    this.#wasKilled = false;
    const listeners = this.#around.hold(spec.listen ?? []);
    const child = await spawnGroup({ id: spec.id, argv: spec.argv, cwd: spec.cwd, env, uid: spec.uid, gid: spec.gid, files, listeners });
    const pid = child.pid as number;
    record.group = { pid, startedAt: observeStart(pid) ?? "gone" };
    record.state = "running";
    record.since = Date.now();
    this.#around.saveOrLater();
    child.once("exit", () => this.#look());
    child.unref();
    this.#armDeadline();
    await this.#follow();
  }

  /**
   * Takes up a process that an earlier supervisor started: `runs`; `ended` when it ended meanwhile, which has now been recorded; or
   * `rests` when its end is recorded already, or it was never begun.
   */
  async adopt(): Promise<"runs" | "ended" | "rests"> {
    const { record } = this;
    const pidsHold = record.boot === this.#around.boot;
    if (pidsHold) await this.#stopFormer();
    else record.former = undefined;
    if (record.endedRun === record.run) return "rests";
    if (pidsHold) record.group ??= await this.#findShim();
    const status = loadStatus(this.#files().status);
    if (!record.group && status.leader === undefined) return "rests";
    this.#memoryKillsBefore = countMemoryKills();
    if (!pidsHold || !record.group || !isRunning(record.group) || status.exit !== undefined) {
      await this.#endAdopted(pidsHold);
      return "ended";
    }
    record.state = record.state === "stopping" ? "stopping" : "running";
    this.#armDeadline();
    await this.#follow();
    return "runs";
  }

  /** The shim of a start that was cut off before it was noted. Its first word is waited for: a program must never run unseen. */
  async #findShim(): Promise<ProcessIdentity | undefined> {
    const { status } = this.#files();
    const end = performance.now() + SHIM_WAIT_MS;
    while (existsSync(status) && performance.now() < end) {
      const { leader } = loadStatus(status);
      if (leader !== undefined) return identifyShim(this.record.spec.id, leader);
      await sleep(10);
    }
    return undefined;
  }

  /**
   * Starts it beside what runs, which is asked to stop once `tookOver` resolves and finishes what it has in hand; what it writes
   * meanwhile is not kept.
   */
  async renew(tookOver: () => Promise<void>): Promise<void> {
    const { record } = this;
    await this.#stopFormer();
    for (const spool of this.#spools) spool.finish();
    this.#unfollow();
    record.former = record.group;
    await this.launch();
    await tookOver();
    await this.#stopFormer();
  }

  async #stopFormer(): Promise<void> {
    const { former, spec } = this.record;
    if (!former) return;
    if (isRunning(former)) {
      signalGroup(former.pid, spec.stop.signal);
      if (!(await waitGroupGone(former.pid, spec.stop.timeoutMs))) await killGroup(former.pid);
    }
    this.record.former = undefined;
    this.#around.saveOrLater();
  }

  /** Resolves when the current run has ended, at once when nothing runs. */
  async ended(): Promise<void> {
    if (this.#isFollowed) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Asks the whole group to stop, kills what is left at the time-out, and takes over the rest of its output. */
  async stop(stop: ProcessSpec["stop"]): Promise<{ ignored: boolean; exit?: Exit }> {
    const { record } = this;
    clearTimeout(this.#restart);
    // A restart may be under way: what it has spawned by then has to be stopped too.
    await this.#launching?.catch(() => {});
    clearTimeout(this.#restart);
    const wasRunning = this.#isFollowed;
    record.state = "stopping";
    this.#around.saveOrLater();
    await this.#stopFormer();
    const ignored = wasRunning && !(await this.#stopGroup(stop));
    if (this.#isFollowed) await this.#concludeRun();
    if (wasRunning) this.#tellStopped(ignored, stop);
    return { ignored, exit: record.lastExit };
  }

  /** Lets go of every file. The process is not touched. */
  close(): void {
    this.#unfollow();
    clearTimeout(this.#restart);
    clearTimeout(this.#deadline);
    this.#log.close();
  }

  #tellStopped(ignored: boolean, stop: ProcessSpec["stop"]): void {
    const text = ignored
      ? `did not end ${stop.timeoutMs} ms after ${stop.signal} and was killed`
      : `ended after ${stop.signal}: ${describeExit(this.record.lastExit)}`;
    this.#around.tell(ignored ? "killed" : "stopped", this.record.spec, text);
  }

  async #stopGroup(stop: ProcessSpec["stop"]): Promise<boolean> {
    const leader = this.record.group?.pid;
    if (leader === undefined) return true;
    signalGroup(leader, stop.signal);
    if (await waitGroupGone(leader, stop.timeoutMs)) return true;
    this.#wasKilled = true;
    await killGroup(leader);
    return false;
  }

  async #choosePort(): Promise<void> {
    const { record } = this;
    const { port, id } = record.spec;
    if (port === undefined) return;
    if (port !== "free") record.port = port;
    else if (record.port === undefined || !(await isPortFree(record.port))) record.port = await this.#around.reservePort(id);
  }

  #environment(): Record<string, string> {
    const { spec, port } = this.record;
    const secrets = Object.entries(spec.secretEnv).map(([variable, name]) => [variable, this.#around.reveal(name)]);
    const ownPort = port === undefined ? {} : { PORT: String(port) };
    return { ...ownPort, ...spec.env, ...Object.fromEntries(secrets) };
  }

  #files(): RunFiles {
    const base = join(this.#folder, String(this.record.run));
    return { stdout: `${base}.stdout`, stderr: `${base}.stderr`, status: `${base}.status` };
  }

  #openSpools(): void {
    const { stdout, stderr } = this.#files();
    const { run } = this.record;
    this.#spools = [
      new Spool({ file: stdout, stream: "stdout", run, log: this.#log }),
      new Spool({ file: stderr, stream: "stderr", run, log: this.#log }),
    ];
  }

  async #follow(): Promise<void> {
    this.#openSpools();
    this.#isFollowed = true;
    try {
      this.#watcher = watch(this.#folder, () => this.#lookSoon());
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch {
      // The system's watches are used up: the poll alone is slower, and enough.
    }
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    this.#look();
    await this.#pidKnown();
  }

  /** The shim writes the program's pid within milliseconds; a shim that was killed before that never does. */
  async #pidKnown(): Promise<void> {
    while (this.#isFollowed && this.record.pid === undefined) await sleep(1).then(() => this.#look());
  }

  #unfollow(): void {
    this.#isFollowed = false;
    clearInterval(this.#poll);
    this.#watcher?.close();
    for (const spool of this.#spools) spool.close();
    this.#spools = [];
  }

  /** A program that writes a lot changes its file thousands of times a second: those changes are looked at together. */
  #lookSoon(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => {
      this.#isLooking = false;
      this.#look();
    }, 5);
  }

  /** Takes over new output and notices the end. */
  #look(): void {
    if (!this.#isFollowed) return;
    if (this.#pump()) this.#lookSoon();
    const status = loadStatus(this.#files().status);
    if (status.pid !== undefined && this.record.pid === undefined) {
      this.record.pid = status.pid;
      this.#around.saveOrLater();
    }
    const leaderGone = this.record.group === undefined || !isRunning(this.record.group);
    if ((status.exit !== undefined || leaderGone) && this.record.state === "running") this.#crashed();
  }

  #pump(): boolean {
    try {
      return this.#spools.map((spool) => spool.pump()).some(Boolean);
    } catch (error) {
      console.error(`the output of "${this.record.spec.id}" could not be taken over: ${(error as Error).message}`);
      return false;
    }
  }

  #crashed(): void {
    this.record.state = this.record.spec.restart === "always" ? "restarting" : "exited";
    this.#end().catch((error) => console.error(error));
  }

  async #end(): Promise<void> {
    const { record } = this;
    // What the program forked may still hold its port and its files.
    if (record.group) await killGroup(record.group.pid);
    if (record.state === "stopping") return;
    await this.#concludeRun();
    this.#tellEnd();
    if (this.#startsAgain()) this.#restartLater();
    this.#around.changed(this);
  }

  #tellEnd(): void {
    const { spec, lastExit, timedOut } = this.record;
    const text = describeExit(lastExit);
    this.#around.tell(spec.restart === "always" ? "crashed" : "exited", spec, timedOut ? `stopped at its time-out: ${text}` : text);
  }

  /** After a crash: whether it is to be started again. One that crashed too often in a row is not, and says so. */
  #startsAgain(): boolean {
    const { record } = this;
    const { spec, crashes, endings = [], lastExit } = record;
    if (spec.restart === "never") return false;
    if (!isGivenUp(spec.kind, crashes)) return true;
    record.state = "failed";
    this.#around.saveOrLater();
    const last = lastExit?.lastLines.slice(-3).map((line) => `"${line}"`) ?? [];
    this.#around.tell(
      "gave-up",
      spec,
      `not started any more after ${crashes} crashes in a row: ${describeEndings(endings)}${last.length ? `; its last lines: ${last.join(", ")}` : ""}`,
    );
    return false;
  }

  /** Everything of the run has ended: takes over the rest of its output, notes how it ended, and tells who waits. */
  async #concludeRun({ lost = false } = {}): Promise<void> {
    const { record } = this;
    const status = loadStatus(this.#files().status);
    try {
      for (const spool of this.#spools) spool.finish();
    } catch (error) {
      console.error(`the last output of "${record.spec.id}" was lost: ${(error as Error).message}`);
    }
    this.#unfollow();
    clearTimeout(this.#deadline);
    const outOfMemory = readExit(status.exit).signal === "SIGKILL" && countMemoryKills() > this.#memoryKillsBefore;
    record.lastExit = {
      at: Date.now(),
      ...(status.exit === undefined && this.#wasKilled ? { signal: "SIGKILL" } : readExit(status.exit)),
      ...(outOfMemory ? { outOfMemory } : {}),
      ...(lost && status.exit === undefined ? { lost } : {}),
      lastLines: this.#log.lastLines,
    };
    if (record.lastExit.lost) record.endedRun = record.run;
    else this.#countCrash(describeExit(record.lastExit), Date.now() - record.since > STEADY_AFTER_MS);
    record.group = undefined;
    record.pid = undefined;
    this.#around.saveOrLater();
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #countCrash(ending: string, wasSteady = false): void {
    const { record } = this;
    record.endedRun = record.run;
    record.crashes = wasSteady ? 1 : record.crashes + 1;
    record.endings = [...(wasSteady ? [] : (record.endings ?? [])), ending].slice(-ENDINGS_KEPT);
  }

  /** Ended while no supervisor ran. What is left of its group goes, unless the pid belongs to someone else by now. */
  async #endAdopted(pidsHold: boolean): Promise<void> {
    const { record } = this;
    const { group } = record;
    if (pidsHold && group && [undefined, group.startedAt].includes(observeStart(group.pid))) await killGroup(group.pid);
    if (readdirOrNone(this.#folder).some((name) => name.startsWith(`${record.run}.std`))) this.#openSpools();
    if (record.state !== "stopping") record.state = record.spec.restart === "always" ? "restarting" : "exited";
    await this.#concludeRun({ lost: !pidsHold });
    this.#tellEnd();
    if (record.state === "restarting") this.#startsAgain();
  }

  #restartLater(): void {
    this.#restart = setTimeout(() => this.relaunch(), pauseAfter(this.record.spec.kind, this.record.crashes));
  }

  /** Starts what is to run: after a crash, or when a start was cut off. When that fails it is tried again later. */
  async relaunch(): Promise<void> {
    const { record } = this;
    if (record.state !== "restarting") return;
    const isAgain = record.endedRun !== undefined;
    try {
      if (isAgain) record.restarts += 1;
      await this.launch();
      this.#around.tell(isAgain ? "restarted" : "started", record.spec, `${isAgain ? `restart ${record.restarts}, ` : ""}pid ${record.pid}`);
      this.#around.changed(this);
    } catch (error) {
      if (this.#isFollowed || record.state !== "restarting") return;
      this.#noteFailedStart(error);
    }
  }

  #noteFailedStart(error: unknown): void {
    const { record } = this;
    record.state = record.spec.restart === "always" ? "restarting" : "exited";
    record.lastExit = { at: Date.now(), lastLines: [describeFailure(error)] };
    this.#countCrash("could not be started");
    this.#around.saveOrLater();
    this.#around.tell("crashed", record.spec, `could not be started again: ${describeFailure(error)}`);
    if (this.#startsAgain()) this.#restartLater();
    this.#around.changed(this);
  }

  #armDeadline(): void {
    const { endsBy } = this.record;
    if (endsBy === undefined) return;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#timeOut().catch((error) => console.error(error)), Math.max(0, endsBy - Date.now()));
  }

  /** Its end is noticed as any other's; only the reason is noted before. */
  async #timeOut(): Promise<void> {
    const { record } = this;
    if (record.state !== "running") return;
    record.timedOut = true;
    this.#around.saveOrLater();
    await this.#stopGroup(record.spec.stop);
    this.#look();
  }
}

/** Where the output of a process lies until it has been taken over. */
export const spoolFolder = (places: Places, id: string): string => join(places.supervisor, "spool", id);

/** One line on how a run ended. */
export function describeExit(exit: Exit | undefined): string {
  if (exit?.lost) return "lost when the machine was started again";
  if (exit?.outOfMemory) return "killed by the kernel, which was out of memory";
  if (exit?.signal) return `ended by ${exit.signal}`;
  return exit?.code === undefined ? "ended with its status unknown" : `exit status ${exit.code}`;
}

const describeFailure = (error: unknown): string =>
  error instanceof LandfallError && error.parts.why ? `${error.message}: ${error.parts.why}` : (error as Error).message;

/** How often the kernel has killed for lack of memory since the machine was started; zero where it does not say. */
function countMemoryKills(): number {
  const text = process.platform === "linux" ? loadText("/proc/vmstat") : undefined;
  return Number(/^oom_kill (\d+)$/m.exec(text ?? "")?.[1] ?? 0);
}

function readdirOrNone(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
