// The state of stacks, read from CloudFormation.
import type { Stack } from "@aws-sdk/client-cloudformation";
import { LandfallError } from "../../../error.ts";
import { notCommissioned } from "../../preconditions.ts";
import type { Clients } from "../account/clients.ts";
import type { Context } from "../context.ts";
import { isNamedAfter } from "../templates/shared/names.ts";
import type { Notes } from "../templates/shared/running.ts";

/** One stack as it stands. */
export interface StackState {
  name: string;
  /** Its ARN: names it even after it is gone. Undefined while it is absent. */
  id?: string;
  /** "ABSENT", or CloudFormation's own word. */
  status: string;
  reason?: string;
  /** When it last changed, in milliseconds since 1970. */
  changedAt?: number;
  /** When CloudFormation looked for changes by hand last, and whether it found none; undefined when it never did. */
  looked?: { at: number; clean: boolean };
  outputs: Record<string, string>;
  parameters: Record<string, string>;
  tags: Record<string, string>;
}

const absent = (name: string): StackState => ({ name, status: "ABSENT", outputs: {}, parameters: {}, tags: {} });

/** By its name, or by its id: only by that can a stack be seen that is gone. */
export async function observeStack(clients: Clients, name: string, id: string = name): Promise<StackState> {
  try {
    const { Stacks = [] } = await (await clients.cloudFormation()).describeStacks({ StackName: id });
    return Stacks[0] ? describe(Stacks[0]) : absent(name);
  } catch (error) {
    if (isAbsent(error)) return absent(name);
    throw error;
  }
}

/** Every stack of the region, in one call a page. */
export async function* observeStacks(clients: Clients): AsyncGenerator<StackState> {
  const cloudFormation = await clients.cloudFormation();
  for await (const { Stacks = [] } of cloudFormation.paginateDescribeStacks({})) yield* Stacks.map(describe);
}

/**
 * The stacks of an environment, by their tags: its own, and the one that the app's environments share. A stack whose first change set was never executed may
 * have no tags yet, nor anything else, and is known by its name. `names` come with it, absent ones too; one that belongs to somebody else
 * is refused. Errors: STACK_FOREIGN.
 */
export async function observeEnvironment(
  clients: Clients,
  { app, environment, names = [] }: { app: string; environment: string; names?: string[] },
): Promise<Map<string, StackState>> {
  const stacks = new Map<string, StackState>();
  for await (const stack of observeStacks(clients)) {
    const { "landfall:app": ofApp, "landfall:environment": of } = stack.tags;
    const empty = stack.status === "REVIEW_IN_PROGRESS" && isNamedAfter({ app, environment }, stack.name);
    const ours = empty || (ofApp === app && (of === undefined || of === environment));
    if (!ours && names.includes(stack.name)) throw foreign(stack.name, app);
    if (!ours) continue;
    stacks.set(stack.name, stack);
  }
  for (const name of names) if (!stacks.has(name)) stacks.set(name, absent(name));
  return stacks;
}

/** The stacks of an environment that stands, as `observeEnvironment` gives them. Errors: ENVIRONMENT_NOT_COMMISSIONED. */
export async function requireEnvironment({ clients, deployment }: Pick<Context, "clients" | "deployment">): Promise<Map<string, StackState>> {
  const stacks = await observeEnvironment(clients, deployment);
  if (!hasOwn(stacks.values(), deployment.environment)) throw notCommissioned(deployment, HERE);
  return stacks;
}

/** Whether any of the stacks is the environment's, and not shared by all of the app. */
export const hasOwn = (stacks: Iterable<StackState>, environment: string): boolean =>
  [...stacks].some(({ tags }) => tags["landfall:environment"] === environment);

/** Where an environment on AWS stands, or does not. */
export const HERE = "in this account and region";

const templates = new WeakMap<StackState, Promise<Template | undefined>>();

/** The template of a stack as it was seen, parsed and read once; undefined when it has none yet. */
export function observeTemplate(clients: Clients, standing: StackState): Promise<Template | undefined> {
  const template = templates.get(standing) ?? readTemplate(clients, standing);
  templates.set(standing, template);
  return template;
}

async function readTemplate(clients: Clients, { id, name }: StackState): Promise<Template | undefined> {
  try {
    const { TemplateBody } = await (await clients.cloudFormation()).getTemplate({ StackName: id ?? name, TemplateStage: "Original" });
    return TemplateBody ? JSON.parse(TemplateBody) : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export interface Template {
  Metadata?: Notes;
  Resources: Record<string, { Type: string; DeletionPolicy?: string }>;
}

function describe(stack: Stack): StackState {
  const record = <T>(list: T[] | undefined, pair: (item: T) => [string | undefined, string | undefined]) =>
    Object.fromEntries(
      (list ?? []).map((item) => {
        const [key = "", value = ""] = pair(item);
        return [key, value];
      }),
    );
  return {
    name: stack.StackName ?? "",
    id: stack.StackId,
    status: stack.StackStatus ?? "",
    reason: stack.StackStatusReason,
    changedAt: (stack.LastUpdatedTime ?? stack.CreationTime)?.getTime(),
    ...lookedOf(stack),
    outputs: record(stack.Outputs, (output) => [output.OutputKey, output.OutputValue]),
    parameters: record(stack.Parameters, (parameter) => [parameter.ParameterKey, parameter.ParameterValue]),
    tags: record(stack.Tags, (tag) => [tag.Key, tag.Value]),
  };
}

function lookedOf({ DriftInformation: drift }: Stack): Pick<StackState, "looked"> {
  const at = drift?.LastCheckTimestamp?.getTime();
  return at === undefined ? {} : { looked: { at, clean: drift?.StackDriftStatus === "IN_SYNC" } };
}

/** CloudFormation has no error of its own for a stack that is not there. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof Error && error.name === "ValidationError" && /does not exist/.test(error.message);

const foreign = (name: string, app: string) =>
  new LandfallError({
    code: "STACK_FOREIGN",
    what: `the stack "${name}" is not of app "${app}"`,
    why: "A stack of that name stands in this account and region, without Landfall's tags of this app.",
    standing: "Nothing was changed.",
    next: "rename the app or the environment, or remove that stack yourself",
  });
