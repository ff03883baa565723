// Removes what interrupted operations left in an environment that goes on: machines of one-off tasks, disks, images, change sets, and objects of
// the artifact bucket that no environment uses any more.
import type { CleanReport } from "../../../reports.ts";
import { rowsOf } from "../account/pages.ts";
import { discardChange } from "../cloudformation/change-set.ts";
import { observeEnvironment, observeStacks, type StackState } from "../cloudformation/describe-stacks.ts";
import { removeStacks } from "../cloudformation/remove.ts";
import type { Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import type { AccountResource } from "../inventory/account-resource.ts";
import { describeResource } from "../inventory/account-resource.ts";
import { deleteResources } from "../inventory/delete-resources.ts";
import { discoverResources } from "../inventory/discover.ts";
import type { Stored } from "../inventory/old.ts";
import { chooseImages, chooseObjects, isAbandoned, isOneOffTask, usesOf } from "../inventory/old.ts";
import { listLeases } from "../lease.ts";
import { DISK_SNAPSHOT, MACHINE_IMAGE, VOLUME } from "../resource-types/ec2.ts";
import { kindOfType } from "../resource-types/index.ts";
import { stackName } from "../templates/shared/names.ts";

const INSTANCE = kindOfType("AWS::EC2::Instance");

/** Runs under the environment's lease, so that whatever worked for this environment is of the past. Errors: LEFT_BEHIND, STACK_STUCK, AWS_*. */
export async function clean(context: Context): Promise<CleanReport> {
  const changes = await discardChanges(context);
  const stacks = await listStacks(context);
  const bucket = outputsOf(context.deployment, stacks).find("shared", "ArtifactsBucket");
  const objects = bucket === undefined ? [] : await listObjects(context, bucket);
  const records = await readRecords(context, bucket, objects);
  const texts = [...(await readTemplates(context, stacks)), ...stacks.map(({ tags }) => JSON.stringify(tags)), ...records];

  const { discovery, resources } = await discoverResources(context, [INSTANCE, VOLUME, MACHINE_IMAGE]);
  const now = context.clock.now();
  const machines = resources.filter((resource) => resource.kind === INSTANCE && isOneOffTask(resource) && isAbandoned(resource, now));
  const disks = resources.filter((resource) => resource.kind === VOLUME && !resource.used && isAbandoned(resource, now));
  const images = resources.filter(({ kind }) => kind === MACHINE_IMAGE);
  const oldImages = images.length === 0 ? [] : chooseImages(images, [...texts, ...(await listUsesOfImages(context))], now);
  const going = [...machines, ...disks, ...oldImages];
  await deleteResources(discovery, going);
  const snapshots = await clearSnapshots(context);

  const environments = [
    ...stacks.flatMap(({ tags }) => tags["landfall:environment"] ?? []),
    ...(await workedOn(context)),
    context.deployment.environment,
  ];
  const keys = chooseObjects(objects, { texts, environments, now });
  if (bucket !== undefined) await removeObjects(context, bucket, keys);
  return { removed: [...changes, ...[...going, ...snapshots].map(describeResource), ...keys.map((key) => `object ${key}`)] };
}

/** Of all environments of the app in this region, and what they share. */
async function listStacks({ clients, deployment }: Context): Promise<StackState[]> {
  const empty: StackState[] = [];
  for await (const stack of observeStacks(clients)) if (stack.tags["landfall:app"] === deployment.app) empty.push(stack);
  return empty;
}

const workedOn = async (context: Context) => (await listLeases(context)).filter(({ running }) => running).map(({ environment }) => environment);

/** Change sets that were made and never executed, and stacks that have nothing but such a one. */
async function discardChanges(context: Context): Promise<string[]> {
  const { app, environment } = context.deployment;
  const shared = stackName(context.deployment, "shared");
  const stacks = [...(await observeEnvironment(context.clients, { app, environment })).values()].filter((stack) => stack.name !== shared);
  const empty = stacks.filter(({ status }) => status === "REVIEW_IN_PROGRESS");
  await removeStacks(context, empty);
  const removed = empty.map((stack) => `stack ${stack.name}, which had nothing in it`);
  const cloudFormation = await context.clients.cloudFormation();
  for (const stack of stacks.filter((candidate) => !empty.includes(candidate))) {
    const { Summaries = [] } = await cloudFormation.listChangeSets({ StackName: stack.name });
    for (const { ChangeSetName = "", ExecutionStatus = "" } of Summaries) {
      if (!ChangeSetName.startsWith("landfall-") || !/^(AVAILABLE|UNAVAILABLE|OBSOLETE)$/.test(ExecutionStatus)) continue;
      await discardChange(context, { stack: stack.name, name: ChangeSetName });
      removed.push(`change set ${ChangeSetName} of stack ${stack.name}`);
    }
  }
  return removed;
}

async function readTemplates({ clients }: Context, stacks: StackState[]): Promise<string[]> {
  const cloudFormation = await clients.cloudFormation();
  const texts: string[] = [];
  for (const { id, name } of stacks.filter(({ tags }) => tags["landfall:service"] !== undefined))
    texts.push((await cloudFormation.getTemplate({ StackName: id ?? name, TemplateStage: "Original" })).TemplateBody ?? "");
  return texts;
}

/** Launch templates in all their versions, and the machines that run. */
async function listUsesOfImages({ clients, deployment }: Context): Promise<string[]> {
  const ec2 = await clients.ec2();
  const Filters = [{ Name: "tag:landfall:app", Values: [deployment.app] }];
  const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({ Filters });
  const versions = await Promise.all(
    LaunchTemplates.map(({ LaunchTemplateId }) =>
      rowsOf(ec2.paginateDescribeLaunchTemplateVersions({ LaunchTemplateId }), (page) => page.LaunchTemplateVersions),
    ),
  );
  const running = await rowsOf(
    ec2.paginateDescribeInstances({
      Filters: [...Filters, { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] }],
    }),
    (page) => page.Reservations?.flatMap(({ Instances }) => Instances ?? []),
  );
  return [
    ...versions.flat().flatMap(({ LaunchTemplateData }) => LaunchTemplateData?.ImageId ?? []),
    ...running.flatMap(({ ImageId }) => ImageId ?? []),
  ];
}

