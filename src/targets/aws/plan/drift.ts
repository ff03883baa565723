// Drift: changes made by hand. CloudFormation looks for it when it is asked to, and keeps what it found until it is asked again.
import type { PropertyDifference } from "@aws-sdk/client-cloudformation";
import type { Difference } from "../../../plan/differences.ts";
import type { Drift, DriftedResource } from "../../../plan/plan.ts";
import { rowsOf } from "../account/pages.ts";
import type { StackState } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import { labelOf } from "../resource-types/index.ts";
import { type Names, ownerOf } from "./owners.ts";

const LOOK_EVERY_MS = 3_000;

/** The states in which CloudFormation looks: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/detect-drift-stack.html */
const LOOKED_AT = /^(CREATE_COMPLETE|UPDATE_COMPLETE|UPDATE_ROLLBACK_COMPLETE|UPDATE_ROLLBACK_FAILED)$/;

/** Has CloudFormation look at every stack that is at rest, and waits until it has. What it could not look at stays as it was found before. */
export async function detectDrift(context: Context, stacks: readonly Pick<StackState, "name" | "status">[]): Promise<void> {
  const { clients, clock, emit, signal } = context;
  const cloudFormation = await clients.cloudFormation();
  for (const { name } of stacks.filter(({ status }) => LOOKED_AT.test(status))) {
    const { StackDriftDetectionId: id } = await cloudFormation.detectStackDrift({ StackName: name });
    emit({ type: "note", text: `looking for changes by hand in ${name}` });
    for (;;) {
      const { DetectionStatus: state } = await cloudFormation.describeStackDriftDetectionStatus({ StackDriftDetectionId: id });
      if (state !== "DETECTION_IN_PROGRESS") break;
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }
}

/** What was found when CloudFormation looked last; nothing of stacks that it never looked at. Those known to be clean are not asked about. */
export async function loadDrift(context: Context, stacks: readonly Pick<StackState, "name" | "looked">[], names: Names): Promise<Drift[]> {
  const drifted: Drift[] = [];
  for (const { name, looked } of stacks) if (!looked?.clean) drifted.push(...(await loadStackDrift(context, name, names)));
  return drifted;
}

/** The same of one stack, which is asked about in any case. */
export async function loadStackDrift({ clients }: Context, stack: string, names: Names): Promise<Drift[]> {
  const cloudFormation = await clients.cloudFormation();
  const asked = { StackName: stack, StackResourceDriftStatusFilters: ["MODIFIED" as const, "DELETED" as const] };
  const drifts = await rowsOf(cloudFormation.paginateDescribeStackResourceDrifts(asked), (page) => page.StackResourceDrifts);
  return drifts.map(({ LogicalResourceId: id = "", ResourceType: type = "", PropertyDifferences: differences = [] }) => ({
    ...named(names, stack, { id, type }),
    differences: differences.map(differenceOf),
  }));
}

/** What CloudFormation has looked at and cannot compare: its type does not support it. Of a stack that was never looked at it is everything. */
export async function loadUnchecked({ clients }: Context, stack: string, names: Names): Promise<DriftedResource[]> {
  const cloudFormation = await clients.cloudFormation();
  const resources = await rowsOf(cloudFormation.paginateListStackResources({ StackName: stack }), (page) => page.StackResourceSummaries);
  return resources
    .filter(({ DriftInformation: drift }) => UNCHECKED.has(drift?.StackResourceDriftStatus ?? "NOT_CHECKED"))
    .map(({ LogicalResourceId: id = "", ResourceType: type = "" }) => named(names, stack, { id, type }));
}

const UNCHECKED = new Set<string>(["NOT_CHECKED", "UNSUPPORTED", "UNKNOWN"]);

const named = (names: Names, stack: string, { id, type }: { id: string; type: string }): DriftedResource => ({
  of: ownerOf(names, stack, id),
  kind: labelOf(type),
  name: id,
});

/** Since when nothing is known of changes by hand: the oldest look at any of the stacks; undefined when one was never looked at. */
export function lookedAt(stacks: readonly Pick<StackState, "looked">[]): number | undefined {
  const times = stacks.map(({ looked }) => looked?.at ?? 0);
  return times.length === 0 || times.includes(0) ? undefined : Math.min(...times);
}

const differenceOf = ({ PropertyPath, ExpectedValue, ActualValue }: PropertyDifference): Difference => ({
  property: (PropertyPath ?? "").replace(/^\//, "").replaceAll("/", "."),
  ...(ExpectedValue === undefined || ExpectedValue === "null" ? {} : { before: ExpectedValue }),
  ...(ActualValue === undefined || ActualValue === "null" ? {} : { after: ActualValue }),
});
