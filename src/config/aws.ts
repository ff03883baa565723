// What contradicts in an environment on AWS, and in the keys that only such an environment has.
import type { Conflict, Unplaced } from "./conflicts.ts";
import { type App, AWS_KEYS, type Environment, type Resource, type Service } from "./schema.ts";
import { suggest } from "./suggest.ts";
import { describeDuration } from "./units.ts";
import { listWords, type Path, valueAt } from "./words.ts";

const DAY_MS = 86_400_000;
const GB = 1_000_000_000;
/** The most that SQS takes. */
const VISIBILITY_TIMEOUT_MAX_MS = 43_200_000;
/** What a path of an ALB's rule may consist of, and how long it may be (Elastic Load Balancing, "Path conditions", 2026). */
const ALB_PATH = /^[A-Za-z0-9_\-.$/~"'@:+&]{1,127}\*?$/;

export function findAwsConflicts(app: App, input: unknown): Conflict[] {
  return Object.entries(app.environments).flatMap(([id, environment]) => [
    ...(environment.target === "local" ? localConflicts(app, id, environment, input) : awsConflicts(app, id, environment)),
    ...overrideConflicts(app, id, environment),
  ]);
}

function localConflicts(app: App, id: string, environment: Environment, input: unknown): Conflict[] {
  const path: Path = ["environments", id];
  const foreign = AWS_KEYS.filter((key) => valueAt(input, [...path, key]) !== undefined).map((key) => onlyAws(id, key));
  const mysql = Object.entries(app.resources)
    .filter(([name, resource]) => resource.type === "mysql" && !resource.url && !own(environment.resources, name)?.url)
    .map(([name]) => mysqlWithoutUrl(id, name));
  return [
    ...foreign.map((conflict) => ({ ...conflict, reads: [[...path, "target"]] })),
    ...mysql.map((conflict) => ({ ...conflict, reads: [["resources"], path] })),
  ];
}

const onlyAws = (id: string, key: string): Unplaced => ({
  path: ["environments", id, key],
  what: `"${key}" of environment "${id}" is only for the target "aws"`,
  why: "On this machine nothing would read it.",
  next: `remove "${key}"`,
});

const mysqlWithoutUrl = (id: string, name: string): Unplaced => ({
  path: ["resources", name],
  what: `resource "${name}" is a mysql database without a URL, and environment "${id}" is local`,
  why: "On this machine Landfall starts Postgres itself, but no MySQL: it has to be told where one is.",
  next: `add  resources: { ${name}: { url: "mysql://..." } }  to environment "${id}"`,
});

function awsConflicts(app: App, id: string, environment: Environment): Conflict[] {
  const path: Path = ["environments", id];
  const domain = environment.domain && !environment.domain.zone && !environment.domain.certificate ? [unprovenDomain(id)] : [];
  return [
    ...domain.map((conflict) => ({ ...conflict, reads: [path] })),
    ...Object.entries(app.services).flatMap(([name, service]) => mixedMachines(id, name, service, environment)),
    ...Object.entries(app.resources).flatMap(([name, resource]) =>
      limitsOf(id, name, { ...resource, ...own(environment.resources, name) } as Resource),
    ),
    ...app.routes.flatMap(({ path: pattern }, index) => (ALB_PATH.test(pattern) ? [] : [unmatchable(id, index, pattern)])),
  ];
}

const unprovenDomain = (id: string): Unplaced => ({
  path: ["environments", id, "domain"],
  what: `the domain of environment "${id}" has neither a zone nor a certificate`,
  why: "A certificate is made by proving, with a record in its zone, that the name is yours.",
  next: 'add "zone", the id of the hosted zone in Route 53, or the "certificate" to use',
});

/** t4g, m7g, c8gd and x2gd are ARM: a "g" right after the generation. */
export const isArm = (machineType: string) => /^[a-z-]+\d+[a-z]*g[a-z]*\./.test(machineType);

function mixedMachines(id: string, name: string, service: Service, environment: Environment): Conflict[] {
  const override = own(environment.services, name)?.machine;
  const { types } = override ?? service.machine;
  const path: Path = [...(override ? ["environments", id, "services", name] : ["services", name]), "machine", "types"];
  const other = types.find((type) => isArm(type) !== isArm(types[0] as string));
  if (!other) return [];
  return [
    {
      path,
      aim: "value",
      what: `the machines of service "${name}" are of two architectures: "${types[0]}" and "${other}"`,
      why: "All instances of a service are started from one image, which is for one architecture.",
      next: "keep the types of one architecture",
      reads: [path.slice(0, -2)],
    },
  ];
}

function limitsOf(id: string, name: string, resource: Resource): Conflict[] {
  if (resource.url) return [];
  const path: Path = ["resources", name];
  const found: [key: string, value: string, limit: string][] = [];
  if (resource.type === "queue" && resource.visibilityTimeout > VISIBILITY_TIMEOUT_MAX_MS)
    found.push(["visibilityTimeout", describeDuration(resource.visibilityTimeout), "SQS takes 12h at most"]);
  if (resource.type === "postgres" || resource.type === "mysql") {
    if (resource.backups < DAY_MS || resource.backups > 35 * DAY_MS)
      found.push(["backups", describeDuration(resource.backups), "RDS keeps backups from 1d to 35d"]);
    if (resource.disk < 20 * GB) found.push(["disk", `${resource.disk / GB}GB`, "RDS takes 20GB at least"]);
    if (resource.diskMax !== resource.disk && resource.diskMax < resource.disk * 1.1)
      found.push(["diskMax", `${resource.diskMax / GB}GB`, `it is the same as "disk", ${resource.disk / GB}GB, or at least a tenth more`]);
  }
  if ("machine" in resource && resource.machine && resource.machine.startsWith("cache.") !== (resource.type === "cache"))
    found.push([
      "machine",
      `"${resource.machine}"`,
      resource.type === "cache" ? 'a node type begins with "cache."' : 'an instance class begins with "db."',
    ]);
  return found.map(([key, value, limit]) => ({
    path: [...path, key],
    aim: "value",
    what: `"${key}" of resource "${name}" is ${value}, which environment "${id}" cannot have`,
    why: `On AWS there is a limit: ${limit}.`,
    next: `change "${key}", here or under "resources" of environment "${id}"`,
    reads: [path, ["environments", id]],
  }));
}

function unmatchable(id: string, index: number, pattern: string): Conflict {
  return {
    path: ["routes", index, "path"],
    aim: "value",
    what: `the path of route ${index + 1} is ${JSON.stringify(pattern)}, which the balancer of environment "${id}" reads otherwise`,
    why: 'On AWS a path has at most 128 letters, digits and characters of _-.$/~"\'@:+& and a "*" in the middle stands for anything.',
    next: 'write a path that begins the same way and ends with "*"',
    reads: [["routes", index]],
  };
}

function overrideConflicts(app: App, id: string, environment: Environment): Conflict[] {
  return Object.entries(environment.resources).flatMap(([name, override]) => {
    const path: Path = ["environments", id, "resources", name];
    const resource = own(app.resources, name);
    const found = resource
      ? Object.keys(override)
          .filter((key) => !KEYS_OF[resource.type].includes(key))
          .map((key) => foreignKey(path, name, key, resource))
      : [unknownResource(path, id, name, Object.keys(app.resources))];
    return found.map((conflict) => ({ ...conflict, reads: [path, ["resources", name]] }));
  });
}

const DATABASE_KEYS = ["url", "machine", "disk", "diskMax", "multiZone", "backups", "deletionProtection", "finalSnapshot"];
const KEYS_OF: Record<Resource["type"], string[]> = {
  postgres: DATABASE_KEYS,
  mysql: DATABASE_KEYS,
  cache: ["url", "machine", "memory", "multiZone"],
  queue: ["url"],
  bucket: ["url"],
};

const foreignKey = (path: Path, name: string, key: string, resource: Resource): Unplaced => ({
  path: [...path, key],
  what: `resource "${name}" is a ${resource.type}, which has no "${key}"`,
  why: `Of a ${resource.type} an environment can change ${listWords(
    KEYS_OF[resource.type].map((known) => `"${known}"`),
    "and",
  )}.`,
  next: "remove it",
});

function unknownResource(path: Path, id: string, name: string, known: string[]): Unplaced {
  const meant = suggest(name, known);
  return {
    path,
    what: `environment "${id}" changes resource "${name}", which is not there`,
    why:
      known.length === 0
        ? "The app has no resources."
        : `The resources are ${listWords(
            known.map((other) => `"${other}"`),
            "and",
          )}.`,
    hint: meant && `did you mean "${meant}"?`,
    next: meant ? "rename it" : `remove it, or add resource "${name}"`,
  };
}

const own = <T>(record: Record<string, T>, name: string): T | undefined => (Object.hasOwn(record, name) ? record[name] : undefined);
