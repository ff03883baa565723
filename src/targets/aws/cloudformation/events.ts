// Events of CloudFormation: the resource at work, since when, and the first failure.
import type { StackEvent } from "@aws-sdk/client-cloudformation";
import { describeElapsed } from "../../../text/units.ts";
import type { Clients } from "../account/clients.ts";

/** One event of a resource, or of the stack itself. */
export interface Happening {
  id: string;
  at: number;
  logicalId: string;
  type: string;
  status: string;
  reason?: string;
  /** Of the stack itself. */
  ofStack: boolean;
}

const STACK_TYPE = "AWS::CloudFormation::Stack";
const BEGINS = ["REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"];

/** The events of the operation that began last, oldest first. Newer than `after`, when that is given. */
export async function observeEvents(clients: Clients, stackId: string, after?: string): Promise<Happening[]> {
  const cloudFormation = await clients.cloudFormation();
  const newestFirst: Happening[] = [];
  for await (const { StackEvents = [] } of cloudFormation.paginateDescribeStackEvents({ StackName: stackId }))
    for (const event of StackEvents.map(describe)) {
      if (event.id === after) return newestFirst.reverse();
      newestFirst.push(event);
      if (isBegin(event)) return newestFirst.reverse();
    }
  return newestFirst.reverse();
}

/** Whether the stack ever stood as its template said. */
export async function cameUp(clients: Clients, stackId: string): Promise<boolean> {
  const cloudFormation = await clients.cloudFormation();
  for await (const { StackEvents = [] } of cloudFormation.paginateDescribeStackEvents({ StackName: stackId }))
    if (StackEvents.map(describe).some(({ ofStack, status }) => ofStack && status === "CREATE_COMPLETE")) return true;
  return false;
}

const isBegin = ({ ofStack, status }: Happening) => ofStack && BEGINS.includes(status);

const describe = (event: StackEvent): Happening => ({
  id: event.EventId ?? "",
  at: event.Timestamp?.getTime() ?? 0,
  logicalId: event.LogicalResourceId ?? "",
  type: event.ResourceType ?? "",
  status: event.ResourceStatus ?? "",
  reason: event.ResourceStatusReason || undefined,
  ofStack: event.ResourceType === STACK_TYPE && event.PhysicalResourceId === event.StackId,
});

/** When one resource fails, CloudFormation stops those that are under way and calls them failed as well. */
const FOLLOWER = /^Resource (creation|update|deletion) cancell?ed/i;

/** The failure that all others follow from. */
export function findFirstFailure(happenings: Happening[]): Happening | undefined {
  const failed = happenings.filter(({ status, reason }) => status.endsWith("_FAILED") && !FOLLOWER.test(reason ?? ""));
  return failed.find(({ ofStack }) => !ofStack) ?? failed[0];
}

/** What could not be brought back by the last attempt to: CloudFormation lets only those be left out of the next one. */
export function findSkippable(happenings: Happening[]): string[] {
  const begin = happenings.findLastIndex(({ ofStack, status }) => ofStack && status === "UPDATE_ROLLBACK_IN_PROGRESS");
  const failed = happenings.slice(begin + 1).filter(({ ofStack, status }) => !ofStack && status === "UPDATE_FAILED");
  return [...new Set(failed.map(({ logicalId }) => logicalId))];
}

/** How long each resource has been in its present state: `NatGatewayA CREATE_COMPLETE after 1m34s`. */
export class Timeline {
  private readonly begun = new Map<string, number>();

  /** One line for a person. */
  describe({ at, logicalId, type, status, reason, ofStack }: Happening): string {
    if (status.endsWith("_IN_PROGRESS") && !this.begun.has(logicalId)) this.begun.set(logicalId, at);
    const from = this.begun.get(logicalId);
    const ended = !status.endsWith("_IN_PROGRESS");
    if (ended) this.begun.delete(logicalId);
    const took = ended && from !== undefined && at - from >= 1000 ? ` after ${describeElapsed(at - from)}` : "";
    return `${logicalId}${ofStack ? "" : ` (${type})`} ${status}${took}${reason ? `: ${reason}` : ""}`;
  }
}
