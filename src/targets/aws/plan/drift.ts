// Drift: changes made by hand. CloudFormation looks for it when it is asked to, and keeps what it found until it is asked again.
import type { PropertyDifference } from "@aws-sdk/client-cloudformation";
import type { Difference } from "../../../plan/differences.ts";
import type { Drift } from "../../../plan/plan.ts";
import { rowsOf } from "../account/pages.ts";
import type { StackState } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import { labelOf } from "../resource-types/index.ts";
import { type Names, ownerOf } from "./owners.ts";

const LOOK_EVERY_MS = 3_000;

/** Has CloudFormation look at every stack, and waits until it has. What it could not look at stays as it was found before. */
export async function detectDrift({ clients, clock, emit }: Context, stacks: readonly { name: string }[]): Promise<void> {
  const cloudFormation = await clients.cloudFormation();
  for (const { name } of stacks) {
    const { StackDriftDetectionId: id } = await cloudFormation.detectStackDrift({ StackName: name });
    emit({ type: "note", text: `looking for changes by hand in ${name}` });
    for (;;) {
      const { DetectionStatus: state } = await cloudFormation.describeStackDriftDetectionStatus({ StackDriftDetectionId: id });
      if (state !== "DETECTION_IN_PROGRESS") break;
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
}

/** What was found when CloudFormation looked last; nothing of stacks that it never looked at. Those known to be clean are not asked about. */
export async function loadDrift({ clients }: Context, stacks: readonly Pick<StackState, "name" | "looked">[], names: Names): Promise<Drift[]> {
  const drifted: Drift[] = [];
  for (const { name, looked } of stacks) {
    if (looked?.clean) continue;
    const cloudFormation = await clients.cloudFormation();
    const asked = { StackName: name, StackResourceDriftStatusFilters: ["MODIFIED" as const, "DELETED" as const] };
    const drifts = await rowsOf(cloudFormation.paginateDescribeStackResourceDrifts(asked), (page) => page.StackResourceDrifts);
    for (const { LogicalResourceId: id = "", ResourceType: type = "", PropertyDifferences: differences = [] } of drifts)
      drifted.push({ of: ownerOf(names, name, id), kind: labelOf(type), name: id, differences: differences.map(differenceOf) });
  }
  return drifted;
}

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
