// All processes of one environment, and the calls on them. What is to be done with one process is done one after the other.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LandfallError, messageOf, present } from "../../../error.ts";
import { SILENCE_MS } from "../../../system/control.ts";
import { removeAll } from "../../../system/files.ts";
import { findFreePort } from "../../../system/network.ts";
import { observeStart } from "../../../system/processes.ts";
import type { Hide } from "../../../text/mask.ts";
import { describeDuration, describeElapsed } from "../../../text/units.ts";
import { openSecrets } from "../data/secret-store.ts";
import { KeeperClient } from "../keeper/client.ts";
import type { Paths } from "../paths.ts";
import { tellToDrain } from "../processes/drain-hooks.ts";
import { type Launch, spawnGroup } from "../processes/group.ts";
import { endStarted } from "../processes/strays.ts";
import type { Exit, KeepWarm, ProcessRecord, ProcessSpec, SupervisorApi, SupervisorState } from "./api.ts";
import { describeAttached, eventWriter, type Tell, takesRequests } from "./events.ts";
import { Liveness } from "./liveness.ts";
import { describeExit, ManagedProcess, runsFolder } from "./managed-process.ts";
import { type KeptRecord, publish, Records } from "./records.ts";
import { Reserve } from "./reserve.ts";
import { describeMissed, findMissed, runIdOf, Schedules } from "./schedules.ts";
import { seeInstances, Traffic } from "./traffic.ts";

/** How many logs of past runs a schedule keeps. */
const RUN_LOGS_KEPT = 50;

/** How often it is looked whether something was kept warm long enough, and whether all answer. */
const LOOK_EVERY_MS = 1_000;

/** How often room is kept again that was given up on a full disk. */
const RESERVE_EVERY_MS = 60_000;

/** There is one in an environment, under this id. */
const BALANCER = "balancer";

const SERVES_ON = "The balancer serves on where it did, and everything else runs on.";

export class Supervisor {
  readonly #identity = { pid: process.pid, startedAt: observeStart(process.pid) ?? "" };
  readonly #paths: Paths;
  readonly #records: Records;
  readonly #reserve: Reserve;
  readonly #keeper: KeeperClient;
  readonly #hide: Hide;
  readonly #tell: Tell;
  readonly #traffic: Traffic;
  readonly #schedules: Schedules;
  readonly #liveness = new Liveness();
  readonly #replacing = new Set<string>();
  readonly #processes = new Map<string, ManagedProcess>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #stops = new Map<string, Promise<{ ignored: boolean; exit?: Exit }>>();
  readonly #cooling = new Set<string>();
  #portTurn: Promise<unknown> = Promise.resolve();
  #isShuttingDown = false;

  constructor(paths: Paths, hide: Hide) {
    this.#paths = paths;
    this.#hide = hide;
    this.#records = new Records(paths);
    this.#reserve = new Reserve(paths);
    this.#keeper = new KeeperClient(paths);
    this.#tell = eventWriter(paths.events, hide);
    this.#traffic = new Traffic({ paths, records: this.#records, tell: this.#tell, endBalancer: (run) => this.#endBalancer(run) });
    this.#schedules = new Schedules((record, at) => void this.#runDue(record, at));
  }

