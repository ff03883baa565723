// What would change between the templates that stand and those that the configuration gives. Pure. It says what CloudFormation would
// do, as far as that can be known without asking it: also what follows when something is replaced that others refer to.
import { type Difference, findDifferences } from "../../../plan/differences.ts";
import type { Change, ChangeAction } from "../../../plan/plan.ts";
import type { StackTemplate } from "../stacks/index.ts";
import { holdsData, KINDS, kindOf, outcomeOf } from "./kinds.ts";
import { type Names, ownerOf } from "./owners.ts";
import { type Reference, referencesIn } from "./references.ts";
import { parseTemplates, type StandingStack, type Template, type TemplateResource } from "./template.ts";

export interface Comparison {
  changes: Change[];
  unchanged: number;
}

/**
 * Compares resource by resource, by stack and logical name. In the order of the stacks: those of the configuration first, then those
 * that it has no more.
 */
export function compareTemplates(before: readonly StandingStack[], after: readonly StackTemplate[], names: Names): Comparison {
  const [old, wanted] = [parseTemplates(before), parseTemplates(after)];
  const pairs = [...new Set([...wanted.keys(), ...old.keys()])].flatMap((stack) => pairsOf(stack, old.get(stack), wanted.get(stack)));
  followReplacements(pairs, old, wanted, after);
  const changed = pairs.filter(({ action }) => action !== undefined);
  return { changes: changed.map((pair) => changeOf(pair, names)), unchanged: pairs.length - changed.length };
}

interface Pair {
  stack: string;
  id: string;
  before?: TemplateResource;
  after?: TemplateResource;
  /** Undefined while nothing of it changes. */
  action?: ChangeAction;
  differences: Difference[];
}

function pairsOf(stack: string, before: Template | undefined, after: Template | undefined): Pair[] {
  const ids = new Set([...Object.keys(after?.Resources ?? {}), ...Object.keys(before?.Resources ?? {})]);
  return [...ids].map((id) => {
    const pair: Pair = { stack, id, before: before?.Resources[id], after: after?.Resources[id], differences: [] };
    if (!pair.before) pair.action = "add";
    else if (!pair.after) pair.action = "remove";
    else compareResources(pair, pair.before, pair.after);
    return pair;
  });
}

function compareResources(pair: Pair, before: TemplateResource, after: TemplateResource): void {
  if (before.Type !== after.Type) {
    pair.action = "replace";
    pair.differences = [{ property: "Type", before: before.Type, after: after.Type }];
    return;
  }
  pair.differences = findDifferences(before.Properties ?? {}, after.Properties ?? {});
  for (const { property } of pair.differences) escalate(pair, outcomeOf(after.Type, topOf(property)));
  for (const key of ["DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy"] as const) {
    const found = findDifferences(before[key], after[key], [key]);
    if (found.length === 0) continue;
    pair.differences.push(...found);
    escalate(pair, "change");
  }
}

const topOf = (property: string) => property.split(".")[0] as string;

const WEIGHT = { change: 1, mayReplace: 2, replace: 3, add: 4, remove: 4 } as const;

/** True when it weighs more than what was known of it. */
function escalate(pair: Pair, action: "change" | "mayReplace" | "replace"): boolean {
  if (pair.action && WEIGHT[pair.action] >= WEIGHT[action]) return false;
  pair.action = action;
  return true;
}

/**
 * What refers to a replaced resource changes with it, and is replaced itself if that property replaces; across stacks, through outputs and
 * parameters. Repeated until nothing follows any more; each round escalates some resource, so it ends.
 */
function followReplacements(pairs: Pair[], old: Map<string, Template>, wanted: Map<string, Template>, after: readonly StackTemplate[]): void {
  const at = new Map(pairs.map((pair) => [keyOf(pair.stack, pair.id), pair]));
  const sources = new Map(after.flatMap(({ name, parameters }) => parameters.map((parameter) => [keyOf(name, parameter.name), parameter.from])));
  /** The resource behind a reference that will be another one, if so. */
  const movedBehind = (stack: string, { id, attribute }: Reference): Pair | undefined => {
    const source = sources.get(keyOf(stack, id));
    if (source) {
      const value = wanted.get(source.stack)?.Outputs?.[source.output]?.Value ?? old.get(source.stack)?.Outputs?.[source.output]?.Value;
      return referencesIn(value).flatMap((reference) => movedBehind(source.stack, reference) ?? [])[0];
    }
    const pair = at.get(keyOf(stack, id));
    if (pair?.action === "replace") return pair;
    const volatile = attribute !== undefined && KINDS[pair?.after?.Type ?? ""]?.volatile?.includes(attribute);
    return volatile && pair?.action === "change" ? pair : undefined;
  };
  for (let moving = true; moving; ) {
    moving = false;
    for (const pair of pairs)
      if (pair.before && pair.after && follow(pair, pair.after, (reference) => movedBehind(pair.stack, reference))) moving = true;
  }
}

const keyOf = (stack: string, id: string) => `${stack}/${id}`;

function follow(pair: Pair, after: TemplateResource, movedBehind: (reference: Reference) => Pair | undefined): boolean {
  let moved = false;
  for (const [property, value] of Object.entries(after.Properties ?? {})) {
    if (pair.differences.some((difference) => topOf(difference.property) === property)) continue;
    const source = referencesIn(value).flatMap((reference) => movedBehind(reference) ?? [])[0];
    if (!source || source === pair) continue;
    pair.differences.push({
      property,
      because: `${kindOf(source.after?.Type ?? "")} ${source.id} is ${source.action === "replace" ? "replaced" : "changed"}`,
    });
    escalate(pair, outcomeOf(after.Type, property));
    moved = true;
  }
  return moved;
}

function changeOf(pair: Pair, names: Names): Change {
  const { stack, id, differences } = pair;
  const action = pair.action as ChangeAction;
  const type = (pair.after ?? pair.before)?.Type as string;
  const data = dataOf(pair, action);
  const effects = new Set(differences.flatMap(({ property }) => KINDS[type]?.effects?.[topOf(property)] ?? []));
  return {
    of: ownerOf(names, stack, id),
    kind: kindOf(type),
    name: id,
    action,
    differences,
    ...(data === undefined ? {} : { data }),
    ...(action === "change" && effects.size > 0 ? { effect: [...effects].join("; ") } : {}),
  };
}

function dataOf({ before }: Pair, action: ChangeAction): string | undefined {
  if (!before || action === "add" || action === "change" || !holdsData(before.Type)) return undefined;
  const policy = (action === "remove" ? before.DeletionPolicy : before.UpdateReplacePolicy) ?? "Delete";
  const fate = { Retain: "the old one stays, with its data", Snapshot: "its data is kept as a final snapshot" }[policy] ?? "its data is lost";
  if (action === "remove") return fate;
  return `${action === "mayReplace" ? "if it is replaced, " : ""}${fate}, and the new one is empty`;
}
