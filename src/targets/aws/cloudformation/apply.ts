// An environment's stacks, applied in the order of what they need of each other and side by side where they need nothing.
import pLimit from "p-limit";
import { LandfallError } from "../../../error.ts";
import type { Context } from "../context.ts";
import { holdsData, labelOf } from "../resource-types/index.ts";
import type { StackTemplate } from "../templates/index.ts";
import { discardChange, isAsWanted, isNew, prepareChange, type Wanted, type Watch } from "./change-set.ts";
import { assertNoDataLoss, findLosses, type Loss } from "./data-loss.ts";
import { observeEnvironment, observeTemplate, type StackState } from "./describe-stacks.ts";
import { assertPossible } from "./impossible-changes.ts";
import { type Outcome, type Task as ReconcileTask, reconcileStack } from "./reconcile-stack.ts";
import { removeStacks } from "./remove.ts";
import { stepOf } from "./wait-for-stack.ts";
import { addZones } from "./zones.ts";

export interface ApplyOptions {
  /** Names, as the refusal gives them, of what holds data and may be replaced or removed. */
  confirmReplace?: string[];
  /** Which templates are applied; of the stacks of the others only the values are taken, and none is removed. */
  only?: (template: StackTemplate) => boolean;
  /** Names of stacks in which also goes back what was changed by hand. */
  revertDrift?: ReadonlySet<string>;
  /** Alarms during which CloudFormation takes a change back, by template. */
  watch?: (template: StackTemplate) => Watch | undefined;
  /** Why the change to a template's stack will fail, as soon as that can be known; asked while it is under way. */
  foresee?: (template: StackTemplate) => ReconcileTask["foresee"];
}

export interface Applied {
  changed: boolean;
  /** What each stack gives, by the stack's name. */
  outputs: Map<string, Record<string, string>>;
  /** By name: what was done to it. */
  stacks: Map<string, "created" | "updated" | "unchanged" | "removed">;
}

type Done = Applied["stacks"];

/**
 * Brings the environment's stacks to their templates, from whatever stands, and removes those that no template is for any more. Stacks
 * that are as wanted are only read. May be called again after it was cut off anywhere.
 * Errors: STACK_FAILED with the first failure, once no stack moves any more; STACK_REPLACEMENT_REFUSED before anything of a stack that
 * stands is changed; STACK_FOREIGN; STACK_STUCK; AWS_*.
 */
export async function applyStacks(context: Context, allTemplates: StackTemplate[], options: ApplyOptions = {}): Promise<Applied> {
  const { confirmReplace = [], only, watch, revertDrift, foresee } = options;
  const { deployment } = context;
  const templates = only ? allTemplates.filter(only) : allTemplates;
  const standing = await observeEnvironment(context.clients, {
    app: deployment.app,
    environment: deployment.environment,
    names: allTemplates.map(({ name }) => name),
  });
  const outputs = new Map([...standing].map(([name, stack]) => [name, stack.outputs]));
  await addZones(context, templates, { standing, outputs });
  const obsolete = only
    ? []
    : [...standing.values()].filter(({ name, tags }) => tags["landfall:environment"] && !templates.some((template) => template.name === name));
  await assertPossible(context, templates, standing);
  const losses = await foreseeLosses(context, { templates, standing, outputs, obsolete, revertDrift });
  assertNoDataLoss(losses, confirmReplace, deployment.environment);

  const applied: Done = new Map();
  try {
    await applyAll(context, templates, { standing, outputs, done: applied, confirmed: confirmReplace, watch, revertDrift, foresee });
    for (const name of await removeStacks(context, obsolete)) applied.set(name, "removed");
  } catch (error) {
    throw error instanceof LandfallError ? withStanding(error, templates, applied) : error;
  }
  return { changed: [...applied.values()].some((did) => did !== "unchanged"), outputs, stacks: applied };
}

interface Site {
  standing: Map<string, StackState>;
  outputs: Applied["outputs"];
  done: Done;
  confirmed: string[];
  watch?: ApplyOptions["watch"];
  revertDrift?: ApplyOptions["revertDrift"];
  foresee?: ApplyOptions["foresee"];
}

/** CloudFormation answers about ten calls a second; more at once would only wait for each other. */
const AT_ONCE = 10;

/** After a failure nothing new is begun, and what is under way is waited for: it goes on anyway. */
async function applyAll(context: Context, templates: StackTemplate[], site: Site): Promise<void> {
  const limit = pLimit(AT_ONCE);
  const failures: unknown[] = [];
  const begun = new Map<string, Promise<void>>();
  for (const template of templates) {
    const needed = template.dependsOn.map((name) => begun.get(name));
    const apply = async () => {
      await Promise.all(needed);
      if (failures.length > 0) return;
      await limit(() => (failures.length > 0 ? Promise.resolve() : applyOne(context, template, site))).catch((error) => void failures.push(error));
    };
    begun.set(template.name, apply());
  }
  await Promise.all(begun.values());
  if (failures.length > 0) throw joinFailures(failures);
}

