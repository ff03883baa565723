// Removes an environment from its account and lists the account again: by tag, and by what no template lists. What is kept is named, with why
// and what it costs; what shared things the app's other environments still need stays, and goes with the last one.
import { LandfallError } from "../../../error.ts";
import { leasesPrefix } from "../../../machine/lease.ts";
import { during } from "../../../progress.ts";
import type { DecommissionReport, Kept, RemovalReport } from "../../../reports.ts";
import { removeObject } from "../account/objects.ts";
import { rowsOf } from "../account/pages.ts";
import { pollEvery } from "../account/poll.ts";
import { observeEnvironment, observeStacks, observeTemplate, type StackState } from "../cloudformation/describe-stacks.ts";
import { cameUp } from "../cloudformation/events.ts";
import { removeStacks } from "../cloudformation/remove.ts";
import type { Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { describeKeptNetwork } from "../existing-network.ts";
import type { AccountResource } from "../inventory/account-resource.ts";
import { describeResource } from "../inventory/account-resource.ts";
import { deleteResources, leftBehind } from "../inventory/delete-resources.ts";
import type { DeletionChoice } from "../inventory/deletion-policy.ts";
import { decideDeletion, isDeleted } from "../inventory/deletion-policy.ts";
import type { AccountInventory } from "../inventory/discover.ts";
import { discoverResources } from "../inventory/discover.ts";
import { ownerByTags } from "../inventory/ownership.ts";
import { listLeases } from "../lease.ts";
import { recordKey } from "../record.ts";
import { TASK_TAG } from "../releases/account/builder-instances.ts";
import type { StackResource } from "../resource-types/entry/resource-type.ts";
import { holdsData, labelOf, RESOURCE_KINDS } from "../resource-types/index.ts";
import { BY_THE_GIB } from "../resource-types/rds.ts";
import { logicalName, stackName } from "../templates/shared/names.ts";

const DATABASE = "AWS::RDS::DBInstance";
const INSTANCE = "AWS::EC2::Instance";

export interface DecommissionOptions {
  keepData?: boolean;
  confirmRemove?: string[];
}

/** What stands before anything is removed. */
interface Before {
  inventory: AccountInventory;
  choice: DeletionChoice;
  /** The environment's own. */
  stacks: StackState[];
  shared?: StackState;
  /** The app's other environments in this region. */
  others: string[];
  databases: Database[];
  /** What is somebody else's, and stays. */
  network: Kept[];
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
  assertUnprotected(context, before);
  for (const text of linesOf(describeBefore(before))) context.emit({ type: "note", text });

  const machines = await removeOwn(context, before);
  // Stacks take their time, and somebody may have begun another environment meanwhile.
  const others = await observeOthers(context);
  const choice = { ...before.choice, last: others.length === 0 };
  const cleared = [await clear(context, choice)];
  const { shared } = before;
  if (shared && choice.last) {
    // The lease is in its bucket, so it goes when all else is gone.
    await removeStacks(context, [shared]);
    cleared.push(await clear(context, choice));
  } else {
    const bucket = outputsOf(context.deployment, shared ? [shared] : []).find("shared", "ArtifactsBucket");
    if (bucket !== undefined) await removeWritten(context, bucket);
  }

  const stacksToDelete = shared && choice.last ? [...before.stacks, shared] : before.stacks;
  const deleted = [...machines, ...cleared.flatMap(({ removed }) => removed)];
  return {
    app: context.deployment.app,
    environment: context.deployment.environment,
    removed: [...stacksToDelete.flatMap((stack) => describeStack(stack, before.inventory)), ...deleted.map(describeResource)],
    kept: [...describeKept((cleared.at(-1) as Cleared).last, choice), ...describeShared(before, others), ...(await describeKeptNetwork(context))],
    checked: { stacks: stacksToDelete.length, "kinds of resources": RESOURCE_KINDS.length },
  };
}

/** What is written of the environment in the bucket that others go on using: by the command line, and by its instances, which are gone. */
async function removeWritten(context: Context, Bucket: string): Promise<void> {
  const { environment } = context.deployment;
  const s3 = await context.clients.s3();
  const leases = await rowsOf(s3.paginateListObjectsV2({ Bucket, Prefix: leasesPrefix(environment) }), (page) => page.Contents);
  for (const key of [recordKey(environment), ...leases.flatMap(({ Key }) => Key ?? [])]) await removeObject(context, Bucket, key);
}

/** The environment's stacks, and what would keep them from going. Returns the machines that were ended. */
async function removeOwn(context: Context, { inventory, choice, stacks, databases }: Before): Promise<AccountResource[]> {
  // They are in the network's subnets.
  const machines = inventory.resources.filter(
    (resource) => resource.kind.type === INSTANCE && TASK_TAG in resource.tags && isDeleted(choice)(resource),
  );
  await deleteResources(inventory.discovery, machines);
  if (choice.keepData) for (const database of databases.filter(({ copied }) => !copied)) await copyDatabase(context, database);
  for (const one of databases.filter((database) => database.protected)) await unprotect(context, one);
  await removeStacks(context, stacks);
  return machines;
}

/** What a decommission would do. Changes nothing. */
export async function listRemoval(context: Context, options: DecommissionOptions): Promise<RemovalReport> {
  return describeBefore(await foresee(context, options));
}

async function foresee(context: Context, { keepData = false, confirmRemove = [] }: DecommissionOptions): Promise<Before> {
  const { app, environment } = context.deployment;
  const observed = [...(await observeEnvironment(context.clients, { app, environment })).values()];
  const shared = observed.find((stack) => stack.name === stackName(context.deployment, "shared"));
  const stacks = observed.filter((stack) => stack !== shared);
  const [inventory, others] = await Promise.all([discoverResources(context), observeOthers(context)]);
  const databases = await observeDatabases(context, stacks, inventory);
  const confirmed = [...confirmRemove, ...databases.filter((database) => confirmRemove.includes(database.name)).map(({ id }) => id)];
  const network = await describeKeptNetwork(context);
  return { inventory, stacks, shared, others, databases, network, choice: { keepData, confirmed, last: others.length === 0 } };
}

/** Those with a stack, and those that an operation works on now. */
async function observeOthers(context: Context): Promise<string[]> {
  const deployment = context.deployment;
  const others = new Set<string>();
  for await (const { tags } of observeStacks(context.clients)) {
    const otherEnvironment = tags["landfall:app"] === deployment.app ? tags["landfall:environment"] : undefined;
    if (otherEnvironment !== undefined && ownerByTags(tags, deployment) === undefined) others.add(otherEnvironment);
  }
  for (const { environment, running } of await listLeases(context)) if (running && environment !== deployment.environment) others.add(environment);
  return [...others].sort();
}

async function observeDatabases(context: Context, stacks: StackState[], { discovery }: AccountInventory): Promise<Database[]> {
  const resources = [...discovery.stackResources.values()].filter(
    (resource) => resource.standing && resource.type === DATABASE && stacks.some(({ name }) => name === resource.stack),
  );
  if (resources.length === 0) return [];
  const rds = await context.clients.rds();
  const databases = await Promise.all(
    resources.map(async (resource): Promise<Database[]> => {
      const stack = stacks.find(({ name }) => name === resource.stack) as StackState;
      // The protection is a person's word for what they may have put something into: not for a stack that never stood.
      if (!(await cameUp(context.clients, stack.id ?? stack.name))) return [];
      const { DBInstances: [database] = [] } = await rds.describeDBInstances({ DBInstanceIdentifier: resource.id }).catch(noneIfGone);
      if (!database) return [];
      const policy = (await observeTemplate(context.clients, stack))?.Resources[resource.logicalId]?.DeletionPolicy;
      return [{ id: resource.id, name: nameOf(context, resource), protected: database.DeletionProtection === true, copied: policy === "Snapshot" }];
    }),
  );
  return databases.flat();
}

const noneIfGone = (error: unknown): { DBInstances?: undefined } => {
  if (error instanceof Error && /NotFound/.test(error.name)) return {};
  throw error;
};

/** The configuration may not have it any more. */
const nameOf = ({ deployment }: Context, { logicalId }: StackResource): string =>
  Object.keys(deployment.resources).find((name) => `${logicalName(name)}Database` === logicalId) ?? logicalId;

function assertUnprotected({ deployment }: Context, { databases, choice }: Before): void {
  const refused = databases.filter((database) => database.protected && !choice.confirmed.includes(database.id));
  const command = `landfall decommission ${deployment.environment}${choice.keepData ? " --keep-data" : ""} --confirm-remove ${databases
    .filter((database) => database.protected)
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
    { Key: "landfall:app", Value: context.deployment.app },
    { Key: "landfall:environment", Value: context.deployment.environment },
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
  removed: AccountResource[];
  /** The listing that found nothing more to remove. */
  last: AccountInventory;
}

/** Lists and removes until a listing has nothing that is to go. */
async function clear(context: Context, choice: DeletionChoice): Promise<Cleared> {
  const removed: AccountResource[] = [];
  for (let listing = 1; ; listing++) {
    const inventory = await discoverResources(context);
    const going = inventory.resources.filter(isDeleted(choice));
    if (going.length === 0) return { removed, last: inventory };
    if (listing === LISTINGS_MAX) throw leftBehind(inventory.discovery, going);
    await deleteResources(inventory.discovery, going);
    removed.push(...going.filter((resource) => !removed.some(({ kind, id }) => kind === resource.kind && id === resource.id)));
  }
}

const resourcesOf = ({ name }: StackState, { discovery }: AccountInventory): StackResource[] =>
  [...discovery.stackResources.values()].filter(({ stack, standing, status }) => standing && stack === name && status !== "DELETE_COMPLETE");

/** The stack with how much is in it, and by name what keeps data. */
function describeStack(stack: StackState, inventory: AccountInventory): string[] {
  const resources = resourcesOf(stack, inventory);
  const data = resources.flatMap(({ type, id }) => (holdsData(type) ? [`${labelOf(type)} ${id}`] : []));
  return [`stack ${stack.name} with ${resources.length} resources`, ...data];
}

function describeBefore(before: Before): RemovalReport {
  const { inventory, choice, stacks, shared, others, databases } = before;
  const going = choice.last && shared ? [...stacks, shared] : stacks;
  const copies = databases.filter(({ copied }) => copied || choice.keepData);
  return {
    app: inventory.discovery.app,
    environment: inventory.discovery.environment,
    removed: [...going.flatMap((stack) => describeStack(stack, inventory)), ...inventory.resources.filter(isDeleted(choice)).map(describeResource)],
    kept: [
      ...copies.map(({ name }) => ({ what: `a last snapshot of database "${name}"`, why: `it holds data, and ${BY_THE_GIB}` })),
      ...describeKept(inventory, choice),
      ...describeShared(before, others),
      ...before.network,
    ],
  };
}

const describeKept = ({ resources, unrecognized }: AccountInventory, choice: DeletionChoice): Kept[] => [
  ...resources.flatMap((resource) => {
    const deletion = decideDeletion(resource, choice);
    return deletion && !deletion.deleted ? [{ what: describeResource(resource), why: deletion.why }] : [];
  }),
  ...unrecognized
    .filter(({ owner }) => owner === "environment" || choice.last)
    .map(({ arn }) => ({ what: arn, why: "it carries Landfall's tags and is of no kind that Landfall makes: what it costs, its own page says" })),
];

const describeShared = ({ shared }: Before, others: string[]): Kept[] =>
  shared && others.length > 0 ? [{ what: `stack ${shared.name}`, why: `it is shared with ${others.join(", ")}, and goes with the last one` }] : [];

/** As notes, before anything is changed. */
const linesOf = ({ removed, kept }: RemovalReport): string[] => [
  ...removed.map((what) => `goes: ${what}`),
  ...kept.map(({ what, why }) => `stays: ${what}: ${why}`),
];
