// Takes one stack to where it is wanted, from whatever state it is in: look, decide, act, and look again. Nothing is remembered from
// one run to the next, so a run that was killed anywhere is finished by the next one.
import { LandfallError } from "../../../error.ts";
import type { Context } from "../context.ts";
import { discardChange, executeChange, isAsWanted, isNew, prepareChange, type Wanted } from "./change-set.ts";
import { type Action, decide, type Goal, type Tries } from "./decide.ts";
import { findFirstFailure, findSkippable, type Happening, observeEvents } from "./events.ts";
import { follow } from "./follow.ts";
import { findLosses, refuseLosses } from "./losses.ts";
import { pollEvery } from "./poll.ts";
import { meaningOf } from "./sayings.ts";
import { isAbsent, observeStack, type Standing } from "./stand.ts";
import { unblock } from "./unblock.ts";

/** One stack, and where it is to go. */
export interface Task {
  context: Context;
  standing: Standing;
  goal: Goal;
  /** For the goal "applied". */
  wanted?: Wanted;
  /** Names of what holds data and may be lost all the same. */
  confirmed?: string[];
}

export interface Outcome {
  standing: Standing;
  /** Whether anything was done to it, by us or by what was under way already. */
  changed: boolean;
}

/** Conflicts in a row, each with another look at the stack, before they are taken for a failure. */
const CONFLICTS_MAX = 6;

/** Errors: STACK_FAILED, STACK_STUCK, STACK_REPLACEMENT_REFUSED, INTERRUPTED, AWS_*. */
export async function drive(task: Task): Promise<Outcome> {
  const { context } = task;
  const tries: Tries = { continued: 0, unblocked: 0 };
  let { standing, goal } = task;
  let changed = false;
  let failure: LandfallError | undefined;
  let conflicts = 0;
  for await (const _ of pollEvery(context)) {
    const action = decide(standing.status, goal, tries);
    if (action === "nothing") break;
    if (action === "giveUp") throw await explainStuck(context, standing, failure);
    try {
      const did = await act(task, action, standing, tries);
      if (did === "unchanged") break;
      changed = true;
      conflicts = 0;
    } catch (error) {
      // Somebody else has moved the stack on, or a call of ours whose answer was lost.
      if (!isConflict(error) || ++conflicts > CONFLICTS_MAX) throw error;
      standing = await observeStack(context.clients, standing.name);
      continue;
    }
    standing = await follow(context, await look(task, standing));
    if (action !== "create" && action !== "change") continue;
    if (!hasFailed(standing)) {
      if (isUp(standing)) break;
      continue;
    }
    failure = await explainFailure(context, standing);
    if (standing.status !== "UPDATE_ROLLBACK_FAILED") break;
    // What it was is better than something between two states.
    goal = "undone";
  }
  if (failure) throw failure;
  return { standing, changed };
}

type Did = "begun" | "unchanged";

async function act(task: Task, action: Exclude<Action, "nothing" | "giveUp">, standing: Standing, tries: Tries): Promise<Did> {
  const { context } = task;
  const cloudFormation = await context.clients.cloudFormation();
  const StackName = standing.id ?? standing.name;
  switch (action) {
    case "wait":
      return "begun";
    case "create":
    case "change":
      return change(task, standing);
    case "delete":
      await cloudFormation.deleteStack({ StackName });
      return "begun";
    case "unblock":
      tries.unblocked++;
      await unblock(context, standing);
      await cloudFormation.deleteStack({ StackName });
      return "begun";
    case "cancelUpdate":
      await cloudFormation.cancelUpdateStack({ StackName });
      return "begun";
    case "rollBack":
      await cloudFormation.rollbackStack({ StackName });
      return "begun";
    case "continueRollback":
    case "skipAndContinue":
      tries.continued++;
      await cloudFormation.continueUpdateRollback({
        StackName,
        ...(action === "skipAndContinue" && { ResourcesToSkip: await skip(context, StackName) }),
      });
      return "begun";
  }
}

const skip = async ({ clients }: Context, stackId: string) => findSkippable(await observeEvents(clients, stackId));

async function change({ context, wanted, confirmed = [] }: Task, standing: Standing): Promise<Did> {
  if (!wanted) throw new TypeError(`nothing is said of what stack ${standing.name} is to become`);
  if (!isNew(standing) && (await isAsWanted(context, standing, wanted))) return "unchanged";
  const prepared = await prepareChange(context, standing, wanted);
  if (!prepared) return "unchanged";
  try {
    refuseLosses(findLosses(standing.name, prepared.changes), confirmed, context.app.name);
  } catch (error) {
    await discardChange(context, prepared);
    throw error;
  }
  await executeChange(context, prepared);
  return "begun";
}

/** By its id, so that a stack that is being deleted can be seen to its end; by its name once there is a new one. */
async function look({ context }: Task, { name, id, status }: Standing): Promise<Standing> {
  return observeStack(context.clients, name, status === "DELETE_COMPLETE" || status === "REVIEW_IN_PROGRESS" ? name : id);
}

const isUp = ({ status }: Standing) => status === "CREATE_COMPLETE" || status === "UPDATE_COMPLETE";
const hasFailed = ({ status }: Standing) => /^(CREATE_FAILED|UPDATE_FAILED|(UPDATE_)?ROLLBACK_(COMPLETE|FAILED))$/.test(status);

/** CloudFormation names most of them ValidationError, so that only their words tell them from a wrong call. */
function isConflict(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof LandfallError) return false;
  if (/^(AlreadyExists|ChangeSetNotFound|InvalidChangeSetStatus|OperationInProgress|TokenAlreadyExists)/.test(error.name)) return true;
  return error.name === "ValidationError" && (isAbsent(error) || /\bstat(e|us)\b|IN_PROGRESS/.test(error.message));
}

async function explainFailure({ clients, app }: Context, standing: Standing): Promise<LandfallError> {
  const first = findFirstFailure(await observeEvents(clients, standing.id ?? standing.name));
  const reason = first?.reason ?? standing.reason ?? standing.status;
  return new LandfallError({
    code: "STACK_FAILED",
    what: first && !first.ofStack ? `${describe(first)} failed` : `the change to stack "${standing.name}" failed`,
    where: `stack ${standing.name}`,
    why: [`CloudFormation says: ${reason}`, meaningOf(reason)].filter(Boolean).join("\n"),
    standing: standingAfter(standing),
    next: `landfall commission ${app.name}   once the cause is gone`,
  });
}

const describe = ({ logicalId, type }: Happening) => `resource "${logicalId}" (${type})`;

function standingAfter({ name, status }: Standing): string {
  if (status === "ROLLBACK_COMPLETE") return `CloudFormation has removed again what it had made of "${name}".`;
  if (status === "UPDATE_ROLLBACK_COMPLETE") return `CloudFormation has taken the change back: "${name}" is as it was before.`;
  return `"${name}" is left in the state ${status}; the next run goes on from there.`;
}

async function explainStuck({ clients }: Context, standing: Standing, failure: LandfallError | undefined): Promise<LandfallError> {
  const { name, status, id } = standing;
  const first = findFirstFailure(await observeEvents(clients, id ?? name));
  const reason = first?.reason ?? standing.reason ?? status;
  return new LandfallError(
    {
      code: "STACK_STUCK",
      what: `stack "${name}" stays in the state ${status}${first && !first.ofStack ? ` for ${describe(first)}` : ""}`,
      where: `stack ${name}`,
      why: [`CloudFormation says: ${reason}`, meaningOf(reason)].filter(Boolean).join("\n"),
      standing: "What is in it goes on as it is.",
    },
    failure && [failure],
  );
}
