// What an interrupted past has left of an environment that goes on: machines that did errands, disks, images, change sets, and objects of
// the artifact bucket that no environment uses any more.
import type { CleanReport } from "../../reports.ts";
import { takeCensus } from "./census/census.ts";
import { DISK_SNAPSHOT, INSTANCE, MACHINE_IMAGE, VOLUME } from "./census/kinds/machines.ts";
import { chooseImages, chooseObjects, isAbandoned, isErrand, type Stored, usesOf } from "./census/old.ts";
import { sweep } from "./census/sweep.ts";
import { describeThing, type Thing } from "./census/thing.ts";
import { discardChange } from "./cloudformation/change-set.ts";
import { removeStacks } from "./cloudformation/remove.ts";
import { observeEnvironment, observeStacks, type Standing } from "./cloudformation/stand.ts";
import type { Context } from "./context.ts";
import { listLeases } from "./lease.ts";
import { pages } from "./pages.ts";

/** Runs under the environment's lease, so that whatever worked for this environment is of the past. Errors: LEFT_BEHIND, STACK_STUCK, AWS_*. */
export async function clean(context: Context): Promise<CleanReport> {
  const changes = await discardChanges(context);
  const stacks = await listStacks(context);
  const bucket = stacks.map(({ outputs }) => outputs.ArtifactsBucket).find((name) => name !== undefined);
  const objects = bucket === undefined ? [] : await listObjects(context, bucket);
  const records = await readRecords(context, bucket, objects);
  const texts = [...(await readTemplates(context, stacks)), ...stacks.map(({ tags }) => JSON.stringify(tags)), ...records];

  const { survey, things } = await takeCensus(context, [INSTANCE, VOLUME, MACHINE_IMAGE]);
  const now = context.clock.now();
  const machines = things.filter((one) => one.kind === INSTANCE && isErrand(one) && isAbandoned(one, now));
  const disks = things.filter((one) => one.kind === VOLUME && !one.used && isAbandoned(one, now));
  const images = things.filter(({ kind }) => kind === MACHINE_IMAGE);
  const oldImages = images.length === 0 ? [] : chooseImages(images, [...texts, ...(await listUsesOfImages(context))], now);
  const going = [...machines, ...disks, ...oldImages];
  await sweep(survey, going);
  const snapshots = await clearSnapshots(context);

  const environments = [...stacks.flatMap(({ tags }) => tags["landfall:environment"] ?? []), ...(await workedOn(context)), context.app.name];
  const keys = chooseObjects(objects, { texts, environments, now });
  if (bucket !== undefined) await removeObjects(context, bucket, keys);
  return { removed: [...changes, ...[...going, ...snapshots].map(describeThing), ...keys.map((key) => `object ${key}`)] };
}

/** Of all environments of the app in this region, and what they share. */
async function listStacks({ clients, app }: Context): Promise<Standing[]> {
  const found: Standing[] = [];
  for await (const stack of observeStacks(clients)) if (stack.tags["landfall:app"] === app.app.name) found.push(stack);
  return found;
}

const workedOn = async (context: Context) => (await listLeases(context)).filter(({ running }) => running).map(({ environment }) => environment);

/** Change sets that were made and never executed, and stacks that have nothing but such a one. */
async function discardChanges(context: Context): Promise<string[]> {
  const { app, name } = context.app;
  const foundation = `${app.name}-foundation`;
  const stacks = [...(await observeEnvironment(context.clients, { app: app.name, environment: name })).values()].filter(
    (stack) => stack.name !== foundation,
  );
  const empty = stacks.filter(({ status }) => status === "REVIEW_IN_PROGRESS");
  await removeStacks(context, empty);
  const removed = empty.map((stack) => `stack ${stack.name}, which had nothing in it`);
  const cloudFormation = await context.clients.cloudFormation();
  for (const stack of stacks.filter((one) => !empty.includes(one))) {
    const { Summaries = [] } = await cloudFormation.listChangeSets({ StackName: stack.name });
    for (const { ChangeSetName = "", ExecutionStatus = "" } of Summaries) {
      if (!ChangeSetName.startsWith("landfall-") || !/^(AVAILABLE|UNAVAILABLE|OBSOLETE)$/.test(ExecutionStatus)) continue;
      await discardChange(context, { stack: stack.name, name: ChangeSetName });
      removed.push(`change set ${ChangeSetName} of stack ${stack.name}`);
    }
  }
  return removed;
}

async function readTemplates({ clients }: Context, stacks: Standing[]): Promise<string[]> {
  const cloudFormation = await clients.cloudFormation();
  const texts: string[] = [];
  for (const { id, name } of stacks.filter(({ tags }) => tags["landfall:service"] !== undefined))
    texts.push((await cloudFormation.getTemplate({ StackName: id ?? name, TemplateStage: "Original" })).TemplateBody ?? "");
  return texts;
}

/** Launch templates in all their versions, and the machines that run. */
async function listUsesOfImages({ clients, app }: Context): Promise<string[]> {
  const ec2 = await clients.ec2();
  const Filters = [{ Name: "tag:landfall:app", Values: [app.app.name] }];
  const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({ Filters });
  const versions = await Promise.all(
    LaunchTemplates.map(({ LaunchTemplateId }) =>
      pages(async (NextToken) => {
        const page = await ec2.describeLaunchTemplateVersions({ LaunchTemplateId, NextToken });
        return { list: page.LaunchTemplateVersions, next: page.NextToken };
      }),
    ),
  );
  const running = await pages(async (NextToken) => {
    const page = await ec2.describeInstances({
      NextToken,
      Filters: [...Filters, { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] }],
    });
    return { list: page.Reservations?.flatMap(({ Instances }) => Instances ?? []), next: page.NextToken };
  });
  return [
    ...versions.flat().flatMap(({ LaunchTemplateData }) => LaunchTemplateData?.ImageId ?? []),
    ...running.flatMap(({ ImageId }) => ImageId ?? []),
  ];
}

/** Those that no image of the app stands on: an image that goes gives its snapshots its tags, so that they are found here. */
async function clearSnapshots(context: Context): Promise<Thing[]> {
  const { survey, things } = await takeCensus(context, [DISK_SNAPSHOT]);
  if (things.length === 0) return [];
  const ec2 = await context.clients.ec2();
  const { Images = [] } = await ec2.describeImages({ Owners: ["self"] });
  const used = Images.flatMap(({ BlockDeviceMappings = [] }) => BlockDeviceMappings.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []));
  const going = things.filter((one) => !used.includes(one.id) && isAbandoned({ ...one, of: "app" }, context.clock.now()));
  await sweep(survey, going);
  return going;
}

async function listObjects({ clients }: Context, Bucket: string): Promise<Stored[]> {
  const s3 = await clients.s3();
  const listed = await pages(async (ContinuationToken) => {
    const page = await s3.listObjectsV2({ Bucket, ContinuationToken });
    return { list: page.Contents, next: page.NextContinuationToken };
  });
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
