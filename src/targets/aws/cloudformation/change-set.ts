// One change to one stack, as a change set: made, waited for, looked at, then executed or thrown away. Its name is made of what it
// changes and of what it changes it from, so that a second attempt at the same change finds the first one instead of making another.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Change, CreateChangeSetInput, DescribeChangeSetInput, DescribeChangeSetOutput } from "@aws-sdk/client-cloudformation";
import { pollEvery } from "../account/poll.ts";
import type { Context } from "../context.ts";
import type { StackTemplate } from "../templates/index.ts";
import type { StackState } from "./describe-stacks.ts";
import { observeTemplate } from "./describe-stacks.ts";
import { explainRefusal, notAccepted } from "./refused-change.ts";

const INLINE_BYTES_MAX = 51_200;
/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html */
const REVERT_DRIFT = "REVERT_DRIFT";

/** What a stack is to become. */
export interface Wanted {
  template: StackTemplate;
  parameters: Record<string, string>;
  /** Where templates go that are too large to be sent as they are. */
  bucket?: string;
  /** Also what was changed by hand goes back: by the template against what is there, and not against the template before. */
  revertDrift?: boolean;
  /** While it changes, and for so many minutes after: any of these alarms makes CloudFormation take the change back. */
  watch?: Watch;
}

export interface Watch {
  /** ARNs, at most five. */
  alarms: string[];
  minutes: number;
}

type Place = Pick<Context, "clients" | "clock" | "signal">;

/** Whether nothing would change: read from what stands, so that nothing has to be made to know it. */
export async function isAsWanted({ clients }: Place, standing: StackState, { template, parameters }: Wanted): Promise<boolean> {
  if (!isDeepStrictEqual(standing.tags, template.tags) || !isDeepStrictEqual(standing.parameters, parameters)) return false;
  return isDeepStrictEqual(await observeTemplate(clients, standing), JSON.parse(template.body));
}

export interface Prepared {
  stack: string;
  name: string;
  changes: Change[];
}

/**
 * Makes the change set, or finds it if it is there already; one that reverts drift is made anew each time, since it says what was there when it was made.
 * Undefined when it would change nothing.
 * Errors: STACK_FAILED when CloudFormation does not accept it.
 */
export async function prepareChange(place: Place, standing: StackState, change: Wanted): Promise<Prepared | undefined> {
  const name = nameChange(standing, change);
  const stack = standing.name;
  for (let attempt = 1; ; attempt++) {
    const created = await create(place, standing, change);
    const description = await waitMade(place, { StackName: stack, ChangeSetName: name, IncludePropertyValues: change.revertDrift });
    if (change.revertDrift && ((!created && attempt === 1) || (await isPhantom(place, standing, change, description)))) {
      await discardChange(place, { stack, name });
      if (created) return undefined;
      continue;
    }
    if (description.Status === "CREATE_COMPLETE" && description.ExecutionStatus !== "OBSOLETE")
      return { stack, name, changes: description.Changes ?? [] };
    const none = hasNoChanges(description);
    // One that was there before, and failed or was overtaken, says nothing about today.
    const refusal = !none && (created || attempt > 1) ? await explainRefusal(place.clients, stack, description) : undefined;
    await discardChange(place, { stack, name });
    if (none) return undefined;
    if (refusal) throw refusal;
  }
}

/** Of what is as it should be, CloudFormation lists changes that are none: aws-cloudformation/cloudformation-coverage-roadmap#2505, #2559. */
const isPhantom = async (place: Place, standing: StackState, change: Wanted, { StackDriftStatus }: DescribeChangeSetOutput): Promise<boolean> =>
  StackDriftStatus === "IN_SYNC" && (await isAsWanted(place, standing, change));

/** A change set that is being executed already is one whose answer was lost. */
export async function executeChange({ clients }: Place, { stack: StackName, name: ChangeSetName }: Prepared): Promise<void> {
  const cloudFormation = await clients.cloudFormation();
  try {
    await cloudFormation.executeChangeSet({ StackName, ChangeSetName, ClientRequestToken: ChangeSetName, RetainExceptOnCreate: true });
  } catch (error) {
    if (!(error instanceof Error && error.name.startsWith("InvalidChangeSetStatus"))) throw error;
    const { ExecutionStatus } = await cloudFormation.describeChangeSet({ StackName, ChangeSetName });
    if (!ExecutionStatus?.startsWith("EXECUTE_")) throw error;
  }
}

