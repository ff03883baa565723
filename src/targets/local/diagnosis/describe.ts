// A diagnosis as an error: what happened, the evidence, the probable cause, what stands, what to do. Pure.

import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type ErrorCode, LandfallError } from "../../../error.ts";
import type { Stray } from "../../../reports.ts";
import { excerptOf } from "../../../text/excerpt.ts";
import { describeDuration, describeElapsed } from "../../../text/units.ts";
import { findLogMatch } from "../../log-patterns.ts";
import type { Listener } from "../ports/listeners.ts";
import type { Exit } from "../supervisor/api.ts";
import { type Answer, type Attempt, type FaultKind, graceMs, type Observations } from "./classify.ts";
import { describeReply } from "./probe.ts";
import type { Evidence, Failure, Watched } from "./watched.ts";

type Row = [label: string, text: string];

interface Diagnosis extends Failure {
  evidence: Evidence;
  /** Takes the secrets out of a text. */
  hide: (text: string) => string;
}

/** What is said of one kind of fault. */
interface Words {
  code: ErrorCode;
  /** After `release 7f3c2a of "web" `. */
  what: string;
  /** Evidence beyond what was asked, answered, heard and logged. */
  rows?: Row[];
  why?: string;
  next?: string;
}

const LAST_LINES = 8;

export function describeFault(diagnosis: Diagnosis): LandfallError {
  const { watched, hide } = diagnosis;
  const { code, what, rows = [], why, next } = WORDS[diagnosis.fault.kind](diagnosis);
  const evidence = [...baseRows(diagnosis), ...rows, ...lastLog(diagnosis)];
  return new LandfallError({
    code,
    what: hide(`release ${watched.release} of "${watched.service}" ${what}`),
    evidence: evidence.map(([label, text]): Row => [label, hide(text)]),
    ...(why ? { why: hide(why) } : {}),
    standing: describeStanding(watched),
    next: next ?? `landfall logs ${watched.environment} ${watched.service} --release ${watched.release}`,
  });
}

/** Who gets requests once a release has failed. */
export function describeStanding(watched: Pick<Watched, "release"> & Partial<Watched>): string {
  const { serving, release, servesAlready, gotRequests } = watched;
  if (servesAlready) return `Release ${serving ?? release} is still serving all traffic, by the rules that it had. Nothing was stopped.`;
  if (!serving) return `No release is serving yet. ${release} was stopped.`;
  return gotRequests
    ? `Release ${serving} gets all traffic again. ${release} had got some of it, and was stopped.`
    : `Release ${serving} still gets all traffic. ${release} took none and was stopped.`;
}

/** Each of its runs may have left something. */
const leftBy = ({ exits }: Observations): Stray[] => exits.flatMap(({ left = [] }) => left);

