// What stands of stacks, read from CloudFormation.
import type { Stack } from "@aws-sdk/client-cloudformation";
import { LandfallError } from "../../../error.ts";
import type { Clients } from "../clients.ts";
import { isStackStatus, type StackStatus } from "./decide.ts";

/** One stack as it stands. */
export interface Standing {
  name: string;
  /** Its ARN: names it even after it is gone. Undefined while it is absent. */
  id?: string;
  status: StackStatus;
  reason?: string;
  /** When it last changed, in milliseconds since 1970. */
  changedAt?: number;
  /** When CloudFormation looked for changes by hand last, and whether it found none; undefined when it never did. */
  looked?: { at: number; clean: boolean };
  outputs: Record<string, string>;
  parameters: Record<string, string>;
  tags: Record<string, string>;
}

const absent = (name: string): Standing => ({ name, status: "ABSENT", outputs: {}, parameters: {}, tags: {} });

/** By its name, or by its id: only by that can a stack be seen that is gone. */
export async function observeStack(clients: Clients, name: string, id: string = name): Promise<Standing> {
  try {
    const { Stacks = [] } = await (await clients.cloudFormation()).describeStacks({ StackName: id });
    return Stacks[0] ? describe(Stacks[0]) : absent(name);
  } catch (error) {
    if (isAbsent(error)) return absent(name);
    throw error;
  }
}

/** Every stack of the region, in one call a page. */
export async function* observeStacks(clients: Clients): AsyncGenerator<Standing> {
  const cloudFormation = await clients.cloudFormation();
  let NextToken: string | undefined;
  do {
    const page = await cloudFormation.describeStacks({ NextToken });
    yield* (page.Stacks ?? []).map(describe);
    NextToken = page.NextToken;
  } while (NextToken);
}

/**
 * The stacks of an environment, by their tags: its own, and the app's foundation. A stack whose first change set was never executed may
 * have no tags yet, nor anything else, and is known by its name. `names` come with it, absent ones too; one that belongs to somebody else
 * is refused. Errors: STACK_FOREIGN.
 */
export async function observeEnvironment(
  clients: Clients,
  { app, environment, names = [] }: { app: string; environment: string; names?: string[] },
): Promise<Map<string, Standing>> {
  const found = new Map<string, Standing>();
  for await (const stack of observeStacks(clients)) {
    const { "landfall:app": ofApp, "landfall:environment": of } = stack.tags;
    const empty = stack.status === "REVIEW_IN_PROGRESS" && (stack.name.startsWith(`${app}-${environment}-`) || stack.name === `${app}-foundation`);
    const ours = empty || (ofApp === app && (of === undefined || of === environment));
    if (!ours && names.includes(stack.name)) throw foreign(stack.name, app);
    if (!ours) continue;
    found.set(stack.name, stack);
  }
  for (const name of names) if (!found.has(name)) found.set(name, absent(name));
  return found;
}

const templates = new WeakMap<Standing, Promise<Template | undefined>>();

/** The template of a stack as it was seen, parsed and read once; undefined when it has none yet. */
export function observeTemplate(clients: Clients, standing: Standing): Promise<Template | undefined> {
  const known = templates.get(standing) ?? readTemplate(clients, standing);
  templates.set(standing, known);
  return known;
}

async function readTemplate(clients: Clients, { id, name }: Standing): Promise<Template | undefined> {
  try {
    const { TemplateBody } = await (await clients.cloudFormation()).getTemplate({ StackName: id ?? name, TemplateStage: "Original" });
    return TemplateBody ? (JSON.parse(TemplateBody) as Template) : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export interface Template {
  Metadata?: Record<string, unknown>;
  Resources: Record<string, { Type: string; DeletionPolicy?: string }>;
}

function describe(stack: Stack): Standing {
  const status: string = stack.StackStatus ?? "";
  if (!isStackStatus(status)) throw new TypeError(`stack ${stack.StackName} is in a state that is not documented: ${status}`);
  const record = <T>(list: T[] | undefined, pair: (one: T) => [string | undefined, string | undefined]) =>
    Object.fromEntries((list ?? []).map((one) => pair(one).map((text) => text ?? "") as [string, string]));
  return {
    name: stack.StackName ?? "",
    id: stack.StackId,
    status,
    reason: stack.StackStatusReason,
    changedAt: (stack.LastUpdatedTime ?? stack.CreationTime)?.getTime(),
    ...lookedOf(stack),
    outputs: record(stack.Outputs, (one) => [one.OutputKey, one.OutputValue]),
    parameters: record(stack.Parameters, (one) => [one.ParameterKey, one.ParameterValue]),
    tags: record(stack.Tags, (one) => [one.Key, one.Value]),
  };
}

function lookedOf({ DriftInformation: drift }: Stack): Pick<Standing, "looked"> {
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
