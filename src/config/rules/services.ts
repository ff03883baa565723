// Contradictions within one service.

import { Cron } from "croner";
import { messageOf } from "../../error.ts";
import { describeDuration } from "../../text/units.ts";
import { listWords, type Path, valueAt } from "../describe-schema.ts";
import type { App, Service } from "../schema.ts";
import { type Finding, type RuleViolation, reading } from "./violation.ts";

export const checkServices = (app: App, input: unknown): RuleViolation[] => [
  ...atLeastOne(app),
  ...checkPhaseService(app),
  ...Object.entries(app.services).flatMap(([name, service]) => checkService(name, service, input)),
];

function atLeastOne(app: App): RuleViolation[] {
  const empty = (["services", "environments"] as const).filter((key) => Object.keys(app[key]).length === 0);
  return empty.map((key) => ({
    path: [key],
    what: `no ${key.slice(0, -1)} in "${key}"`,
    why:
      key === "services"
        ? "An app is its services: with none there is nothing to start."
        : 'There would be nowhere to deploy to. Without the key there is one environment, "local".',
    next: key === "services" ? 'add one, such as  web: { command: "node server.js", port: 3000 }' : "add one, or remove the key",
    reads: [[key]],
  }));
}

function checkPhaseService({ release, services }: App): RuleViolation[] {
  const { service } = release;
  if (service === undefined || Object.hasOwn(services, service)) return [];
  return [
    {
      path: ["release", "service"],
      aim: "value",
      what: `"release.service" is "${service}", and there is no such service`,
      why: "The release phases have the variables and the data folder of that service.",
      next: `name one of ${listWords(Object.keys(services).map((name) => `"${name}"`))}`,
      reads: [["services"], ["release", "service"]],
    },
  ];
}

function checkService(name: string, service: Service, input: unknown): RuleViolation[] {
  const path: Path = ["services", name];
  const written = valueAt(input, path);
  const problems = [
    ...checkInstances({ owner: `service "${name}"`, path: [...path, "instances"], singleton: service.singleton }, written),
    ...checkSchedule(name, service),
    ...(["ask", "start"] as const).filter((key) => service.drain[key] && service.port === undefined).map((key) => drainWithoutPort(name, key)),
    ...(service.port !== undefined && service.health.startupTimeout <= service.health.interval ? [startupTooShort(name, service, written)] : []),
  ];
  return reading([path], problems);
}

/** Of a service, or of a service in one environment. */
interface Instances {
  owner: string;
  path: Path;
  singleton: boolean;
}

export function checkInstances({ owner, path, singleton }: Instances, written: unknown): Finding[] {
  const instances = valueAt(written, ["instances"]);
  const min = typeof instances === "number" ? instances : Number(valueAt(instances, ["min"]) ?? 0);
  const max = typeof instances === "number" ? instances : Number(valueAt(instances, ["max"]) ?? 0);
  if (min > max) {
    return [
      {
        path: [...path, "min"],
        aim: "value",
        what: `"min" is above "max" in the instances of ${owner}: ${min} and ${max}`,
        why: `No number of instances is at least ${min} and at most ${max}.`,
        next: "swap the two, or raise max",
      },
    ];
  }
  if (!singleton || max <= 1) return [];
  return [
    {
      path,
      aim: "value",
      what: `${owner} is a singleton with up to ${max} instances`,
      why: "A singleton never runs twice at once, so it has one instance, or none.",
      next: 'remove "singleton", or set "instances" to 1',
    },
  ];
}

function checkSchedule(name: string, { schedule, port }: Service): Finding[] {
  if (schedule === undefined) return [];
  const path: Path = ["services", name, "schedule"];
  const problem = cronProblem(schedule);
  const finding = {
    path,
    what: `service "${name}" has both a schedule and a port`,
    why: "With a schedule it is a job, which runs and ends; with a port it is a web service, which stays and answers. No request could reach it between two runs.",
    next: "remove one of the two, or make two services of it",
  };
  const unread: Finding = {
    code: "CONFIG_WRONG_VALUE",
    path,
    aim: "value",
    what: `wrong value for "schedule" of service "${name}": ${JSON.stringify(schedule)}`,
    why: `Required: minute, hour, day of month, month and day of week, such as "*/5 * * * *".\n${problem}`,
    next: "write the five fields",
  };
  return [...(problem ? [unread] : []), ...(port === undefined ? [] : [finding])];
}

/** Five fields exactly: a sixth would be seconds, which a rollout cannot promise. */
function cronProblem(schedule: string): string | undefined {
  const fields = schedule.trim().split(/\s+/).filter(Boolean).length;
  if (fields !== 5) return `It has ${fields === 1 ? "1 field" : `${fields} fields`}.`;
  try {
    const next = new Cron(schedule, { paused: true, timezone: "UTC" }).nextRun();
    return next ? undefined : "It names no time that will ever come.";
  } catch (error) {
    return messageOf(error).replace(/^CronPattern: /, "");
  }
}

const drainWithoutPort = (name: string, key: "ask" | "start"): Finding => ({
  path: ["services", name, "drain", key],
  what: `service "${name}" has "drain.${key}" and no port`,
  why: "The path is requested from the instance, and without a port it listens nowhere. A worker is asked to stop with its signal.",
  next: `add "port" to service "${name}", or remove "drain.${key}"`,
});

function startupTooShort(name: string, { health }: Service, written: unknown): Finding {
  const key = valueAt(written, ["health", "startupTimeout"]) === undefined ? "interval" : "startupTimeout";
  return {
    path: ["services", name, "health", key],
    aim: "value",
    what: `the "startupTimeout" of service "${name}" is not longer than its "interval"`,
    why: `A new instance is checked every ${describeDuration(health.interval)} and must be healthy within ${describeDuration(health.startupTimeout)}: it would get one check at most.`,
    next: 'make "startupTimeout" several intervals long',
  };
}
