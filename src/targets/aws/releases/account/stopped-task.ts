// What a task that stopped says of those that would follow it, and in which words it is told. Pure.
// The rules, and why they are what they are: docs/decisions/0071-a-task-that-stopped-ends-the-rollout.md.
import type { Task } from "@aws-sdk/client-ecs";
import type { Service } from "../../../../config/schema.ts";
import type { ErrorParts } from "../../../../error.ts";
import { excerptOf } from "../../../../text/excerpt.ts";
import { type Cause, findLogMatch, type LogMatch } from "../../../log-patterns.ts";
import { exitCodeOf, reasonOf, taskId } from "../../account/tasks.ts";

/**
 * `final`: whoever is started after it ends as it did. `counted`: the next may fare better, and ECS's circuit breaker counts how many do not.
 * `none`: it was asked to go, or AWS took its machine away.
 */
export type Bearing = "final" | "counted" | "none";

const HEALTH = /^Task failed (?:ELB|container) health checks/;
/** What may be otherwise in a moment: the way to a registry, a permission that is not known everywhere yet. */
const PASSES =
  /time-?out|timed out|deadline exceeded|cancell?ed|connection|\bTLS\b|\bEOF\b|toomanyrequests|rate limit|throttl|\b(?:403|429|5\d\d)\b|denied|not authorized/i;
