// Watches a new instance until it is healthy, or until it can be known that it will not be; the reason is part of the error.
import { request } from "node:http";
import type { HealthCheck, Service } from "../../../config/schema.ts";
import { describeDuration } from "../../../config/units.ts";
import { type ErrorCode, LandfallError } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import type { Places } from "../places.ts";
import type { ProcessRecord, SupervisorApi } from "../supervisor/api.ts";
import { observeListeners } from "./listeners.ts";

interface Watched {
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
  signal?: AbortSignal;
}

interface Attempt {
  /** Since the instance was started. */
  afterMs: number;
  passed: boolean;
  answer: string;
  status?: number;
}

/** A worker has no port to ask: it counts as working when it has run for so long. */
const SETTLE_MS = 1_000;
/** The same refusal so often, over so long, will not change: 503 apart, which says “not yet” (RFC 9110, 15.6.4). */
const SAME_ANSWERS = 3;
const SAME_FOR_MS = 1_000;
const BODY_SHOWN = 200;

export async function waitHealthy(watched: Watched): Promise<void> {
  const { health, port } = watched.settings;
  const from = performance.now();
  const attempts: Attempt[] = [];
  for (;;) {
    watched.signal?.throwIfAborted();
    const process = await findProcess(watched);
    const afterMs = performance.now() - from;
    if (process.lastExit && process.lastExit.at >= watched.since) throw crashed(watched, process);
    if (!port) {
      if (afterMs >= SETTLE_MS) return;
    } else {
      const attempt = { ...(await probe(process.port ?? 0, health)), afterMs };
      if (attempt.passed) return;
      attempts.push(attempt);
      await failIfKnowable(watched, process, attempts);
      if (afterMs > health.deadline) throw unhealthy(watched, process, attempts, "HEALTH_NEVER_PASSED");
    }
    // Most apps are up within a second, and each wave of a rollout waits here.
    const pauseMs = afterMs < 1_000 ? 5 : afterMs < 2_000 ? 25 : 250;
    await systemClock.sleep(Math.min(health.interval, pauseMs), watched.signal);
  }
}

async function findProcess({ supervisor, id }: Watched): Promise<ProcessRecord> {
  const { processes } = await supervisor.observe();
  const process = processes.find((one) => one.spec.id === id);
  if (!process) throw new Error(`the supervisor does not know ${id}`);
  return process;
}

async function failIfKnowable(watched: Watched, process: ProcessRecord, attempts: Attempt[]): Promise<void> {
  const last = attempts.at(-1);
  const same = attempts.slice(attempts.findLastIndex((attempt) => attempt.answer !== last?.answer) + 1);
  const lasted = (last?.afterMs ?? 0) - (same[0]?.afterMs ?? 0);
  if (!last || same.length < SAME_ANSWERS || lasted < SAME_FOR_MS) return;
  if (last.status !== undefined && last.status !== 503) throw unhealthy(watched, process, attempts, "HEALTH_STATUS");
  if (last.answer !== "connection refused" || !process.group) return;
  const listens = await observeListeners(process.group.pid);
  // It may have begun to listen since it was asked.
  const isReachable = listens.some((address) => ["127.0.0.1", "0.0.0.0", "[::]"].some((host) => address === `${host}:${process.port}`));
  if (listens.length > 0 && !isReachable) throw wrongPort(watched, process, listens);
}

function probe(port: number, health: HealthCheck): Promise<Omit<Attempt, "afterMs">> {
  return new Promise((resolve) => {
    const outgoing = request({
      host: "127.0.0.1",
      port,
      path: health.path,
      agent: false,
      timeout: health.timeout,
      headers: { "user-agent": "landfall-health" },
    });
    const hung = () => outgoing.destroy(Object.assign(new Error(), { code: "TIMEOUT" }));
    const timer = setTimeout(hung, health.timeout);
    const settle = (attempt: Omit<Attempt, "afterMs">) => {
      clearTimeout(timer);
      resolve(attempt);
    };
    outgoing.on("error", (error: NodeJS.ErrnoException) => settle({ passed: false, answer: describeFailure(error, health) }));
    outgoing.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (body.length < BODY_SHOWN) body += chunk.slice(0, BODY_SHOWN);
      });
      response.on("error", (error: NodeJS.ErrnoException) => settle({ passed: false, answer: describeFailure(error, health) }));
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        settle({
          passed: status >= health.status.from && status <= health.status.to,
          status,
          answer: `${status} ${JSON.stringify(body.slice(0, BODY_SHOWN))}`,
        });
      });
    });
    outgoing.end();
  });
}

