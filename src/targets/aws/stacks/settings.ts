// What the program of an instance is told: shell variables before its script. Values of other stacks come in as parameters, so a
// script holds none, and no secret is among them: only where each of them is.
import type { Resource } from "../../../config/schema.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { CACHE_PORT } from "./cache.ts";
import { cdk } from "./cdk.ts";
import { databaseFacts } from "./database.ts";
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
  Object.entries(site.app.resources)
    .flatMap(([id, resource]) => resourceLines(site, id, resource, take))
    .join("\n");

type NamedSite = Pick<Site, "app" | "name">;

export const logGroupName = ({ app, name }: Pick<Site, "app" | "name">, service: string) => `/landfall/${app.name}/${name}/${service}`;
export const metricNamespace = ({ app, name }: NamedSite) => `Landfall/${app.name}/${name}`;

const MAIN_VARIABLE = { postgres: "URL", mysql: "URL", cache: "URL", queue: "QUEUE_URL", bucket: "BUCKET" } as const;

function resourceLines(site: NamedSite, id: string, resource: Resource, take: (output: string) => string): string[] {
  const variable = (part: string) => `${variableName(id)}_${part}`;
  const main = variable(MAIN_VARIABLE[resource.type]);
  if (resource.url !== undefined) {
    if (typeof resource.url !== "string") return [`${main} secret ${secretPath(site.app.name, site.name, resource.url.secret)}`];
    const bucket = resource.type === "bucket" ? /^s3:\/\/([^/]+)\/?$/.exec(resource.url)?.[1] : undefined;
    return [`${main} plain - ${quotable(bucket ?? resource.url)}`];
  }
  const own = (part: string) => take(`${logicalName(id)}${part}`);
  const line = (...words: string[]) => words.join(" ");
  if (resource.type === "queue")
    return [line(main, "plain", "-", own("QueueUrl")), line(variable("DEAD_LETTER_URL"), "plain", "-", own("DeadLettersUrl"))];
  if (resource.type === "bucket") return [line(main, "plain", "-", own("Bucket"))];
  if (resource.type === "cache") return [line(main, "rediss", own("Login"), `${own("Address")}:${CACHE_PORT}`)];
  const { scheme, port, name, query } = databaseFacts(resource);
  const address = `${own("Address")}:${port}/${name}${query}`;
  return [
    line(main, scheme, own("Login"), address),
    ...(resource.readOnlyUser ? [line(variable("READONLY_URL"), scheme, own("LoginReadOnly"), address)] : []),
  ];
}

/** Between single quotes of a shell, on one line. */
const quotable = (text: string) => text.replace(/[\s']/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