  /** Takes up everything the records name: what runs is left alone, what ended meanwhile is started again, resources first. */
  async adopt(): Promise<void> {
    this.#tell("supervisor-started", { id: "supervisor" }, `pid ${process.pid}`);
    if (this.#records.lost) await this.#beginAnew(this.#records.lost);
    this.#keeper.keep();
    const order: ProcessSpec["kind"][] = ["resource", "balancer", "instance", "job"];
    const records = [...this.#records.byId.values()].sort((a, b) => order.indexOf(a.spec.kind) - order.indexOf(b.spec.kind));
    for (const record of records) await this.#takeUpOne(record).catch((error) => console.error(error));
    setInterval(() => this.#stopCooled(), LOOK_EVERY_MS).unref();
    this.#reserve.keep();
    setInterval(() => this.#reserve.keep(), RESERVE_EVERY_MS).unref();
    void this.#watchInstances();
    this.#traffic.pushSoon();
  }

  /** What runs without a record could be neither watched nor stopped, and would run beside what is started in its place. */
  async #beginAnew(why: string): Promise<void> {
    const ended = await endStarted(this.#paths);
    this.#records.flush();
    this.#tell("records-lost", { id: "supervisor" }, `${why}: ${ended.length} processes were ended, and are started again by a resume`);
  }

  /** The calls as plain functions, for the control socket. `exit` ends the supervisor after a shutdown. */
  api(exit: () => void): SupervisorApi {
    return {
      observe: async (input) => this.observe(input?.ids),
      requirePorts: ({ ports }) => this.#inTurn(BALANCER, () => this.#requirePorts(ports)),
      start: (spec) => this.#inTurn(spec.id, () => this.#start(spec)),
      renew: ({ spec, edge }) => this.#inTurn(spec.id, () => this.#renew(spec, edge)),
      stop: ({ id, stop }) => this.stop(id, stop),
      run: (input) => this.run(input),
      forget: ({ id }) => this.#inTurn(id, async () => this.forget(id)),
      attach: ({ id, share }) => this.attach(id, share),
      observeTraffic: (question) => this.#traffic.observe(question),
      drain: ({ id, timeoutMs }) => this.drain(id, timeoutMs),
      keepWarm: (warm) => this.keepWarm(warm),
      replace: ({ id, why }) => this.replace(id, why),
      setEdge: async (edge) => {
        if (edge) this.#records.keepEdge(edge);
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
    return { supervisor: this.#identity, edge: this.#records.edge, processes: records.map(publish) };
  }

  async #start(spec: ProcessSpec): Promise<ProcessRecord> {
    this.#assertNotShuttingDown(spec.id);
    const before = this.#records.byId.get(spec.id);
    if (before?.state === "running" || before?.state === "stopping") {
      // Somebody switches back to it: the end of its warm time must not come between this and the attach.
      before.warm = undefined;
      this.#records.saveOrLater(before);
      return publish(before);
    }
    if (before?.state === "failed" || before?.spec.kind === "balancer") return this.#startAfresh(before, spec);
    if (spec.schedule) return this.#schedule(spec, before);
    if (before) this.#forget(before);
    const record = this.#keep(spec);
    await this.#launch(record);
    return publish(record);
  }

  /** In place of one that stands, so that no time that is due falls between the two. */
  #schedule(spec: ProcessSpec, before: KeptRecord | undefined): ProcessRecord {
    const record = this.#keep(spec, { lastDueAt: before?.lastDueAt, lastExit: before?.lastExit });
    try {
      this.#schedules.add(record);
    } catch (error) {
      this.#forget(record);
      throw scheduleUnreadable(spec, error);
    }
    return publish(record);
  }

  /** What the balancer is to do with it stays; the crashes are forgotten. */
  async #startAfresh(record: KeptRecord, spec: ProcessSpec): Promise<ProcessRecord> {
    await this.#processes.get(spec.id)?.stop(record.spec.stop);
    this.#release(spec.id);
    await this.#releaseAllBut(record.spec, spec);
    Object.assign(record, { spec, state: "restarting", crashes: 0, endings: [] } satisfies Partial<KeptRecord>);
    this.#records.save(record);
    await this.#supervise(record).relaunch();
    if (record.portTaken) throw new LandfallError(record.portTaken);
    return publish(record);
  }

  /** The sockets that the process has no more use for. */
  #releaseAllBut(before: ProcessSpec, after: ProcessSpec): Promise<void> {
    return this.#keeper.release((before.listen ?? []).filter((port) => !after.listen?.includes(port)));
  }

  async #requirePorts(ports: number[]): Promise<void> {
    const { spec, state } = this.#records.byId.get(BALANCER) ?? {};
    if (state !== "running") return this.#keeper.requireFree(ports);
    await this.#keeper.requireFree(
      ports.filter((port) => !spec?.listen?.includes(port)),
      SERVES_ON,
    );
  }

  /** What a balancer that has been replaced still has in hand is not known to its successor: that one is waited for first. */
  async #idle(id: string, timeoutMs: number): Promise<number> {
    await this.#inTurn(BALANCER, async () => undefined);
    return this.#traffic.idle(id, timeoutMs);
  }

