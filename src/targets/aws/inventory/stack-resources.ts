// The resources of our stacks, those that stand and those that are gone: CloudFormation remembers a removed stack for 90 days, and with it
// what it was told to leave, and what services made beside it.

import type { StackSummary } from "@aws-sdk/client-cloudformation";
import pLimit from "p-limit";
import { rowsOf } from "../account/pages.ts";
import { isAbsent, observeStack, observeStacks } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import type { Owner, StackResource } from "../resource-types/entry/resource-type.ts";
import { isNamedAfter } from "../templates/shared/names.ts";
import { ownerByTags } from "./ownership.ts";

const AT_ONCE = 6;

interface Origin {
  stack: string;
  id: string;
  owner: Owner;
  standing: boolean;
}

export async function observeStackResources(context: Context): Promise<Map<string, StackResource>> {
  const origins = [...(await observeStanding(context)), ...(await observeGone(context))];
  const limit = pLimit(AT_ONCE);
  const lists = await Promise.all(origins.map((origin) => limit(() => listResources(context, origin))));
  const resources = new Map<string, StackResource>();
  // A resource that two stacks name was left by one and is in the other: what stands counts, and it comes first.
  for (const resource of lists.flat()) if (!resources.has(resource.id)) resources.set(resource.id, resource);
  return resources;
}

const deploymentOf = ({ deployment }: Context) => ({ app: deployment.app, environment: deployment.environment });

async function observeStanding(context: Context): Promise<Origin[]> {
  const origins: Origin[] = [];
  for await (const { name, id = name, tags, status } of observeStacks(context.clients)) {
    const owner = ownerByTags(tags, deploymentOf(context));
    if (owner && status !== "DELETE_COMPLETE") origins.push({ stack: name, id, owner, standing: true });
  }
  return origins;
}

/** A list of removed stacks has no tags, so those whose names could be ours are looked at by their ids. */
async function observeGone(context: Context): Promise<Origin[]> {
  const { app, environment } = deploymentOf(context);
  const limit = pLimit(AT_ONCE);
  const named = (await listGone(context)).filter(({ StackName = "" }) => isNamedAfter({ app, environment }, StackName));
  const lists = await Promise.all(
    named.map(({ StackName: stack = "", StackId: id = "" }) =>
      limit(async (): Promise<Origin[]> => {
        const owner = ownerByTags((await observeStack(context.clients, stack, id)).tags, { app, environment });
        return owner ? [{ stack, id, owner, standing: false }] : [];
      }),
    ),
  );
  return lists.flat();
}

async function listGone({ clients }: Context): Promise<StackSummary[]> {
  const cloudFormation = await clients.cloudFormation();
  return rowsOf(cloudFormation.paginateListStacks({ StackStatusFilter: ["DELETE_COMPLETE"] }), (page) => page.StackSummaries);
}

async function listResources({ clients }: Context, { stack, id, owner, standing }: Origin): Promise<StackResource[]> {
  const cloudFormation = await clients.cloudFormation();
  const resources: StackResource[] = [];
  try {
    for await (const page of cloudFormation.paginateListStackResources({ StackName: id }))
      for (const {
        PhysicalResourceId,
        LogicalResourceId: logicalId = "",
        ResourceType: type = "",
        ResourceStatus: status = "",
      } of page.StackResourceSummaries ?? [])
        if (PhysicalResourceId) resources.push({ id: PhysicalResourceId, logicalId, type, owner, stack, status, standing });
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return resources;
}
