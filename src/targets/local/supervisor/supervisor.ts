// All processes of one environment, and the calls on them. What is to be done with one process is done one after the other.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { removeAll } from "../../../system/files.ts";
import { findFreePort } from "../../../system/network.ts";
import { observeStart } from "../../../system/processes.ts";
import { tellToDrain } from "../drain.ts";
import type { Places } from "../places.ts";
import { openSecrets } from "../secrets.ts";
import type { Exit, KeepWarm, ProcessRecord, ProcessSpec, SupervisorApi, SupervisorState } from "./api.ts";
import { type Tell, tellTo } from "./events.ts";
import { type KeptRecord, publish, Records } from "./records.ts";
import { runIdOf, Schedules } from "./schedules.ts";
import { describeExit, Supervised } from "./supervised.ts";
import { Traffic } from "./traffic.ts";

/** How many logs of past runs a schedule keeps. */
const RUN_LOGS_KEPT = 50;

/** How often it is looked whether something was kept warm long enough. */
const COOLING_MS = 1_000;

export class Supervisor {
  readonly #places: Places;
  readonly #records: Records;
  readonly #tell: Tell;
  readonly #traffic: Traffic;
  readonly #schedules: Schedules;
  readonly #processes = new Map<string, Supervised>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #portTurn: Promise<unknown> = Promise.resolve();
  #isShuttingDown = false;

  constructor(places: Places) {
    this.#places = places;
    this.#records = new Records(places);
    this.#tell = tellTo(places.events);
    this.#traffic = new Traffic({ places, records: this.#records, tell: this.#tell });
    this.#schedules = new Schedules((record, at) => void this.#runDue(record, at));
  }

  /** Takes up everything the records name: what runs is left alone, what ended meanwhile is started again, resources first. */
  async takeUp(): Promise<void> {
    this.#tell("supervisor-started", { id: "supervisor" }, `pid ${process.pid}`);
    const order: ProcessSpec["kind"][] = ["resource", "balancer", "instance", "job"];
    const records = [...this.#records.byId.values()].sort((a, b) => order.indexOf(a.spec.kind) - order.indexOf(b.spec.kind));
    for (const record of records) await this.#takeUpOne(record);
    setInterval(() => this.#stopCooled(), COOLING_MS).unref();
    this.#traffic.pushSoon();
  }

  /** The calls as plain functions, for the control socket. `exit` ends the supervisor after a shutdown. */
  api(exit: () => void): SupervisorApi {
    return {
      observe: async () => this.observe(),
      start: (spec) => this.#inTurn(spec.id, () => this.#start(spec)),
      stop: ({ id, stop }) => this.stop(id, stop),
      run: (input) => this.run(input),
      attach: ({ id, share }) => this.attach(id, share),
      observeTraffic: (question) => this.#traffic.observe(question),
      drain: ({ id, timeoutMs }) => this.drain(id, timeoutMs),
      keepWarm: (warm) => this.keepWarm(warm),
      setEdge: async (edge) => {
        this.#records.keepEdge(edge);
        await this.#traffic.push();
      },
      shutdown: async () => {
        await this.shutdown();
        exit();
      },
    };
  }

  observe(): SupervisorState {
    return {
      supervisor: { pid: process.pid, startedAt: observeStart(process.pid) ?? "" },
      processes: [...this.#records.byId.values()].map(publish),
    };
  }

  async #start(spec: ProcessSpec): Promise<ProcessRecord> {
    this.#refuseWhenShuttingDown(spec.id);
    const known = this.#records.byId.get(spec.id);
    if (known?.state === "running" || known?.state === "stopping") return publish(known);
    if (known) this.#forget(known);
    const record = this.#keep(spec);
    if (spec.schedule) {
      try {
        this.#schedules.add(record);
      } catch (error) {
        this.#forget(record);
        throw scheduleUnreadable(spec, error);
      }
      return publish(record);
    }
    await this.#launch(record);
    return publish(record);
  }

  async #launch(record: KeptRecord): Promise<void> {
    try {
      await this.#supervise(record).launch();
    } catch (error) {
      this.#forget(record);
      throw error;
    }
    this.#tell("started", record.spec, `pid ${record.pid}${record.port === undefined ? "" : `, port ${record.port}`}`);
    if (record.spec.kind === "balancer") this.#traffic.pushSoon();
  }

  async stop(id: string, stop?: ProcessSpec["stop"]): Promise<{ ignored: boolean; exit?: Exit }> {
    this.#schedules.remove(id);
    const runs = [...this.#records.byId.values()].filter((record) => record.scheduleId === id);
    await Promise.all(runs.map((record) => this.stop(record.spec.id, stop)));
    return this.#inTurn(id, async () => {
      const record = this.#records.byId.get(id);
      if (!record) return { ignored: false };
      const result = (await this.#processes.get(id)?.stop(stop ?? record.spec.stop)) ?? { ignored: false };
      this.#forget(record);
      if (record.traffic !== "none") this.#traffic.pushSoon();
      return result;
    });
  }

  /** A caller that was cut off may ask again: a run of that id that is under way is then waited for. */
  async run({ spec, timeoutMs }: { spec: ProcessSpec; timeoutMs: number }): Promise<{ exit: Exit; timedOut: boolean }> {
    await this.#inTurn(spec.id, () => this.#start({ ...spec, restart: "never", schedule: undefined }));
    const process = this.#processes.get(spec.id);
    const record = this.#records.byId.get(spec.id);
    if (!process || !record) throw noSuchProcess(spec.id);
    if (record.state === "running") process.endBy(Date.now() + timeoutMs);
    await process.ended();
    // Forgotten only in its turn: a stop for its time-out may still be on its way through the group.
    return this.#inTurn(spec.id, async () => {
      const exit = record.lastExit as Exit;
      if (this.#processes.get(spec.id) === process) this.#forget(record);
      return { exit, timedOut: process.timedOut };
    });
  }

