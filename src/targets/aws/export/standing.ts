// The stacks of an environment as they stand, in the shape in which the configuration gives them: for an export with the fleets that run.
import { LandfallError } from "../../../error.ts";
import { observeEnvironment } from "../cloudformation/describe-stacks.ts";
import { type Context, locate } from "../context.ts";
import { loadStanding } from "../plan/standing.ts";
import type { StackTemplate } from "../templates/index.ts";
import { STACK_ROLES, type StackRole, stackPrefix } from "../templates/shared/names.ts";

/** In an order in which each stands after those that it takes values from. Errors: ENVIRONMENT_NOT_COMMISSIONED, AWS_*. */
export async function loadStacks(context: Context): Promise<StackTemplate[]> {
  await locate(context);
  const { environment, app } = context.deployment;
  const tags = await observeEnvironment(context.clients, { app, environment });
  const standing = await loadStanding(context);
  if (!standing.some((stack) => stack.name.startsWith(stackPrefix(context.deployment)))) throw notCommissioned(environment, app);
  return inOrder(
    connect(
      standing.map((stack) => ({ ...stack, tags: tags.get(stack.name)?.tags ?? {} })),
      stackPrefix(context.deployment),
    ),
  );
}

interface Found {
  name: string;
  body: string;
  tags: Record<string, string>;
}

interface Template {
  Parameters?: object;
  Outputs?: object;
}

const parse = (body: string): Template => JSON.parse(body);

/**
 * A parameter is named after the output that it is read from. A service called "balancer" gives a `BalancerSecurityGroup` as the edge does, and
 * what it has in common with another stack is read by no stack from the service: so services come first, and the others over them.
 */
export function connect(stacks: readonly Found[], prefix: string): StackTemplate[] {
  const parsed = stacks.map((stack) => ({ ...stack, template: parse(stack.body) }));
  const isService = ({ tags }: Found) => "landfall:service" in tags;
  const servicesFirst = [...parsed.filter(isService), ...parsed.filter((stack) => !isService(stack))];
  const giver = new Map(servicesFirst.flatMap(({ name, template }) => Object.keys(template.Outputs ?? {}).map((output) => [output, name])));
  return parsed.map(({ name, body, tags, template }) => {
    const parameters = Object.keys(template.Parameters ?? {}).map((parameter) => {
      const output = parameter.replace(/Parameter$/, "");
      return { name: parameter, from: { stack: giver.get(output) ?? "", output } };
    });
    const service = tags["landfall:service"];
    return {
      name,
      role: service === undefined ? roleOf(name, prefix) : "service",
      ...(service === undefined ? {} : { service }),
      body,
      parameters,
      dependsOn: [...new Set(parameters.map(({ from }) => from.stack))].filter((stack) => stack !== name),
      tags,
    };
  });
}

function roleOf(name: string, prefix: string): StackRole {
  if (!name.startsWith(prefix)) return "shared";
  const role = STACK_ROLES.find((known) => known === name.slice(prefix.length));
  if (role === undefined) throw new TypeError(`stack ${name} is none that Landfall makes`);
  return role;
}

/** Those that need nothing first; what needs each other in a circle, which CloudFormation would never have made, comes last. */
export function inOrder(stacks: readonly StackTemplate[]): StackTemplate[] {
  const ordered: StackTemplate[] = [];
  const left = new Set(stacks);
  for (let progress = true; progress; ) {
    progress = false;
    for (const stack of left) {
      if (!stack.dependsOn.every((name) => ordered.some((earlier) => earlier.name === name))) continue;
      ordered.push(stack);
      left.delete(stack);
      progress = true;
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
