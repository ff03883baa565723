// The stacks of an environment as they stand, in the shape in which the configuration gives them: for an export with the fleets that run.
import { LandfallError } from "../../../error.ts";
import { observeEnvironment } from "../cloudformation/stand.ts";
import { type Context, locate } from "../context.ts";
import { loadStanding } from "../plan/standing.ts";
import type { StackTemplate } from "../stacks/index.ts";

/** In an order in which each stands after those that it takes values from. Errors: ENVIRONMENT_NOT_COMMISSIONED, AWS_*. */
export async function loadStacks(context: Context): Promise<StackTemplate[]> {
  await locate(context);
  const { name, app } = context.app;
  const tags = await observeEnvironment(context.clients, { app: app.name, environment: name });
  const standing = await loadStanding(context);
  if (!standing.some((stack) => stack.name.startsWith(`${app.name}-${name}-`))) throw notCommissioned(name, app.name);
  return inOrder(
    connect(
      standing.map((stack) => ({ ...stack, tags: tags.get(stack.name)?.tags ?? {} })),
      `${app.name}-${name}-`,
    ),
  );
}

interface Found {
  name: string;
  body: string;
  tags: Record<string, string>;
}

/** A parameter is named after the output that it is read from, and no two stacks give the same one. */
export function connect(found: readonly Found[], prefix: string): StackTemplate[] {
  const parsed = found.map((stack) => ({ ...stack, template: JSON.parse(stack.body) as { Parameters?: object; Outputs?: object } }));
  const giver = new Map(parsed.flatMap(({ name, template }) => Object.keys(template.Outputs ?? {}).map((output) => [output, name])));
  return parsed.map(({ name, body, tags, template }) => {
    const parameters = Object.keys(template.Parameters ?? {}).map((parameter) => {
      const output = parameter.replace(/Parameter$/, "");
      return { name: parameter, from: { stack: giver.get(output) ?? "", output } };
    });
    const service = tags["landfall:service"];
    const role = (service === undefined ? (name.startsWith(prefix) ? name.slice(prefix.length) : "foundation") : "service") as StackTemplate["role"];
    return {
      name,
      role,
      ...(service === undefined ? {} : { service }),
      body,
      parameters,
      dependsOn: [...new Set(parameters.map(({ from }) => from.stack))],
      tags,
    };
  });
}

/** Those that need nothing first; what needs each other in a circle, which CloudFormation would never have made, comes last. */
export function inOrder(stacks: readonly StackTemplate[]): StackTemplate[] {
  const ordered: StackTemplate[] = [];
  const left = new Set(stacks);
  for (let found = true; found; ) {
    found = false;
    for (const stack of left) {
      if (!stack.dependsOn.every((name) => ordered.some((one) => one.name === name))) continue;
      ordered.push(stack);
      left.delete(stack);
      found = true;
    }
  }
  return [...ordered, ...left];
}

const notCommissioned = (environment: string, app: string) =>
  new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${environment}" of app "${app}" does not stand in this account and region`,
    standing: "Nothing was written.",
    next: `landfall export ${environment}   without --standing, for what the configuration gives`,
  });
