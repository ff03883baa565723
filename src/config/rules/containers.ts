// Contradictions in a service that runs as containers: of the service itself, and of what an environment says instead.
import { Cron } from "croner";
import { describeDuration } from "../../text/units.ts";
import type { Path } from "../describe-schema.ts";
import { listWords, valueAt } from "../describe-schema.ts";
import type { App, Container, Service } from "../schema.ts";
import type { Finding, RuleViolation } from "./violation.ts";
import { reading } from "./violation.ts";

const GIB = 2 ** 30;
const GB = 1_000_000_000;
/** Fargate kills a container so long after it was asked to stop (Amazon ECS, "Task definition parameters", 2026). */
const STOP_MAX_MS = 120_000;
/** EventBridge may start a run so much late, and a run needs a while to end. */
const RUN_MARGIN_MS = 120_000;
/** Of a schedule so many runs are looked at: those of a year, mostly. */
const RUNS = 400;

const range = (from: number, to: number, step: number) => Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);

/** By processors, the gibibytes that a task may have (Amazon ECS, "Fargate task sizes", 2026). */
const FARGATE_GIB: Readonly<Record<Container["cpu"], number[]>> = {
  0.25: [0.5, 1, 2],
  0.5: range(1, 4, 1),
  1: range(2, 8, 1),
  2: range(4, 16, 1),
  4: range(8, 30, 1),
  8: range(16, 60, 4),
  16: range(32, 120, 8),
};

/** What Fargate calls this memory, in MiB; undefined when it has none such for so many processors. `2GB` and `2GiB` are the same to it. */
export function fargateMemory({ cpu, memory }: Pick<Container, "cpu" | "memory">): number | undefined {
  const gib = FARGATE_GIB[cpu].find((size) => memory === size * GIB || memory === size * GB || memory === size * 1024 * 1_000_000);
  return gib === undefined ? undefined : gib * 1024;
}

interface Place {
  /** `service "web" in environment "production"`. */
  owner: string;
  /** Of the service. */
  name: string;
  /** Where the container is written. */
  path: Path;
  service: Service;
  container: Container;
  /** Whether machines are written at the same place. */
  machine: boolean;
}

export function checkContainers(app: App, input: unknown): RuleViolation[] {
  return placesOf(app, input).flatMap((place) =>
    reading(
      [place.path.slice(0, -1), ["services", place.name]],
      [...checkSize(place), ...checkKind(place), ...checkStop(place), ...checkSchedule(place)],
    ),
  );
}

function placesOf(app: App, input: unknown): Place[] {
  const isWritten = (path: Path) => valueAt(input, path) !== undefined;
  const services = Object.entries(app.services).flatMap(([name, service]): Place[] => {
    const path: Path = ["services", name];
    if (!service.container) return [];
    return [
      {
        owner: `service "${name}"`,
        name,
        path: [...path, "container"],
        service,
        container: service.container,
        machine: isWritten([...path, "machine"]),
      },
    ];
  });
  const overrides = Object.entries(app.environments).flatMap(([id, environment]) =>
    Object.entries(environment.services).flatMap(([name, { container }]): Place[] => {
      const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
      const path: Path = ["environments", id, "services", name];
      if (!service || !container) return [];
      const owner = `service "${name}" in environment "${id}"`;
      return [{ owner, name, path: [...path, "container"], service, container, machine: isWritten([...path, "machine"]) }];
    }),
  );
  return [...services, ...overrides];
}

function checkSize({ owner, path, container }: Place): Finding[] {
  if (fargateMemory(container) !== undefined) return [];
  const sizes = FARGATE_GIB[container.cpu].map((gib) => (gib < 1 ? `"${gib * 1024}MB"` : `"${gib}GB"`));
  const shown = sizes.length > 6 ? [...sizes.slice(0, 3), "…", ...sizes.slice(-1)] : sizes;
  return [
    {
      path: [...path, "memory"],
      aim: "value",
      what: `Fargate has no task with ${container.cpu} processors and this memory, which ${owner} asks for`,
      why: `With ${container.cpu} there are ${listWords(shown, "and")}.`,
      next: 'choose one of them, or another "cpu"',
    },
  ];
}

