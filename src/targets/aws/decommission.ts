// Removes an environment from its account and lists the account again: by tag, and by what no template lists. What is kept is named, with why
// and what it costs; what shared things the app's other environments still need stays, and goes with the last one.
import { LandfallError } from "../../error.ts";
import { during } from "../../progress.ts";
import type { DecommissionReport, Kept, RemovalReport } from "../../reports.ts";
import { type Census, takeCensus } from "./census/census.ts";
import { type Choice, decideFate, goesWith } from "./census/fate.ts";
import { BY_THE_GIB, DATABASE } from "./census/kinds/data.ts";
import { KINDS } from "./census/kinds/index.ts";
import { INSTANCE } from "./census/kinds/machines.ts";
import { whose } from "./census/ours.ts";
import { leftBehind, sweep } from "./census/sweep.ts";
import { describeThing, type Known, type Thing } from "./census/thing.ts";
import { cameUp } from "./cloudformation/events.ts";
import { dataKind } from "./cloudformation/losses.ts";
import { pollEvery } from "./cloudformation/poll.ts";
import { removeStacks } from "./cloudformation/remove.ts";
import { observeEnvironment, observeStacks, observeTemplate, type Standing } from "./cloudformation/stand.ts";
import type { Context } from "./context.ts";
import { listLeases } from "./lease.ts";
import { ERRAND_TAG } from "./releases/errand.ts";
import { removeRecord } from "./releases/record.ts";
import { logicalName } from "./stacks/names.ts";

export interface DecommissionOptions {
  keepData?: boolean;
  confirmRemove?: string[];
}

/** What stands before anything is removed. */
interface Before {
  census: Census;
  choice: Choice;
  /** The environment's own. */
  stacks: Standing[];
  foundation?: Standing;
  /** The app's other environments in this region. */
  others: string[];
  databases: Database[];
}

interface Database {
  id: string;
  /** As the configuration calls it. */
  name: string;
  protected: boolean;
  /** Its stack has a last snapshot taken of it. */
  copied: boolean;
}

/** How often what is found after a removal is removed too: a service may leave something a moment later. */
const LISTINGS_MAX = 4;

/**
 * Goes on from whatever stands. Errors: DATA_PROTECTED before anything is changed, when a database has deletion protection and was not
 * confirmed by name; LEFT_BEHIND; STACK_STUCK; INTERRUPTED; AWS_*.
 */
export async function decommission(context: Context, options: DecommissionOptions): Promise<DecommissionReport> {
  const before = await foresee(context, options);
  refuseProtected(context, before);
  for (const text of linesOf(describeBefore(before))) context.emit({ type: "note", text });

  const machines = await removeOwn(context, before);
  // Stacks take their time, and somebody may have begun another environment meanwhile.
  const others = await observeOthers(context);
  const choice = { ...before.choice, last: others.length === 0 };
  const cleared = [await clear(context, choice)];
  const { foundation } = before;
  if (foundation && choice.last) {
    // The lease is in its bucket, so it goes when all else is gone.
    await removeStacks(context, [foundation]);
    cleared.push(await clear(context, choice));
  } else if (foundation?.outputs.ArtifactsBucket) await removeRecord(context, foundation.outputs.ArtifactsBucket);

  const gone = foundation && choice.last ? [...before.stacks, foundation] : before.stacks;
  const things = [...machines, ...cleared.flatMap(({ removed }) => removed)];
  return {
    app: context.app.app.name,
    environment: context.app.name,
    removed: [...gone.flatMap((stack) => describeStack(stack, before.census)), ...things.map(describeThing)],
    kept: [...describeKept((cleared.at(-1) as Cleared).last, choice), ...describeShared(before, others)],
    checked: { stacks: gone.length, "kinds of resources": KINDS.length },
  };
}

/** The environment's stacks, and what would keep them from going. Returns the machines that were ended. */
async function removeOwn(context: Context, { census, choice, stacks, databases }: Before): Promise<Thing[]> {
  // They are in the network's subnets.
  const machines = census.things.filter((thing) => thing.kind === INSTANCE && ERRAND_TAG in thing.tags && goesWith(choice)(thing));
  await sweep(census.survey, machines);
  if (choice.keepData) for (const one of databases.filter(({ copied }) => !copied)) await copyDatabase(context, one);
  for (const one of databases.filter((database) => database.protected)) await unprotect(context, one);
  await removeStacks(context, stacks);
  return machines;
}

