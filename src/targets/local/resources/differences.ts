// Where an environment's resources stand otherwise than configured: a commission changes that, and no deploy.
import { type Difference, findDifferences } from "../../../plan/differences.ts";
import type { ResourceReport } from "../../../reports.ts";
import { type Resource, typeOf, valueOfUrl, variableOf } from "../../../resources/index.ts";
import { addressOfUrl } from "./external.ts";

/** As the record has them. */
export interface StandingResources {
  resources: ResourceReport[];
  variables: { env: Record<string, string> };
}

export interface ResourceDifference {
  name: string;
  type: Resource["type"];
  /** Absent when it does not stand at all; empty when it stands as configured. */
  differences?: Difference[];
}

/** Of each resource that is configured. */
export const compareResources = (resources: Record<string, Resource>, standing: StandingResources | undefined): ResourceDifference[] =>
  Object.entries(resources).map(([name, resource]) => {
    const stands = standing?.resources.find((one) => one.name === name);
    const { type } = resource;
    return standing && stands ? { name, type, differences: compare(resource, stands, standing.variables) } : { name, type };
  });

function compare(resource: Resource, stands: ResourceReport, { env }: StandingResources["variables"]): Difference[] {
  const { type, url } = resource;
  const before = { type: stands.type, from: stands.state === "external" ? stands.address : HERE };
  const after = { type, from: url === undefined ? HERE : addressOfUrl(url) };
  const differences = findDifferences(before, after);
  const isSameUrl = typeof url !== "string" || env[variableOf(stands.name, typeOf(resource).variable)] === valueOfUrl(resource, url);
  // An address is shown without its password, which may be all that is different.
  return differences.length > 0 || isSameUrl ? differences : [{ property: "password", before: "the one before", after: "another one" }];
}

const HERE = "this machine";
