// What concerns several keys at once. Each rule reads the app and says what contradicts; check.ts finds the places.
import { Cron } from "croner";
import type { ErrorCode } from "../error.ts";
import { findAwsConflicts } from "./aws.ts";
import { findContainerConflicts } from "./containers.ts";
import { findScalingConflicts } from "./scaling.ts";
import type { App, Resource, Service } from "./schema.ts";
import type { Aim } from "./source.ts";
import { suggest } from "./suggest.ts";
import { describeDuration } from "./units.ts";
import { listWords, type Path, valueAt } from "./words.ts";

export interface Conflict {
  code?: ErrorCode;
  path: Path;
  aim?: Aim;
  what: string;
  why: string;
  hint?: string;
  next: string;
  /** The parts of the app that the rule read. When one of them has a problem of its own, this one may be its shadow. */
  reads: Path[];
}

/** Everything that contradicts. `input` is the app as it was written: it tells a default from the same value written out. */
export function findConflicts(app: App, input: unknown): Conflict[] {
  return [
    ...atLeastOne(app),
    ...Object.entries(app.services).flatMap(([name, service]) => serviceConflicts(name, service, input)),
    ...variableConflicts(app),
    ...resourceConflicts(app),
    ...findScalingConflicts(app, input),
    ...routeConflicts(app),
    ...unclearWeb(app),
    ...Object.keys(app.environments).flatMap((name) => environmentConflicts(app, name, input)),
    ...findAwsConflicts(app, input),
    ...findContainerConflicts(app, input),
  ];
}