  async #renew(spec: ProcessSpec, edge = this.#records.edge): Promise<ProcessRecord> {
    const record = this.#recordOf(spec.id);
    const process = this.#processes.get(spec.id);
    const before = record.spec;
    if (!process || record.state !== "running" || !(await this.#keeper.holds(before.listen ?? []))) {
      await this.#requirePorts(spec.listen ?? []);
      if (edge) this.#records.keepEdge(edge);
      return this.#startAfresh(record, spec);
    }
    await this.#keeper.hold(spec.listen ?? [], SERVES_ON);
    if (edge) this.#records.keepEdge(edge);
    record.spec = spec;
    await process.renew(() => this.#traffic.push());
    await this.#releaseAllBut(before, spec);
    this.#tell("restarted", spec, `started anew, pid ${record.pid}`);
    return publish(record);
  }

  async #launch(record: KeptRecord): Promise<void> {
    try {
      await this.#supervise(record).launch();
    } catch (error) {
      await this.#keeper.release(record.spec.listen ?? []);
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
    await this.#keeper.release(record.spec.listen ?? []);
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
    this.#assertNotShuttingDown(spec.id);
    const record = this.#keep({ ...spec, restart: "never", schedule: undefined }, { endsBy: Date.now() + timeoutMs });
    await this.#launch(record);
    return record;
  }

  forget(id: string): void {
    const record = this.#records.byId.get(id);
    if (record && ["exited", "failed", "scheduled"].includes(record.state)) this.#forget(record);
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
      this.#tell("attached", record.spec, describeAttached(record.spec, share));
    });
  }

  async drain(id: string, timeoutMs: number): Promise<{ inHand: number }> {
    const record = this.#recordOf(id);
    await this.#inTurn(id, async () => {
      record.traffic = "draining";
      record.share = undefined;
      this.#records.saveOrLater(record);
      await this.#traffic.push();
      this.#tell("draining", record.spec, takesRequests(record.spec) ? "takes no new requests" : "takes no new work");
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
    const { id, drainPath, drainHost, drainMs } = warm;
    if (drainPath && record.port) await tellToDrain({ port: record.port, path: drainPath, host: drainHost });
    await this.#idle(id, drainMs);
    await this.#inTurn(id, async () => {
      // Somebody may have switched back to it while it was drained.
      if (record.warm === warm) await this.#stopInTurn(record);
    });
  }

  async #watchInstances(): Promise<void> {
    while (!this.#isShuttingDown) {
      await sleep(LOOK_EVERY_MS, undefined, { ref: false });
      await this.#replaceHung().catch((error) => console.error(error));
    }
  }

  /** While a resource is down, or the balancer, of whom it is known, nothing is known of an instance. */
  async #replaceHung(): Promise<void> {
    const upstreams = await this.#traffic.observeUpstreams();
    const records = [...this.#records.byId.values()];
    if (!upstreams || records.some(({ spec, state }) => spec.kind === "resource" && state !== "running")) return;
    const seen = seeInstances(this.#records, upstreams).map((one) => (this.#replacing.has(one.id) ? { ...one, state: "down" as const } : one));
    const { hung, together } = this.#liveness.look(seen, Date.now());
    for (const { service, failing, count } of together)
      this.#tell(
        "not-replaced",
        { id: service, service },
        `${failing} of ${count} instances fail their check together: none is replaced, since it is not the instance`,
      );
    for (const { id, failingMs } of hung) {
      this.#liveness.replaced(id);
      this.replace(id, `has failed its check for ${describeElapsed(failingMs)}`).catch((error) => console.error(error));
    }
  }

  replace(id: string, why: string): Promise<void> {
    this.#replacing.add(id);
    return this.#inTurn(id, async () => {
      const record = this.#recordOf(id);
      if (record.state !== "running") return;
      this.#tell("hung", record.spec, `${why}: it is replaced`);
      this.#traffic.suspend(record);
      await this.#processes.get(id)?.replace();
    }).finally(() => this.#replacing.delete(id));
  }

  async #endBalancer(run: number): Promise<void> {
    const record = this.#records.byId.get(BALANCER);
    if (record?.run !== run || record.state !== "running") return;
    this.#tell("hung", record.spec, `said nothing for ${describeDuration(SILENCE_MS)}: it is killed and started again`);
    await this.#processes.get(BALANCER)?.kill();
  }

  /** Jobs, then instances, then the balancer, then resources in reverse order of their start. */
  async shutdown(): Promise<void> {
    this.#isShuttingDown = true;
    this.#schedules.stop();
    const idsOf = (kind: ProcessSpec["kind"]) => [...this.#records.byId.values()].filter(({ spec }) => spec.kind === kind).map(({ spec }) => spec.id);
    for (const kind of ["job", "instance", "balancer"] as const) await Promise.all(idsOf(kind).map((id) => this.stop(id)));
    for (const id of idsOf("resource").reverse()) await this.stop(id);
    await this.#keeper.leave();
    this.#tell("supervisor-stopped", { id: "supervisor" }, "shut down");
    this.#records.close();
  }

  async #takeUpOne(record: KeptRecord): Promise<void> {
    if (record.spec.schedule) return this.#takeUpSchedule(record, record.spec.schedule.cron);
    if (record.state === "failed") return;
    if (record.state === "exited") return record.scheduleId ? this.#followRun(record) : undefined;
    const process = this.#supervise(record);
    const adopted = await process.adopt();
    if (adopted === "runs") this.#tell("adopted", record.spec, `pid ${record.pid}, port ${record.port ?? "none"}`);
    if (record.state === "stopping") return void this.stop(record.spec.id).catch((error) => console.error(error));
    if (adopted === "runs" && record.suspended) this.#traffic.resumeWhenHealthy(record);
    if (adopted !== "runs" && record.traffic === "attached") this.#traffic.suspend(record);
    await process.relaunch();
    if (record.scheduleId) this.#followRun(record, process);
    this.#releaseEnded(record);
  }

  /** What was due while no supervisor ran is not made up for, and said. */
  #takeUpSchedule(record: KeptRecord, cron: string): void {
    const missed = findMissed(cron, { since: record.lastDueAt ?? record.since, until: Date.now() });
    const last = missed.at(-1);
    if (last) {
      record.lastDueAt = last.getTime();
      this.#records.saveOrLater(record);
      this.#tell("job-missed", record.spec, describeMissed(missed));
    }
    this.#schedules.add(record);
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
    const before = this.#records.byId.get(spec.id);
    this.#records.byId.set(spec.id, record);
    try {
      this.#records.save(record);
    } catch (error) {
      if (before) this.#records.byId.set(spec.id, before);
      else this.#records.byId.delete(spec.id);
      throw error;
    }
    return record;
  }

  #forget(record: KeptRecord): void {
    const { id } = record.spec;
    this.#release(id);
    this.#traffic.forget(id);
    this.#schedules.remove(id);
    this.#records.byId.delete(id);
    this.#records.saveOrLater(record);
  }

  /** Closes its files and removes its pipes. The log stays. */
  #release(id: string): void {
    this.#processes.get(id)?.close();
    this.#processes.delete(id);
    removeAll(runsFolder(this.#paths, id));
  }

  #releaseEnded({ spec, state }: KeptRecord): void {
    if (state === "exited" || state === "failed") this.#release(spec.id);
  }

  #supervise(record: KeptRecord): ManagedProcess {
    const process = new ManagedProcess(record, {
      paths: this.#paths,
      keeper: this.#keeper,
      tell: this.#tell,
      boot: this.#records.boot,
      save: () => this.#records.save(record),
      saveOrLater: () => this.#records.saveOrLater(record),
      reveal: (name) => openSecrets(this.#paths).reveal(name),
      hide: this.#hide,
      reservePort: (id) => this.#reservePort(id),
      spawn: (launch, ended) => this.#spawn(launch, ended),
      makeRoom: () => this.#reserve.give(),
      changed: () => this.#changed(record),
    });
    this.#processes.set(record.spec.id, process);
    return process;
  }

  /** A keeper's child says nothing of its end to us: its files do. */
  async #spawn(launch: Launch, ended: () => void): Promise<number> {
    if (launch.listen.length > 0) return this.#keeper.start(launch);
    const child = await spawnGroup(launch);
    child.once("exit", ended);
    child.unref();
    return present(child.pid, "pid of what was spawned");
  }

  /** One search at a time, so that two processes that start together never find the same port. */
  #reservePort(id: string): Promise<number> {
    const port = this.#portTurn.then(async () => {
      const taken = [...this.#records.byId.values()].flatMap(({ port }) => port ?? []);
      const port = await findFreePort(new Set(taken));
      const record = this.#records.byId.get(id);
      if (record) record.port = port;
      return port;
    });
    this.#portTurn = port.catch(() => {});
    return port;
  }

  #changed(record: KeptRecord): void {
    this.#releaseEnded(record);
    if (record.spec.kind === "balancer") {
      if (record.state === "running") this.#traffic.pushSoon();
      // Until it runs again whoever connects waits here; when somebody else is here already, the start will say so.
      else this.#keeper.hold(record.spec.listen ?? []).catch(() => {});
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
      schedule.lastExit = { at: Date.now(), lastLines: [this.#hide(messageOf(error))] };
      this.#records.saveOrLater(schedule);
      return this.#tell("job-run", { ...spec, id }, `could not be started: ${messageOf(error)}`);
    }
    const process = this.#processes.get(id);
    if (process) this.#followRun(record, process);
  }

  /** Waits in the background for the end of a schedule's run, and notes it with the schedule. */
  #followRun(record: KeptRecord, process?: ManagedProcess): void {
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
    const old = readdirSync(this.#paths.logs).filter(isRunLog).sort().slice(0, -RUN_LOGS_KEPT);
    for (const name of old) removeAll(join(this.#paths.logs, name));
  }

  #recordOf(id: string): KeptRecord {
    const record = this.#records.byId.get(id);
    if (!record) throw noSuchProcess(id);
    return record;
  }

  #assertNotShuttingDown(id: string): void {
    if (!this.#isShuttingDown) return;
    throw new LandfallError({
      code: "SUPERVISOR_UNREACHABLE",
      what: `process "${id}" was not started`,
      where: this.#paths.supervisorSocket,
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
    why: messageOf(cause),
    standing: "The job was not scheduled; everything else runs on.",
    cause,
  });
}
