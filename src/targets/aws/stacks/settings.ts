// What the program of an instance is told: shell variables before its script. Values of other stacks come in as parameters, so a
// script holds none, and no secret is among them: only where each of them is.
import type { Resource } from "../../../config/schema.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { CACHE_SCHEME, cacheAddress } from "./cache.ts";
import { cdk } from "./cdk.ts";
import { databaseAddress, databaseFacts } from "./database.ts";
import { logicalName, secretPath, variableName } from "./names.ts";
import type { Fleet } from "./running.ts";

export interface SettingsInput {
  site: Site;
  service: string;
  blueprint: Blueprint;
  foundation: Blueprint;
  data: Blueprint | undefined;
  /** The logical name of the group: what the instance tells CloudFormation about. */
  group: string;
  /** Where requests arrive, when that is not the app's own port. */
  proxyPort: number | undefined;
  fleet: Fleet;
}

/** The user data of an instance. */
export function makeUserData(input: SettingsInput): string {
  const lines = Object.entries(settingsOf(input)).map(([name, value]) => `${name}='${value}'`);
  return cdk.Fn.base64(["#!/bin/bash", ...lines, input.fleet.script].join("\n"));
}

function settingsOf({ site, service, blueprint, foundation, data, group, proxyPort, fleet }: SettingsInput): Record<string, string> {
  const { app, name } = site;
  const settings = app.services[service];
  return {
    LANDFALL_APP: app.name,
    LANDFALL_ENVIRONMENT: name,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: fleet.release,
    LANDFALL_REGION: cdk.Aws.REGION,
    LANDFALL_STACK: cdk.Aws.STACK_NAME,
    LANDFALL_GROUP: group,
    LANDFALL_ARTIFACTS: blueprint.takeText(foundation, "ArtifactsBucket"),
    LANDFALL_LOG_GROUP: logGroupName(site, service),
    LANDFALL_METRICS: metricNamespace(site),
    ...(settings?.port === undefined ? {} : { LANDFALL_PORT: String(settings.port) }),
    ...(proxyPort === undefined ? {} : { LANDFALL_PROXY_PORT: String(proxyPort) }),
    LANDFALL_SECRETS_PATH: secretPath(app.name, name, ""),
    LANDFALL_SECRETS: (settings?.secrets ?? []).join(" "),
    LANDFALL_RESOURCES: resourcesText(site, (output) => blueprint.takeText(data as Blueprint, output)),
  };
}

/**
 * One line for each variable that a resource gives: its name, how its value is made, where its secret is, and the rest. `plain - VALUE`
 * is the value itself. `secret PATH` is what stands in SSM's parameter PATH. Anything else is the scheme of a URL:
 * `postgres ARN HOST:PORT/NAME` has its user and password in the JSON of Secrets Manager's secret ARN. `take` gives outputs of the stack `data`.
 */
export const resourcesText = (site: NamedSite, take: (output: string) => string): string =>
  resourceVariables(site, take)
    .map(({ name, from }) => {
      if ("plain" in from) return `${name} plain - ${from.plain}`;
      if ("parameter" in from) return `${name} secret ${from.parameter}`;
      return `${name} ${from.scheme} ${from.login()} ${from.address()}`;
    })
    .join("\n");

/** A variable that a resource gives, and where its value comes from. What is taken from other stacks is taken when it is asked for. */
export interface ResourceVariable {
  name: string;
  from:
    | { plain: string }
    /** A path in SSM. */
    | { parameter: string }
    /** `login` is the ARN of a user and password, `url` of the whole, which only containers are given. */
    | { scheme: string; login: () => string; address: () => string; url: () => string };
}

export const resourceVariables = (site: NamedSite, take: (output: string) => string): ResourceVariable[] =>
  Object.entries(site.app.resources).flatMap(([id, resource]) => variablesOf(site, id, resource, take));

type NamedSite = Pick<Site, "app" | "name">;

export const logGroupName = ({ app, name }: Pick<Site, "app" | "name">, service: string) => `/landfall/${app.name}/${name}/${service}`;
export const metricNamespace = ({ app, name }: NamedSite) => `Landfall/${app.name}/${name}`;

const MAIN_VARIABLE = { postgres: "URL", mysql: "URL", cache: "URL", queue: "QUEUE_URL", bucket: "BUCKET" } as const;

function variablesOf(site: NamedSite, id: string, resource: Resource, take: (output: string) => string): ResourceVariable[] {
  const variable = (part: string) => `${variableName(id)}_${part}`;
  const main = variable(MAIN_VARIABLE[resource.type]);
  if (resource.url !== undefined) {
    if (typeof resource.url !== "string") return [{ name: main, from: { parameter: secretPath(site.app.name, site.name, resource.url.secret) } }];
    const bucket = resource.type === "bucket" ? /^s3:\/\/([^/]+)\/?$/.exec(resource.url)?.[1] : undefined;
    return [plain(main, quotable(bucket ?? resource.url))];
  }
  const own = (part: string) => take(`${logicalName(id)}${part}`);
  const login = (name: string, scheme: string, part: string, address: () => string): ResourceVariable => ({
    name,
    from: { scheme, login: () => own(part), address, url: () => own(`${part}Url`) },
  });
  if (resource.type === "queue") return [plain(main, own("QueueUrl")), plain(variable("DEAD_LETTER_URL"), own("DeadLettersUrl"))];
  if (resource.type === "bucket") return [plain(main, own("Bucket"))];
  if (resource.type === "cache") return [login(main, CACHE_SCHEME, "Login", () => cacheAddress(own("Address")))];
  const { scheme } = databaseFacts(resource);
  const address = () => databaseAddress(resource, own("Address"));
  return [
    login(main, scheme, "Login", address),
    ...(resource.readOnlyUser ? [login(variable("READONLY_URL"), scheme, "LoginReadOnly", address)] : []),
  ];
}

const plain = (name: string, value: string): ResourceVariable => ({ name, from: { plain: value } });

/** Between single quotes of a shell, on one line. */
const quotable = (text: string) => text.replace(/[\s']/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
