// The parts of a release, as two lists. `process` is what reaches a process: changing it replaces instances. `edge` is what others hold to
// when they deal with instances: changing it makes a release too, which restarts nobody. What is in neither belongs to the environment or to
// the way of a rollout, and is no part of a release. Every key has its place here, so that a new one has to be given one.
import { type DeployedService, type Deployment, defaultService } from "../config/deployment.ts";
import type { App, Environment, Resource } from "../config/schema.ts";

type Part = "process" | "edge" | "neither";
type Target = Environment["target"];
/** One place, or one for each target. */
type Table<Key extends string> = Record<Key, Part | Record<Target, Part>>;
type KeysOf<T> = T extends unknown ? keyof T & string : never;

/** On AWS an instance has them with it: its boot program checks and drains it, and its proxy believes. */
const BOOTED = { local: "edge", aws: "process" } as const;

const SERVICE: Table<keyof DeployedService> = {
  // From the keys that are here too.
  kind: "neither",
  command: "process",
  port: "process",
  health: BOOTED,
  instances: "neither",
  scaling: "neither",
  environment: "process",
  secrets: "process",
  drain: BOOTED,
  stop: "process",
  singleton: "process",
  schedule: "process",
  timeout: "process",
  machine: "neither",
  container: { local: "neither", aws: "process" },
};

/** Of a resource a process sees only the variables that its name, type, URL and users give. */
const RESOURCE: Table<KeysOf<Resource>> = {
  type: "process",
  url: "process",
  readOnlyUser: "process",
  version: "neither",
  machine: "neither",
  disk: "neither",
  diskMax: "neither",
  multiZone: "neither",
  backups: "neither",
  deletionProtection: "neither",
  finalSnapshot: "neither",
  visibilityTimeout: "neither",
  maxReceiveCount: "neither",
  memory: "neither",
};

const PHASES: Table<keyof App["release"]> = {
  build: "process",
  expand: "process",
  contract: "process",
  autoContract: "neither",
  service: "process",
  timeout: "process",
};

const APP: Table<Exclude<keyof App, "environments">> = {
  name: "process",
  // By the hash of what decides the image.
  recipe: "neither",
  // In the services' own.
  environment: "neither",
  services: "process",
  resources: "process",
  release: "process",
  routes: "edge",
  rollout: "neither",
};

const ENVIRONMENT: Table<keyof Environment> = {
  // AWS's balancer has no limits of ours.
  limits: { local: "edge", aws: "neither" },
  trustedProxies: BOOTED,
  target: "neither",
  port: "neither",
  tls: "neither",
  // What an environment says of variables, services, resources and the rollout is in theirs already.
  environment: "neither",
  services: "neither",
  resources: "neither",
  rollout: "neither",
  region: "neither",
  account: "neither",
  budget: "neither",
  domain: "neither",
  network: "neither",
  firewall: "neither",
  notify: "neither",
  alarms: "neither",
  logs: "neither",
};

/** Both lists of an app in its environment, as plain data. */
export function listParts(deployment: Deployment): Record<"process" | "edge", object> {
  const { target } = deployment.settings;
  const list = (part: Part) => {
    const pick = <Key extends string>(table: Table<Key>, values: Partial<Record<Key, unknown>>) =>
      Object.fromEntries(Object.entries(values).filter(([key]) => placeOf(table[key as Key], target) === part));
    return {
      ...pick(APP, { name: deployment.app, routes: deployment.routes }),
      ...pick(ENVIRONMENT, deployment.settings),
      release: pick(PHASES, deployment.release),
      services: mapValues(deployment.services, (service) => pick(SERVICE, service)),
      resources: mapValues(deployment.resources, (resource) => pick(RESOURCE, resource)),
    };
  };
  // The order of services decides it, which otherwise means nothing.
  return { process: list("process"), edge: { ...list("edge"), defaultService: defaultService(deployment.services) } };
}

const placeOf = (place: Part | Record<Target, Part>, target: Target): Part => (typeof place === "string" ? place : place[target]);

const mapValues = <T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
