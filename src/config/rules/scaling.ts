// Contradictions in `scaling`: of a service, and of what an environment says instead.

import { suggest } from "../../text/suggest.ts";
import type { Path } from "../describe-schema.ts";
import { listWords, valueAt } from "../describe-schema.ts";
import type { App, Scaling, Service } from "../schema.ts";
import type { Finding, RuleViolation } from "./violation.ts";
import { reading } from "./violation.ts";

/** One place where the scaling of a service is decided: the service, or an environment that changes something of it. */
interface Place {
  /** `service "web" in environment "production"`. */
  owner: string;
  path: Path;
  service: Service;
  scaling: Scaling;
  /** Whether `scaling` is written here, or comes from the service. */
  own: boolean;
  /** `instances` as it is written here, or else at the service; and where that is. */
  instances: unknown;
  instancesPath: Path;
  reads: Path[];
}

export function checkScaling(app: App, input: unknown): RuleViolation[] {
  return placesOf(app, input).flatMap((place) => {
    const problems = place.own ? [...unscalable(place), ...checkMeasures(place, app)] : [];
    return reading(place.reads, [...problems, ...(problems.length === 0 ? checkRange(place) : [])]);
  });
}

function placesOf(app: App, input: unknown): Place[] {
  const services = Object.entries(app.services).flatMap(([name, service]): Place[] => {
    const path: Path = ["services", name];
    const instancesPath = [...path, "instances"];
    const { scaling } = service;
    if (!scaling) return [];
    const instances = valueAt(input, instancesPath);
    return [{ owner: `service "${name}"`, path, service, scaling, own: true, instances, instancesPath, reads: [path, ["resources"]] }];
  });
  const overrides = Object.entries(app.environments).flatMap(([id, environment]) =>
    Object.entries(environment.services).flatMap(([name, override]): Place[] => {
      const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
      const scaling = override.scaling ?? service?.scaling;
      if (!service || !scaling || (!override.scaling && !override.instances)) return [];
      const path: Path = ["environments", id, "services", name];
      const above: Path = ["services", name];
      const instancesPath = [...(override.instances ? path : above), "instances"];
      return [
        {
          owner: `service "${name}" in environment "${id}"`,
          path,
          service,
          scaling,
          own: Boolean(override.scaling),
          instances: valueAt(input, instancesPath),
          instancesPath,
          reads: [path, above, ["resources"]],
        },
      ];
    }),
  );
  return [...services, ...overrides];
}

function unscalable({ owner, path, service }: Place): Finding[] {
  const [measure, why] =
    service.schedule !== undefined
      ? ["schedule", "A job is run once at each of its times"]
      : service.singleton
        ? ["singleton", "A singleton never runs twice at once"]
        : [];
  if (!measure) return [];
  return [
    {
      path: [...path, "scaling"],
      what: `${owner} has both "scaling" and "${measure}"`,
      why: `${why}, so it has no number of instances that could change.`,
      next: "remove one of the two",
    },
  ];
}

function checkMeasures({ owner, path, service, scaling }: Place, app: App): Finding[] {
  const at: Path = [...path, "scaling"];
  if (scaling.cpu === undefined && scaling.requests === undefined && !scaling.queue)
    return [
      {
        path: at,
        what: `the scaling of ${owner} measures nothing`,
        why: "Without a measure there is nothing to go by.",
        next: 'add "cpu", "requests" or "queue" to it, such as  cpu: "60%"',
      },
    ];
  const withoutPort: Finding = {
    path: [...at, "requests"],
    what: `${owner} is scaled by requests and has no port`,
    why: "Requests reach only services with a port.",
    next: `add "port", or scale it by "cpu" or "queue"`,
  };
  return [
    ...(scaling.requests !== undefined && service.port === undefined ? [withoutPort] : []),
    ...(scaling.queue ? checkQueue({ owner, path: [...at, "queue", "resource"] }, scaling.queue.resource, app) : []),
  ];
}

/** Whose scaling it is, and where the queue is named. */
interface QueueName {
  owner: string;
  path: Path;
}

function checkQueue({ owner, path }: QueueName, name: string, app: App): Finding[] {
  const resource = Object.hasOwn(app.resources, name) ? app.resources[name] : undefined;
  const queues = Object.keys(app.resources).filter((id) => app.resources[id]?.type === "queue");
  const spelling =
    queues.length === 0
      ? "No resource is a queue."
      : `The queues are ${listWords(
          queues.map((id) => `"${id}"`),
          "and",
        )}.`;
  if (resource?.type !== "queue") {
    const meant = suggest(name, queues);
    return [
      {
        path,
        aim: "value",
        what: resource
          ? `${owner} is scaled by resource "${name}", which is a ${resource.type}`
          : `${owner} is scaled by queue "${name}", which is not there`,
        why: spelling,
        hint: meant && `did you mean "${meant}"?`,
        next: queues.length === 0 ? `add it to "resources":  ${name}: { type: "queue" }` : "name one of the queues",
      },
    ];
  }
  if (resource.url === undefined) return [];
  return [
    {
      path,
      aim: "value",
      what: `${owner} is scaled by queue "${name}", which is given by its URL`,
      why: "Only of a queue that Landfall made does it know what waits in it.",
      next: `remove "url" of resource "${name}", or scale by "cpu"`,
    },
  ];
}

function checkRange({ owner, path, scaling, own, instances, instancesPath }: Place): Finding[] {
  const [min, max] = [Number(valueAt(instances, ["min"])), Number(valueAt(instances, ["max"]))];
  // Where they contradict each other, that is told already.
  if (min > max) return [];
  const place: Pick<Finding, "path" | "aim"> = instances === undefined ? { path: [...path, "scaling"] } : { path: instancesPath, aim: "value" };
  if (!(min < max)) {
    const fixed = Number.isNaN(min) ? (instances ?? 1) : min;
    return [
      {
        ...place,
        what: `${owner} has scaling and a fixed number of instances: ${fixed}`,
        why: "Scaling moves the number between a minimum and a larger maximum.",
        next: `write  instances: { min: ${Math.max(1, Number(fixed))}, max: ${Math.max(1, Number(fixed)) * 3} }${own ? "" : ", or scaling: false"}`,
      },
    ];
  }
  if (min > 0 || (scaling.queue && scaling.cpu === undefined && scaling.requests === undefined)) return [];
  return [
    {
      ...place,
      what: `${owner} may be scaled to no instance at all, and not by its queue alone`,
      why: "No instance has no load to measure: only what waits in a queue can start the first one again.",
      next: 'set "min" to 1, or scale by "queue" alone',
    },
  ];
}