/** Those that no image of the app stands on: an image that goes gives its snapshots its tags, so that they are found here. */
async function clearSnapshots(context: Context): Promise<AccountResource[]> {
  const { discovery, resources } = await discoverResources(context, [DISK_SNAPSHOT]);
  if (resources.length === 0) return [];
  const ec2 = await context.clients.ec2();
  const { Images = [] } = await ec2.describeImages({ Owners: ["self"] });
  const used = Images.flatMap(({ BlockDeviceMappings = [] }) => BlockDeviceMappings.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []));
  const going = resources.filter((resource) => !used.includes(resource.id) && isAbandoned({ ...resource, owner: "app" }, context.clock.now()));
  await deleteResources(discovery, going);
  return going;
}

async function listObjects({ clients }: Context, Bucket: string): Promise<Stored[]> {
  const s3 = await clients.s3();
  const listed = await rowsOf(s3.paginateListObjectsV2({ Bucket }), (page) => page.Contents);
  return listed.map(({ Key: key = "", LastModified }) => ({ key, at: LastModified?.getTime() ?? 0 }));
}

/** What environments remember of their releases. */
async function readRecords({ clients }: Context, Bucket: string | undefined, objects: Stored[]): Promise<string[]> {
  const s3 = await clients.s3();
  const texts: string[] = [];
  for (const { key } of objects.filter(({ key }) => key.startsWith("environments/"))) {
    const { Body } = await s3.getObject({ Bucket, Key: key });
    texts.push(usesOf((await Body?.transformToString()) ?? "{}"));
  }
  return texts;
}

const OBJECTS_AT_ONCE = 1000;

async function removeObjects({ clients }: Context, Bucket: string, keys: string[]): Promise<void> {
  const s3 = await clients.s3();
  for (let from = 0; from < keys.length; from += OBJECTS_AT_ONCE)
    await s3.deleteObjects({ Bucket, Delete: { Objects: keys.slice(from, from + OBJECTS_AT_ONCE).map((Key) => ({ Key })), Quiet: true } });
}