function describeFailure(error: NodeJS.ErrnoException, health: HealthCheck): string {
  if (error.code === "ECONNREFUSED") return "connection refused";
  if (error.code === "TIMEOUT") return `no answer within ${describeDuration(health.timeout)}`;
  return error.code === "ECONNRESET" ? "connection closed without an answer" : (error.code ?? error.message);
}

const standingOf = ({ serving, release }: Watched) =>
  serving
    ? `Release ${serving} is still serving all traffic. ${release} took none and was stopped.`
    : `No release is serving yet. ${release} was stopped.`;

const logsOf = ({ environment, service, release }: Watched) => `landfall logs ${environment} ${service} --release ${release}`;

function crashed(watched: Watched, { lastExit }: ProcessRecord): LandfallError {
  const reason = lastExit?.signal ? `killed by ${lastExit.signal}` : `ended with status ${lastExit?.code}`;
  return new LandfallError({
    code: "INSTANCE_CRASHED",
    what: `release ${watched.release} of "${watched.service}" crashed before it was healthy`,
    evidence: [["command", watched.settings.command], ["process", `${watched.id} ${reason}`], ...lastLog(lastExit?.lastLines)],
    standing: standingOf(watched),
    next: logsOf(watched),
  });
}

function wrongPort(watched: Watched, process: ProcessRecord, elsewhere: string[]): LandfallError {
  return new LandfallError({
    code: "INSTANCE_WRONG_PORT",
    what: `release ${watched.release} of "${watched.service}" does not listen where it was told to`,
    evidence: [
      ["asked", `127.0.0.1:${process.port}, given in the variable PORT: connection refused`],
      ["listens", elsewhere.join(", ")],
    ],
    standing: standingOf(watched),
    next: `let "${watched.service}" listen on 127.0.0.1 at the port in PORT`,
  });
}

function unhealthy(watched: Watched, process: ProcessRecord, attempts: Attempt[], code: ErrorCode): LandfallError {
  const { health } = watched.settings;
  const status = health.status.from === health.status.to ? `${health.status.from}` : `${health.status.from}-${health.status.to}`;
  const asked = `GET http://127.0.0.1:${process.port}${health.path} for ${describeDuration(health.deadline)} at most; ${status} within ${describeDuration(health.timeout)} passes`;
  const what =
    code === "HEALTH_STATUS"
      ? `release ${watched.release} of "${watched.service}" answers its health check with ${attempts.at(-1)?.status}`
      : `release ${watched.release} of "${watched.service}" never passed its health check`;
  return new LandfallError({
    code,
    what,
    evidence: [["asked", asked], ...describeAttempts(attempts).map((text): [string, string] => ["answered", text])],
    standing: standingOf(watched),
    next: logsOf(watched),
  });
}

/** Equal answers in a row make one line: `attempts 3-15  503 "..."  4.1 s - 28.0 s`. */
function describeAttempts(attempts: Attempt[]): string[] {
  const runs: { from: number; to: number }[] = [];
  attempts.forEach((attempt, index) => {
    const run = runs.at(-1);
    if (run && attempts[run.to]?.answer === attempt.answer) run.to = index;
    else runs.push({ from: index, to: index });
  });
  const seconds = (index: number) => `${((attempts[index]?.afterMs ?? 0) / 1000).toFixed(1)} s`;
  return runs.slice(-6).map(({ from, to }) => {
    const numbers = from === to ? `attempt ${from + 1}` : `attempts ${from + 1}-${to + 1}`;
    return `${numbers}  ${attempts[from]?.answer}  ${seconds(from)} - ${seconds(to)}`;
  });
}

const lastLog = (lines: string[] | undefined): [string, string][] =>
  (lines ?? []).slice(-8).map((line, index) => [index === 0 ? "last log" : "", line]);
