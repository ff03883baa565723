// Rules for what an environment changes of services, and for keys that its target does not have.

import { suggest } from "../../text/suggest.ts";
import { listWords, type Path, valueAt } from "../describe-schema.ts";
import type { App } from "../schema.ts";
import { checkInstances } from "./services.ts";
import { type Finding, type RuleViolation, reading } from "./violation.ts";

export const checkEnvironments = (app: App, input: unknown): RuleViolation[] =>
  Object.keys(app.environments).flatMap((name) => checkEnvironment(app, name, input));

function checkEnvironment(app: App, id: string, input: unknown): RuleViolation[] {
  const environment = app.environments[id];
  if (!environment) return [];
  const path: Path = ["environments", id];
  const overrides = Object.entries(environment.services).flatMap(([name]) => {
    const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
    const at: Path = [...path, "services", name];
    const problems = service
      ? checkInstances(
          { owner: `service "${name}" in environment "${id}"`, path: [...at, "instances"], singleton: service.singleton },
          valueAt(input, at),
        )
      : [unknownService(id, name, Object.keys(Object(valueAt(input, ["services"]))))];
    return reading([at, ["services", name]], problems);
  });
  const local =
    environment.target === "local"
      ? []
      : ["port", "tls", "limits"].filter((key) => valueAt(input, [...path, key]) !== undefined).map((key) => onlyLocal(id, key));
  return [...overrides, ...reading([[...path, "target"]], local)];
}

function unknownService(id: string, name: string, names: string[]): Finding {
  const meant = suggest(name, names);
  return {
    path: ["environments", id, "services", name],
    what: `environment "${id}" changes service "${name}", which is not there`,
    why: `The services are ${listWords(
      names.map((name) => `"${name}"`),
      "and",
    )}.`,
    hint: meant && `did you mean "${meant}"?`,
    next: meant ? "rename it" : `remove it, or add service "${name}"`,
  };
}

const onlyLocal = (id: string, key: string): Finding => ({
  path: ["environments", id, key],
  what: `"${key}" of environment "${id}" is only for the target "local"`,
  why: `It tells Landfall's own balancer what to do, and on "aws" there is another one, which would not read it.`,
  next: `remove "${key}"`,
});
