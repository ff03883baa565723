// Variables that would be given twice: services, environments, secrets and resources.
import { variablesOf } from "../../resources/index.ts";
import type { Path } from "../describe-schema.ts";
import type { App, Service } from "../schema.ts";
import type { RuleViolation } from "./violation.ts";

export const checkVariables = (app: App): RuleViolation[] => [...checkGivenTwice(app), ...checkCommon(app), ...checkResources(app)];

const givers = (app: App) =>
  Object.entries(app.resources).flatMap(([name, resource]) => variablesOf(name, resource).map((variable) => ({ name, variable })));

/** The variables that a service gets from its own keys, or from those of an environment. */
interface Given {
  name: string;
  service: Service;
  environment: Record<string, string>;
  path: Path;
}

function checkGivenTwice(app: App): RuleViolation[] {
  const giverByVariable = new Map(givers(app).map(({ name, variable }) => [variable, `resource "${name}"`]));
  const giverOf = (service: Service, variable: string) =>
    variable.startsWith("LANDFALL_") || (variable === "PORT" && service.port !== undefined)
      ? "Landfall, for each instance"
      : giverByVariable.get(variable);
  const services = Object.entries(app.services).map(
    ([name, service]): Given => ({ name, service, environment: service.environment, path: ["services", name] }),
  );
  const overrides = Object.entries(app.environments).flatMap(([id, { services: own }]) =>
    Object.entries(own).flatMap(([name, { environment = {} }]): Given[] => {
      const service = Object.hasOwn(app.services, name) ? app.services[name] : undefined;
      return service ? [{ name, service, environment, path: ["environments", id, "services", name] }] : [];
    }),
  );
  const twice = [...services, ...overrides].flatMap(({ name, service, environment, path }) => {
    const reads = [path, ["services", name], ["resources"]];
    return Object.keys(environment).flatMap((variable) => {
      const at: Path = [...path, "environment", variable];
      if (service.secrets.includes(variable)) return [{ ...givenTwice({ name, variable }, "its environment", "its secrets"), path: at, reads }];
      const giver = giverOf(service, variable);
      return giver ? [{ ...givenTwice({ name, variable }, "its environment", giver), path: at, reads }] : [];
    });
  });
  const secrets = services.flatMap(({ name, service, path }) =>
    service.secrets.flatMap((variable, index): RuleViolation[] => {
      const giver = giverOf(service, variable);
      const reads = [path, ["resources"]];
      return giver ? [{ ...givenTwice({ name, variable }, "its secrets", giver), path: [...path, "secrets", index], aim: "value", reads }] : [];
    }),
  );
  return [...twice, ...secrets];
}

/** What is said for all services: who else gives the variable to one of them. */
function checkCommon(app: App): RuleViolation[] {
  const giverByVariable = new Map(givers(app).map(({ name, variable }) => [variable, `resource "${name}"`]));
  const giverOf = (variable: string) => {
    const isOwn = variable.startsWith("LANDFALL_") || (variable === "PORT" && Object.values(app.services).some(({ port }) => port !== undefined));
    const [holder] = Object.entries(app.services).find(([, { secrets }]) => secrets.includes(variable)) ?? [];
    return isOwn
      ? "Landfall, for each instance"
      : (giverByVariable.get(variable) ?? (holder === undefined ? undefined : `the secrets of service "${holder}"`));
  };
  const places: [Path, Record<string, string>][] = [
    [["environment"], app.environment],
    ...Object.entries(app.environments).map(([id, { environment }]): [Path, Record<string, string>] => [
      ["environments", id, "environment"],
      environment,
    ]),
  ];
  return places.flatMap(([path, variables]) =>
    Object.keys(variables).flatMap((variable): RuleViolation[] => {
      const giver = giverOf(variable);
      if (giver === undefined) return [];
      return [
        {
          path: [...path, variable],
          what: `variable "${variable}" of all services is given twice`,
          why: `It comes from "environment" and from ${giver}. Only one of them could reach the process.`,
          next: "remove or rename one of them",
          reads: [path, ["services"], ["resources"]],
        },
      ];
    }),
  );
}

const givenTwice = ({ name, variable }: { name: string; variable: string }, first: string, second: string) => ({
  what: `variable "${variable}" of service "${name}" is given twice`,
  why: `It comes from ${first} and from ${second}. Only one of them could reach the process.`,
  next: "remove or rename one of them",
});

function checkResources(app: App): RuleViolation[] {
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