  async attach(id: string, share?: number): Promise<void> {
    await this.#inTurn(id, async () => {
      const record = this.#recordOf(id);
      this.#traffic.requireBalancer();
      record.traffic = "attached";
      record.share = share;
      record.warm = undefined;
      this.#records.saveOrLater();
      await this.#traffic.push();
      this.#tell("attached", record.spec, share === undefined ? "takes requests" : `takes ${+(share * 100).toFixed(2)} % of the requests`);
    });
  }

  async drain(id: string, timeoutMs: number): Promise<{ inHand: number }> {
    const record = this.#recordOf(id);
    await this.#inTurn(id, async () => {
      record.traffic = "draining";
      record.share = undefined;
      this.#records.saveOrLater();
      await this.#traffic.push();
      this.#tell("draining", record.spec, "takes no new requests");
    });
    return { inHand: await this.#traffic.idle(id, timeoutMs) };
  }

  async keepWarm(warm: KeepWarm): Promise<void> {
    await this.#inTurn(warm.id, async () => {
      const record = this.#recordOf(warm.id);
      record.traffic = "draining";
      record.share = undefined;
      record.warm = warm;
      this.#records.saveOrLater();
      await this.#traffic.push();
    });
  }

  #stopCooled(): void {
    for (const record of this.#records.byId.values()) {
      if (!record.warm || record.warm.until > Date.now()) continue;
      void this.#cool(record, record.warm).catch((error) => console.error(error));
    }
  }

  async #cool(record: KeptRecord, { id, drainPath, drainMs }: KeepWarm): Promise<void> {
    record.warm = undefined;
    if (drainPath && record.port) await tellToDrain(`http://127.0.0.1:${record.port}${drainPath}`);
    await this.#traffic.idle(id, drainMs);
    // Somebody may have switched back to it while it was drained.
    if (record.traffic !== "attached") await this.stop(id);
  }

  /** Jobs, then instances, then the balancer, then resources in reverse order of their start. */
  async shutdown(): Promise<void> {
    this.#isShuttingDown = true;
    this.#schedules.stop();
    const idsOf = (kind: ProcessSpec["kind"]) => [...this.#records.byId.values()].filter(({ spec }) => spec.kind === kind).map(({ spec }) => spec.id);
    for (const kind of ["job", "instance", "balancer"] as const) await Promise.all(idsOf(kind).map((id) => this.stop(id)));
    for (const id of idsOf("resource").reverse()) await this.stop(id);
    this.#tell("supervisor-stopped", { id: "supervisor" }, "shut down");
  }

  async #takeUpOne(record: KeptRecord): Promise<void> {
    if (record.spec.schedule) return this.#schedules.add(record);
    const process = this.#supervise(record);
    const isRunning = await process.adopt(this.#records.pidsHold);
    if (isRunning) this.#tell("adopted", record.spec, `pid ${record.pid}, port ${record.port ?? "none"}`);
    if (record.state === "stopping") return void this.stop(record.spec.id).catch((error) => console.error(error));
    if (isRunning && record.suspended) this.#traffic.resumeWhenHealthy(record);
    if (record.scheduleId) return this.#followRun(record, process);
    if (record.state === "restarting") {
      this.#traffic.suspend(record);
      await process.relaunch();
    }
  }

  #keep(spec: ProcessSpec): KeptRecord {
    const record: KeptRecord = {
      spec,
      state: spec.schedule ? "scheduled" : "restarting",
      since: Date.now(),
      restarts: 0,
      traffic: "none",
      run: 0,
      crashes: 0,
    };
    this.#records.byId.set(spec.id, record);
    try {
      this.#records.save();
    } catch (error) {
      this.#records.byId.delete(spec.id);
      throw error;
    }
    return record;
  }

  #forget(record: KeptRecord): void {
    const { id } = record.spec;
    this.#processes.get(id)?.remove();
    this.#processes.delete(id);
    this.#traffic.forget(id);
    this.#schedules.remove(id);
    this.#records.byId.delete(id);
    this.#records.saveOrLater();
  }

  #supervise(record: KeptRecord): Supervised {
    const process = new Supervised(record, {
      places: this.#places,
      tell: this.#tell,
      save: () => this.#records.save(),
      saveOrLater: () => this.#records.saveOrLater(),
      reveal: (name) => openSecrets(this.#places).reveal(name),
      reservePort: (id) => this.#reservePort(id),
      changed: () => this.#changed(record),
    });
    this.#processes.set(record.spec.id, process);
    return process;
  }

  /** One search at a time, so that two processes that start together never find the same port. */
  #reservePort(id: string): Promise<number> {
    const found = this.#portTurn.then(async () => {
      const taken = [...this.#records.byId.values()].flatMap(({ port }) => port ?? []);
      const port = await findFreePort(new Set(taken));
      const record = this.#records.byId.get(id);
      if (record) record.port = port;
      return port;
    });
    this.#portTurn = found.catch(() => {});
    return found;
  }

  #changed(record: KeptRecord): void {
    if (record.spec.kind === "balancer") {
      if (record.state === "running") this.#traffic.pushSoon();
      return;
    }
    if (record.state !== "running") this.#traffic.suspend(record);
    else if (record.suspended) this.#traffic.resumeWhenHealthy(record);
  }

  async #runDue(schedule: KeptRecord, at: Date): Promise<void> {
    schedule.lastDueAt = at.getTime();
    const { spec } = schedule;
    const id = runIdOf(spec.id, at);
    const before = [...this.#records.byId.values()].find((record) => record.scheduleId === spec.id);
    if (before) {
      this.#records.saveOrLater();
      return this.#tell("job-skipped", { ...spec, id }, `"${before.spec.id}" is still running`);
    }
    const record = this.#keep({ ...spec, id, restart: "never", schedule: undefined });
    record.scheduleId = spec.id;
    try {
      await this.#launch(record);
    } catch (error) {
      schedule.lastExit = { at: Date.now(), lastLines: [(error as Error).message] };
      this.#records.saveOrLater();
      return this.#tell("job-run", { ...spec, id }, `could not be started: ${(error as Error).message}`);
    }
    const process = this.#processes.get(id);
    process?.endBy(Date.now() + (spec.schedule?.timeoutMs ?? 0));
    if (process) this.#followRun(record, process);
  }

  /** Waits in the background for the end of a schedule's run, and notes it with the schedule. */
  #followRun(record: KeptRecord, process: Supervised): void {
    const conclude = () =>
      this.#inTurn(record.spec.id, async () => {
        const schedule = this.#records.byId.get(record.scheduleId ?? "");
        if (schedule) schedule.lastExit = record.lastExit;
        this.#tell(
          "job-run",
          record.spec,
          process.timedOut ? `stopped at its time-out: ${describeExit(record.lastExit)}` : describeExit(record.lastExit),
        );
        if (this.#records.byId.get(record.spec.id) === record) this.#forget(record);
        this.#removeOldRunLogs(record.scheduleId ?? "");
      });
    process
      .ended()
      .then(conclude)
      .catch((error) => console.error(error));
  }

  #removeOldRunLogs(scheduleId: string): void {
    const prefix = `${scheduleId}.`;
    const isRunLog = (name: string) => name.startsWith(prefix) && /^\d{8}T\d{6}Z\.jsonl/.test(name.slice(prefix.length));
    const old = readdirSync(this.#places.logs).filter(isRunLog).sort().slice(0, -RUN_LOGS_KEPT);
    for (const name of old) removeAll(join(this.#places.logs, name));
  }

  #recordOf(id: string): KeptRecord {
    const record = this.#records.byId.get(id);
    if (!record) throw noSuchProcess(id);
    return record;
  }

  #refuseWhenShuttingDown(id: string): void {
    if (!this.#isShuttingDown) return;
    throw new LandfallError({
      code: "SUPERVISOR_UNREACHABLE",
      what: `process "${id}" was not started`,
      where: this.#places.supervisorSocket,
      why: "the supervisor is shutting down",
      standing: "Everything in this environment is being stopped.",
    });
  }

  #inTurn<T>(id: string, act: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(act);
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#turns.get(id) === settled) this.#turns.delete(id);
      });
    this.#turns.set(id, settled);
    return turn;
  }
}

function noSuchProcess(id: string): LandfallError {
  return new LandfallError({
    code: "INSTANCE_CRASHED",
    what: `there is no process "${id}" in this environment`,
    where: id,
    why: "it was never started here, or was stopped since",
    standing: "Nothing was changed.",
  });
}

function scheduleUnreadable(spec: ProcessSpec, cause: unknown): LandfallError {
  return new LandfallError({
    code: "CONFIG_WRONG_VALUE",
    what: `schedule "${spec.schedule?.cron}" of job "${spec.id}" is not a cron expression`,
    where: spec.id,
    why: (cause as Error).message,
    standing: "The job was not scheduled; everything else runs on.",
    cause,
  });
}
