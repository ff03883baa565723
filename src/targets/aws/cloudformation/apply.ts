// An environment's stacks, applied in the order of what they need of each other and side by side where they need nothing.
import { LandfallError } from "../../../error.ts";
import type { Context } from "../context.ts";
import type { StackTemplate } from "../stacks/index.ts";
import { discardChange, isAsWanted, isNew, prepareChange, type Wanted, type Watch } from "./change-set.ts";
import { drive, type Outcome } from "./drive.ts";
import { stepOf } from "./follow.ts";
import { dataKind, findLosses, type Loss, refuseLosses } from "./losses.ts";
import { removeStacks } from "./remove.ts";
import { observeEnvironment, observeTemplate, type Standing } from "./stand.ts";
import { makeTurns } from "./turns.ts";

export interface ApplyOptions {
  /** Names, as the refusal gives them, of what holds data and may be replaced or removed. */
  confirmReplace?: string[];
  /** Which templates are applied; of the stacks of the others only the values are taken, and none is removed. */
  only?: (template: StackTemplate) => boolean;
  /** Alarms during which CloudFormation takes a change back, by template. */
  watch?: (template: StackTemplate) => Watch | undefined;
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
 *
 * @example await applyStacks(context, makeStacks(context.app));
 */
export async function applyStacks(context: Context, all: StackTemplate[], options: ApplyOptions = {}): Promise<Applied> {
  const { confirmReplace = [], only, watch } = options;
  const { app } = context;
  const templates = only ? all.filter(only) : all;
  const standing = await observeEnvironment(context.clients, {
    app: app.app.name,
    environment: app.name,
    names: all.map(({ name }) => name),
  });
  const outputs = new Map([...standing].map(([name, stack]) => [name, stack.outputs]));
  const obsolete = only
    ? []
    : [...standing.values()].filter(({ name, tags }) => tags["landfall:environment"] && !templates.some((one) => one.name === name));
  const losses = await foreseeLosses(context, { templates, standing, outputs, obsolete });
  refuseLosses(losses, confirmReplace, app.name);

  const done: Done = new Map();
  try {
    await applyAll(context, templates, { standing, outputs, done, confirmed: confirmReplace, watch });
    for (const name of await removeStacks(context, obsolete)) done.set(name, "removed");
  } catch (error) {
    throw error instanceof LandfallError ? withStanding(error, templates, done) : error;
  }
  return { changed: [...done.values()].some((did) => did !== "unchanged"), outputs, stacks: done };
}

interface Site {
  standing: Map<string, Standing>;
  outputs: Applied["outputs"];
  done: Done;
  confirmed: string[];
  watch?: ApplyOptions["watch"];
}

/** CloudFormation answers about ten calls a second; more at once would only wait for each other. */
const AT_ONCE = 10;

/** After a failure nothing new is begun, and what is under way is waited for: it goes on anyway. */
async function applyAll(context: Context, templates: StackTemplate[], site: Site): Promise<void> {
  const turn = makeTurns(AT_ONCE);
  const failures: unknown[] = [];
  const begun = new Map<string, Promise<void>>();
  for (const template of templates) {
    const needed = template.dependsOn.map((name) => begun.get(name));
    const apply = async () => {
      await Promise.all(needed);
      if (failures.length > 0) return;
      await turn(() => (failures.length > 0 ? Promise.resolve() : applyOne(context, template, site))).catch((error) => void failures.push(error));
    };
    begun.set(template.name, apply());
  }
  await Promise.all(begun.values());
  if (failures.length > 0) throw joinFailures(failures);
}

/** What failed beside the first one is listed after it. */
function joinFailures([first, ...others]: unknown[]): unknown {
  if (!(first instanceof LandfallError)) return first;
  const stacks = others.filter((other): other is LandfallError => other instanceof LandfallError && other.code.startsWith("STACK_"));
  return new LandfallError(first.parts, [...first.more, ...stacks]);
}

async function applyOne(context: Context, template: StackTemplate, { standing, outputs, done, confirmed, watch }: Site): Promise<void> {
  const { name } = template;
  const before = standing.get(name) as Standing;
  const from = performance.now();
  const step = stepOf(name);
  context.emit({ type: "started", step, text: step });
  const outcome = await drive({
    context,
    standing: before,
    goal: "applied",
    wanted: { ...wantedOf(template, outputs), watch: watch?.(template) },
    confirmed,
  });
  outputs.set(name, outcome.standing.outputs);
  const did = describeOutcome(before, outcome);
  done.set(name, did);
  const text = `${step} ${did}`;
  if (did === "unchanged") context.emit({ type: "unchanged", step, text });
  else context.emit({ type: "finished", step, text, durationMs: Math.round(performance.now() - from) });
}

function describeOutcome(before: Standing, { standing, changed }: Outcome) {
  if (!changed) return "unchanged";
  return before.id !== standing.id || isNew(before) ? "created" : "updated";
}

function wantedOf(template: StackTemplate, outputs: Applied["outputs"]): Wanted {
  const missing = template.parameters.find(({ from }) => outputs.get(from.stack)?.[from.output] === undefined);
  if (missing) throw new TypeError(`stack ${missing.from.stack} does not give "${missing.from.output}", which ${template.name} needs`);
  const value = ({ from }: StackTemplate["parameters"][number]) => outputs.get(from.stack)?.[from.output] as string;
  return {
    template,
    parameters: Object.fromEntries(template.parameters.map((parameter) => [parameter.name, value(parameter)])),
    bucket: [...outputs.values()].find(({ ArtifactsBucket }) => ArtifactsBucket)?.ArtifactsBucket,
  };
}

interface Foreseen extends Pick<Site, "standing" | "outputs"> {
  templates: StackTemplate[];
  obsolete: Standing[];
}

/** Looks at stacks that hold data before the first one is changed, with the values that the others give now. */
async function foreseeLosses(context: Context, { templates, standing, outputs, obsolete }: Foreseen): Promise<Loss[]> {
  const losses: Loss[] = [];
  for (const template of templates) {
    const before = standing.get(template.name) as Standing;
    const known = template.parameters.every(({ from }) => outputs.get(from.stack)?.[from.output] !== undefined);
    if (!known || !/^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$/.test(before.status)) continue;
    const wanted = wantedOf(template, outputs);
    if ((await isAsWanted(context, before, wanted)) || !(await holdsData(context, before))) continue;
    const prepared = await prepareChange(context, before, wanted);
    if (!prepared) continue;
    const found = findLosses(template.name, prepared.changes);
    losses.push(...found);
    if (found.length > 0) await discardChange(context, prepared);
  }
  for (const stack of obsolete) losses.push(...(await lossesOfRemoval(context, stack)));
  return losses;
}

const holdsData = async ({ clients }: Context, standing: Standing): Promise<boolean> =>
  Object.values((await observeTemplate(clients, standing))?.Resources ?? {}).some(({ Type }) => dataKind(Type) !== undefined);

async function lossesOfRemoval({ clients }: Context, stack: Standing): Promise<Loss[]> {
  const { Resources = {} } = (await observeTemplate(clients, stack)) ?? {};
  return Object.entries(Resources).flatMap(([logicalId, { Type, DeletionPolicy }]): Loss[] => {
    const kind = dataKind(Type);
    return kind === undefined || DeletionPolicy === "Retain" ? [] : [{ stack: stack.name, logicalId, kind, how: "removed", because: [] }];
  });
}

function withStanding(error: LandfallError, templates: StackTemplate[], done: Done): LandfallError {
  const list = (...kinds: string[]) => templates.map(({ name }) => name).filter((name) => kinds.includes(done.get(name) ?? "not"));
  const lines = [
    error.parts.standing,
    describeList("Done", list("created", "updated")),
    describeList("As they were", list("unchanged")),
    describeList("Not finished", list("not")),
  ];
  return new LandfallError({ ...error.parts, standing: lines.filter(Boolean).join("\n") }, error.more);
}

const describeList = (label: string, names: string[]) => (names.length === 0 ? "" : `${label}: ${names.join(", ")}.`);
