// What a change set that reverts drift would do, in words: what is there now, and what it goes back to.
import type { Change, ResourceChange } from "@aws-sdk/client-cloudformation";
import { labelOf } from "../resource-types/index.ts";

/** A line for each resource that was changed by hand; of what the change set does besides nothing is said. */
export const describeReverting = (stack: string, changes: readonly Change[]): string[] =>
  changes.flatMap(({ ResourceChange: change }) => {
    const what = change && describe(change);
    return what === undefined ? [] : [`${stack}: ${labelOf(change?.ResourceType ?? "")} "${change?.LogicalResourceId}" ${what}`];
  });

function describe({ Action, ResourceDriftStatus, Details = [] }: ResourceChange): string | undefined {
  if (ResourceDriftStatus === "DELETED") return "is gone, and is made anew";
  if (ResourceDriftStatus !== "MODIFIED") return undefined;
  if (Action === "SyncWithActual") return "was changed by hand to what the configuration says by now, and stays so";
  const properties = Details.flatMap(({ Target }) => {
    if (Target?.BeforeValueFrom !== "ACTUAL_STATE" || Target.AttributeChangeType === "SyncWithActual") return [];
    const name = (Target.Path ?? `/Properties/${Target.Name ?? Target.Attribute}`).replace(/^\/(Properties\/)?/, "").replaceAll("/", ".");
    return [`${name} from ${Target.BeforeValue ?? "what is there"} to ${Target.AfterValue ?? "nothing"}`];
  });
  return `goes back: ${[...new Set(properties)].join(", ") || "as the template has it"}`;
}
