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
import { HeldSockets } from "./held-sockets.ts";
import { type KeptRecord, publish, Records } from "./records.ts";
import { runIdOf, Schedules } from "./schedules.ts";
import { describeExit, Supervised, spoolFolder } from "./supervised.ts";
import { Traffic } from "./traffic.ts";

/** How many logs of past runs a schedule keeps. */
const RUN_LOGS_KEPT = 50;

/** How often it is looked whether something was kept warm long enough. */
const COOLING_MS = 1_000;

/** There is one in an environment, under this id. */
const BALANCER = "balancer";

export class Supervisor {
  readonly #identity = { pid: process.pid, startedAt: observeStart(process.pid) ?? "" };
  readonly #places: Places;
  readonly #records: Records;
  readonly #tell: Tell;
  readonly #traffic: Traffic;
  readonly #schedules: Schedules;
  readonly #processes = new Map<string, Supervised>();
  readonly #sockets = new HeldSockets();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #stops = new Map<string, Promise<{ ignored: boolean; exit?: Exit }>>();
  readonly #cooling = new Set<string>();
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
    for (const record of records) await this.#takeUpOne(record).catch((error) => console.error(error));
    setInterval(() => this.#stopCooled(), COOLING_MS).unref();
    this.#traffic.pushSoon();
  }

  /** The calls as plain functions, for the control socket. `exit` ends the supervisor after a shutdown. */
  api(exit: () => void): SupervisorApi {
    return {
      observe: async (input) => this.observe(input?.ids),
      start: (spec) => this.#inTurn(spec.id, () => this.#start(spec)),
      renew: (spec) => this.#inTurn(spec.id, () => this.#renew(spec)),
      stop: ({ id, stop }) => this.stop(id, stop),
      run: (input) => this.run(input),
      forget: ({ id }) => this.#inTurn(id, async () => this.forget(id)),
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

  observe(ids?: string[]): SupervisorState {
    const records = ids ? ids.flatMap((id) => this.#records.byId.get(id) ?? []) : [...this.#records.byId.values()];
    return { supervisor: this.#identity, processes: records.map(publish) };
  }

  async #start(spec: ProcessSpec): Promise<ProcessRecord> {
    this.#refuseWhenShuttingDown(spec.id);
    const known = this.#records.byId.get(spec.id);
    if (known?.state === "running" || known?.state === "stopping") {
      // Somebody switches back to it: the end of its warm time must not come between this and the attach.
      known.warm = undefined;
      this.#records.saveOrLater(known);
      return publish(known);
    }
    if (known?.state === "failed") return this.#startAfresh(known, spec);
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

  /** What the balancer is to do with it stays; the crashes are forgotten. */
  async #startAfresh(record: KeptRecord, spec: ProcessSpec): Promise<ProcessRecord> {
    Object.assign(record, { spec, state: "restarting", crashes: 0, endings: [] } satisfies Partial<KeptRecord>);
    this.#records.save(record);
    await this.#supervise(record).relaunch();
    return publish(record);
  }

  /** What a balancer that has been replaced still has in hand is not known to its successor: that one is waited for first. */
  async #idle(id: string, timeoutMs: number): Promise<number> {
    await this.#inTurn(BALANCER, async () => undefined);
    return this.#traffic.idle(id, timeoutMs);
  }

  async #renew(spec: ProcessSpec): Promise<ProcessRecord> {
    const record = this.#recordOf(spec.id);
    const process = this.#processes.get(spec.id);
    const before = record.spec.listen ?? [];
    if (!process || record.state !== "running" || !this.#sockets.holds(before)) {
      await process?.stop(record.spec.stop);
      this.#forget(record);
      return this.#start(spec);
    }
    record.spec = spec;
    await process.renew(() => this.#traffic.push());
    this.#sockets.release(before.filter((port) => !spec.listen?.includes(port)));
    this.#tell("restarted", spec, `started anew, pid ${record.pid}`);
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

  /** A second call while one is under way gets the outcome of the first. */
  stop(id: string, stop?: ProcessSpec["stop"]): Promise<{ ignored: boolean; exit?: Exit }> {
    const underWay = this.#stops.get(id);
    if (underWay) return underWay;
    const result = this.#stop(id, stop).finally(() => this.#stops.delete(id));
    this.#stops.set(id, result);
    return result;
  }

  async #stop(id: string, stop?: ProcessSpec["stop"]): Promise<{ ignored: boolean; exit?: Exit }> {
    this.#schedules.remove(id);
    const runs = [...this.#records.byId.values()].filter((record) => record.scheduleId === id);
    await Promise.all(runs.map((record) => this.stop(record.spec.id, stop)));
    return this.#inTurn(id, async () => {
      const record = this.#records.byId.get(id);
      return record ? this.#stopInTurn(record, stop) : { ignored: false };
    });
  }

  async #stopInTurn(record: KeptRecord, stop = record.spec.stop): Promise<{ ignored: boolean; exit?: Exit }> {
    const result = (await this.#processes.get(record.spec.id)?.stop(stop)) ?? { ignored: false, exit: record.lastExit };
    this.#forget(record);
    if (record.traffic !== "none") this.#traffic.pushSoon();
    return result;
  }

  /** A caller that was cut off may ask again: it gets the same run, and its end when that is known already. */
  async run({ spec, timeoutMs }: { spec: ProcessSpec; timeoutMs: number }): Promise<{ exit: Exit; timedOut: boolean }> {
    const record = await this.#inTurn(spec.id, async () => this.#records.byId.get(spec.id) ?? (await this.#beginRun(spec, timeoutMs)));
    await this.#processes.get(spec.id)?.ended();
    if (!record.lastExit) throw noSuchProcess(spec.id);
    return { exit: record.lastExit, timedOut: record.timedOut ?? false };
  }

  async #beginRun(spec: ProcessSpec, timeoutMs: number): Promise<KeptRecord> {
    this.#refuseWhenShuttingDown(spec.id);
    const record = this.#keep({ ...spec, restart: "never", schedule: undefined }, { endsBy: Date.now() + timeoutMs });
    await this.#launch(record);
    return record;
  }