function checkKind({ owner, name, path, service, machine }: Place): Finding[] {
  const twice: Finding = {
    path: [...path.slice(0, -1), "machine"],
    what: `${owner} has both "machine" and "container"`,
    why: "Its instances are machines of their own, or containers on Fargate, where there is no machine to choose.",
    next: "remove one of the two",
  };
  const alone: Finding = {
    path,
    what: `${owner} is a singleton and runs as containers`,
    why: "ECS starts the next task as soon as the one before is asked to stop, so that for some seconds there could be two. On a machine there are never two.",
    next: 'remove "container", or make it a job with a "schedule"',
  };
  const asked = (["ask", "start"] as const).filter((key) => service.drain[key] !== undefined);
  const named: Finding = {
    path: ["services", name, "health", "host"],
    what: `${owner} has "health.host" and runs as containers`,
    why: "A container is asked by AWS's balancer itself, which always gives the container's address for its Host. On a machine a proxy beside the app gives another.",
    next: 'remove "health.host", and let the app answer its health check under any name',
  };
  return [
    ...(machine ? [twice] : []),
    ...(service.singleton ? [alone] : []),
    ...(service.health.host === undefined ? [] : [named]),
    ...asked.map(
      (key): Finding => ({
        path: ["services", name, "drain", key],
        what: `${owner} has "drain.${key}" and runs as containers`,
        why: "On a machine a program of its own asks the app before it stops. Beside a container there is none: it gets no new requests any more, and then its signal.",
        next: `remove "drain.${key}", and let the signal to stop do what it did`,
      }),
    ),
  ];
}

function checkStop({ owner, name, service: { stop }, container }: Place): Finding[] {
  const late: Finding = {
    path: ["services", name, "stop", "timeout"],
    aim: "value",
    what: `${owner} may take ${describeDuration(stop.timeout)} to stop, and runs as containers`,
    why: `Fargate kills a container ${describeDuration(STOP_MAX_MS)} after its signal at the latest.`,
    next: 'remove "container": on machines it has the time that it needs',
  };
  const signal: Finding = {
    path: ["services", name, "stop", "signal"],
    aim: "value",
    what: `${owner} is stopped by ${stop.signal}, and its image comes from a Dockerfile`,
    why: "ECS sends the signal that the image names.",
    next: `write  STOPSIGNAL ${stop.signal}  into the Dockerfile, and remove "stop.signal"`,
  };
  return [...(stop.timeout > STOP_MAX_MS ? [late] : []), ...(container.dockerfile !== undefined && stop.signal !== "SIGTERM" ? [signal] : [])];
}

/** Nothing on AWS holds back a run while the one before goes on. So each has to end before the next one's time. */
function checkSchedule({ owner, name, service: { schedule, timeout } }: Place): Finding[] {
  const [, , day, , weekday] = schedule?.trim().split(/\s+/) ?? [];
  if (day !== "*" && weekday !== "*" && schedule !== undefined)
    return [
      {
        path: ["services", name, "schedule"],
        aim: "value",
        what: `the schedule of ${owner} names both a day of the month and a day of the week, and it runs as containers`,
        why: "EventBridge looks at one of the two; with a second schedule for the other, a day that is both would start two runs at once.",
        next: 'name one of them, or remove "container"',
      },
    ];
  const gap = schedule === undefined ? undefined : shortestGap(schedule);
  if (gap === undefined || timeout + RUN_MARGIN_MS <= gap) return [];
  return [
    {
      path: ["services", name, "timeout"],
      aim: "value",
      what: `a run of ${owner} may take ${describeDuration(timeout)}, and the next one may begin after ${describeDuration(gap)}`,
      why: `Two would run at once. As containers a run is started by the clock alone, so it must be over ${describeDuration(RUN_MARGIN_MS)} before the next.`,
      next:
        gap > RUN_MARGIN_MS
          ? `timeout: "${describeDuration(gap - RUN_MARGIN_MS).replaceAll(" ", "")}", or remove "container"`
          : 'remove "container": on a machine runs follow each other',
    },
  ];
}

const gaps = new Map<string, number | undefined>();

/** Undefined when there is no next run, or the schedule cannot be read: that has an error of its own. Reckoned once: it takes 50 ms. */
function shortestGap(schedule: string): number | undefined {
  if (!gaps.has(schedule)) gaps.set(schedule, findShortestGap(schedule));
  return gaps.get(schedule);
}

function findShortestGap(schedule: string): number | undefined {
  try {
    // From a day that is not today: the same file gives the same answer always.
    const runs = new Cron(schedule, { paused: true, timezone: "UTC" }).nextRuns(RUNS, new Date("2026-01-01T00:00:00Z"));
    const times = runs.map((run) => run.getTime());
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
    return gaps.length === 0 ? undefined : Math.min(...gaps);
  } catch {
    return undefined;
  }
}