/** What a decommission would do. Changes nothing. */
export async function listRemoval(context: Context, options: DecommissionOptions): Promise<RemovalReport> {
  return describeBefore(await foresee(context, options));
}

async function foresee(context: Context, { keepData = false, confirmRemove = [] }: DecommissionOptions): Promise<Before> {
  const { app, name } = context.app;
  const found = [...(await observeEnvironment(context.clients, { app: app.name, environment: name })).values()];
  const foundation = found.find((stack) => stack.name === `${app.name}-foundation`);
  const stacks = found.filter((stack) => stack !== foundation);
  const [census, others] = await Promise.all([takeCensus(context), observeOthers(context)]);
  const databases = await observeDatabases(context, stacks, census);
  const confirmed = [...confirmRemove, ...databases.filter((one) => confirmRemove.includes(one.name)).map(({ id }) => id)];
  return { census, stacks, foundation, others, databases, choice: { keepData, confirmed, last: others.length === 0 } };
}

/** Those with a stack, and those that an operation works on now. */
async function observeOthers(context: Context): Promise<string[]> {
  const { app, name } = context.app;
  const others = new Set<string>();
  for await (const { tags } of observeStacks(context.clients)) {
    const other = tags["landfall:app"] === app.name ? tags["landfall:environment"] : undefined;
    if (other !== undefined && whose(tags, { app: app.name, environment: name }) === undefined) others.add(other);
  }
  for (const { environment, running } of await listLeases(context)) if (running && environment !== name) others.add(environment);
  return [...others].sort();
}

async function observeDatabases(context: Context, stacks: Standing[], { survey }: Census): Promise<Database[]> {
  const known = [...survey.known.values()].filter(
    (one) => one.standing && one.type === DATABASE.type && stacks.some(({ name }) => name === one.stack),
  );
  if (known.length === 0) return [];
  const rds = await context.clients.rds();
  const found = await Promise.all(
    known.map(async (one): Promise<Database[]> => {
      const stack = stacks.find(({ name }) => name === one.stack) as Standing;
      // The protection is a person's word for what they may have put something into: not for a stack that never stood.
      if (!(await cameUp(context.clients, stack.id ?? stack.name))) return [];
      const { DBInstances: [database] = [] } = await rds.describeDBInstances({ DBInstanceIdentifier: one.id }).catch(noneIfGone);
      if (!database) return [];
      const policy = (await observeTemplate(context.clients, stack))?.Resources[one.logicalId]?.DeletionPolicy;
      return [{ id: one.id, name: nameOf(context, one), protected: database.DeletionProtection === true, copied: policy === "Snapshot" }];
    }),
  );
  return found.flat();
}

const noneIfGone = (error: unknown): { DBInstances?: undefined } => {
  if (error instanceof Error && /NotFound/.test(error.name)) return {};
  throw error;
};

/** The configuration may not have it any more. */
const nameOf = ({ app }: Context, { logicalId }: Known): string =>
  Object.keys(app.app.resources).find((name) => `${logicalName(name)}Database` === logicalId) ?? logicalId;

function refuseProtected({ app }: Context, { databases, choice }: Before): void {
  const refused = databases.filter((one) => one.protected && !choice.confirmed.includes(one.id));
  const command = `landfall decommission ${app.name}${choice.keepData ? " --keep-data" : ""} --confirm-remove ${databases
    .filter((one) => one.protected)
    .map(({ name }) => name)
    .join(" ")}`;
  const [first, ...others] = refused.map(
    ({ id, name, copied }) =>
      new LandfallError({
        code: "DATA_PROTECTED",
        what: `database "${name}" is protected from being deleted`,
        where: `database ${id}`,
        why: `Its key "deletionProtection" is true.${copied || choice.keepData ? " A last snapshot of it would be kept." : " No snapshot of it would be kept."}`,
        standing: "Nothing was changed.",
        next: `${command}   or set "deletionProtection" to false and commission`,
      }),
  );
  if (first) throw new LandfallError(first.parts, others);
}

