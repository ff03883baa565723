// The types of resources on AWS, one file each.
import type { Deployment } from "../../../config/deployment.ts";
import { type Resource, type ResourceOf, typeOf, valueOfUrl, variableOf } from "../../../resources/index.ts";
import { type EnvironmentNames, secretPath } from "../templates/shared/names.ts";
import type { ResourceOutput } from "../templates/shared/outputs.ts";
import type { Statement } from "../templates/shared/policies.ts";
import { bucket } from "./bucket.ts";
import { cache } from "./cache.ts";
import { mysql } from "./mysql.ts";
import { postgres } from "./postgres.ts";
import { queue } from "./queue.ts";
import type { AwsResource, Outputs, Source } from "./resource.ts";

const TYPES: { [Type in Resource["type"]]: AwsResource<ResourceOf<Type>> } = { postgres, mysql, cache, queue, bucket };

/** What resources of this one's type are on AWS. */
export const awsTypeOf = ({ type }: Pick<Resource, "type">): AwsResource => TYPES[type];

type WithResources = Pick<Deployment, "app" | "environment" | "resources">;

/** The resources that are Landfall's to make. */
export const ownResources = ({ resources }: WithResources): [name: string, resource: Resource][] =>
  Object.entries(resources).filter(([, { url }]) => url === undefined);

/** Takes an output of the stack of data. */
export type TakeOutput = (resource: string, output: ResourceOutput) => string;

/** What a service may do with the environment's resources. */
export const resourceStatements = (site: WithResources, take: TakeOutput): Statement[] =>
  Object.entries(TYPES).flatMap(([type, { statements }]) => {
    const outputs = ownResources(site).flatMap(([name, resource]): Outputs[] => (resource.type === type ? [(output) => take(name, output)] : []));
    return outputs.length === 0 ? [] : statements(outputs);
  });

export const RESOURCE_WILDCARDS: Record<string, string> = Object.assign({}, ...Object.values(TYPES).map(({ wildcards }) => wildcards));

/** A variable that a resource gives, and where its value comes from. */
export interface ResourceVariable {
  name: string;
  from: Source;
}

export const resourceVariables = (site: WithResources, take: TakeOutput): ResourceVariable[] =>
  Object.entries(site.resources).flatMap(([name, resource]) => {
    if (resource.url !== undefined) return [{ name: variableOf(name, typeOf(resource).variable), from: givenSource(site, resource, resource.url) }];
    const variables = awsTypeOf(resource).variables(resource, (output) => take(name, output));
    return Object.entries(variables).map(([part, from]) => ({ name: variableOf(name, part), from }));
  });

const givenSource = ({ app, environment }: EnvironmentNames, resource: Resource, url: NonNullable<Resource["url"]>): Source =>
  typeof url === "string" ? { plain: quotable(valueOfUrl(resource, url)) } : { parameter: secretPath(app, environment, url.secret) };

/** Between single quotes of a shell, on one line. */
const quotable = (text: string) => text.replace(/[\s']/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, "0")}`);

/**
 * One line for each variable that a resource gives: its name, how its value is made, where its secret is, and the rest. `plain - VALUE`
 * is the value itself. `secret PATH` is what stands in SSM's parameter PATH. Anything else is the scheme of a URL:
 * `postgres ARN HOST:PORT/NAME` has its user and password in the JSON of Secrets Manager's secret ARN.
 */
export const resourcesText = (site: WithResources, take: TakeOutput): string =>
  resourceVariables(site, take)
    .map(({ name, from }) => {
      if ("plain" in from) return `${name} plain - ${from.plain}`;
      if ("parameter" in from) return `${name} secret ${from.parameter}`;
      return `${name} ${from.scheme} ${from.login()} ${from.address()}`;
    })
    .join("\n");