const WORDS: Record<FaultKind, (diagnosis: Diagnosis) => Words> = {
  crashed: ({ seen }) => ({
    code: "INSTANCE_CRASHED",
    what: seen.wasHealthy ? "crashed soon after it was healthy" : "crashed before it was healthy",
  }),

  ended: ({ watched, seen }) => ({
    ...(leftBy(seen).length > 0
      ? {
          code: "INSTANCE_IN_BACKGROUND",
          what: "put itself into the background",
          rows: leftBy(seen).map(({ pid, command }): Row => ["left", `pid ${pid} (${command}), outside of its process group; it was ended`]),
          why: "What was started ended, and what it had started ran on. Landfall watches the process that it starts, and ends with it what it leaves behind.",
        }
      : {
          code: "INSTANCE_ENDED",
          what: "came to its end instead of running on",
          why: "The command did what it had to do, or went to the background: what it left running there was stopped with it.",
        }),
    next: `let the command of "${watched.service}" stay in the foreground until it is asked to stop`,
  }),

  outOfMemory: ({ evidence }) => ({
    code: "INSTANCE_OUT_OF_MEMORY",
    what: "ran out of memory",
    rows: evidence.memory
      ? [["memory", `${describeBytes(evidence.memory.freeBytes)} of ${describeBytes(evidence.memory.sizeBytes)} are free on this machine now`]]
      : [],
    why: "It needs more memory than its own limit or the machine allows.",
  }),

  diskFull: ({ evidence }) => ({
    code: "INSTANCE_DISK_FULL",
    what: "found a disk full",
    rows: evidence.disk
      ? [["disk", `${describeBytes(evidence.disk.freeBytes)} of ${describeBytes(evidence.disk.sizeBytes)} are free at ${evidence.disk.path}`]]
      : [],
    why: "A volume it writes to has no space or no files left, or its quota is used up.",
  }),

  variableMissing: ({ watched, evidence }) => describeVariable(watched.service, watched.environment, evidence.variable),

  resourceUnreachable: ({ evidence, fault }) => {
    const { server } = evidence;
    const asked = server?.resource
      ? `the ${server.resource.type} "${server.resource.name}"`
      : `a server at ${server?.address ?? fault.match?.host ?? "an address it does not name"}`;
    return {
      code: "INSTANCE_RESOURCE_UNREACHABLE",
      what: `does not reach ${asked}`,
      rows: serverRows(evidence),
      why: server?.resource
        ? server.listens
          ? "It answers now: it was not there yet when it was asked, or it is asked for under another name."
          : "It does not answer."
        : "That address is none of the app's resources: a default of the app, or a variable that it does not read.",
    };
  },

  resourceRefused: ({ evidence, fault }) => {
    const { server } = evidence;
    const by = server?.resource
      ? `the ${server.resource.type} "${server.resource.name}"`
      : server?.address
        ? `the server at ${server.address}`
        : "a server that it needs";
    const user = fault.match?.subject ? `user "${fault.match.subject}"` : "its user or password";
    return {
      code: "INSTANCE_RESOURCE_REFUSED",
      what: `was refused by ${by}`,
      rows: serverRows(evidence),
      why: `The server was reached and did not accept ${user}. Probably the app uses other credentials than those in the variables it was given, or takes them apart wrongly.`,
    };
  },

  portInUse: ({ watched, process, evidence, fault }) => {
    const port = fault.match?.port;
    const { holder } = evidence;
    return {
      code: "INSTANCE_PORT_IN_USE",
      what: port === undefined ? "wants a port that is in use" : `wants port ${port}, which is in use`,
      rows: holder ? [["holder", holder.instance ? `${holder.instance} (pid ${holder.pid})` : `${holder.command} (pid ${holder.pid})`]] : [],
      why:
        port === process.port
          ? "Another process took it."
          : `It was given port ${process.port} in PORT; several instances run on this machine, so that no port can be fixed.`,
      next: `let "${watched.service}" listen on the port in PORT, and give every other port it opens a number from PORT or none`,
    };
  },

  commandNotFound: ({ watched, fault }) => ({
    code: "INSTANCE_COMMAND_NOT_FOUND",
    what: fault.match?.subject ? `has a command that was not found: "${fault.match.subject}"` : "has a command that was not found",
    why: "It is neither in the release's folder nor on PATH.",
    next: `correct services.${watched.service}.command, or add what brings the command to the recipe`,
  }),

  commandNotExecutable: ({ watched, fault }) => ({
    code: "INSTANCE_COMMAND_NOT_EXECUTABLE",
    what: fault.match?.subject ? `has a command that cannot be executed: "${fault.match.subject}"` : "has a command that cannot be executed",
    why: "The file is there, but it is not marked as executable, or it is no program for this machine.",
    next: `git update-index --chmod=+x ${fault.match?.subject ?? "<file>"}, or name its interpreter in services.${watched.service}.command`,
  }),

  fileMissing: (diagnosis) => (diagnosis.evidence.file?.exists ? fileThere(diagnosis) : fileMissing(diagnosis)),

  writeRefused: ({ watched, process, evidence, fault }) => ({
    code: "INSTANCE_WRITE_REFUSED",
    what: fault.match?.subject ? `may not write "${fault.match.subject}"` : "may not write its file",
    rows: [["data", process.spec.env.LANDFALL_DATA ?? "none"]],
    why: whyRefused(process.spec.cwd, evidence.file?.path),
    next: keepElsewhere(watched.service),
  }),

  wrongPort: ({ watched, process, seen }) => ({
    code: "INSTANCE_WRONG_PORT",
    what: "listens on another port than it was given",
    why: `PORT was ${process.port}. ${describeWrongPort(watched.settings.port, seen.looks.at(-1)?.listens ?? [])}`,
    next: `let "${watched.service}" listen on 127.0.0.1 at the port in PORT`,
  }),

  wrongAddress: ({ watched, process }) => ({
    code: "INSTANCE_WRONG_ADDRESS",
    what: "listens on another address than requests come to",
    why: `The port is right. Requests come to 127.0.0.1:${process.port}.`,
    next: `let "${watched.service}" listen on 127.0.0.1, which it is given in HOST`,
  }),

  foreignAnswer: ({ process, evidence: { holder } }) => ({
    code: "INSTANCE_FOREIGN_ANSWER",
    what: "is not what answers on its port",
    rows: holder ? [["answers", `${holder.instance ?? `${holder.command}, none of this environment's processes`} (pid ${holder.pid})`]] : [],
    why: `Another process listens on 127.0.0.1:${process.port} and passes the health check. Requests would go to it.`,
    next: holder ? `see what pid ${holder.pid} is, and stop it` : undefined,
  }),

  leaks: ({ watched, seen }) => {
    const answer = seen.attempts.at(-1)?.answer;
    const { secrets = [], variables = [] } = (answer?.kind === "answered" && answer.leaks) || {};
    return {
      code: "HEALTH_LEAKS",
      what: "gives away its environment in the answer to its health check",
      rows: [
        ...(secrets.length > 0 ? [["secrets", `the values of ${secrets.join(", ")} are in the answer`] satisfies Row] : []),
        ...(variables.length > 0 ? [["variables", `the values of ${variables.join(", ")} are in the answer`] satisfies Row] : []),
      ],
      why: "Anyone who asks that path would get them. Such a release is never given traffic.",
      next: `answer ${watched.settings.health.path} without them, and change the secrets if that release has served before`,
    };
  },

  status: ({ seen }) => {
    const answer = seen.attempts.findLast((attempt) => attempt.answer.kind === "answered")?.answer;
    const status = answer?.kind === "answered" ? answer.status : 0;
    return {
      code: "HEALTH_STATUS",
      what: `answers its health check with ${status}`,
      why: WHY_STATUS[status] ?? (status < 400 ? WHY_STATUS[300] : undefined),
    };
  },

  notHttp: ({ watched }) => ({
    code: "HEALTH_NOT_HTTP",
    what: "does not answer its health check in HTTP",
    why: "It takes the connection and closes it, or answers something else. A server that speaks only HTTPS does that; encryption is the balancer's part.",
    next: `let "${watched.service}" speak plain HTTP on the port in PORT`,
  }),

  timedOut: ({ watched }) => ({
    code: "HEALTH_TIMED_OUT",
    what: "takes its health check and does not answer it",
    why: `No whole answer came within ${describeDuration(watched.settings.health.timeout)}. Probably it waits for something itself, or all its threads are taken.`,
  }),

  notListening: ({ watched }) => ({
    code: "INSTANCE_NOT_LISTENING",
    what: "runs, but does not listen on any port",
    why: `Nothing listened within ${describeDuration(watched.settings.health.startupTimeout)}, nor for ${describeDuration(graceMs(watched.settings.health))} after that.`,
  }),

  lost: ({ watched: { settings } }) => ({
    code: "HEALTH_LOST",
    what: "passed its health check, and then failed it",
    why: `It has to stay healthy for ${describeDuration(settings.health.steadyFor)} before anything depends on it.`,
  }),

  neverPassed: () => ({ code: "HEALTH_NEVER_PASSED", what: "never passed its health check" }),

  slowStart: ({ watched, seen }) => {
    const tookMs = seen.attempts.at(-1)?.atMs ?? 0;
    const enough = describeDuration(Math.ceil((tookMs * 1.5) / 1000) * 1000);
    return {
      code: "INSTANCE_SLOW_START",
      what: "became healthy only after its deadline",
      why: `It passed ${describeElapsed(tookMs)} after it was started; ${describeDuration(watched.settings.health.startupTimeout)} were allowed.`,
      next: `set services.${watched.service}.health.startupTimeout to "${enough}"`,
    };
  },
};

const keepElsewhere = (service: string): string => `let "${service}" keep its files in the folder that the variable LANDFALL_DATA names`;

const RELEASE_READ_ONLY =
  "The folder of a release is read-only, for root too: each release has its own, so that what is written there would be gone with the next one.";

/** A path that was not named is most probably one of the release, as those are that are not absolute. */
const whyRefused = (folder: string, path = folder): string =>
  path === folder || path.startsWith(`${folder}/`)
    ? RELEASE_READ_ONLY
    : "It is outside of the release, and the user that the app runs as has no right to it.";

/** For a command that failed in a release's folder: why, and what to do, where its last words are that it could not write. */
export function explainRefusal(lines: readonly string[], folder: string, service: string): { why: string; next: string } | undefined {
  const match = findLogMatch(lines);
  if (match?.cause !== "writeRefused") return undefined;
  return { why: whyRefused(folder, resolve(folder, match.subject ?? "")), next: keepElsewhere(service) };
}

/** It names a file and says that it is not there, and that is not so: something else is wrong with it, or it was made since. */
const fileThere = (diagnosis: Diagnosis): Words => ({
  ...WORDS.crashed(diagnosis),
  rows: [["file", `${diagnosis.evidence.file?.path} is there now`]],
});

const fileMissing = ({ process, evidence, fault }: Diagnosis): Words => ({
  code: "INSTANCE_FILE_MISSING",
  what: fault.match?.subject ? `does not find "${fault.match.subject}"` : "does not find a file that it needs",
  rows: [["folder", process.spec.cwd], ...(evidence.file ? [["file", `${evidence.file.path} is not there`] satisfies Row] : [])],
  why: "Probably it is not part of the release: not committed, not installed by the recipe, not made by a build step, or looked for in another folder.",
});

/** What a status of a health check mostly means. */
const WHY_STATUS: Record<number, string> = {
  300: "The health check is sent on to another address. Redirects are not followed: name a path that answers itself.",
  401: "The health path asks for a login. Name a path that does not.",
  403: "The health path is forbidden to whoever asks. Some frameworks refuse host names they were not told of; the check asks for 127.0.0.1, or for what `health.host` says.",
  400: "Some frameworks refuse host names they were not told of; the check asks for 127.0.0.1, or for what `health.host` says.",
  404: "There is nothing at the health path.",
  405: "The health path does not take GET.",
  503: "The app said “not yet” until its deadline.",
};

function describeVariable(service: string, environment: string, variable: Evidence["variable"]): Words {
  const name = variable?.name ?? "";
  const isGiven = variable?.source !== undefined;
  return {
    code: "INSTANCE_VARIABLE_MISSING",
    what: `lacks the variable "${name}"`,
    rows: [
      [
        "variable",
        isGiven ? `${name} is given by ${variable.source}${variable.isEmpty ? ", and is empty" : ""}` : `${name} is not in the configuration`,
      ],
    ],
    why: isGiven ? "The app has it and does not find it: it reads another source, or at another time, than its environment." : undefined,
    next: isGiven
      ? undefined
      : `set ${name} in services.${service}.environment; or, for a secret, add it to services.${service}.secrets and run  landfall secrets set ${environment} ${name}`,
  };
}

function serverRows({ server }: Evidence): Row[] {
  const listening = server?.listens === undefined ? "" : server.listens ? ", and takes connections now" : ", and takes no connections now";
  if (server?.resource)
    return [["resource", `${server.resource.type} "${server.resource.name}" at ${server.address}: ${server.resource.state}${listening}`]];
  return server?.address ? [["server", `${server.address}${listening.replace(", and", ":")}`]] : [];
}

function describeWrongPort(configured: number | undefined, listens: Listener[]): string {
  return listens.some(({ port }) => port === configured)
    ? `It listens on ${configured}, the port in the configuration: on one machine every instance gets a port of its own.`
    : "It listens on a port of its own choice.";
}

/** What was seen of it: of one that ended how it ended, of one that runs what it was asked and answered, and where it listens. */
function baseRows({ watched, process, seen }: Diagnosis): Row[] {
  const exit = seen.exits.at(-1);
  if (exit) {
    return [
      ["command", watched.settings.command],
      ["process", `${watched.id} ${describeExit(exit)}, ${describeElapsed(Math.max(0, exit.at - watched.since))} after its start`],
    ];
  }
  if (!seen.health) return [["command", watched.settings.command]];
  const { status, path, timeout, startupTimeout } = seen.health;
  const range = status.from === status.to ? `${status.from}` : `${status.from}-${status.to}`;
  const asked = `GET http://127.0.0.1:${process.port}${path} for ${describeDuration(startupTimeout)} at most; ${range} within ${describeDuration(timeout)} passes`;
  const look = seen.looks.at(-1);
  return [
    ["asked", asked],
    ...describeAttempts(seen.attempts).map((text): Row => ["answered", text]),
    ...(look ? [["listens", look.listens.map(describePlace).join(", ") || "nowhere"] satisfies Row] : []),
    ["process", `${watched.id} runs with pid ${process.pid}`],
  ];
}

function lastLog({ seen, fault }: Diagnosis): Row[] {
  const lines = seen.exits.at(-1)?.lastLines ?? seen.lines.map(({ line }) => line);
  // The line that names the cause is shown also when others came after it.
  const { match } = fault;
  const shown = excerptOf(lines, LAST_LINES);
  const isCut = match && lines.some((line) => stripVTControlCharacters(line) === match.line) && !shown.includes(match.line);
  return (isCut ? [match.line, ...shown.slice(1)] : shown).map((line, index): Row => [index === 0 ? "last log" : "", line]);
}

function describeExit({ code, signal, outOfMemory }: Exit): string {
  if (outOfMemory) return "was killed by the kernel, which was out of memory";
  if (signal) return `was killed by ${signal}`;
  return code === undefined ? "ended, nobody knows how" : `ended with status ${code}`;
}

/** Equal answers in a row make one line: `attempts 3-15  503 "..."  4.1s - 28s`. */
function describeAttempts(attempts: Attempt[]): string[] {
  const runs: { from: number; to: number; text: string }[] = [];
  attempts.forEach(({ answer }, index) => {
    const text = describeAnswer(answer);
    const run = runs.at(-1);
    if (run?.text === text) run.to = index;
    else runs.push({ from: index, to: index, text });
  });
  const at = (index: number) => describeElapsed(attempts[index]?.atMs ?? 0);
  return runs.slice(-6).map(({ from, to, text }) => {
    const numbers = from === to ? `attempt ${from + 1}` : `attempts ${from + 1}-${to + 1}`;
    return `${numbers}  ${text}  ${from === to ? at(from) : `${at(from)} - ${at(to)}`}`;
  });
}

/** Of an answer that gives secrets away nothing is shown. */
const describeAnswer = (answer: Answer): string =>
  answer.kind === "answered" && answer.leaks ? `${answer.status}, not shown here` : describeReply(answer);

const describePlace = ({ host, port, passes }: Listener & { passes?: boolean }): string =>
  `${host.includes(":") ? `[${host}]` : host}:${port}${passes ? " (passes the health check)" : ""}`;

function describeBytes(bytes: number): string {
  const [factor, unit] = bytes >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${(bytes / factor).toFixed(1)} ${unit}`;
}
