// What was changed by hand in an environment, looked for now. Changes nothing.
import type { Drift, DriftedResource } from "../../../plan/plan.ts";
import type { DriftReport } from "../../../reports.ts";
import type { StackState } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import { detectDrift, loadStackDrift, loadUnchecked } from "../plan/drift.ts";
import { namesOf } from "./plan.ts";

/** What a look has found. */
interface DriftFound {
  /** By the name of the stack; only those in which there is some. */
  drifted: Map<string, Drift[]>;
  /** What AWS cannot look at. */
  unchecked: DriftedResource[];
}

/** Takes minutes. */
export async function lookForDrift(context: Context, stacks: readonly Pick<StackState, "name" | "status">[]): Promise<DriftFound> {
  const found: DriftFound = { drifted: new Map(), unchecked: [] };
  await detectDrift(context, stacks);
  for (const { name } of stacks) {
    const drifts = await loadStackDrift(context, name, namesOf(context));
    if (drifts.length > 0) found.drifted.set(name, drifts);
    found.unchecked.push(...(await loadUnchecked(context, name, namesOf(context))));
  }
  return found;
}

/** Looks again at the stacks in which something was put back: only what AWS finds no more has gone back. */
export async function reportDrift(context: Context, { drifted, unchecked }: DriftFound): Promise<DriftReport> {
  const again = await lookForDrift(
    context,
    [...drifted.keys()].map((name) => ({ name, status: "UPDATE_COMPLETE" })),
  );
  const left = [...again.drifted.values()].flat();
  const isLeft = ({ of, name }: Drift) => left.some((one) => one.of === of && one.name === name);
  return { reverted: [...drifted.values()].flat().filter((drift) => !isLeft(drift)), left, unchecked };
}
