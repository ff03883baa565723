// Decides the next action on a stack, from its state alone: the stack is the journal of whatever happened to it, so an operation that was cut off
// anywhere goes on by looking again. https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html lists the states.

/** What somebody wants of a stack: that it is as its template says, that it is gone, or that an unfinished change to it is taken back. */
export type Goal = "applied" | "gone" | "undone";

export type Action =
  /** It is as wanted. */
  | "nothing"
  /** By a change set that makes a new stack. */
  | "create"
  /** By a change set, if anything differs. */
  | "change"
  /** Something is under way, by us or by somebody else: join it. */
  | "wait"
  | "delete"
  /** Empty what kept it from being deleted, and delete again. */
  | "unblock"
  | "cancelUpdate"
  | "rollBack"
  /** Go on with a rollback that failed. */
  | "continueRollback"
  /** The same, leaving out the resources that fail again. */
  | "skipAndContinue"
  | "giveUp";

const WAIT = { applied: "wait", gone: "wait", undone: "wait" } as const;
const STANDS = { applied: "change", gone: "delete", undone: "nothing" } as const;
/** It never came up: nothing in it has served. */
const STILLBORN = { applied: "delete", gone: "delete", undone: "delete" } as const;
const ABSENT = { applied: "create", gone: "nothing", undone: "nothing" } as const;

const TABLE = {
  ABSENT,
  // A change set was made for it and never executed. There are no resources in it.
  REVIEW_IN_PROGRESS: { applied: "create", gone: "delete", undone: "delete" },
  CREATE_IN_PROGRESS: { applied: "wait", gone: "delete", undone: "delete" },
  CREATE_FAILED: STILLBORN,
  CREATE_COMPLETE: STANDS,
  ROLLBACK_IN_PROGRESS: WAIT,
  ROLLBACK_FAILED: STILLBORN,
  ROLLBACK_COMPLETE: STILLBORN,
  UPDATE_IN_PROGRESS: { applied: "wait", gone: "cancelUpdate", undone: "cancelUpdate" },
  UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: WAIT,
  UPDATE_COMPLETE: STANDS,
  // Only when somebody told CloudFormation not to go back by itself.
  UPDATE_FAILED: { applied: "rollBack", gone: "delete", undone: "rollBack" },
  UPDATE_ROLLBACK_IN_PROGRESS: WAIT,
  UPDATE_ROLLBACK_FAILED: { applied: "continueRollback", gone: "delete", undone: "continueRollback" },
  UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: WAIT,
  UPDATE_ROLLBACK_COMPLETE: STANDS,
  DELETE_IN_PROGRESS: WAIT,
  DELETE_FAILED: { applied: "unblock", gone: "unblock", undone: "unblock" },
  DELETE_COMPLETE: ABSENT,
  // Landfall imports nothing, but somebody may have.
  IMPORT_IN_PROGRESS: WAIT,
  IMPORT_COMPLETE: STANDS,
  IMPORT_ROLLBACK_IN_PROGRESS: WAIT,
  IMPORT_ROLLBACK_FAILED: { applied: "giveUp", gone: "delete", undone: "giveUp" },
  IMPORT_ROLLBACK_COMPLETE: STANDS,
} as const satisfies Record<string, Record<Goal, Action>>;

export type StackStatus = keyof typeof TABLE;

export const isStackStatus = (text: string): text is StackStatus => Object.hasOwn(TABLE, text);

/** Of a state that AWS has added since: what is under way is waited for, and nothing is changed but by being asked to go. */
const unknown = (status: string): Record<Goal, Action> =>
  status.endsWith("_IN_PROGRESS") ? WAIT : { applied: "giveUp", gone: "delete", undone: "giveUp" };

/** How often something that can fail again and again was tried in this run. */
export interface Tries {
  continued: number;
  unblocked: number;
}

const UNBLOCKED_MAX = 3;

/**
 * The next action on the way to `goal`. The way from every state ends: in "nothing", in "change", or, when what was tried keeps failing,
 * in "giveUp".
 *
 * @example decide("ROLLBACK_COMPLETE", "applied") // "delete"
 */
export function decide(status: string, goal: Goal, { continued, unblocked }: Tries = { continued: 0, unblocked: 0 }): Action {
  const action: Action = (isStackStatus(status) ? TABLE[status] : unknown(status))[goal];
  if (action === "continueRollback") return (["continueRollback", "skipAndContinue"] as const)[continued] ?? "giveUp";
  if (action === "unblock" && unblocked >= UNBLOCKED_MAX) return "giveUp";
  return action;
}
