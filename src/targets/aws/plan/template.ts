// A template as it is read back: what comparing and pricing look at.
import type { StackTemplate } from "../stacks/index.ts";

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

/** By the stack's name. */
export const parseTemplates = (stacks: readonly StandingStack[]): Map<string, Template> =>
  new Map(stacks.map(({ name, body }) => [name, JSON.parse(body) as Template]));
