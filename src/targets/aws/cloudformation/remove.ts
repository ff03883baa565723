// Stacks removed in the reverse of the order in which they are applied: what uses something goes before it.
import type { Context } from "../context.ts";
import type { Goal } from "./decide.ts";
import { drive } from "./drive.ts";
import { stepOf } from "./follow.ts";
import type { Standing } from "./stand.ts";

/** Roles of stacks; each goes once those before it are gone, and those of one line go side by side. */
const ORDER = [["routes"], ["service"], ["edge", "data"], ["alarms"], ["network"], ["foundation"]];

/** Stacks in groups, the first to be removed first. Their names say what they are. */
export function orderRemoval<Stack extends { name: string }>(stacks: Stack[], { app, environment }: { app: string; environment: string }): Stack[][] {
  const own = `${app}-${environment}-`;
  const roleOf = ({ name }: Stack) => (name.startsWith(own) ? name.slice(own.length).split("-")[0] : name.slice(app.length + 1)) ?? "";
  return ORDER.map((roles) => stacks.filter((stack) => roles.includes(roleOf(stack)))).filter((group) => group.length > 0);
}

/**
 * Removes these stacks and returns the names of those that were there. Empties what blocks them; what their templates keep
 * (`DeletionPolicy`) stays in the account. Does not ask whether data may be lost.
 * Errors: STACK_STUCK, AWS_*.
 */
export const removeStacks = (context: Context, stacks: Standing[]): Promise<string[]> => driveBack(context, stacks, "gone");

/**
 * Takes unfinished changes to these stacks back: updates are cancelled, rollbacks finished, and what never came up is removed. Stacks
 * that rest are left alone. Returns the names of those that something was done to.
 */
export const undoStacks = (context: Context, stacks: Standing[]): Promise<string[]> => driveBack(context, stacks, "undone");

async function driveBack(context: Context, stacks: Standing[], goal: Goal): Promise<string[]> {
  const touched: string[] = [];
  for (const group of orderRemoval(stacks, { app: context.app.app.name, environment: context.app.name })) {
    const outcomes = await Promise.allSettled(group.map((standing) => driveOne(context, standing, goal)));
    touched.push(...group.filter((_, index) => outcome(outcomes[index])).map(({ name }) => name));
    const failed = outcomes.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  }
  return touched;
}

const outcome = (settled: PromiseSettledResult<boolean> | undefined) => settled?.status === "fulfilled" && settled.value;

async function driveOne(context: Context, standing: Standing, goal: Goal): Promise<boolean> {
  const from = performance.now();
  const step = stepOf(standing.name);
  context.emit({ type: "started", step, text: step });
  const { changed, standing: after } = await drive({ context, standing, goal });
  const gone = after.status === "DELETE_COMPLETE" || after.status === "ABSENT";
  const text = `${step} ${gone ? "removed" : changed ? "taken back" : "unchanged"}`;
  if (changed) context.emit({ type: "finished", step, text, durationMs: Math.round(performance.now() - from) });
  else context.emit({ type: "unchanged", step, text });
  return changed;
}
