// Why CloudFormation does not accept a change set: what it found in the template and in the account before it executed anything. Since 2025-11
// the change set itself says only that something was found; DescribeEvents says what.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
import type { DescribeChangeSetOutput, OperationEvent } from "@aws-sdk/client-cloudformation";
import { LandfallError } from "../../../error.ts";
import type { Clients } from "../account/clients.ts";
import { meaningOf } from "./explanations.ts";

/** The error for a change set that failed. To be asked for while the change set is still there. */
export async function explainRefusal(clients: Clients, stack: string, refused: DescribeChangeSetOutput): Promise<LandfallError> {
  const general = refused.StatusReason ?? `${refused.Status}`;
  try {
    const found = await observeFindings(clients, refused.ChangeSetId);
    return found.length > 0 ? refusedFor(stack, found) : notAccepted(stack, [general, meaningOf(general)].filter(Boolean).join("\n"));
  } catch (error) {
    // That more could not be learned must not hide what is known.
    if (!(error instanceof LandfallError)) throw error;
    return notAccepted(stack, `${general}\n${error.parts.what}, which would say more.`, error.parts.next);
  }
}

export const notAccepted = (stack: string, why: string, next?: string): LandfallError =>
  new LandfallError({
    code: "STACK_FAILED",
    what: `CloudFormation does not accept the change to stack "${stack}"`,
    why,
    standing: "The stack stands as it was.",
    next,
  });

interface Finding {
  resource: string;
  type: string;
  property?: string;
  reason: string;
}

/** By its ARN: its name is not enough (https://github.com/aws-cloudformation/cloudformation-cli/issues/1116). */
async function observeFindings(clients: Clients, changeSetId: string | undefined): Promise<Finding[]> {
  const cloudFormation = await clients.cloudFormation();
  const found: Finding[] = [];
  for await (const { OperationEvents = [] } of cloudFormation.paginateDescribeEvents({ ChangeSetName: changeSetId, Filters: { FailedEvents: true } }))
    found.push(...OperationEvents.filter(refuses).map(describe));
  return found;
}

/** What only warns is found as well, and refuses nothing. The stack's own events say the general words again. */
const refuses = (event: OperationEvent): boolean =>
  event.ValidationFailureMode !== "WARN" && event.HookFailureMode !== "WARN" && reasonOf(event) !== undefined;

const reasonOf = (event: OperationEvent) => event.ValidationStatusReason ?? event.HookStatusReason;

const describe = (event: OperationEvent): Finding => ({
  resource: event.LogicalResourceId ?? "",
  type: event.ResourceType ?? "",
  property: /\/Properties\/(.+)$/.exec(event.ValidationPath ?? "")?.[1]?.replaceAll("/", "."),
  reason: reasonOf(event) ?? "",
});

function refusedFor(stack: string, found: Finding[]): LandfallError {
  const [{ resource, type, reason }] = found as [Finding];
  const lines = found.map((one) => `${one.property ? `property "${one.property}" of ` : ""}"${one.resource}": ${one.reason}`);
  return new LandfallError({
    ...notAccepted(stack, [...lines, meaningOf(reason)].filter(Boolean).join("\n")).parts,
    what: `CloudFormation does not accept resource "${resource}" (${type})`,
    where: `stack ${stack}`,
  });
}
