// What was changed by hand. CloudFormation looks for it when it is asked to, and keeps what it found until it is asked again.
import type { PropertyDifference } from "@aws-sdk/client-cloudformation";
import type { Difference } from "../../../plan/differences.ts";
import type { Drift } from "../../../plan/plan.ts";
import type { Standing } from "../cloudformation/stand.ts";
import type { Context } from "../context.ts";
import { kindOf } from "./kinds.ts";
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
export async function loadDrift({ clients }: Context, stacks: readonly Pick<Standing, "name" | "looked">[], names: Names): Promise<Drift[]> {
  const found: Drift[] = [];
  for (const { name, looked } of stacks) {
    if (looked?.clean) continue;
    const cloudFormation = await clients.cloudFormation();
    let NextToken: string | undefined;
    do {
      const page = await cloudFormation.describeStackResourceDrifts({
        StackName: name,
        StackResourceDriftStatusFilters: ["MODIFIED", "DELETED"],
        NextToken,
      });
      for (const { LogicalResourceId: id = "", ResourceType: type = "", PropertyDifferences: differences = [] } of page.StackResourceDrifts ?? [])
        found.push({ of: ownerOf(names, name, id), kind: kindOf(type), name: id, differences: differences.map(differenceOf) });
      NextToken = page.NextToken;
    } while (NextToken);
  }
  return found;
}

/** Since when nothing is known of changes by hand: the oldest look at any of the stacks; undefined when one was never looked at. */
export function lookedAt(stacks: readonly Pick<Standing, "looked">[]): number | undefined {
  const times = stacks.map(({ looked }) => looked?.at ?? 0);
  return times.length === 0 || times.includes(0) ? undefined : Math.min(...times);
}

const differenceOf = ({ PropertyPath, ExpectedValue, ActualValue }: PropertyDifference): Difference => ({
  property: (PropertyPath ?? "").replace(/^\//, "").replaceAll("/", "."),
  ...(ExpectedValue === undefined || ExpectedValue === "null" ? {} : { before: ExpectedValue }),
  ...(ActualValue === undefined || ActualValue === "null" ? {} : { after: ActualValue }),
});
