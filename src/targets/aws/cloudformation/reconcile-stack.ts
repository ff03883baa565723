// Takes one stack to where it is wanted, from whatever state it is in: look, decide, act, and look again. Nothing is remembered from
// one run to the next, so a run that was killed anywhere is finished by the next one.
import { LandfallError } from "../../../error.ts";
import { pollEvery } from "../account/poll.ts";
import type { Context } from "../context.ts";
import { discardChange, executeChange, isAsWanted, isNew, prepareChange, type Wanted } from "./change-set.ts";
import { assertNoDataLoss, findLosses } from "./data-loss.ts";
import { type Action, decide, type Goal, isStackStatus, type Tries } from "./decide.ts";
import { isAbsent, observeStack, type StackState } from "./describe-stacks.ts";
import { describeReverting } from "./drift-changes.ts";
import { findFirstFailure, findSkippable, type Happening, observeEvents } from "./events.ts";
import { isRoleNew, meaningOf } from "./explanations.ts";
import { unblock } from "./unblock.ts";
import { waitForStack } from "./wait-for-stack.ts";

/** One stack, and where it is to go. */
export interface Task {
  context: Context;
  standing: StackState;
  goal: Goal;
  /** For the goal "applied". */
  wanted?: Wanted;
  /** Names of what holds data and may be lost all the same. */
  confirmed?: string[];
  /** Asked while a change is under way: why it will fail, as soon as that can be known. It is taken back then. */
  foresee?: () => Promise<LandfallError | undefined>;
}

export interface Outcome {
  standing: StackState;
  /** Whether anything was done to it, by us or by what was under way already. */
  changed: boolean;
}

/** Conflicts in a row, each with another look at the stack, before they are taken for a failure. */
const CONFLICTS_MAX = 6;
/** A stack may be the first use of several services. */
const NEW_ROLES_MAX = 3;
const NEW_ROLE_PAUSE_MS = 20_000;

/** Errors: STACK_FAILED, STACK_STUCK, STACK_REPLACEMENT_REFUSED, INTERRUPTED, AWS_*. */
export async function reconcileStack(task: Task): Promise<Outcome> {
  const { context } = task;
  const tries: Tries = { continued: 0, unblocked: 0 };
  let { standing, goal } = task;
  let changed = false;
  let failure: LandfallError | undefined;
  let foreseen: LandfallError | undefined;
  let conflicts = 0;
  let newRoles = 0;
  for await (const _ of pollEvery(context)) {
    const action = decide(standing.status, goal, tries);
    if (action === "nothing") break;
    if (action === "giveUp") throw await explainStuck(context, standing, failure);
    try {
      const did = await act({ ...task, standing }, action, tries);
      if (did === "unchanged") break;
      changed = true;
      conflicts = 0;
    } catch (error) {
      // Somebody else has moved the stack on, or a call of ours whose answer was lost.
      if (!isConflict(error) || ++conflicts > CONFLICTS_MAX) throw error;
      standing = await observeStack(context.clients, standing.name);
      continue;
    }
    standing = await waitForStack(context, await look(task, standing), async () => {
      if (goal === "applied") foreseen = await task.foresee?.();
      return goal === "applied" && foreseen !== undefined;
    });
    if (foreseen && goal === "applied") {
      // What never came up has served nobody.
      goal = standing.status.startsWith("CREATE") ? "gone" : "undone";
      continue;
    }
    if (action !== "create" && action !== "change") continue;
    if (!hasFailed(standing)) {
      if (isUp(standing)) break;
      continue;
    }
    failure = await explainFailure(context, standing);
    if (await isWorthWaiting(context, { standing, failure, waited: newRoles })) {
      newRoles++;
      failure = undefined;
      continue;
    }
    if (standing.status !== "UPDATE_ROLLBACK_FAILED") break;
    // What it was is better than something between two states.
    goal = "undone";
  }
  if (foreseen) throw new LandfallError({ ...foreseen.parts, where: `stack ${standing.name}`, standing: standingAfter(standing) });
  if (failure) throw failure;
  return { standing, changed };
}

interface Failed {
  standing: StackState;
  failure: LandfallError;
  /** How often before. */
  waited: number;
}

/** At the first use of a service in an account: waits until AWS may know the service's role, so that the same is tried again. */
async function isWorthWaiting({ clock, signal, emit }: Context, { standing, failure, waited }: Failed): Promise<boolean> {
  if (!isRoleNew(failure.parts.why ?? "") || standing.status === "UPDATE_ROLLBACK_FAILED" || waited >= NEW_ROLES_MAX) return false;
  emit({
    type: "note",
    text: `AWS does not know yet the role that it has made for a service; stack ${standing.name} is tried again in ${NEW_ROLE_PAUSE_MS / 1000} s`,
  });
  await clock.sleep(NEW_ROLE_PAUSE_MS, signal);
  return true;
}

