// Stacks removed in the reverse of the order in which they are applied: what uses something goes before it.

import type { Context } from "../context.ts";
import { stackPrefix } from "../templates/shared/names.ts";
import type { Goal } from "./decide.ts";
import type { StackState } from "./describe-stacks.ts";
import { reconcileStack } from "./reconcile-stack.ts";
import { stepOf } from "./wait-for-stack.ts";

/** Roles of stacks; each goes once those before it are gone, and those of one line go side by side. */
const ORDER = [["routes"], ["service"], ["edge", "data"], ["alarms"], ["network"], ["shared"]];

/** Stacks in groups, the first to be removed first. Their names say what they are. */
export function orderRemoval<Stack extends { name: string }>(stacks: Stack[], { app, environment }: { app: string; environment: string }): Stack[][] {
  const prefix = stackPrefix({ app, environment });
  const roleOf = ({ name }: Stack) => (name.startsWith(prefix) ? name.slice(prefix.length).split("-")[0] : name.slice(app.length + 1)) ?? "";
  return ORDER.map((roles) => stacks.filter((stack) => roles.includes(roleOf(stack)))).filter((group) => group.length > 0);
}

/**
 * Removes these stacks and returns the names of those that were there. Empties what blocks them; what their templates keep
 * (`DeletionPolicy`) stays in the account. Does not ask whether data may be lost.
 * Errors: STACK_STUCK, AWS_*.
 */
export const removeStacks = (context: Context, stacks: StackState[]): Promise<string[]> => reconcileInReverse(context, stacks, "gone");

/**
 * Takes unfinished changes to these stacks back: updates are cancelled, rollbacks finished, and what never came up is removed. Stacks
 * that rest are left alone. Returns the names of those that something was done to.
 */
export const undoStacks = (context: Context, stacks: StackState[]): Promise<string[]> => reconcileInReverse(context, stacks, "undone");

async function reconcileInReverse(context: Context, stacks: StackState[], goal: Goal): Promise<string[]> {
  const touched: string[] = [];
  for (const group of orderRemoval(stacks, { app: context.deployment.app, environment: context.deployment.environment })) {
    const outcomes = await Promise.allSettled(group.map((standing) => reconcileOne(context, standing, goal)));
    touched.push(...group.filter((_, index) => outcome(outcomes[index])).map(({ name }) => name));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  }
  return touched;
}

const outcome = (settled: PromiseSettledResult<boolean> | undefined) => settled?.status === "fulfilled" && settled.value;

async function reconcileOne(context: Context, standing: StackState, goal: Goal): Promise<boolean> {
  const from = performance.now();
  const step = stepOf(standing.name);
  context.emit({ type: "started", step, text: step });
  const { changed, standing: after } = await reconcileStack({ context, standing, goal });
  const isGone = after.status === "DELETE_COMPLETE" || after.status === "ABSENT";
  const text = `${step} ${isGone ? "removed" : changed ? "taken back" : "unchanged"}`;
  if (changed) context.emit({ type: "finished", step, text, durationMs: Math.round(performance.now() - from) });
  else context.emit({ type: "unchanged", step, text });
  return changed;
}