/** What failed beside the first one is listed after it. */
function joinFailures([first, ...others]: unknown[]): unknown {
  if (!(first instanceof LandfallError)) return first;
  const stacks = others.filter((error): error is LandfallError => error instanceof LandfallError && error.code.startsWith("STACK_"));
  return new LandfallError(first.parts, [...first.more, ...stacks]);
}

async function applyOne(context: Context, template: StackTemplate, site: Site): Promise<void> {
  const { standing, outputs, done, confirmed, watch, revertDrift, foresee } = site;
  const { name } = template;
  const before = stateOf(standing, name);
  const from = performance.now();
  const step = stepOf(name);
  context.emit({ type: "started", step, text: step });
  const outcome = await reconcileStack({
    context,
    standing: before,
    goal: "applied",
    wanted: { ...wantedOf(template, outputs), watch: watch?.(template), revertDrift: revertDrift?.has(name) },
    confirmed,
    foresee: foresee?.(template),
  });
  outputs.set(name, outcome.standing.outputs);
  const did = describeOutcome(before, outcome);
  done.set(name, did);
  const text = `${step} ${did}`;
  if (did === "unchanged") context.emit({ type: "unchanged", step, text });
  else context.emit({ type: "finished", step, text, durationMs: Math.round(performance.now() - from) });
}

/** Each template's stack is looked at before anything is applied, absent ones too. */
function stateOf(standing: Site["standing"], name: string): StackState {
  const state = standing.get(name);
  if (!state) throw new TypeError(`nobody has looked at stack ${name}`);
  return state;
}

function describeOutcome(before: StackState, { standing, changed }: Outcome) {
  if (!changed) return "unchanged";
  return before.id !== standing.id || isNew(before) ? "created" : "updated";
}

/** Whether all that it needs of other stacks is there. */
export const isKnown = ({ parameters }: StackTemplate, outputs: Applied["outputs"]): boolean =>
  parameters.every(({ from }) => outputs.get(from.stack)?.[from.output] !== undefined);

/** What a template's stack is to become, with the values that other stacks give. */
export function wantedOf(template: StackTemplate, outputs: Applied["outputs"]): Wanted {
  const value = ({ from }: StackTemplate["parameters"][number]) => {
    const output = outputs.get(from.stack)?.[from.output];
    if (output === undefined) throw new TypeError(`stack ${from.stack} does not give "${from.output}", which ${template.name} needs`);
    return output;
  };
  return {
    template,
    parameters: Object.fromEntries(template.parameters.map((parameter) => [parameter.name, value(parameter)])),
    bucket: [...outputs.values()].find(({ ArtifactsBucket }) => ArtifactsBucket)?.ArtifactsBucket,
  };
}

interface Foreseen extends Pick<Site, "standing" | "outputs" | "revertDrift"> {
  templates: StackTemplate[];
  obsolete: StackState[];
}

/** Looks at stacks that hold data before the first one is changed, with the values that the others give now. */
async function foreseeLosses(context: Context, { templates, standing, outputs, obsolete, revertDrift }: Foreseen): Promise<Loss[]> {
  const losses: Loss[] = [];
  for (const template of templates) {
    const before = stateOf(standing, template.name);
    if (!isKnown(template, outputs) || !/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(before.status)) continue;
    const change = { ...wantedOf(template, outputs), revertDrift: revertDrift?.has(template.name) };
    if ((!change.revertDrift && (await isAsWanted(context, before, change))) || !(await hasData(context, before))) continue;
    const prepared = await prepareChange(context, before, change);
    if (!prepared) continue;
    const threatened = findLosses(template.name, prepared.changes);
    losses.push(...threatened);
    if (threatened.length > 0) await discardChange(context, prepared);
  }
  for (const stack of obsolete) losses.push(...(await lossesOfRemoval(context, stack)));
  return losses;
}

const hasData = async ({ clients }: Context, standing: StackState): Promise<boolean> =>
  Object.values((await observeTemplate(clients, standing))?.Resources ?? {}).some(({ Type }) => holdsData(Type));

async function lossesOfRemoval({ clients }: Context, stack: StackState): Promise<Loss[]> {
  const { Resources = {} } = (await observeTemplate(clients, stack)) ?? {};
  return Object.entries(Resources).flatMap(([logicalId, { Type, DeletionPolicy }]): Loss[] => {
    const isLost = holdsData(Type) && DeletionPolicy !== "Retain";
    return isLost ? [{ stack: stack.name, logicalId, label: labelOf(Type), how: "removed", because: [] }] : [];
  });
}

function withStanding(error: LandfallError, templates: StackTemplate[], applied: Done): LandfallError {
  const list = (...kinds: string[]) => templates.map(({ name }) => name).filter((name) => kinds.includes(applied.get(name) ?? "not"));
  const lines = [
    error.parts.standing,
    describeList("Done", list("created", "updated")),
    describeList("As they were", list("unchanged")),
    describeList("Not finished", list("not")),
  ];
  return new LandfallError({ ...error.parts, standing: lines.filter(Boolean).join("\n") }, error.more);
}

const describeList = (label: string, names: string[]) => (names.length === 0 ? "" : `${label}: ${names.join(", ")}.`);
