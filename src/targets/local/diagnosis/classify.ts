// From what was observed of a new instance to the verdict on it, or to none yet. Pure: no clock, no process, no file.
// The rules, and why they are what they are: docs/decisions/0007-when-a-failure-is-knowable.md.
import type { HealthCheck } from "../../../config/schema.ts";
import { type Cause, findLogMatch, type LogMatch, readLine } from "../../log-patterns.ts";
import type { Holder, Listener } from "../ports/listeners.ts";
import type { Exit } from "../supervisor/api.ts";
import type { Leaks } from "./leaks.ts";
import type { Reply } from "./probe.ts";

export type Answer =
  | Exclude<Reply, { kind: "answered" }>
  | {
      kind: "answered";
      status: number;
      passed: boolean;
      /** Its beginning, without secrets. */
      body: string;
      location?: string;
      leaks?: Leaks;
      /** Another process than the instance answered. */
      foreign?: Holder;
    };

/** All times are milliseconds since the instance was started. */
export interface Attempt {
  atMs: number;
  answer: Answer;
}

export interface Look {
  atMs: number;
  /** `passes`: the health check, asked there, is answered as it should be. */
  listens: (Listener & { passes?: boolean })[];
  busyMs: number;
  processes: number;
  /** How many different lines its log has had; numbers in them do not count as different. */
  news: number;
}

export interface Observations {
  nowMs: number;
  /** Absent for a service that takes no requests. */
  health?: HealthCheck;
  /** The port it was given, and the one that the configuration names. */
  port?: number;
  configuredPort?: number;
  /** How its runs ended, oldest first. */
  exits: Exit[];
  /** It was healthy before it ended. */
  wasHealthy?: boolean;
  /** Whether the kernel counts what it kills for lack of memory. */
  countsMemoryKills: boolean;
  attempts: Attempt[];
  /** Empty where the kernel does not tell. */
  looks: Look[];
  /** The last lines of its log. */
  lines: { atMs: number; line: string }[];
}

export type FaultKind =
  | Cause
  | "crashed"
  | "ended"
  | "wrongPort"
  | "wrongAddress"
  | "foreignAnswer"
  | "leaks"
  | "status"
  | "notHttp"
  | "timedOut"
  | "notListening"
  | "neverPassed"
  | "lost"
  | "slowStart";

export interface Fault {
  kind: FaultKind;
  /** What the program said of it. */
  match?: LogMatch;
}

export type Verdict = "healthy" | Fault;

const SAME_ANSWERS = 3;
const SAME_FOR_MS = 1_000;
const SETTLED_AFTER_MS = 1_000;
const SETTLED_FOR_MS = 500;
const SETTLED_AT_LAST_MS = 5_000;
/** More of its time than answering health checks takes. */
const BUSY_SHARE = 0.3;
const GRACE_MS_MAX = 10_000;
const LAST_ATTEMPTS = 6;

/** How long after the deadline an instance is still watched, to tell a slow one from one that never comes. */
export const graceMs = (health: HealthCheck): number => Math.min(health.startupTimeout, GRACE_MS_MAX);

export function classify(seen: Observations): Verdict | undefined {
  const exit = findFinalExit(seen);
  if (exit) return classifyExit(exit, seen);
  if (!seen.health) return hasSettled(seen) ? "healthy" : undefined;
  const last = seen.attempts.at(-1);
  if (!last) return undefined;
  return (
    classifyAnswer(seen, seen.health, last) ?? classifyListeners(seen) ?? classifyRepeatedWords(seen, seen.health) ?? classifyEnd(seen, seen.health)
  );
}

/**
 * Of an instance that was found healthy at the time zero: whether it has been so for that long without a break. A failed check begins the window
 * anew, and as many in a row as the balancer would take it out for end it.
 */
export function classifyWindow(seen: Observations, windowMs: number): "steady" | Fault | undefined {
  const exit = findFinalExit(seen);
  if (exit) return classifyExit(exit, seen);
  const { health, attempts, nowMs } = seen;
  const lastFailed = attempts.findLast(({ answer }) => !isWell(answer));
  const inARow = attempts.length - 1 - attempts.findLastIndex(({ answer }) => isWell(answer));
  if (health && (inARow >= health.unhealthyAfter || nowMs > windowMs + health.startupTimeout)) return blame({ kind: "lost" }, seen);
  return nowMs - (lastFailed?.atMs ?? 0) >= windowMs ? "steady" : undefined;
}

const isWell = (answer: Answer): boolean => answer.kind === "answered" && answer.passed && !answer.foreign && !answer.leaks;

/** A port that someone took between choosing and listening is the machine's bad luck: the supervisor gives another one, once. */
function findFinalExit({ exits, port }: Observations): Exit | undefined {
  const exit = exits.at(-1);
  const match = exits.length === 1 ? findLogMatch(exit?.lastLines ?? []) : undefined;
  return match?.cause === "portInUse" && match.port === port && port !== undefined ? undefined : exit;
}

