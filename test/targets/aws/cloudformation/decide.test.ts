import { describe, expect, it } from "vitest";
import { type Action, decide, type Goal, isStackStatus, type StackStatus } from "../../../../src/targets/aws/cloudformation/decide.ts";

/** Each state, and what is done in it to have the stack applied, gone, or its unfinished change taken back. */
const TABLE: Record<StackStatus, [applied: Action, gone: Action, undone: Action]> = {
  ABSENT: ["create", "nothing", "nothing"],
  REVIEW_IN_PROGRESS: ["create", "delete", "delete"],
  CREATE_IN_PROGRESS: ["wait", "delete", "delete"],
  CREATE_FAILED: ["delete", "delete", "delete"],
  CREATE_COMPLETE: ["change", "delete", "nothing"],
  ROLLBACK_IN_PROGRESS: ["wait", "wait", "wait"],
  ROLLBACK_FAILED: ["delete", "delete", "delete"],
  ROLLBACK_COMPLETE: ["delete", "delete", "delete"],
  UPDATE_IN_PROGRESS: ["wait", "cancelUpdate", "cancelUpdate"],
  UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: ["wait", "wait", "wait"],
  UPDATE_COMPLETE: ["change", "delete", "nothing"],
  UPDATE_FAILED: ["rollBack", "delete", "rollBack"],
  UPDATE_ROLLBACK_IN_PROGRESS: ["wait", "wait", "wait"],
  UPDATE_ROLLBACK_FAILED: ["continueRollback", "delete", "continueRollback"],
  UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: ["wait", "wait", "wait"],
  UPDATE_ROLLBACK_COMPLETE: ["change", "delete", "nothing"],
  DELETE_IN_PROGRESS: ["wait", "wait", "wait"],
  DELETE_FAILED: ["unblock", "unblock", "unblock"],
  DELETE_COMPLETE: ["create", "nothing", "nothing"],
  IMPORT_IN_PROGRESS: ["wait", "wait", "wait"],
  IMPORT_COMPLETE: ["change", "delete", "nothing"],
  IMPORT_ROLLBACK_IN_PROGRESS: ["wait", "wait", "wait"],
  IMPORT_ROLLBACK_FAILED: ["giveUp", "delete", "giveUp"],
  IMPORT_ROLLBACK_COMPLETE: ["change", "delete", "nothing"],
};
const GOALS: Goal[] = ["applied", "gone", "undone"];

describe("what to do with a stack", () => {
  it.each(Object.entries(TABLE))("in the state %s", (status, wanted) => {
    expect(GOALS.map((goal) => decide(status, goal))).toEqual(wanted);
  });

  it("leaves out what fails again, and gives up after that", () => {
    const tried = [0, 1, 2].map((continued) => decide("UPDATE_ROLLBACK_FAILED", "applied", { continued, unblocked: 0 }));
    expect(tried).toEqual(["continueRollback", "skipAndContinue", "giveUp"]);
  });

  it("empties what blocks three times", () => {
    const tried = [2, 3].map((unblocked) => decide("DELETE_FAILED", "gone", { continued: 0, unblocked }));
    expect(tried).toEqual(["unblock", "giveUp"]);
  });

  it("waits for what is under way in a state that AWS has added since, and changes nothing in any other", () => {
    expect(GOALS.map((goal) => decide("REFRESH_IN_PROGRESS", goal))).toEqual(["wait", "wait", "wait"]);
    expect(GOALS.map((goal) => decide("REFRESH_FAILED", goal))).toEqual(["giveUp", "delete", "giveUp"]);
  });

  it("knows the states that the SDK knows", async () => {
    const { StackStatus } = await import("@aws-sdk/client-cloudformation");
    expect(Object.values(StackStatus).filter((status) => !isStackStatus(status))).toEqual([]);
  });
});
