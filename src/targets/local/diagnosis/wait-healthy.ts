// Watches a new instance until it is healthy, or until it can be known that it will not be; the reason is part of the error.
// Here it is only looked and asked: what that means is decided in classify.ts.
import { join } from "node:path";
import type { HealthCheck } from "../../../config/schema.ts";
import type { LandfallError } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import { loadText } from "../../../system/files.ts";
import type { Hide } from "../../../text/mask.ts";
import { hiderOf, openSecrets } from "../data/secret-store.ts";
import type { Paths } from "../paths.ts";
import { findForeignHolder, GroupWatch, type Listener } from "../ports/listeners.ts";
import type { Exit, ProcessRecord } from "../supervisor/api.ts";
import { type Answer, classify, classifyWindow, type Fault, type Look, type Observations, shapeOf } from "./classify.ts";
import { describeFault } from "./describe.ts";
import { gatherEvidence } from "./evidence.ts";
import { findLeaks, type InstanceVariables } from "./leaks.ts";
import { LogTail } from "./log-tail.ts";
import { isMetrics, passes, probe } from "./probe.ts";
import type { Watched } from "./watched.ts";

const BODY_SHOWN = 200;
const LINES_KEPT = 200;
const LAST_LINES = 60;
const LOOK_EVERY_MS = 250;
/** Most apps are up before that, and need no look. */
const FIRST_LOOK_MS = 400;
const ELSEWHERE_TIMEOUT_MS = 300;

/**
 * Resolves when the instance is healthy: a web service when its check passes, any other when it has settled.
 * Rejects with a diagnosis (INSTANCE_… or HEALTH_…) as soon as it can be known that it will not be. Stops nothing.
 */
export async function waitHealthy(watched: Watched): Promise<void> {
  const watch = new Watch(watched);
  for (;;) {
    watched.signal?.throwIfAborted();
    const process = await watch.observe();
    const verdict = classify(watch.seen);
    if (verdict === "healthy") return;
    if (verdict) throw await watch.diagnose(process, verdict);
    await systemClock.sleep(watch.pauseMs(), watched.signal);
  }
}

/**
 * Resolves when the instance, healthy now, has been so for its `health.steadyFor` without a break. Rejects with a diagnosis as soon as it has
 * ended, or has failed its check as often in a row as the balancer allows.
 */
export async function waitSteady(watched: Watched): Promise<void> {
  const { steadyFor, interval } = watched.settings.health;
  if (steadyFor === 0) return;
  const watch = new Watch(watched);
  watch.seen.wasHealthy = true;
  const pauseMs = watched.settings.port === undefined ? LOOK_EVERY_MS : Math.min(interval, steadyFor);
  for (;;) {
    watched.signal?.throwIfAborted();
    const process = await watch.observe();
    const verdict = classifyWindow(watch.seen, steadyFor);
    if (verdict === "steady") return;
    if (verdict) throw await watch.diagnose(process, verdict);
    await systemClock.sleep(pauseMs, watched.signal);
  }
}

/** Looks once, and rejects with a diagnosis when it has ended since. Of a service that nobody watches (`steadyFor` 0) it says nothing. */
export async function assertNotEnded(watched: Watched): Promise<void> {
  if (watched.settings.health.steadyFor === 0) return;
  const watch = new Watch(watched);
  watch.seen.wasHealthy = true;
  const process = await watch.observe();
  const verdict = watch.seen.exits.length > 0 ? classifyWindow(watch.seen, 0) : undefined;
  if (verdict && verdict !== "steady") throw await watch.diagnose(process, verdict);
}