function classifyExit(exit: Exit, { countsMemoryKills }: Observations): Fault {
  const match = findLogMatch(exit.lastLines);
  if (exit.outOfMemory || (exit.signal === "SIGKILL" && !countsMemoryKills)) return { kind: "outOfMemory", match };
  // Where the program was killed from outside, its last words are about something else.
  if (exit.signal && exit.signal !== "SIGABRT") return { kind: "crashed" };
  // The statuses of POSIX shells for a command that is not there, and for one that is no program.
  if (exit.code === 127) return { kind: "commandNotFound", match };
  if (exit.code === 126) return { kind: "commandNotExecutable", match };
  if (match && match.cause !== "commandNotFound" && match.cause !== "commandNotExecutable") return { kind: match.cause, match };
  return { kind: exit.code === 0 ? "ended" : "crashed" };
}

/** Still busy from its start, it may be about to fail: loading a program is work. One that never rests is let go on in the end. */
const hasSettled = (seen: Observations): boolean =>
  seen.nowMs >= SETTLED_AFTER_MS && (stillMs(seen) >= SETTLED_FOR_MS || seen.nowMs >= SETTLED_AT_LAST_MS);

function classifyAnswer(seen: Observations, health: HealthCheck, { atMs, answer }: Attempt): Verdict | undefined {
  const { count, sinceMs } = findSame(seen.attempts);
  const isSame = (forMs: number) => count >= SAME_ANSWERS && atMs - sinceMs >= forMs && stillMs(seen) >= forMs;
  if (answer.kind === "answered") {
    if (answer.leaks) return { kind: "leaks" };
    if (answer.passed && answer.foreign) return count >= SAME_ANSWERS && atMs - sinceMs >= SAME_FOR_MS ? { kind: "foreignAnswer" } : undefined;
    if (answer.passed) return atMs > health.startupTimeout ? { kind: "slowStart" } : "healthy";
    if (answer.status === 503) return undefined;
    return isSame(statusPatienceMs(answer, health)) ? blame({ kind: "status" }, seen) : undefined;
  }
  const isNoHttp = answer.kind === "notHttp" || answer.kind === "closed";
  return isNoHttp && isSame(patienceMs(health)) ? { kind: "notHttp" } : undefined;
}

/** Within the bounds of what people wait for, a share of the time that the user thinks a start may take. */
const patienceMs = (health: HealthCheck): number => Math.min(Math.max(health.startupTimeout / 6, 2_000), 5_000);

/** A router that says "moved" or "not allowed" is complete; 404, 408, 425, 429 and 5xx are also what half-started apps answer. */
function statusPatienceMs({ status, body }: Extract<Answer, { kind: "answered" }>, health: HealthCheck): number {
  const isStarting = status >= 500 || [404, 408, 425, 429].includes(status);
  const cause = readLine(body)?.cause;
  const willNotPass = cause === "resourceRefused" || cause === "variableMissing" || cause === "fileMissing" || cause === "writeRefused";
  return isStarting && !willNotPass ? patienceMs(health) : SAME_FOR_MS;
}

/** It listens, but not there. */
function classifyListeners(seen: Observations): Fault | undefined {
  const { attempts, looks, port, configuredPort, nowMs } = seen;
  const { count, sinceMs } = findSame(attempts);
  const listens = looks.at(-1)?.listens ?? [];
  if (attempts.at(-1)?.answer.kind !== "refused" || count < SAME_ANSWERS || nowMs - sinceMs < SAME_FOR_MS || listens.length === 0) return undefined;
  if (listens.some((listener) => listener.port === port)) {
    const first = looks.findLastIndex((look) => !look.listens.some((listener) => listener.port === port)) + 1;
    return (looks.at(-1)?.atMs ?? 0) - (looks[first]?.atMs ?? 0) >= SAME_FOR_MS ? { kind: "wrongAddress" } : undefined;
  }
  // Whatever else it opens first (metrics, a debugger) is not the app. The app is what passes the check, or has the port of the configuration.
  const isTheApp = listens.some((listener) => listener.passes || listener.port === configuredPort);
  return isTheApp && stillMs(seen) >= SAME_FOR_MS ? { kind: "wrongPort" } : undefined;
}

/** It tries again and again and says the same each time, of something that it needs, and never came to listen. */
function classifyRepeatedWords(seen: Observations, health: HealthCheck): Fault | undefined {
  if (seen.attempts.at(-1)?.answer.kind !== "refused" || (seen.looks.at(-1)?.listens.length ?? 1) > 0) return undefined;
  const matches = seen.lines.flatMap(({ atMs, line }) => {
    const match = readLine(line);
    return match?.cause === "resourceRefused" || match?.cause === "resourceUnreachable" ? [{ atMs, match, shape: shapeOf(line) }] : [];
  });
  const last = matches.at(-1);
  const same = matches.filter(({ shape }) => shape === last?.shape);
  const lastedMs = (last?.atMs ?? 0) - (same[0]?.atMs ?? 0);
  const patience = patienceMs(health);
  const isFinal = last && same.length >= SAME_ANSWERS && lastedMs >= patience && seen.nowMs - last.atMs <= patience && stillMs(seen) >= patience;
  return isFinal ? { kind: last.match.cause, match: last.match } : undefined;
}

