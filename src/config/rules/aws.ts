// Contradictions in an environment on AWS, and in the keys that only such an environment has.
import { limitsOnAws, typeOf } from "../../resources/index.ts";
import { suggest } from "../../text/suggest.ts";
import type { Path } from "../describe-schema.ts";
import { listWords, valueAt } from "../describe-schema.ts";
import type { App, Environment, Resource, Service } from "../schema.ts";
import { AWS_KEYS } from "../schema.ts";
import type { Finding, RuleViolation } from "./violation.ts";
import { reading } from "./violation.ts";

/** What a path of an ALB's rule may consist of, and how long it may be (Elastic Load Balancing, "Path conditions", 2026). */
const ALB_PATH = /^[A-Za-z0-9_\-.$/~"'@:+&]{1,127}\*?$/;

export function checkAws(app: App, input: unknown): RuleViolation[] {
  const isOnAws = Object.values(app.environments).some(({ target }) => target === "aws");
  const shared = isOnAws && Object.hasOwn(app.resources, SHARED) ? [namedShared(["resources", SHARED], "a resource")] : [];
  return [
    ...reading([["resources"], ["environments"]], shared),
    ...Object.entries(app.environments).flatMap(([id, environment]) => [
      ...(environment.target === "local" ? checkLocal : checkAwsEnvironment)({ app, id, environment }, input),
      ...checkOverrides({ app, id, environment }),
    ]),
  ];
}

/** An environment of the app, by its name. */
interface AppEnvironment {
  app: App;
  id: string;
  environment: Environment;
}

function checkLocal({ app, id, environment }: AppEnvironment, input: unknown): RuleViolation[] {
  const path: Path = ["environments", id];
  const foreign = AWS_KEYS.filter((key) => valueAt(input, [...path, key]) !== undefined).map((key) => onlyAws(id, key));
  const missing = Object.entries(app.resources).flatMap(([name, resource]) => {
    const { notLocal } = typeOf(resource);
    return notLocal && !resource.url && !entryOf(environment.resources, name)?.url ? [withoutUrl(id, name, notLocal)] : [];
  });
  return [...reading([[...path, "target"]], foreign), ...reading([["resources"], path], missing)];
}

const onlyAws = (id: string, key: string): Finding => ({
  path: ["environments", id, key],
  what: `"${key}" of environment "${id}" is only for the target "aws"`,
  why: "On this machine nothing would read it.",
  next: `remove "${key}"`,
});

const withoutUrl = (id: string, name: string, { what, why, example }: NonNullable<ReturnType<typeof typeOf>["notLocal"]>): Finding => ({
  path: ["resources", name],
  what: `resource "${name}" is ${what} without a URL, and environment "${id}" is local`,
  why,
  next: `add  resources: { ${name}: { url: "${example}" } }  to environment "${id}"`,
});

/** The stack that an app's environments share, and what is in it, are called after that word. */
const SHARED = "shared";

const namedShared = (path: Path, what: string): Finding => ({
  path,
  what: `${what} is called "${SHARED}", which an environment on AWS has another use for`,
  why: "What the environments of an app share there is called so, and the two could be taken for each other.",
  next: "rename it",
});

function checkAwsEnvironment({ app, id, environment }: AppEnvironment, input: unknown): RuleViolation[] {
  const path: Path = ["environments", id];
  const shared = id === SHARED ? [namedShared(path, "an environment")] : [];
  const domain = environment.domain && !environment.domain.zone && !environment.domain.certificate ? [unprovenDomain(id)] : [];
  return [
    ...reading([path], domain),
    ...reading([path], shared),
    ...reading([path], checkNetwork(id, environment, valueAt(input, [...path, "network"]))),
    ...Object.entries(app.services).flatMap(([name, service]) => mixedMachines({ id, environment }, name, service)),
    ...Object.entries(app.resources).flatMap(([name, resource]) =>
      limitsOf(id, name, { ...resource, ...entryOf(environment.resources, name) } as Resource),
    ),
    ...app.routes.flatMap(({ path: pattern }, index) => (ALB_PATH.test(pattern) ? [] : [unmatchable(id, index, pattern)])),
  ];
}

/** Either a network of its own, or one that is there already. `written`: what the file says of it. */
function checkNetwork(id: string, { network: { vpc, subnets } }: Environment, written: unknown): Finding[] {
  const path: Path = ["environments", id, "network"];
  const named = [...(subnets?.public ?? []), ...(subnets?.private ?? [])];
  const twice = named.find((subnet, index) => named.indexOf(subnet) !== index);
  return [
    ...((vpc === undefined) === (subnets === undefined) ? [] : [halfNetwork(id, vpc === undefined ? "subnets" : "vpc")]),
    ...(vpc === undefined ? [] : ["cidr", "zones", "nat"].filter((key) => valueAt(written, [key]) !== undefined).map((key) => notOfOthers(id, key))),
    ...(twice === undefined
      ? []
      : [
          {
            path: [...path, "subnets"],
            what: `the network of environment "${id}" names subnet "${twice}" twice`,
            why: "Each subnet is either for the balancer or for instances, and counts once.",
            next: "name it once",
          },
        ]),
  ];
}

const halfNetwork = (id: string, given: "vpc" | "subnets"): Finding => ({
  path: ["environments", id, "network", given],
  what: `the network of environment "${id}" has "${given}" without "${given === "vpc" ? "subnets" : "vpc"}"`,
  why: "A network that is there already is named with those of its subnets that are to be used.",
  next: `add  ${given === "vpc" ? 'subnets: { public: ["subnet-…", "subnet-…"] }' : 'vpc: "vpc-…"'}  or remove "${given}"`,
});

const notOfOthers = (id: string, key: string): Finding => ({
  path: ["environments", id, "network", key],
  what: `the network of environment "${id}" has "${key}" beside "vpc"`,
  why: `"${key}" is of a network that Landfall makes, and it changes nothing of one that is there already.`,
  next: `remove "${key}"`,
});

const unprovenDomain = (id: string): Finding => ({
  path: ["environments", id, "domain"],
  what: `the domain of environment "${id}" has neither a zone nor a certificate`,
  why: "A certificate is made by proving, with a record in its zone, that the name is yours.",
  next: 'add "zone", the id of the hosted zone in Route 53, or the "certificate" to use',
});

/** t4g, m7g, c8gd and x2gd are ARM: a "g" right after the generation. */
export const isArm = (machineType: string) => /^[a-z-]+\d+[a-z]*g[a-z]*\./.test(machineType);

function mixedMachines({ id, environment }: Omit<AppEnvironment, "app">, name: string, service: Service): RuleViolation[] {
  const override = entryOf(environment.services, name)?.machine;
  const { types } = override ?? service.machine;
  const path: Path = [...(override ? ["environments", id, "services", name] : ["services", name]), "machine", "types"];
  const [first = "", ...others] = types;
  const second = others.find((type) => isArm(type) !== isArm(first));
  if (!second) return [];
  return [
    {
      path,
      aim: "value",
      what: `the machines of service "${name}" are of two architectures: "${first}" and "${second}"`,
      why: "All instances of a service are started from one image, which is for one architecture.",
      next: "keep the types of one architecture",
      reads: [path.slice(0, -2)],
    },
  ];
}

function limitsOf(id: string, name: string, resource: Resource): RuleViolation[] {
  if (resource.url) return [];
  const path: Path = ["resources", name];
  return limitsOnAws(resource).map(([key, value, limit]) => ({
    path: [...path, key],
    aim: "value",
    what: `"${key}" of resource "${name}" is ${value}, which environment "${id}" cannot have`,
    why: `On AWS there is a limit: ${limit}.`,
    next: `change "${key}", here or under "resources" of environment "${id}"`,
    reads: [path, ["environments", id]],
  }));
}

function unmatchable(id: string, index: number, pattern: string): RuleViolation {
  return {
    path: ["routes", index, "path"],
    aim: "value",
    what: `the path of route ${index + 1} is ${JSON.stringify(pattern)}, which the balancer of environment "${id}" reads otherwise`,
    why: 'On AWS a path has at most 128 letters, digits and characters of _-.$/~"\'@:+& before a "*".',
    next: 'write a path that begins the same way and ends with "*"',
    reads: [["routes", index]],
  };
}

function checkOverrides({ app, id, environment }: AppEnvironment): RuleViolation[] {
  return Object.entries(environment.resources).flatMap(([name, override]) => {
    const path: Path = ["environments", id, "resources", name];
    const resource = entryOf(app.resources, name);
    const problems = resource
      ? Object.keys(override)
          .filter((key) => !typeOf(resource).changeable.includes(key))
          .map((key) => foreignKey([...path, key], name, resource))
      : [{ path, ...unknownResource(id, name, Object.keys(app.resources)) }];
    return reading([path, ["resources", name]], problems);
  });
}

const foreignKey = (path: Path, name: string, resource: Resource): Finding => ({
  path,
  what: `resource "${name}" is a ${resource.type}, which has no "${path.at(-1)}"`,
  why: `Of a ${resource.type} an environment can change ${listWords(
    typeOf(resource).changeable.map((key) => `"${key}"`),
    "and",
  )}.`,
  next: "remove it",
});

function unknownResource(id: string, name: string, names: string[]): Omit<Finding, "path"> {
  const meant = suggest(name, names);
  return {
    what: `environment "${id}" changes resource "${name}", which is not there`,
    why:
      names.length === 0
        ? "The app has no resources."
        : `The resources are ${listWords(
            names.map((name) => `"${name}"`),
            "and",
          )}.`,
    hint: meant && `did you mean "${meant}"?`,
    next: meant ? "rename it" : `remove it, or add resource "${name}"`,
  };
}

const entryOf = <T>(record: Record<string, T>, name: string): T | undefined => (Object.hasOwn(record, name) ? record[name] : undefined);