function atLeastOne(app: App): Conflict[] {
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

function serviceConflicts(name: string, service: Service, input: unknown): Conflict[] {
  const path: Path = ["services", name];
  const written = valueAt(input, path);
  const found = [
    ...instanceConflicts(`service "${name}"`, [...path, "instances"], service.singleton, written),
    ...scheduleConflicts(name, service),
    ...(["ask", "start"] as const).filter((key) => service.drain[key] && service.port === undefined).map((key) => drainWithoutPort(name, key)),
    ...(service.port !== undefined && service.health.deadline <= service.health.interval ? [deadlineTooEarly(name, service, written)] : []),
  ];
  return found.map((conflict) => ({ ...conflict, reads: [path] }));
}

export type Unplaced = Omit<Conflict, "reads">;

function instanceConflicts(owner: string, path: Path, singleton: boolean, written: unknown): Unplaced[] {
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

function scheduleConflicts(name: string, { schedule, port }: Service): Unplaced[] {
  if (schedule === undefined) return [];
  const path: Path = ["services", name, "schedule"];
  const problem = cronProblem(schedule);
  const both = {
    path,
    what: `service "${name}" has both a schedule and a port`,
    why: "With a schedule it is a job, which runs and ends; with a port it is a web service, which stays and answers. No request could reach it between two runs.",
    next: "remove one of the two, or make two services of it",
  };
  const unread: Unplaced = {
    code: "CONFIG_WRONG_VALUE",
    path,
    aim: "value",
    what: `wrong value for "schedule" of service "${name}": ${JSON.stringify(schedule)}`,
    why: `Required: minute, hour, day of month, month and day of week, such as "*/5 * * * *".\n${problem}`,
    next: "write the five fields",
  };
  return [...(problem ? [unread] : []), ...(port === undefined ? [] : [both])];
}

/** Five fields exactly: a sixth would be seconds, which a rollout cannot promise. */
function cronProblem(schedule: string): string | undefined {
  const fields = schedule.trim().split(/\s+/).filter(Boolean).length;
  if (fields !== 5) return `It has ${fields === 1 ? "1 field" : `${fields} fields`}.`;
  try {
    const next = new Cron(schedule, { paused: true, timezone: "UTC" }).nextRun();
    return next ? undefined : "It names no time that will ever come.";
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, "");
  }
}

const drainWithoutPort = (name: string, key: "ask" | "start"): Unplaced => ({
  path: ["services", name, "drain", key],
  what: `service "${name}" has "drain.${key}" and no port`,
  why: "The path is requested from the instance, and without a port it listens nowhere. A worker is asked to stop with its signal.",
  next: `add "port" to service "${name}", or remove "drain.${key}"`,
});

function deadlineTooEarly(name: string, { health }: Service, written: unknown): Unplaced {
  const key = valueAt(written, ["health", "deadline"]) === undefined ? "interval" : "deadline";
  return {
    path: ["services", name, "health", key],
    aim: "value",
    what: `the health deadline of service "${name}" is not after its interval`,
    why: `A new instance is checked every ${describeDuration(health.interval)} and must be healthy within ${describeDuration(health.deadline)}: it would get one check at most.`,
    next: "make the deadline several intervals long",
  };
}

/** `read-model` → `READ_MODEL`. */
const upperCase = (name: string) => name.toUpperCase().replaceAll("-", "_");

/** The variables that a resource gives to every service, by the name of the resource. */
function variablesOf(name: string, resource: Resource): string[] {
  const base = upperCase(name);
  switch (resource.type) {
    case "postgres":
    case "mysql":
      return [`${base}_URL`, ...(resource.readOnlyUser ? [`${base}_READONLY_URL`] : [])];
    case "queue":
      return [`${base}_QUEUE_URL`, ...(resource.url === undefined ? [`${base}_DEAD_LETTER_URL`] : [])];
    case "bucket":
      return [`${base}_BUCKET`];
    case "cache":
      return [`${base}_URL`];
  }
}

const givers = (app: App) =>
  Object.entries(app.resources).flatMap(([name, resource]) => variablesOf(name, resource).map((variable) => ({ name, variable })));

function variableConflicts(app: App): Conflict[] {
  const given = new Map(givers(app).map(({ name, variable }) => [variable, `resource "${name}"`]));
  const giverOf = (service: Service, variable: string) =>
    variable.startsWith("LANDFALL_") || (variable === "PORT" && service.port !== undefined) ? "Landfall, for each instance" : given.get(variable);
  const services = Object.entries(app.services).map(([name, service]) => ({
    name,
    service,
    environment: service.environment,
    path: ["services", name] as Path,
  }));
  const overrides = Object.entries(app.environments).flatMap(([id, { services: own }]) =>
    Object.entries(own).flatMap(([name, { environment = {} }]) => {
      const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
      return service ? [{ name, service, environment, path: ["environments", id, "services", name] as Path }] : [];
    }),
  );
  const twice = [...services, ...overrides].flatMap(({ name, service, environment, path }) => {
    const reads = [path, ["services", name], ["resources"]];
    return Object.keys(environment).flatMap((variable) => {
      const at: Path = [...path, "environment", variable];
      if (service.secrets.includes(variable)) return [{ ...givenTwice(name, variable, "its environment", "its secrets"), path: at, reads }];
      const other = giverOf(service, variable);
      return other ? [{ ...givenTwice(name, variable, "its environment", other), path: at, reads }] : [];
    });
  });
  const secrets = services.flatMap(({ name, service, path }) =>
    service.secrets.flatMap((variable, index) => {
      const other = giverOf(service, variable);
      return other
        ? [
            {
              ...givenTwice(name, variable, "its secrets", other),
              path: [...path, "secrets", index],
              aim: "value" as const,
              reads: [path, ["resources"] as Path],
            },
          ]
        : [];
    }),
  );
  return [...twice, ...secrets];
}

const givenTwice = (service: string, variable: string, one: string, other: string) => ({
  what: `variable "${variable}" of service "${service}" is given twice`,
  why: `It comes from ${one} and from ${other}. Only one of them could reach the process.`,
  next: "remove or rename one of them",
});

function resourceConflicts(app: App): Conflict[] {
  const first = new Map<string, string>();
  return givers(app).flatMap(({ name, variable }) => {
    const earlier = first.get(variable);
    if (earlier === undefined) first.set(variable, name);
    if (earlier === undefined) return [];
    return [
      {
        path: ["resources", name],
        what: `resources "${earlier}" and "${name}" both give the variable "${variable}"`,
        why: "A resource's variables are named after it, and only one of the two could reach the services.",
        next: "rename one of the resources",
        reads: [["resources"]],
      },
    ];
  });
}

const webNames = (app: App) => Object.keys(app.services).filter((name) => app.services[name]?.port !== undefined);

function routeConflicts(app: App): Conflict[] {
  return app.routes.flatMap((route, index) => {
    const path: Path = ["routes", index];
    const decisions = [route.deny && "deny", route.redirect && "redirect", route.service !== undefined && "service"].filter(
      (key) => typeof key === "string",
    );
    const decided = decisions.length < 2 ? [] : [twoDecisions(index, decisions)];
    const named = route.service === undefined ? [] : unknownWeb(app, index, route.service);
    const service: Path[] = route.service === undefined ? [] : [["services", route.service]];
    return [...decided, ...named].map((conflict) => ({ ...conflict, reads: [path, ...service] }));
  });
}

const twoDecisions = (index: number, keys: string[]): Unplaced => ({
  path: ["routes", index, keys[1] as string],
  what: `route ${index + 1} decides ${keys.length === 2 ? "two things" : "three things"}: ${listWords(
    keys.map((key) => `"${key}"`),
    "and",
  )}`,
  why: "A request is denied, redirected or sent to a service; a route that matches does one of them.",
  next: "keep one of them, and make a second route for the other",
});

function unknownWeb(app: App, index: number, service: string): Unplaced[] {
  const web = webNames(app);
  if (web.includes(service)) return [];
  const exists = Object.hasOwn(app.services, service);
  const meant = suggest(service, web);
  return [
    {
      path: ["routes", index, "service"],
      aim: "value",
      what: exists
        ? `route ${index + 1} sends requests to service "${service}", which has no port`
        : `route ${index + 1} names service "${service}", which is not there`,
      why: web.length
        ? `The web services are ${listWords(
            web.map((name) => `"${name}"`),
            "and",
          )}.`
        : 'No service has a "port", so none takes requests.',
      hint: meant && `did you mean "${meant}"?`,
      next: exists ? `add "port" to service "${service}", or name another one` : "name one of the services that have a port",
    },
  ];
}

/** "web" gets what no route sends elsewhere, and so does a web service that is the only one. Otherwise the routes must say. */
function unclearWeb(app: App): Conflict[] {
  const web = webNames(app);
  if (web.length < 2 || web.includes("web")) return [];
  const routed = new Set(app.routes.map(({ service }) => service));
  const silent = web.filter((name) => !routed.has(name));
  if (silent.length === 0) return [];
  return [
    {
      path: ["services", silent[0] as string],
      what: `no route sends requests to service "${silent[0]}", and none of the ${web.length} web services is called "web"`,
      why: `Requests that no route decides go to "web". With ${listWords(
        web.map((name) => `"${name}"`),
        "and",
      )} it is not said which one gets them.`,
      next: `call one of them "web", or add a route such as  { path: "/*", service: "${silent[0]}" }`,
      reads: [["services"], ["routes"]],
    },
  ];
}

function environmentConflicts(app: App, id: string, input: unknown): Conflict[] {
  const environment = app.environments[id];
  if (!environment) return [];
  const path: Path = ["environments", id];
  const overrides = Object.entries(environment.services).flatMap(([name]) => {
    const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
    const at: Path = [...path, "services", name];
    const found = service
      ? instanceConflicts(`service "${name}" in environment "${id}"`, [...at, "instances"], service.singleton, valueAt(input, at))
      : [unknownService(id, name, Object.keys(valueAt(input, ["services"]) as object))];
    return found.map((conflict) => ({ ...conflict, reads: [at, ["services", name]] }));
  });
  const local =
    environment.target === "local"
      ? []
      : ["port", "tls", "limits"].filter((key) => valueAt(input, [...path, key]) !== undefined).map((key) => onlyLocal(id, key));
  return [...overrides, ...local.map((conflict) => ({ ...conflict, reads: [[...path, "target"]] }))];
}

function unknownService(id: string, name: string, known: string[]): Unplaced {
  const meant = suggest(name, known);
  return {
    path: ["environments", id, "services", name],
    what: `environment "${id}" changes service "${name}", which is not there`,
    why: `The services are ${listWords(
      known.map((other) => `"${other}"`),
      "and",
    )}.`,
    hint: meant && `did you mean "${meant}"?`,
    next: meant ? "rename it" : `remove it, or add service "${name}"`,
  };
}

const onlyLocal = (id: string, key: string): Unplaced => ({
  path: ["environments", id, key],
  what: `"${key}" of environment "${id}" is only for the target "local"`,
  why: `It tells Landfall's own balancer what to do, and on "aws" there is another one, which would not read it.`,
  next: `remove "${key}"`,
});