/** The deadline has passed, and the little while after it too. */
function classifyEnd(seen: Observations, health: HealthCheck): Fault | undefined {
  // An attempt made before the end says nothing of the end: looking may have taken its time.
  if ((seen.attempts.at(-1)?.atMs ?? 0) <= health.startupTimeout + graceMs(health)) return undefined;
  // That it was refused before it listened is no part of what it does since.
  const first = seen.attempts.findIndex(({ answer }) => answer.kind !== "refused");
  const last = seen.attempts.slice(Math.max(first, 0)).slice(-LAST_ATTEMPTS);
  // One late answer among many is the machine's doing: what most of the last attempts came to is what it does.
  const kind = mostOf(last.map(({ answer }) => answer.kind));
  const listens = seen.looks.at(-1)?.listens ?? [];
  switch (kind) {
    case "refused":
      if (listens.some(({ port }) => port === seen.port)) return { kind: "wrongAddress" };
      return listens.length > 0 ? { kind: "wrongPort" } : blame({ kind: "notListening" }, seen);
    case "silent":
      return blame({ kind: "timedOut" }, seen);
    case "closed":
    case "notHttp":
      return { kind: "notHttp" };
    case "answered": {
      const answers = seen.attempts.flatMap(({ answer }) => (answer.kind === "answered" ? [answer] : []));
      const keys = answers.slice(-LAST_ATTEMPTS).map(keyOf);
      return blame({ kind: new Set(keys).size === 1 ? "status" : "neverPassed" }, seen);
    }
    default:
      return blame({ kind: "neverPassed" }, seen);
  }
}

const mostOf = <T>(items: T[]): T | undefined =>
  [...new Set(items)].sort((a, b) => items.filter((item) => item === b).length - items.filter((item) => item === a).length)[0];

/** The cause behind the symptom, where the answer or the last lines of the log name it. */
function blame(fault: Fault, { attempts, lines }: Observations): Fault {
  const answer = attempts.findLast((attempt) => attempt.answer.kind === "answered")?.answer ?? attempts.at(-1)?.answer;
  const inAnswer = answer?.kind === "answered" ? readLine(answer.body) : undefined;
  // An answer like 404 is complete in itself; what an app complains of meanwhile is another matter.
  const isSymptom = answer?.kind !== "answered" || answer.status >= 500;
  const match = inAnswer ?? (isSymptom ? findLogMatch(lines.map(({ line }) => line)) : undefined);
  return match ? { kind: match.cause, match } : fault;
}

/** The last attempts that came to the same. */
function findSame(attempts: Attempt[]): { count: number; sinceMs: number } {
  const last = attempts.at(-1);
  if (!last) return { count: 0, sinceMs: 0 };
  const key = keyOf(last.answer);
  const first = attempts.findLastIndex(({ answer }) => keyOf(answer) !== key) + 1;
  return { count: attempts.length - first, sinceMs: attempts[first]?.atMs ?? 0 };
}

function keyOf(answer: Answer): string {
  if (answer.kind !== "answered") return answer.kind;
  return `${answer.status} ${answer.passed} ${answer.foreign !== undefined} ${shapeOf(answer.body)}`;
}

/** A line or an answer without what changes each time: times, counters, identifiers. */
export const shapeOf = (text: string): string => text.slice(0, 300).replace(/[0-9a-f]*\d[0-9a-f]*/gi, "#");

/** For how long the group neither worked, nor said anything new, nor changed where it listens. Where nothing can be seen, for ever. */
function stillMs({ looks, nowMs }: Observations): number {
  if (looks.length === 0) return Number.POSITIVE_INFINITY;
  let from = looks.length - 1;
  const isStillBefore = (index: number): boolean => {
    const [before, after] = [looks[index - 1], looks[index]];
    return before !== undefined && after !== undefined && isStill(before, after);
  };
  while (isStillBefore(from)) from -= 1;
  return nowMs - (looks[from]?.atMs ?? nowMs);
}

const isStill = (before: Look, after: Look): boolean =>
  before.processes === after.processes &&
  before.news === after.news &&
  pathsOf(before) === pathsOf(after) &&
  shareOfTime(before, after) <= BUSY_SHARE;

const pathsOf = ({ listens }: Look): string =>
  listens
    .map(({ host, port }) => `${host} ${port}`)
    .sort()
    .join();

const shareOfTime = (before: Look | undefined, after: Look | undefined): number =>
  before && after && after.atMs > before.atMs ? (after.busyMs - before.busyMs) / (after.atMs - before.atMs) : 0;
