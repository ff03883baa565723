// The changes between the templates that stand and those that the configuration gives. Pure. It says what CloudFormation would
// do, as far as that can be known without asking it: also what follows when something is replaced that others refer to.
import { type Difference, findDifferences } from "../../../plan/differences.ts";
import type { Change, ChangeAction } from "../../../plan/plan.ts";
import { holdsData, labelOf, outcomeOf, RESOURCE_TYPES } from "../resource-types/index.ts";
import type { StackTemplate } from "../templates/index.ts";
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
  followReplacements(pairs, { old, wanted, sources: sourcesIn(after) });
  const changes = pairs.flatMap((pair) => changeOf(pair, names) ?? []);
  return { changes, unchanged: pairs.length - changes.length };
}

/** What a reference may lead to in another stack. */
interface Templates {
  old: Map<string, Template>;
  wanted: Map<string, Template>;
  /** The outputs that parameters are read from, by `keyOf` stack and parameter. */
  sources: Map<string, OutputSource>;
}

type OutputSource = StackTemplate["parameters"][number]["from"];

const sourcesIn = (stacks: readonly StackTemplate[]): Templates["sources"] =>
  new Map(
    stacks.flatMap(({ name, parameters }) =>
      // What a stack takes of itself stays as it is.
      parameters.flatMap((parameter) => (parameter.from.stack === name ? [] : [[keyOf(name, parameter.name), parameter.from]])),
    ),
  );

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
    const differences = findDifferences(before[key], after[key], [key]);
    if (differences.length === 0) continue;
    pair.differences.push(...differences);
    escalate(pair, "change");
  }
}

const topOf = (property: string) => property.replace(/\..*/s, "");

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
function followReplacements(pairs: Pair[], { old, wanted, sources }: Templates): void {
  const at = new Map(pairs.map((pair) => [keyOf(pair.stack, pair.id), pair]));
  /** The resource behind a reference that will be another one, if so. */
  const movedBehind = (stack: string, { id, attribute }: Reference): Pair | undefined => {
    const source = sources.get(keyOf(stack, id));
    if (source) {
      const value = wanted.get(source.stack)?.Outputs?.[source.output]?.Value ?? old.get(source.stack)?.Outputs?.[source.output]?.Value;
      return referencesIn(value).flatMap((reference) => movedBehind(source.stack, reference) ?? [])[0];
    }
    const pair = at.get(keyOf(stack, id));
    if (pair?.action === "replace") return pair;
    const volatile = attribute !== undefined && RESOURCE_TYPES[pair?.after?.Type ?? ""]?.volatile?.includes(attribute);
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
      because: `${labelOf(source.after?.Type ?? "")} ${source.id} is ${source.action === "replace" ? "replaced" : "changed"}`,
    });
    escalate(pair, outcomeOf(after.Type, property));
    moved = true;
  }
  return moved;
}

/** Undefined where nothing changes. */
function changeOf(pair: Pair, names: Names): Change | undefined {
  const { stack, id, differences, action } = pair;
  const type = (pair.after ?? pair.before)?.Type;
  if (action === undefined || type === undefined) return undefined;
  const data = dataOf(pair, action);
  const effect = effectOf(pair, type, action);
  return {
    of: ownerOf(names, stack, id),
    kind: labelOf(type),
    name: id,
    action,
    differences,
    ...data,
    ...(effect ? { effect } : {}),
  };
}

/** What people notice of a change, or what is gone with the resource. */
function effectOf({ differences }: Pair, type: string, action: ChangeAction): string | undefined {
  const { effects = {}, goesAlong } = RESOURCE_TYPES[type] ?? {};
  if (action === "remove" || action === "replace") return goesAlong;
  return action === "change" ? [...new Set(differences.flatMap(({ property }) => effects[topOf(property)] ?? []))].join("; ") : undefined;
}

/** Commission asks for the name of whatever it would replace, since the new one is empty, and of what it would not leave in the account. */
function dataOf({ id, before }: Pair, action: ChangeAction): Pick<Change, "data" | "confirm"> {
  if (!before || action === "add" || action === "change" || !holdsData(before.Type)) return {};
  const policy = (action === "remove" ? before.DeletionPolicy : before.UpdateReplacePolicy) ?? "Delete";
  const fate = { Retain: "the old one stays, with its data", Snapshot: "its data is kept as a final snapshot" }[policy] ?? "its data is lost";
  if (action === "remove") return policy === "Retain" ? { data: fate } : { data: fate, confirm: id };
  return { data: `${action === "mayReplace" ? "if it is replaced, " : ""}${fate}, and the new one is empty`, confirm: id };
}
