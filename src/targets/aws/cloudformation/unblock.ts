// What keeps a stack from being deleted: buckets with something in them, network interfaces that a service left behind, tasks that
// still run, and the protection of a database that never came up. Only what the stack itself lists is looked at.
import type { StackResource } from "@aws-sdk/client-cloudformation";
import type { Context } from "../context.ts";
import { observeTasks, stopTasks } from "../tasks.ts";
import { cameUp } from "./events.ts";
import type { Standing } from "./stand.ts";

/** Removes what blocks the resources that CloudFormation could not delete. */
export async function unblock(context: Context, { id, name }: Standing): Promise<void> {
  const cloudFormation = await context.clients.cloudFormation();
  const { StackResources = [] } = await cloudFormation.describeStackResources({ StackName: id ?? name });
  for (const resource of StackResources.filter(({ ResourceStatus }) => ResourceStatus === "DELETE_FAILED")) {
    const text = `${name}: ${resource.LogicalResourceId} could not be deleted: ${resource.ResourceStatusReason ?? "no reason given"}`;
    context.emit({ type: "note", text });
    await unblockResource(context, resource);
  }
}

async function unblockResource(context: Context, { ResourceType, PhysicalResourceId: id = "", StackId = "" }: StackResource): Promise<void> {
  if (ResourceType === "AWS::S3::Bucket") return emptyBucket(context, id);
  if (ResourceType === "AWS::ECS::Cluster") return stopTasks(context, await observeTasks(context, { cluster: id }), id);
  if (ResourceType === "AWS::RDS::DBInstance") return unprotect(context, id, StackId);
  if (ResourceType === "AWS::EC2::SecurityGroup") return removeInterfaces(context, "group-id", id);
  if (ResourceType === "AWS::EC2::Subnet") return removeInterfaces(context, "subnet-id", id);
  if (ResourceType === "AWS::EC2::VPC") return removeInterfaces(context, "vpc-id", id);
}

/** Every version of every object in it. A bucket that is gone meanwhile is empty. */
export async function emptyBucket({ clients }: Pick<Context, "clients">, bucket: string): Promise<void> {
  const s3 = await clients.s3();
  try {
    for (;;) {
      // The first page again each time: what was on it is gone.
      const page = await s3.listObjectVersions({ Bucket: bucket, MaxKeys: 1000 });
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({ Key, VersionId }));
      if (Objects.length === 0) return;
      const { Errors = [] } = await s3.deleteObjects({ Bucket: bucket, Delete: { Objects, Quiet: true } });
      if (Errors.length > 0) throw Object.assign(new Error(Errors[0]?.Message), { name: Errors[0]?.Code });
    }
  } catch (error) {
    if (!(error instanceof Error && error.name === "NoSuchBucket")) throw error;
  }
}

/** The protection is the user's word, and holds for what they may have put something into: not for a stack that never stood. */
async function unprotect({ clients }: Context, database: string, stackId: string): Promise<void> {
  if (await cameUp(clients, stackId)) return;
  await (await clients.rds()).modifyDBInstance({ DBInstanceIdentifier: database, DeletionProtection: false, ApplyImmediately: true });
}

/** Those that nothing is attached to any more: what is in use goes with what uses it. */
async function removeInterfaces({ clients }: Context, filter: string, value: string): Promise<void> {
  const ec2 = await clients.ec2();
  const Filters = [
    { Name: filter, Values: [value] },
    { Name: "status", Values: ["available"] },
  ];
  const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({ Filters });
  for (const { NetworkInterfaceId } of NetworkInterfaces) await ec2.deleteNetworkInterface({ NetworkInterfaceId });
}