class Watch {
  readonly seen: Observations;
  readonly #watched: Watched;
  readonly #from = performance.now();
  readonly #startedAt = Date.now();
  readonly #log: LogTail;
  readonly #shapes = new Set<string>();
  readonly #hide: Hide;
  #group: GroupWatch | undefined;
  #given: InstanceVariables | undefined;
  #process: ProcessRecord | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
    this.#hide = hiderOf(watched.paths);
    this.#log = new LogTail(join(watched.paths.logs, `${watched.id}.jsonl`), watched.since);
    const { health, port } = watched.settings;
    this.seen = {
      nowMs: 0,
      ...(port === undefined ? {} : { health, configuredPort: port }),
      exits: [],
      countsMemoryKills: /^oom_kill /m.test((process.platform === "linux" && loadText("/proc/vmstat")) || ""),
      attempts: [],
      looks: [],
      lines: [],
    };
  }

  /** What the instance was given: known once it was seen. */
  get given(): InstanceVariables {
    if (!this.#given && this.#process) this.#given = loadVariables(this.#process, this.#watched.paths);
    return this.#given ?? { secrets: {}, plain: {} };
  }

  async observe(): Promise<ProcessRecord> {
    const { seen } = this;
    const process = await this.#observeProcess();
    const { group } = process;
    if (process.state !== "running" || !group) return process;
    if (seen.health) seen.attempts.push({ answer: await this.#ask(process, group.pid, seen.health), atMs: this.#nowMs() });
    if (this.#isTimeToLook()) await this.#look(group.pid);
    seen.nowMs = this.#nowMs();
    return process;
  }

  async diagnose(process: ProcessRecord, fault: Fault): Promise<LandfallError> {
    const failure = { watched: this.#watched, process, seen: this.seen, fault };
    return describeFault({ ...failure, evidence: await gatherEvidence(failure), hide: this.#hide });
  }

  /** Each wave of a rollout waits here, so that the first second is looked at closely. */
  pauseMs(): number {
    const { nowMs, health, attempts } = this.seen;
    const pauseMs = nowMs < 1_000 ? 5 : nowMs < 2_000 ? 25 : LOOK_EVERY_MS;
    // An app that answers is not to be kept busy with being asked.
    const answersMs = attempts.at(-1)?.answer.kind === "answered" ? 100 : 0;
    return Math.min(health?.interval ?? LOOK_EVERY_MS, Math.max(pauseMs, answersMs));
  }

  #nowMs = (): number => performance.now() - this.#from;

  async #observeProcess(): Promise<ProcessRecord> {
    const { seen } = this;
    const { supervisor, id, since } = this.#watched;
    const [process] = (await supervisor.observe({ ids: [id] })).processes;
    if (!process) throw new Error(`the supervisor does not know ${id}`);
    this.#process = process;
    seen.nowMs = this.#nowMs();
    seen.port = process.port;
    const { lastExit } = process;
    // Of what ended with the machine nothing is to be learned.
    if (lastExit && !lastExit.lost && lastExit.at >= since && seen.exits.at(-1)?.at !== lastExit.at) this.#noteExit(lastExit);
    return process;
  }

  async #ask({ port = 0, spec }: ProcessRecord, group: number, health: HealthCheck): Promise<Answer> {
    const reply = await probe({ port, path: health.path, host: health.host, timeoutMs: health.timeout });
    if (reply.kind !== "answered") return reply;
    const { status, body, location } = reply;
    const passed = passes(reply, health);
    return {
      kind: "answered",
      status,
      passed,
      body: this.#hide(body).slice(0, BODY_SHOWN),
      location: location && this.#hide(location),
      leaks: findLeaks(body, this.given),
      foreign: passed ? findForeignHolder(port, group, spec.id) : undefined,
    };
  }

  /** The log holds more of its last words than the exit does: a stack that a runtime prints of itself is long. */
  #noteExit(exit: Exit): void {
    this.#readLog();
    const before = this.seen.exits.at(-1)?.at ?? 0;
    const lines = this.seen.lines.filter(({ atMs }) => this.#startedAt + atMs > before).map(({ line }) => line);
    this.seen.exits.push({ ...exit, lastLines: lines.length > 0 ? lines.slice(-LAST_LINES) : exit.lastLines });
  }

  #readLog(): void {
    const lines = this.#log.read();
    for (const { line } of lines) this.#shapes.add(shapeOf(line));
    this.seen.lines = [...this.seen.lines, ...lines.map(({ at, line }) => ({ atMs: at - this.#startedAt, line }))].slice(-LINES_KEPT);
  }

  #isTimeToLook(): boolean {
    const lastMs = this.seen.looks.at(-1)?.atMs;
    return lastMs === undefined ? this.#nowMs() >= FIRST_LOOK_MS : this.#nowMs() - lastMs >= LOOK_EVERY_MS - 5;
  }

  async #look(groupPid: number): Promise<void> {
    const { seen } = this;
    if (this.#group?.leader !== groupPid) this.#group = new GroupWatch(groupPid);
    const group = this.#group.look();
    this.#readLog();
    if (!group) return;
    const atMs = this.#nowMs();
    const isRefused = seen.attempts.at(-1)?.answer.kind === "refused";
    const listens = isRefused ? await Promise.all(group.listens.map((listener) => this.#askElsewhere(listener))) : group.listens;
    seen.looks.push({ ...group, listens, atMs, news: this.#shapes.size } satisfies Look);
  }

  async #askElsewhere(listener: Listener): Promise<Look["listens"][number]> {
    const { health, port } = this.seen;
    if (!health || listener.port === port) return listener;
    const address = listener.host === "0.0.0.0" ? "127.0.0.1" : listener.host === "::" ? "::1" : listener.host;
    const reply = await probe({ address, port: listener.port, path: health.path, host: health.host, timeoutMs: ELSEWHERE_TIMEOUT_MS });
    if (reply.kind !== "answered" || isMetrics(reply)) return listener;
    return { ...listener, passes: passes(reply, health) };
  }
}

/** What any process may be told of, or says of itself, is no secret of the app. */
const OF_LANDFALL = /^(?:LANDFALL_.*|HOST|PORT|LANG)$/;

function loadVariables({ spec }: ProcessRecord, paths: Paths): InstanceVariables {
  const secrets = openSecrets(paths);
  return {
    secrets: Object.fromEntries(
      Object.entries(spec.secretEnv).flatMap(([variable, name]) => (secrets.has(name) ? [[variable, secrets.reveal(name)]] : [])),
    ),
    plain: Object.fromEntries(Object.entries(spec.env).filter(([variable]) => !OF_LANDFALL.test(variable))),
  };
}
