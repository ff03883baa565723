// One process under the supervisor: started, followed, restarted after a crash, stopped with all that came of it. It reads only files and
// the process table, so that a process begun by an earlier supervisor is handled just as one of its own.
import { closeSync, existsSync, type FSWatcher, mkdirSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LandfallError, messageOf } from "../../../error.ts";
import type { Stray } from "../../../reports.ts";
import { isCutOff } from "../../../system/control.ts";
import { loadText, removeAll } from "../../../system/files.ts";
import { isPortFree } from "../../../system/network.ts";
import { makePipes, openPipe } from "../../../system/pipes.ts";
import { isRunning, observeStart, type ProcessIdentity } from "../../../system/processes.ts";
import { excerptOf } from "../../../text/excerpt.ts";
import type { Hide } from "../../../text/mask.ts";
import { assertDataPresentOf } from "../data/data-record.ts";
import type { KeeperClient } from "../keeper/client.ts";
import type { Run } from "../log-writer/log-writer.ts";
import type { Paths } from "../paths.ts";
import { identifyShim, type Launch, loadStatus, type RunFiles, readExit } from "../processes/group.ts";
import { ProcessTree, RUN_VARIABLE } from "../processes/process-tree.ts";
import { stopTree } from "../processes/stop-tree.ts";
import type { Exit, ProcessSpec } from "./api.ts";
import { describeEndings, isGivenUp, pauseAfter, STEADY_AFTER_MS } from "./back-off.ts";
import type { Tell } from "./events.ts";
import type { KeptRecord } from "./records.ts";
import { isOfDisk } from "./reserve.ts";

const POLL_MS = 250;
/** A shell that was spawned says so within milliseconds; on a machine that swaps it may take longer. */
const SHIM_WAIT_MS = 1_000;
const ENDINGS_KEPT = 6;
/** A disk that was full is tried again for as long as it is: that is no fault of the program. */
const DISK_PAUSE_MS = 2_000;

export interface Surroundings {
  paths: Paths;
  keeper: KeeperClient;
  tell: Tell;
  /** Names this start of the machine. */
  boot: string;
  /** Throws when the disk refuses. */
  save(): void;
  /** Tries again until it has succeeded. */
  saveOrLater(): void;
  reveal(secret: string): string;
  /** For what a process says, before it is kept as how it ended. */
  hide: Hide;
  /** A port that no record holds, reserved for that id from now on. */
  reservePort(id: string): Promise<number>;
  /** Starts a group and gives its leader's pid. `ended` is called when it may have ended; that its end is not told so is no fault. */
  spawn(launch: Launch, ended: () => void): Promise<number>;
  /** Gives up what is kept for a full disk. True when there was some. */
  makeRoom(): boolean;
  /** It went down or came up: what the balancer is told has to change. */
  changed(process: ManagedProcess): void;
}

export class ManagedProcess {
  readonly record: KeptRecord;
  readonly #around: Surroundings;
  readonly #folder: string;
  /** The run's pipes, so that what is in them outlives the program until it has been taken over. */
  #pipes: number[] = [];
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #restart: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  /** True from a start until its end has been noticed. */
  #isFollowed = false;
  /** While its group is asked to stop, the end of its program alone is not its end. */
  #isAsked = false;
  /** By us, with its shim, which then cannot say so. */
  #wasKilled = false;
  /** What its program had left outside of its group, and was ended after it. */
  #left: Stray[] = [];
  /** Its end is told by whoever replaces it. */
  #isReplaced = false;
  #memoryKillsBefore = 0;
  #launching: Promise<void> | undefined;
  #concluding: Promise<void> | undefined;
  #waiters: (() => void)[] = [];

  constructor(record: KeptRecord, around: Surroundings) {
    this.record = record;
    this.#around = around;
    this.#folder = runsFolder(around.paths, record.spec.id);
  }

  /** Starts it and returns when the program's pid is known. Throws when there was nothing to start. */
  async launch(): Promise<void> {
    this.#launching = this.#launch();
    await this.#launching;
  }

