// Removes what keeps a stack from being deleted: each type says what that is. Only what the stack itself lists is looked at.
import type { Context } from "../context.ts";
import { RESOURCE_TYPES } from "../resource-types/index.ts";
import type { StackState } from "./describe-stacks.ts";
import { cameUp } from "./events.ts";

/** Of the resources that CloudFormation could not delete. */
export async function unblock(context: Context, { id, name }: StackState): Promise<void> {
  const cloudFormation = await context.clients.cloudFormation();
  const { StackResources = [] } = await cloudFormation.describeStackResources({ StackName: id ?? name });
  for (const resource of StackResources.filter(({ ResourceStatus }) => ResourceStatus === "DELETE_FAILED")) {
    const { LogicalResourceId, ResourceStatusReason = "no reason given", ResourceType = "", PhysicalResourceId = "", StackId = "" } = resource;
    context.emit({ type: "note", text: `${name}: ${LogicalResourceId} could not be deleted: ${ResourceStatusReason}` });
    const blocked = { id: PhysicalResourceId, stackCameUp: () => cameUp(context.clients, StackId) };
    await RESOURCE_TYPES[ResourceType]?.unblock?.(context, blocked);
  }
}