export async function discardChange({ clients }: Place, { stack, name }: Pick<Prepared, "stack" | "name">): Promise<void> {
  await (await clients.cloudFormation()).deleteChangeSet({ StackName: stack, ChangeSetName: name });
}

/** True for a stack that has no resources yet: its first change set makes it. */
export const isNew = ({ status }: StackState): boolean => status === "ABSENT" || status === "DELETE_COMPLETE" || status === "REVIEW_IN_PROGRESS";

function nameChange(standing: StackState, { template, parameters, watch, revertDrift }: Wanted): string {
  const from = isNew(standing) ? [] : [standing.id, standing.changedAt];
  const wanted = [from, watch, template.body, Object.entries(parameters).sort(), Object.entries(template.tags).sort()];
  const content = JSON.stringify(revertDrift ? [...wanted, REVERT_DRIFT] : wanted);
  return `landfall-${createHash("sha256").update(content).digest("hex").slice(0, 32)}`;
}

/** False when it is there already. */
async function create(place: Place, standing: StackState, change: Wanted): Promise<boolean> {
  const name = nameChange(standing, change);
  const { template, parameters } = change;
  try {
    const input: CreateChangeSetInput = {
      StackName: standing.name,
      ChangeSetName: name,
      ChangeSetType: isNew(standing) ? "CREATE" : "UPDATE",
      ClientToken: name,
      DeploymentMode: change.revertDrift ? REVERT_DRIFT : undefined,
      Capabilities: ["CAPABILITY_IAM"],
      Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
      Tags: Object.entries(template.tags).map(([Key, Value]) => ({ Key, Value })),
      // What is left out stays as the last change has set it.
      RollbackConfiguration: {
        RollbackTriggers: (change.watch?.alarms ?? []).map((Arn) => ({ Arn, Type: "AWS::CloudWatch::Alarm" })),
        MonitoringTimeInMinutes: change.watch?.minutes ?? 0,
      },
      ...(await bring(place, change)),
    };
    await (await place.clients.cloudFormation()).createChangeSet(input);
    return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name.startsWith("AlreadyExists") && /ChangeSet/.test(error.message)) return false;
    if (error.name === "ValidationError" && /template|parameter|capabilit/i.test(error.message)) throw notAccepted(standing.name, error.message);
    throw error;
  }
}

/** To be sent as it is, without a bucket. */
export const isTooLarge = ({ body }: StackTemplate): boolean => Buffer.byteLength(body) > INLINE_BYTES_MAX;

async function bring({ clients }: Place, { template, bucket }: Wanted): Promise<Pick<CreateChangeSetInput, "TemplateBody" | "TemplateURL">> {
  const { body } = template;
  if (!isTooLarge(template)) return { TemplateBody: body };
  if (bucket === undefined) throw new TypeError(`the template of ${template.name} is too large, and there is no bucket yet`);
  const s3 = await clients.s3();
  const Key = `templates/${createHash("sha256").update(body).digest("hex")}.json`;
  await s3.putObject({ Bucket: bucket, Key, Body: body, ContentType: "application/json" });
  return { TemplateURL: `https://s3.${await s3.config.region()}.amazonaws.com/${bucket}/${Key}` };
}

/** With all of its changes. */
async function waitMade(place: Place, asked: DescribeChangeSetInput): Promise<DescribeChangeSetOutput> {
  const cloudFormation = await place.clients.cloudFormation();
  const look = (NextToken?: string) => cloudFormation.describeChangeSet({ ...asked, NextToken });
  for await (const _ of pollEvery(place)) {
    const description = await look();
    if (description.Status?.endsWith("_PENDING") || description.Status?.endsWith("_IN_PROGRESS")) continue;
    const Changes = [...(description.Changes ?? [])];
    for (let next = description.NextToken; next; ) {
      const page = await look(next);
      Changes.push(...(page.Changes ?? []));
      next = page.NextToken;
    }
    return { ...description, Changes };
  }
  throw new TypeError("polling ended by itself");
}

const hasNoChanges = ({ Status, StatusReason }: DescribeChangeSetOutput) =>
  Status === "FAILED" && /didn't contain changes|No updates are to be performed/.test(StatusReason ?? "");
