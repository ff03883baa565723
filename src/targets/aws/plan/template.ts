// A template as it is read back: what comparing and pricing look at.
import type { StackTemplate } from "../templates/index.ts";
import { referencesIn } from "./references.ts";

export interface TemplateResource {
  Type: string;
  Properties?: Record<string, unknown>;
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
  UpdatePolicy?: unknown;
}

export interface Template {
  Resources: Record<string, TemplateResource>;
  Outputs?: Record<string, { Value: unknown }>;
}

/** A stack that stands: its template as CloudFormation gives it back. */
export type StandingStack = Pick<StackTemplate, "name" | "body">;

const parse = (body: string): Template => JSON.parse(body);

/** By the stack's name. */
export const parseTemplates = (stacks: readonly StandingStack[]): Map<string, Template> =>
  new Map(stacks.map(({ name, body }) => [name, parse(body)]));

type Properties = Readonly<Record<string, unknown>>;

export interface Relations {
  /** The properties of what a value refers to in the same template, if that is of this type. */
  referred(value: unknown, type: string): Properties | undefined;
  /** The properties of the first resource of this type whose own property refers to this one. */
  referring(type: string, property: string): Properties | undefined;
}

/** What a resource says of others of its template, and others of it. */
export function relationsOf(id: string, { Resources }: Template): Relations {
  const refersHere = (value: unknown) => referencesIn(value).some((reference) => reference.id === id);
  return {
    referred: (value, type) =>
      referencesIn(value)
        .map((reference) => Resources[reference.id])
        .find((resource) => resource?.Type === type)?.Properties,
    referring: (type, property) =>
      Object.values(Resources).find(({ Type, Properties }) => Type === type && refersHere(Properties?.[property]))?.Properties,
  };
}