/** For `--keep-data`, of a database whose stack would delete it without a trace. */
async function copyDatabase(context: Context, { id, name }: Database): Promise<void> {
  const rds = await context.clients.rds();
  const DBSnapshotIdentifier = `${id}-kept`;
  const Tags = [
    { Key: "landfall:app", Value: context.app.app.name },
    { Key: "landfall:environment", Value: context.app.name },
  ];
  await during(context.emit, `snapshot ${id}`, `taking a snapshot of database ${name}`, async () => {
    await rds.createDBSnapshot({ DBInstanceIdentifier: id, DBSnapshotIdentifier, Tags }).catch((error: unknown) => {
      if (!(error instanceof Error && /AlreadyExists/.test(error.name))) throw error;
    });
    for await (const _ of pollEvery(context)) {
      const { DBSnapshots: [snapshot] = [] } = await rds.describeDBSnapshots({ DBSnapshotIdentifier });
      if (snapshot?.Status === "available") break;
    }
    return `snapshot ${DBSnapshotIdentifier} of database ${name} taken`;
  });
}

const unprotect = async ({ clients }: Context, { id }: Database) =>
  (await clients.rds()).modifyDBInstance({ DBInstanceIdentifier: id, DeletionProtection: false, ApplyImmediately: true });

interface Cleared {
  removed: Thing[];
  /** The listing that found nothing more to remove. */
  last: Census;
}

/** Lists and removes until a listing has nothing that is to go. */
async function clear(context: Context, choice: Choice): Promise<Cleared> {
  const removed: Thing[] = [];
  for (let listing = 1; ; listing++) {
    const census = await takeCensus(context);
    const going = census.things.filter(goesWith(choice));
    if (going.length === 0) return { removed, last: census };
    if (listing === LISTINGS_MAX) throw leftBehind(census.survey, going);
    await sweep(census.survey, going);
    removed.push(...going.filter((one) => !removed.some(({ kind, id }) => kind === one.kind && id === one.id)));
  }
}

const resourcesOf = ({ name }: Standing, { survey }: Census): Known[] =>
  [...survey.known.values()].filter(({ stack, standing, status }) => standing && stack === name && status !== "DELETE_COMPLETE");

/** The stack with how much is in it, and by name what keeps data. */
function describeStack(stack: Standing, census: Census): string[] {
  const resources = resourcesOf(stack, census);
  const data = resources.flatMap(({ type, id }) => (dataKind(type) ? [`${dataKind(type)} ${id}`] : []));
  return [`stack ${stack.name} with ${resources.length} resources`, ...data];
}

function describeBefore(before: Before): RemovalReport {
  const { census, choice, stacks, foundation, others, databases } = before;
  const going = choice.last && foundation ? [...stacks, foundation] : stacks;
  const copies = databases.filter(({ copied }) => copied || choice.keepData);
  return {
    app: census.survey.app,
    environment: census.survey.environment,
    removed: [...going.flatMap((stack) => describeStack(stack, census)), ...census.things.filter(goesWith(choice)).map(describeThing)],
    kept: [
      ...copies.map(({ name }) => ({ what: `a last snapshot of database "${name}"`, why: `it holds data, and ${BY_THE_GIB}` })),
      ...describeKept(census, choice),
      ...describeShared(before, others),
    ],
  };
}

const describeKept = ({ things, strangers }: Census, choice: Choice): Kept[] => [
  ...things.flatMap((thing) => {
    const fate = decideFate(thing, choice);
    return fate && !fate.goes ? [{ what: describeThing(thing), why: fate.why }] : [];
  }),
  ...strangers
    .filter(({ of }) => of === "environment" || choice.last)
    .map(({ arn }) => ({ what: arn, why: "it carries Landfall's tags and is of no kind that Landfall makes: what it costs, its own page says" })),
];

const describeShared = ({ foundation }: Before, others: string[]): Kept[] =>
  foundation && others.length > 0
    ? [{ what: `stack ${foundation.name}`, why: `it is shared with ${others.join(", ")}, and goes with the last one` }]
    : [];

/** As notes, before anything is changed. */
const linesOf = ({ removed, kept }: RemovalReport): string[] => [
  ...removed.map((thing) => `goes: ${thing}`),
  ...kept.map(({ what, why }) => `stays: ${what}: ${why}`),
];