/** What the next task would find as it is: no such image, none for this processor, no such parameter. */
const STAYS =
  /not found|manifest unknown|does ?n[o']t exist|can't find|invalid ssm parameters|matching platform|invalid reference format|no space left|exec format error/i;

export function bearingOf(task: Pick<Task, "stopCode" | "stoppedReason" | "containers">): Bearing {
  const reason = reasonOf(task);
  switch (task.stopCode) {
    case "EssentialContainerExited":
      return "final";
    case "ServiceSchedulerInitiated":
      return HEALTH.test(reason) ? "final" : "none";
    case "TaskFailedToStart":
      return STAYS.test(reason) && !PASSES.test(reason) ? "final" : "counted";
    default:
      return "none";
  }
}

/** A task, and the lines of its log. */
export interface StoppedTask {
  task: Task;
  lines: string[];
}

export interface Where {
  service: string;
  environment: string;
  /** As it is configured, where that is known. */
  settings?: Service;
}

type Words = Pick<ErrorParts, "code" | "what" | "why" | "next">;

const LINES_SHOWN = 8;

/** Of the first of them; the evidence is of all. */
export function describeStopped(stopped: [StoppedTask, ...StoppedTask[]], where: Where): Words & Pick<ErrorParts, "evidence"> {
  const { what, ...words } = wordsOf(stopped[0], where);
  return {
    next: `landfall logs ${where.environment} ${where.service}`,
    ...words,
    what: `a new container of "${where.service}" ${what}`,
    evidence: stopped.flatMap(({ task, lines }): [string, string][] => {
      const status = exitCodeOf(task);
      return [
        ["task", taskId(task)],
        ["reason", [reasonOf(task), status === undefined ? "" : `status ${status}`].filter(Boolean).join("; ")],
        ...excerptOf(lines, LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
      ];
    }),
  };
}

const KILLED = 137;

function wordsOf({ task, lines }: StoppedTask, where: Where): Words {
  const reason = reasonOf(task);
  const status = exitCodeOf(task);
  if (/CannotPullContainerError/.test(reason)) return notPulled(reason);
  if (HEALTH.test(reason)) return unhealthy(reason, where);
  if (status === undefined) return { code: "CONTAINER_NOT_STARTED", what: "could not be started", why: whyNotStarted(reason) };
  const match = findLogMatch(lines);
  if (/OutOfMemory/.test(reason) || status === KILLED || match?.cause === "outOfMemory") return outOfMemory(where);
  if (match) return CAUSES[match.cause](match, where);
  if (status === 0)
    return {
      code: "INSTANCE_ENDED",
      what: "came to its end instead of running on",
      why: "The command did what it had to do, or went to the background.",
      next: `let the command of "${where.service}" stay in the foreground until it is asked to stop`,
    };
  return { code: "INSTANCE_CRASHED", what: `ended with status ${status}` };
}

function notPulled(reason: string): Words {
  const why = /matching platform|exec format/i.test(reason)
    ? "It was made for another processor than `container.architecture` names."
    : /no space left/i.test(reason)
      ? "It is larger than the disk of a task."
      : PASSES.test(reason)
        ? "The registry was not reached, or it refused: mostly the subnets have no way out, or the execution role has no right to the image."
        : "It is not in the registry any more.";
  return { code: "CONTAINER_PULL_FAILED", what: "did not start, since its image could not be pulled", why };
}

const whyNotStarted = (reason: string): string | undefined =>
  /secrets|ssm|registry auth/i.test(reason)
    ? "ECS could not read a secret for it: it is not there, or the way to it or the right is missing."
    : /log/i.test(reason)
      ? "ECS could not open its log: the group is not there, or the way to CloudWatch is missing."
      : undefined;

const unhealthy = (reason: string, { settings }: Where): Words => ({
  code: "HEALTH_NEVER_PASSED",
  what: "never passed its health check",
  why: /ELB/.test(reason)
    ? `The balancer asked for ${settings?.health.path ?? "its health path"}. Mostly the app listens on 127.0.0.1 only, on another port than PORT, or answers otherwise to another host name.`
    : "It did not stay up for `health.steadyFor`.",
});

const outOfMemory = ({ service, settings }: Where): Words => ({
  code: "INSTANCE_OUT_OF_MEMORY",
  what: "ran out of memory",
  why: "It needs more memory than its task has.",
  ...(settings?.container ? { next: `raise services.${service}.container.memory` } : {}),
});

const serverIn = ({ host, port }: LogMatch): string =>
  host ? `a server at ${host}${port === undefined ? "" : `:${port}`}` : "a server that it needs";
const named = ({ subject }: LogMatch): string => (subject === undefined ? "" : ` "${subject}"`);

/** What the last words of a program mean; on this machine more is known of each (`local/diagnosis/describe.ts`). */
const CAUSES: Record<Cause, (match: LogMatch, where: Where) => Words> = {
  outOfMemory: (_, where) => outOfMemory(where),
  diskFull: () => ({ code: "INSTANCE_DISK_FULL", what: "found a disk full", why: "A volume that it writes to has no space left." }),
  variableMissing: (match, { service, environment }) => ({
    code: "INSTANCE_VARIABLE_MISSING",
    what: `lacks the variable${named(match)}`,
    next: `set it in services.${service}.environment; or, for a secret, add it to services.${service}.secrets and run  landfall secrets set ${environment} ${match.subject ?? "<name>"}`,
  }),
  resourceUnreachable: (match) => ({
    code: "INSTANCE_RESOURCE_UNREACHABLE",
    what: `does not reach ${serverIn(match)}`,
    why: "It is not there, it is asked for under another name, or no security group lets the way through.",
  }),
  resourceRefused: (match) => ({
    code: "INSTANCE_RESOURCE_REFUSED",
    what: `was refused by ${serverIn(match)}`,
    why: "Probably the app uses other credentials than those in the variables it was given, or takes them apart wrongly.",
  }),
  portInUse: () => ({
    code: "INSTANCE_PORT_IN_USE",
    what: "wants a port that is in use",
    why: "Nobody else is in its task: the app opens the port twice.",
  }),
  fileMissing: (match) => ({ code: "INSTANCE_FILE_MISSING", what: `does not find${named(match) || " a file"}`, why: "It is not in the image." }),
  writeRefused: (match, { service }) => ({
    code: "INSTANCE_WRITE_REFUSED",
    what: `may not write${named(match) || " its file"}`,
    why: "The root file system of the container is read-only, or its user has no right to it.",
    next: `let "${service}" write to /tmp`,
  }),
  commandNotFound: (match, { service }) => ({
    code: "INSTANCE_COMMAND_NOT_FOUND",
    what: `has a command that was not found${named(match)}`,
    next: `correct services.${service}.command, or add what brings the command to the image`,
  }),
  commandNotExecutable: (match, { service }) => ({
    code: "INSTANCE_COMMAND_NOT_EXECUTABLE",
    what: `has a command that cannot be executed${named(match)}`,
    next: `git update-index --chmod=+x ${match.subject ?? "<file>"}, or name its interpreter in services.${service}.command`,
  }),
};
