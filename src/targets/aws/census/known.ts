// The resources of our stacks, those that stand and those that are gone: CloudFormation remembers a removed stack for 90 days, and with it
// what it was told to leave, and what services made beside it.
import type { StackSummary } from "@aws-sdk/client-cloudformation";
import { isAbsent, observeStack, observeStacks } from "../cloudformation/stand.ts";
import { makeTurns } from "../cloudformation/turns.ts";
import type { Context } from "../context.ts";
import { whose } from "./ours.ts";
import type { Known, Of } from "./thing.ts";

const AT_ONCE = 6;

interface Origin {
  stack: string;
  id: string;
  of: Of;
  standing: boolean;
}

export async function observeKnown(context: Context): Promise<Map<string, Known>> {
  const origins = [...(await observeStanding(context)), ...(await observeGone(context))];
  const turn = makeTurns(AT_ONCE);
  const lists = await Promise.all(origins.map((origin) => turn(() => listResources(context, origin))));
  const known = new Map<string, Known>();
  // A resource that two stacks name was left by one and is in the other: what stands counts, and it comes first.
  for (const one of lists.flat()) if (!known.has(one.id)) known.set(one.id, one);
  return known;
}

const siteOf = ({ app }: Context) => ({ app: app.app.name, environment: app.name });

async function observeStanding(context: Context): Promise<Origin[]> {
  const found: Origin[] = [];
  for await (const { name, id = name, tags, status } of observeStacks(context.clients)) {
    const of = whose(tags, siteOf(context));
    if (of && status !== "DELETE_COMPLETE") found.push({ stack: name, id, of, standing: true });
  }
  return found;
}

/** A list of removed stacks has no tags, so those whose names could be ours are looked at by their ids. */
async function observeGone(context: Context): Promise<Origin[]> {
  const { app, environment } = siteOf(context);
  const turn = makeTurns(AT_ONCE);
  const named = (await listGone(context)).filter(
    ({ StackName = "" }) => StackName === `${app}-foundation` || StackName.startsWith(`${app}-${environment}-`),
  );
  const found = await Promise.all(
    named.map(({ StackName: stack = "", StackId: id = "" }) =>
      turn(async (): Promise<Origin[]> => {
        const of = whose((await observeStack(context.clients, stack, id)).tags, { app, environment });
        return of ? [{ stack, id, of, standing: false }] : [];
      }),
    ),
  );
  return found.flat();
}

async function listGone({ clients }: Context): Promise<StackSummary[]> {
  const cloudFormation = await clients.cloudFormation();
  const found: StackSummary[] = [];
  let NextToken: string | undefined;
  do {
    const page = await cloudFormation.listStacks({ StackStatusFilter: ["DELETE_COMPLETE"], NextToken });
    found.push(...(page.StackSummaries ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  return found;
}

async function listResources({ clients }: Context, { stack, id, of, standing }: Origin): Promise<Known[]> {
  const cloudFormation = await clients.cloudFormation();
  const found: Known[] = [];
  let NextToken: string | undefined;
  try {
    do {
      const page = await cloudFormation.listStackResources({ StackName: id, NextToken });
      for (const {
        PhysicalResourceId,
        LogicalResourceId: logicalId = "",
        ResourceType: type = "",
        ResourceStatus: status = "",
      } of page.StackResourceSummaries ?? [])
        if (PhysicalResourceId) found.push({ id: PhysicalResourceId, logicalId, type, of, stack, status, standing });
      NextToken = page.NextToken;
    } while (NextToken);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return found;
}