type Did = "begun" | "unchanged";

async function act(task: Task, action: Exclude<Action, "nothing" | "giveUp">, tries: Tries): Promise<Did> {
  const { context, standing } = task;
  const cloudFormation = await context.clients.cloudFormation();
  const StackName = standing.id ?? standing.name;
  switch (action) {
    case "wait":
      return "begun";
    case "create":
    case "change":
      return change(task);
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

async function change({ context, standing, wanted, confirmed = [] }: Task): Promise<Did> {
  if (!wanted) throw new TypeError(`nothing is said of what stack ${standing.name} is to become`);
  if (!isNew(standing) && !wanted.revertDrift && (await isAsWanted(context, standing, wanted))) return "unchanged";
  const prepared = await prepareChange(context, standing, wanted);
  if (!prepared) return "unchanged";
  try {
    assertNoDataLoss(findLosses(standing.name, prepared.changes), confirmed, context.deployment.environment);
  } catch (error) {
    await discardChange(context, prepared);
    throw error;
  }
  if (wanted.revertDrift) for (const text of describeReverting(standing.name, prepared.changes)) context.emit({ type: "note", text });
  await executeChange(context, prepared);
  return "begun";
}

/** By its id, so that a stack that is being deleted can be seen to its end; by its name once there is a new one. */
async function look({ context }: Task, { name, id, status }: StackState): Promise<StackState> {
  return observeStack(context.clients, name, status === "DELETE_COMPLETE" || status === "REVIEW_IN_PROGRESS" ? name : id);
}

const isUp = ({ status }: StackState) => status === "CREATE_COMPLETE" || status === "UPDATE_COMPLETE";
const hasFailed = ({ status }: StackState) => /^(CREATE_FAILED|UPDATE_FAILED|(UPDATE_)?ROLLBACK_(COMPLETE|FAILED))$/.test(status);

/** CloudFormation names most of them ValidationError, so that only their words tell them from a wrong call. */
function isConflict(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof LandfallError) return false;
  if (/^(AlreadyExists|ChangeSetNotFound|InvalidChangeSetStatus|OperationInProgress|TokenAlreadyExists)/.test(error.name)) return true;
  return error.name === "ValidationError" && (isAbsent(error) || /\bstat(e|us)\b|IN_PROGRESS/.test(error.message));
}

async function explainFailure({ clients, deployment }: Context, standing: StackState): Promise<LandfallError> {
  const first = findFirstFailure(await observeEvents(clients, standing.id ?? standing.name));
  const reason = first?.reason ?? standing.reason ?? standing.status;
  return new LandfallError({
    code: "STACK_FAILED",
    what: first && !first.ofStack ? `${describe(first)} failed` : `the change to stack "${standing.name}" failed`,
    where: `stack ${standing.name}`,
    why: [`CloudFormation says: ${reason}`, meaningOf(reason, first?.type)].filter(Boolean).join("\n"),
    standing: standingAfter(standing),
    next: `landfall commission ${deployment.environment}   once the cause is gone`,
  });
}

const describe = ({ logicalId, type }: Happening) => `resource "${logicalId}" (${type})`;

function standingAfter({ name, status }: StackState): string {
  if (status === "ROLLBACK_COMPLETE" || status === "DELETE_COMPLETE") return `CloudFormation has removed again what it had made of "${name}".`;
  if (status === "UPDATE_ROLLBACK_COMPLETE") return `CloudFormation has taken the change back: "${name}" is as it was before.`;
  return `"${name}" is left in the state ${status}; the next run goes on from there.`;
}

async function explainStuck({ clients }: Context, standing: StackState, failure: LandfallError | undefined): Promise<LandfallError> {
  const { name, status, id } = standing;
  const first = findFirstFailure(await observeEvents(clients, id ?? name));
  const reason = first?.reason ?? standing.reason ?? status;
  return new LandfallError(
    {
      code: "STACK_STUCK",
      what: `stack "${name}" stays in the state ${status}${first && !first.ofStack ? ` for ${describe(first)}` : ""}`,
      where: `stack ${name}`,
      why: [
        `CloudFormation says: ${reason}`,
        meaningOf(reason, first?.type),
        isStackStatus(status) ? undefined : "AWS has added this state; from it, this version of Landfall only removes a stack.",
      ]
        .filter(Boolean)
        .join("\n"),
      standing: "What is in it goes on as it is.",
    },
    failure && [failure],
  );
}