  async #launch(): Promise<void> {
    const { record } = this;
    const { spec } = record;
    assertDataPresentOf(this.#around.paths, spec);
    await this.#choosePort();
    await this.#around.keeper.hold(spec.listen ?? []);
    const variables = this.#environment();
    record.run += 1;
    record.boot = this.#around.boot;
    record.group = undefined;
    record.pid = undefined;
    this.#around.save();
    const files = this.#files();
    await this.#makePipes(files);
    record.since = Date.now();
    // Before the program is there: it must never write what nobody would read if the supervisor died now.
    await this.#around.keeper.follow(this.#output());
    this.#memoryKillsBefore = countMemoryKills();
    this.#wasKilled = false;
    this.#left = [];
    const env = { ...variables, [RUN_VARIABLE]: this.#base() };
    const { id, argv, cwd, uid, gid, listen = [] } = spec;
    record.group = await this.#spawn({ id, argv, cwd, env, uid, gid, files, listen }).catch((error) => this.#giveUpPipes(error));
    record.state = "running";
    record.portTaken = undefined;
    this.#around.saveOrLater();
    this.#armDeadline();
    await this.#follow();
  }

  async #spawn(launch: Launch): Promise<ProcessIdentity> {
    try {
      const pid = await this.#around.spawn(launch, () => this.#look());
      return { pid, startedAt: observeStart(pid) ?? "gone" };
    } catch (error) {
      // Whoever was to start it went away in the middle.
      const begun = isCutOff(error) && (await this.#findShim());
      if (begun) return begun;
      throw error;
    }
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
    const isStopping = record.state === "stopping" && pidsHold && this.#isLeft();
    if (!isStopping && (!pidsHold || !record.group || !isRunning(record.group) || status.exit !== undefined)) {
      await this.#endAdopted(pidsHold);
      return "ended";
    }
    record.state = record.state === "stopping" ? "stopping" : "running";
    this.#holdPipes();
    await this.#around.keeper.follow(this.#output());
    this.#armDeadline();
    await this.#follow();
    return "runs";
  }

  #isLeft(): boolean {
    const { group } = this.record;
    return group !== undefined && (isRunning(group) || this.#tree().members().length > 0);
  }

  #tree(): ProcessTree {
    return new ProcessTree(this.record.group, this.#base());
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

  /** Starts it beside what runs, which is asked to stop once `tookOver` resolves and finishes what it has in hand. */
  async renew(tookOver: () => Promise<void>): Promise<void> {
    const { record } = this;
    await this.#stopFormer();
    this.#unfollow();
    record.former = record.group && { ...record.group, run: record.run };
    await this.launch();
    await tookOver();
    await this.#stopFormer();
  }

  async #stopFormer(): Promise<void> {
    const { former, spec } = this.record;
    if (!former) return;
    const output = this.#output(former.run);
    await this.#around.keeper.follow(output);
    const tree = new ProcessTree(former, this.#base(former.run));
    if (!(await stopTree(tree, spec.stop))) await tree.kill();
    await this.#around.keeper.conclude(output);
    this.record.former = undefined;
    this.#around.saveOrLater();
  }

  /** Resolves when the current run has ended, at once when nothing runs. */
  async ended(): Promise<void> {
    if (this.#isFollowed) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Asks the group to stop, kills what is left at the time-out, and takes over the rest of its output. */
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
    this.#tellWaiters();
    if (wasRunning) this.#tellStopped(ignored, stop);
    return { ignored, exit: record.lastExit };
  }

  /** Stops what does not answer, and starts it again at once. Its end is no crash, unless it had just been started. */
  async replace(): Promise<void> {
    const { record } = this;
    if (record.state !== "running") return;
    this.#isReplaced = true;
    const ignored = !(await this.#stopGroup(record.spec.stop));
    this.#look();
    await this.ended();
    this.#tellStopped(ignored, record.spec.stop);
    clearTimeout(this.#restart);
    await this.relaunch();
  }

  /** For what need not be asked. Its end is noticed as any other's. */
  async kill(): Promise<void> {
    this.#wasKilled = true;
    await this.#tree().kill();
    this.#look();
  }

  /** Lets go of every file. The process is not touched. */
  close(): void {
    this.#unfollow();
    clearTimeout(this.#restart);
    clearTimeout(this.#deadline);
  }

  #tellStopped(ignored: boolean, stop: ProcessSpec["stop"]): void {
    const text = ignored
      ? `did not end ${stop.timeoutMs} ms after ${stop.signal} and was killed`
      : `ended after ${stop.signal}: ${describeExit(this.record.lastExit)}`;
    this.#around.tell(ignored ? "killed" : "stopped", this.record.spec, text);
  }

  async #stopGroup(stop: ProcessSpec["stop"]): Promise<boolean> {
    const tree = this.#tree();
    this.#isAsked = true;
    const ended = await stopTree(tree, stop).finally(() => (this.#isAsked = false));
    if (ended) return true;
    this.#wasKilled = true;
    await tree.kill();
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

  /** Of the files of a run, which it is also known by. */
  #base(run = this.record.run): string {
    return join(this.#folder, String(run));
  }

  #files(run = this.record.run): RunFiles {
    const base = this.#base(run);
    return { stdout: `${base}.stdout`, stderr: `${base}.stderr`, status: `${base}.status` };
  }

  #output(run = this.record.run): Run {
    const { since, spec } = this.record;
    const { stdout, stderr } = this.#files(run);
    return { id: spec.id, service: spec.service, release: spec.release, run, since, stdout, stderr };
  }

  /** Also removes the files of the runs before, which are in the log by now, but for one that finishes what it had in hand. */
  async #makePipes({ stdout, stderr }: RunFiles): Promise<void> {
    const isFormer = (name: string) => name.startsWith(`${this.record.former?.run}.`);
    for (const name of readdirOrNone(this.#folder)) if (!isFormer(name)) removeAll(join(this.#folder, name));
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    await makePipes([stdout, stderr]);
    this.#holdPipes();
  }

  #holdPipes(): void {
    const { stdout, stderr } = this.#files();
    this.#letGoOfPipes();
    this.#pipes = [stdout, stderr].filter((file) => existsSync(file)).map(openPipe);
  }

  async #giveUpPipes(error: unknown): Promise<never> {
    this.#letGoOfPipes();
    await this.#around.keeper.conclude(this.#output());
    throw error;
  }

  #letGoOfPipes(): void {
    for (const pipe of this.#pipes.splice(0)) closeSync(pipe);
  }

  async #follow(): Promise<void> {
    this.#isFollowed = true;
    try {
      this.#watcher = watch(this.#files().status, () => this.#look());
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
    this.#letGoOfPipes();
  }

  /** What cannot be looked at now, when no more files can be opened, is looked at again. */
  #look(): void {
    try {
      if (this.#isFollowed) this.#notice();
    } catch (error) {
      console.error(error);
    }
  }

  /** The program's pid, and its end. */
  #notice(): void {
    const status = loadStatus(this.#files().status);
    if (status.pid !== undefined && this.record.pid === undefined) {
      this.record.pid = status.pid;
      this.#around.saveOrLater();
    }
    const leaderGone = this.record.group === undefined || !isRunning(this.record.group);
    if ((status.exit !== undefined || leaderGone) && this.record.state === "running" && !this.#isAsked) this.#crashed();
  }

  #crashed(): void {
    this.record.state = this.record.spec.restart === "always" ? "restarting" : "exited";
    this.#end().catch((error) => console.error(error));
  }

  async #end(): Promise<void> {
    // What the program forked may still hold its port and its files.
    this.#left = await this.#tree().kill();
    if (this.#isStopping) return;
    await this.#concludeRun();
    if (this.#isStopping) return;
    if (!this.#isReplaced) this.#tellEnd();
    this.#isReplaced = false;
    if (this.#startsAgain()) this.#restartLater();
    this.#around.changed(this);
    this.#tellWaiters();
  }

  #tellWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  get #isStopping(): boolean {
    return this.record.state === "stopping";
  }

  #tellEnd(): void {
    const { spec, lastExit, timedOut } = this.record;
    const text = `${describeExit(lastExit)}${describeLeft(lastExit?.left)}`;
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
    const last = excerptOf(lastExit?.lastLines ?? [], 3).map((line) => `"${line}"`);
    this.#around.tell(
      "gave-up",
      spec,
      `not started any more after ${crashes} crashes in a row: ${describeEndings(endings)}${last.length ? `; its last lines: ${last.join(", ")}` : ""}`,
    );
    return false;
  }

  /** Everything of the run has ended: waits for the last of its output, and notes how it ended. */
  #concludeRun(how: { lost?: boolean } = {}): Promise<void> {
    // It may be stopped at the moment in which it ends by itself.
    this.#concluding ??= this.#conclude(how).finally(() => {
      this.#concluding = undefined;
    });
    return this.#concluding;
  }

  async #conclude({ lost = false }: { lost?: boolean }): Promise<void> {
    const { record } = this;
    const status = loadStatus(this.#files().status);
    const lastLines = await this.#around.keeper.conclude(this.#output());
    this.#unfollow();
    clearTimeout(this.#deadline);
    const outOfMemory = readExit(status.exit).signal === "SIGKILL" && countMemoryKills() > this.#memoryKillsBefore;
    record.lastExit = {
      at: Date.now(),
      ...(status.exit === undefined && this.#wasKilled ? { signal: "SIGKILL" } : readExit(status.exit)),
      ...(outOfMemory ? { outOfMemory } : {}),
      ...(lost && status.exit === undefined ? { lost } : {}),
      ...(this.#left.length > 0 ? { left: this.#left } : {}),
      lastLines: lastLines.map(this.#around.hide),
    };
    if (record.lastExit.lost) record.endedRun = record.run;
    else this.#countCrash(describeExit(record.lastExit), Date.now() - record.since > STEADY_AFTER_MS);
    record.group = undefined;
    record.pid = undefined;
    this.#around.saveOrLater();
  }

  #countCrash(ending: string, wasSteady = false): void {
    const { record } = this;
    record.endedRun = record.run;
    record.crashes = wasSteady ? 1 : record.crashes + 1;
    record.endings = [...(wasSteady ? [] : (record.endings ?? [])), ending].slice(-ENDINGS_KEPT);
  }

  /** Ended while no supervisor ran. What is left of it goes. */
  async #endAdopted(pidsHold: boolean): Promise<void> {
    const { record } = this;
    if (pidsHold) this.#left = await this.#tree().kill();
    if (record.state !== "stopping") record.state = record.spec.restart === "always" ? "restarting" : "exited";
    await this.#concludeRun({ lost: !pidsHold });
    this.#tellEnd();
    if (record.state === "restarting") this.#startsAgain();
  }

  #restartLater(pauseMs = pauseAfter(this.record.spec.kind, this.record.crashes)): void {
    this.#restart = setTimeout(() => this.relaunch(), pauseMs);
  }

  /** Starts what is to run: after a crash, or when a start was cut off. When that fails it is tried again later. */
  async relaunch(): Promise<void> {
    const { record } = this;
    if (record.state !== "restarting") return;
    const isAgain = record.endedRun !== undefined;
    try {
      if (isAgain) record.restarts += 1;
      await this.launch().catch((error) => {
        if (!isOfDisk(error) || !this.#around.makeRoom()) throw error;
        return this.launch();
      });
      this.#around.tell(isAgain ? "restarted" : "started", record.spec, `${isAgain ? `restart ${record.restarts}, ` : ""}pid ${record.pid}`);
      this.#around.changed(this);
    } catch (error) {
      if (this.#isFollowed || record.state !== "restarting") return;
      this.#noteFailedStart(error);
    }
  }

  #noteFailedStart(error: unknown): void {
    const { record } = this;
    const failure = this.#around.hide(describeFailure(error));
    // What is tried twice a second, for hours perhaps, is told once.
    const isNews = record.lastExit?.lastLines[0] !== failure;
    record.state = record.spec.restart === "always" ? "restarting" : "exited";
    record.lastExit = { at: Date.now(), lastLines: [failure] };
    record.portTaken = error instanceof LandfallError && error.code === "PORT_TAKEN" ? { ...error.parts, cause: undefined } : undefined;
    const isDisk = isOfDisk(error);
    if (!isDisk) this.#countCrash("could not be started");
    record.endedRun = record.run;
    this.#around.saveOrLater();
    if (isNews) this.#around.tell("crashed", record.spec, `could not be started again: ${failure}`);
    if (isDisk && this.record.spec.restart === "always") this.#restartLater(DISK_PAUSE_MS);
    else if (this.#startsAgain()) this.#restartLater();
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

/** Where the pipes of a process are, and the words of its shim. */
export const runsFolder = (paths: Paths, id: string): string => join(paths.runs, id);

/** One line on how a run ended. */
export function describeExit(exit: Exit | undefined): string {
  if (exit?.lost) return "lost when the machine was started again";
  if (exit?.outOfMemory) return "killed by the kernel, which was out of memory";
  if (exit?.signal) return `ended by ${exit.signal}`;
  return exit?.code === undefined ? "ended with its status unknown" : `exit status ${exit.code}`;
}

const describeLeft = (left: Stray[] = []): string =>
  left.length === 0
    ? ""
    : `; what it had left running outside of its group was ended: ${left.map(({ pid, command }) => `pid ${pid} (${command})`).join(", ")}`;

const describeFailure = (error: unknown): string =>
  error instanceof LandfallError && error.parts.why ? `${error.message}: ${error.parts.why}` : messageOf(error);

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