  forget(id: string): void {
    const record = this.#records.byId.get(id);
    if (record?.state === "exited" || record?.state === "failed") this.#forget(record);
  }

  async attach(id: string, share?: number): Promise<void> {
    await this.#inTurn(id, async () => {
      const record = this.#recordOf(id);
      this.#traffic.requireBalancer();
      record.traffic = "attached";
      record.share = share;
      record.warm = undefined;
      // Whoever attaches it has seen that it is healthy.
      record.suspended = undefined;
      this.#records.saveOrLater(record);
      await this.#traffic.push();
      this.#tell("attached", record.spec, share === undefined ? "takes requests" : `takes ${+(share * 100).toFixed(2)} % of the requests`);
    });
  }

  async drain(id: string, timeoutMs: number): Promise<{ inHand: number }> {
    const record = this.#recordOf(id);
    await this.#inTurn(id, async () => {
      record.traffic = "draining";
      record.share = undefined;
      this.#records.saveOrLater(record);
      await this.#traffic.push();
      this.#tell("draining", record.spec, "takes no new requests");
    });
    return { inHand: await this.#idle(id, timeoutMs) };
  }

  async keepWarm(warm: KeepWarm): Promise<void> {
    await this.#inTurn(warm.id, async () => {
      const record = this.#recordOf(warm.id);
      record.traffic = "draining";
      record.share = undefined;
      record.warm = warm;
      this.#records.saveOrLater(record);
      await this.#traffic.push();
    });
  }

  #stopCooled(): void {
    for (const record of this.#records.byId.values()) {
      const { warm } = record;
      if (!warm || warm.until > Date.now() || this.#cooling.has(warm.id)) continue;
      this.#cooling.add(warm.id);
      void this.#cool(record, warm)
        .catch((error) => console.error(error))
        .finally(() => this.#cooling.delete(warm.id));
    }
  }

  async #cool(record: KeptRecord, warm: KeepWarm): Promise<void> {
    const { id, drainPath, drainMs } = warm;
    if (drainPath && record.port) await tellToDrain(`http://127.0.0.1:${record.port}${drainPath}`);
    await this.#idle(id, drainMs);
    await this.#inTurn(id, async () => {
      // Somebody may have switched back to it while it was drained.
      if (record.warm === warm) await this.#stopInTurn(record);
    });
  }

  /** Jobs, then instances, then the balancer, then resources in reverse order of their start. */
  async shutdown(): Promise<void> {
    this.#isShuttingDown = true;
    this.#schedules.stop();
    const idsOf = (kind: ProcessSpec["kind"]) => [...this.#records.byId.values()].filter(({ spec }) => spec.kind === kind).map(({ spec }) => spec.id);
    for (const kind of ["job", "instance", "balancer"] as const) await Promise.all(idsOf(kind).map((id) => this.stop(id)));
    for (const id of idsOf("resource").reverse()) await this.stop(id);
    this.#tell("supervisor-stopped", { id: "supervisor" }, "shut down");
    this.#records.close();
  }

  async #takeUpOne(record: KeptRecord): Promise<void> {
    if (record.spec.schedule) return this.#schedules.add(record);
    if (record.state === "failed") return;
    if (record.state === "exited") return record.scheduleId ? this.#followRun(record) : undefined;
    const process = this.#supervise(record);
    const found = await process.adopt();
    if (found === "runs") this.#tell("adopted", record.spec, `pid ${record.pid}, port ${record.port ?? "none"}`);
    if (record.state === "stopping") return void this.stop(record.spec.id).catch((error) => console.error(error));
    if (found === "runs" && record.suspended) this.#traffic.resumeWhenHealthy(record);
    if (found !== "runs" && record.traffic === "attached") this.#traffic.suspend(record);
    await process.relaunch();
    if (record.scheduleId) this.#followRun(record, process);
    this.#letGoOfEnded(record);
  }

  #keep(spec: ProcessSpec, rest: Partial<KeptRecord> = {}): KeptRecord {
    const record: KeptRecord = {
      spec,
      state: spec.schedule ? "scheduled" : "restarting",
      since: Date.now(),
      restarts: 0,
      traffic: "none",
      run: 0,
      crashes: 0,
      ...rest,
    };
    this.#records.byId.set(spec.id, record);
    try {
      this.#records.save(record);
    } catch (error) {
      this.#records.byId.delete(spec.id);
      throw error;
    }
    return record;
  }

  #forget(record: KeptRecord): void {
    const { id, listen } = record.spec;
    this.#sockets.release(listen ?? []);
    this.#letGo(id);
    this.#traffic.forget(id);
    this.#schedules.remove(id);
    this.#records.byId.delete(id);
    this.#records.saveOrLater(record);
  }

  /** Closes its files and removes its spools. The log stays. */
  #letGo(id: string): void {
    this.#processes.get(id)?.close();
    this.#processes.delete(id);
    removeAll(spoolFolder(this.#places, id));
  }

  #letGoOfEnded({ spec, state }: KeptRecord): void {
    if (state === "exited" || state === "failed") this.#letGo(spec.id);
  }

  #supervise(record: KeptRecord): Supervised {
    const process = new Supervised(record, {
      places: this.#places,
      tell: this.#tell,
      boot: this.#records.boot,
      save: () => this.#records.save(record),
      saveOrLater: () => this.#records.saveOrLater(record),
      reveal: (name) => openSecrets(this.#places).reveal(name),
      reservePort: (id) => this.#reservePort(id),
      hold: (ports) => this.#sockets.hold(ports),
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
    this.#letGoOfEnded(record);
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
      this.#records.saveOrLater(schedule);
      return this.#tell("job-skipped", { ...spec, id }, `"${before.spec.id}" is still running`);
    }
    const record = this.#keep(
      { ...spec, id, restart: "never", schedule: undefined },
      { scheduleId: spec.id, endsBy: Date.now() + (spec.schedule?.timeoutMs ?? 0) },
    );
    try {
      await this.#launch(record);
    } catch (error) {
      schedule.lastExit = { at: Date.now(), lastLines: [(error as Error).message] };
      this.#records.saveOrLater(schedule);
      return this.#tell("job-run", { ...spec, id }, `could not be started: ${(error as Error).message}`);
    }
    const process = this.#processes.get(id);
    if (process) this.#followRun(record, process);
  }

  /** Waits in the background for the end of a schedule's run, and notes it with the schedule. */
  #followRun(record: KeptRecord, process?: Supervised): void {
    const conclude = () =>
      this.#inTurn(record.spec.id, async () => {
        const schedule = this.#records.byId.get(record.scheduleId ?? "");
        if (schedule) schedule.lastExit = record.lastExit;
        this.#tell(
          "job-run",
          record.spec,
          record.timedOut ? `stopped at its time-out: ${describeExit(record.lastExit)}` : describeExit(record.lastExit),
        );
        if (this.#records.byId.get(record.spec.id) === record) this.#forget(record);
        this.#removeOldRunLogs(record.scheduleId ?? "");
      });
    Promise.resolve(process?.ended())
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
    code: "PROCESS_UNKNOWN",
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
