// Watches a new instance until it is healthy, or until it can be known that it will not be; the reason is part of the error.
// Here it is only looked and asked: what that means is decided in classify.ts.
import { join } from "node:path";
import type { HealthCheck, Service } from "../../../config/schema.ts";
import type { LandfallError } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import { loadText } from "../../../system/files.ts";
import type { Places } from "../places.ts";
import { openSecrets } from "../secrets.ts";
import type { Exit, ProcessRecord, SupervisorApi } from "../supervisor/api.ts";
import { type Answer, classify, type Fault, type Look, type Observations, shapeOf } from "./classify.ts";
import { describeFault } from "./describe.ts";
import { gatherFacts } from "./facts.ts";
import { findLeaks, type Given, hideSecrets } from "./leaks.ts";
import { findForeignHolder, GroupWatch, type Listener } from "./listeners.ts";
import { LogTail } from "./log-tail.ts";
import { isMetrics, passes, probe } from "./probe.ts";

export interface Watched {
  id: string;
  service: string;
  release: string;
  settings: Service;
  /** The release that serves meanwhile. */
  serving?: string;
  environment: string;
  places: Places;
  supervisor: SupervisorApi;
  /** An exit before this moment (milliseconds since 1970) is another life's. */
  since: number;
  /** When it was found healthy. */
  healthyAt?: number;
  signal?: AbortSignal;
}

const BODY_SHOWN = 200;
const LINES_KEPT = 200;
const LAST_LINES = 60;
const LOOK_EVERY_MS = 250;
const STEADY_FOR_MS = 1_000;
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
 * Resolves when each of them, healthy before, has run for a second longer; web services only have to run now, since they are proved by
 * their answers. Rejects with a diagnosis of the first that has ended since it was started.
 */
export async function waitSteady(all: Watched[]): Promise<void> {
  await Promise.all(
    all.map(async (watched) => {
      const watch = new Watch(watched);
      for (;;) {
        watched.signal?.throwIfAborted();
        const process = await watch.observeEnd();
        if (!process) return;
        const verdict = watch.seen.exits.length > 0 ? classify(watch.seen) : undefined;
        if (verdict && verdict !== "healthy") throw await watch.diagnose(process, verdict);
        if (watched.settings.port || Date.now() - (watched.healthyAt ?? watched.since) >= STEADY_FOR_MS) return;
        await systemClock.sleep(LOOK_EVERY_MS, watched.signal);
      }
    }),
  );
}

class Watch {
  readonly seen: Observations;
  readonly #watched: Watched;
  readonly #from = performance.now();
  readonly #startedAt = Date.now();
  readonly #log: LogTail;
  readonly #shapes = new Set<string>();
  #group: GroupWatch | undefined;
  #given: Given | undefined;
  #process: ProcessRecord | undefined;

  constructor(watched: Watched) {
    this.#watched = watched;
    this.#log = new LogTail(join(watched.places.logs, `${watched.id}.jsonl`), watched.since);
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
  get given(): Given {
    if (!this.#given && this.#process) this.#given = loadGiven(this.#process, this.#watched.places);
    return this.#given ?? { secrets: {}, plain: {} };
  }

  async observe(): Promise<ProcessRecord> {
    const { seen } = this;
    const process = await this.#observeProcess();
    if (!process) throw new Error(`the supervisor does not know ${this.#watched.id}`);
    const { group } = process;
    if (process.state !== "running" || !group) return process;
    if (seen.health) seen.attempts.push({ answer: await this.#ask(process, group.pid, seen.health), atMs: this.#nowMs() });
    if (this.#isTimeToLook()) await this.#look(group.pid);
    seen.nowMs = this.#nowMs();
    return process;
  }

  /** Only whether it has ended. Undefined for one that is there no more: it was stopped on purpose. */
  async observeEnd(): Promise<ProcessRecord | undefined> {
    this.seen.wasHealthy = true;
    return this.#observeProcess();
  }

  async diagnose(process: ProcessRecord, fault: Fault): Promise<LandfallError> {
    const failure = { watched: this.#watched, process, seen: this.seen, fault };
    return describeFault({ ...failure, facts: await gatherFacts(failure), hide: (text) => hideSecrets(text, this.given) });
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

  async #observeProcess(): Promise<ProcessRecord | undefined> {
    const { seen } = this;
    const { supervisor, id, since } = this.#watched;
    const [process] = (await supervisor.observe({ ids: [id] })).processes;
    this.#process = process;
    seen.nowMs = this.#nowMs();
    seen.port = process?.port;
    const lastExit = process?.lastExit;
    if (lastExit && lastExit.at >= since && seen.exits.at(-1)?.at !== lastExit.at) this.#noteExit(lastExit);
    return process;
  }

  async #ask({ port = 0, spec }: ProcessRecord, group: number, health: HealthCheck): Promise<Answer> {
    const reply = await probe({ port, path: health.path, timeoutMs: health.timeout });
    if (reply.kind !== "answered") return reply;
    const { status, body, location } = reply;
    const passed = passes(reply, health);
    return {
      kind: "answered",
      status,
      passed,
      body: hideSecrets(body, this.given).slice(0, BODY_SHOWN),
      location,
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
    const said = this.#log.read();
    for (const { line } of said) this.#shapes.add(shapeOf(line));
    this.seen.lines = [...this.seen.lines, ...said.map(({ at, line }) => ({ atMs: at - this.#startedAt, line }))].slice(-LINES_KEPT);
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
    const listens = isRefused ? await Promise.all(group.listens.map((one) => this.#askElsewhere(one))) : group.listens;
    seen.looks.push({ ...group, listens, atMs, news: this.#shapes.size } satisfies Look);
  }

  async #askElsewhere(listener: Listener): Promise<Look["listens"][number]> {
    const { health, port } = this.seen;
    if (!health || listener.port === port) return listener;
    const host = listener.host === "0.0.0.0" ? "127.0.0.1" : listener.host === "::" ? "::1" : listener.host;
    const reply = await probe({ host, port: listener.port, path: health.path, timeoutMs: ELSEWHERE_TIMEOUT_MS });
    if (reply.kind !== "answered" || isMetrics(reply)) return listener;
    return { ...listener, passes: passes(reply, health) };
  }
}

/** What any process may be told of, or says of itself, is no secret of the app. */
const OF_LANDFALL = /^(?:LANDFALL_.*|HOST|PORT|LANG)$/;

function loadGiven({ spec }: ProcessRecord, places: Places): Given {
  const secrets = openSecrets(places);
  return {
    secrets: Object.fromEntries(
      Object.entries(spec.secretEnv).flatMap(([variable, name]) => (secrets.has(name) ? [[variable, secrets.reveal(name)]] : [])),
    ),
    plain: Object.fromEntries(Object.entries(spec.env).filter(([variable]) => !OF_LANDFALL.test(variable))),
  };
}
