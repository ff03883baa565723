// Changes that would lose data: a replacement makes a new, empty thing beside the old one and then removes that.
import type { Change, ResourceChange } from "@aws-sdk/client-cloudformation";
import { LandfallError } from "../../../error.ts";
import { holdsData, labelOf, RESOURCE_TYPES } from "../resource-types/index.ts";

export interface Loss {
  stack: string;
  /** Its name in the stack: what confirms it. */
  logicalId: string;
  /** `database`, `bucket`, ... */
  label: string;
  /** `may be replaced`: CloudFormation knows only while it does it. `made anew`: somebody has deleted it, and it would come back empty. */
  how: "removed" | "replaced" | "may be replaced" | "made anew";
  /** Which properties are why, when it is a replacement. */
  because: string[];
}

/** The losses in a change set. */
export function findLosses(stack: string, changes: Change[]): Loss[] {
  return changes.flatMap(({ ResourceChange: change }): Loss[] => {
    if (!change || !holdsData(change.ResourceType ?? "")) return [];
    const because = causesOf(change);
    const how = lossOf(change, because);
    return how === undefined ? [] : [{ stack, logicalId: change.LogicalResourceId ?? "", label: labelOf(change.ResourceType ?? ""), how, because }];
  });
}

/** The properties that ask for a replacement, or may. */
function causesOf({ ResourceType = "", Details = [] }: ResourceChange): string[] {
  const names = Details.flatMap(({ Target }) => (Target?.Name && Target.RequiresRecreation !== "Never" ? [Target] : []));
  const harmless = (name: string) => RESOURCE_TYPES[ResourceType]?.changedInPlace?.includes(name);
  return [...new Set(names.flatMap(({ Name, RequiresRecreation }) => (RequiresRecreation !== "Always" && harmless(Name ?? "") ? [] : [Name ?? ""])))];
}

function lossOf(change: ResourceChange, because: string[]): Loss["how"] | undefined {
  const { Action, Replacement, PolicyAction, ResourceDriftStatus, Details = [] } = change;
  if (ResourceDriftStatus === "DELETED" && Action !== "Remove") return "made anew";
  // "Retain" keeps the old one in the account, though out of the stack.
  if (Action === "Remove") return PolicyAction === "Retain" ? undefined : "removed";
  if (Action !== "Modify") return undefined;
  if (Replacement === "True") return "replaced";
  return Replacement === "Conditional" && (because.length > 0 || Details.length === 0) ? "may be replaced" : undefined;
}

/** Rejects with STACK_REPLACEMENT_REFUSED unless each loss was confirmed by its name. */
export function assertNoDataLoss(losses: Loss[], confirmed: string[], environment: string): void {
  const refused = losses.filter(({ logicalId }) => !confirmed.includes(logicalId));
  const option = losses.some(({ how }) => how === "made anew") ? " --revert-drift" : "";
  const command = `landfall commission ${environment}${option} --confirm-replace ${[...confirmed, ...refused.map(({ logicalId }) => logicalId)].join(" ")}`;
  const [first, ...others] = refused.map((loss) => asError(loss, command));
  if (first) throw new LandfallError(first.parts, others);
}

const asError = ({ stack, logicalId, label, how, because }: Loss, command: string) =>
  new LandfallError({
    code: "STACK_REPLACEMENT_REFUSED",
    what: `the change would lose data: ${label} "${logicalId}" ${how === "may be replaced" ? how : `would be ${how}`}`,
    where: `stack ${stack}`,
    why: explain(how, because.map((name) => `"${name}"`).join(", ") || "it"),
    standing: how === "made anew" ? "Nothing of the stack was changed." : `The ${label} stands as it was.`,
    next: `${how === "made anew" ? "look for a backup or a snapshot of it" : "take a copy of what is in it"}, then  ${command}${how === "made anew" ? "" : "   or undo the change"}`,
  });

function explain(how: Loss["how"], names: string): string {
  if (how === "removed") return "The configuration has it no more.";
  if (how === "made anew") return "Somebody has deleted it by hand. A new one would be empty.";
  if (how === "replaced") return `AWS cannot change ${names} in place: it would make a new, empty one and remove the old one.`;
  return `AWS cannot always change ${names} in place: it may make a new, empty one and remove the old one.`;
}
