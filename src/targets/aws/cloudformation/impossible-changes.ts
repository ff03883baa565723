// Changes that AWS never makes to what stands, as far as the templates tell: better refused here than half-way, by CloudFormation.
import { isDeepStrictEqual } from "node:util";
import { LandfallError } from "../../../error.ts";
import type { Context } from "../context.ts";
import { labelOf, RESOURCE_TYPES } from "../resource-types/index.ts";
import type { StackTemplate } from "../templates/index.ts";
import { isNew } from "./change-set.ts";
import { observeTemplate, type StackState } from "./describe-stacks.ts";

type StandingTemplate = Pick<StackTemplate, "name" | "body">;

interface Template {
  Resources: Record<string, { Type: string; Properties?: Record<string, unknown> }>;
  Outputs?: Record<string, { Value: unknown }>;
}

/** What `templates` would change in stacks that stand. Errors: as below. */
export async function assertPossible({ clients }: Context, templates: StackTemplate[], standing: ReadonlyMap<string, StackState>): Promise<void> {
  const before: StandingTemplate[] = [];
  for (const { name } of templates) {
    const stack = standing.get(name);
    const template = stack && !isNew(stack) ? await observeTemplate(clients, stack) : undefined;
    if (template) before.push({ name, body: JSON.stringify(template) });
  }
  assertChangesPossible(before, templates);
}

/** Pure. Errors: CHANGE_IMPOSSIBLE, with all others of the kind after the first. */
export function assertChangesPossible(before: readonly StandingTemplate[], after: readonly StandingTemplate[]): void {
  const wanted = new Map(after.map(({ name, body }) => [name, JSON.parse(body) as Template]));
  const [first, ...others] = before.flatMap(({ name, body }) => {
    const standing: Template = JSON.parse(body);
    return [...moved(name, standing, wanted.get(name)), ...refusalsIn(name, standing, wanted.get(name))];
  });
  if (first) throw new LandfallError(first.parts, others);
}

/** Nothing moves from one network to another: all that is in it would be made anew, and its balancer and databases refuse even that. */
function moved(stack: string, { Outputs: before = {} }: Template, { Outputs: after = {} }: Template = { Resources: {} }): LandfallError[] {
  const [from, to] = [before.Vpc?.Value, after.Vpc?.Value];
  if (from === undefined || to === undefined || isDeepStrictEqual(from, to)) return [];
  const nameOf = (value: unknown) => (typeof value === "string" ? `"${value}"` : "one of its own");
  return [
    new LandfallError({
      code: "CHANGE_IMPOSSIBLE",
      what: "an environment cannot move to another network",
      where: `stack ${stack}`,
      why: `It stands in ${nameOf(from)}, and would come into ${nameOf(to)}. Nothing in it can be taken along.`,
      standing: "Nothing was changed.",
      next: 'leave "network" as it was, or add another environment there, move the data, and decommission this one',
    }),
  ];
}

const refusalsIn = (stack: string, { Resources: before }: Template, { Resources: after }: Template = { Resources: {} }): LandfallError[] =>
  Object.entries(before).flatMap(([logicalId, { Type, Properties = {} }]) => {
    const wanted = after[logicalId];
    const refusal = wanted?.Type === Type ? RESOURCE_TYPES[Type]?.refuses?.(Properties, wanted.Properties ?? {}) : undefined;
    if (!refusal) return [];
    const what = `AWS cannot change ${labelOf(Type)} "${logicalId}" so`;
    return [new LandfallError({ code: "CHANGE_IMPOSSIBLE", what, where: `stack ${stack}`, ...refusal, standing: "Nothing was changed." })];
  });
