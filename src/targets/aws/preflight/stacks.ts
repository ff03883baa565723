// Whether CloudFormation takes the stacks: change sets that are made, looked at, and never executed. What does not stand yet is tried under a name of
// its own, so that nothing here can meet a commission that has begun meanwhile.
import { LandfallError } from "../../../error.ts";
import type { PreflightFinding } from "../../../reports.ts";
import { isKnown, wantedOf } from "../cloudformation/apply.ts";
import { discardChange, isAsWanted, isNew, isTooLarge, prepareChange, type Wanted } from "../cloudformation/change-set.ts";
import { observeStack, type StackState } from "../cloudformation/describe-stacks.ts";
import { meaningOf } from "../cloudformation/explanations.ts";
import { reconcileStack } from "../cloudformation/reconcile-stack.ts";
import { addZones } from "../cloudformation/zones.ts";
import type { Context } from "../context.ts";
import { stackPrefix } from "../templates/shared/names.ts";
import type { Answer, Preflight } from "./question.ts";

/** One after the other: CloudFormation answers few of these calls a second. */
export async function askStacks({ context, standing, templates }: Preflight): Promise<Answer> {
  const outputs = new Map([...standing].map(([name, stack]) => [name, stack.outputs]));
  await addZones(context, templates, { standing, outputs });
  const findings: PreflightFinding[] = [];
  const unasked: string[] = [];
  let asked = 0;
  for (const template of templates) {
    context.signal?.throwIfAborted();
    const stack = standing.get(template.name) as StackState;
    const reason = whyNot(stack, isKnown(template, outputs) ? wantedOf(template, outputs) : undefined);
    if (reason) unasked.push(`stack ${template.name}: ${reason}`);
    else {
      asked += 1;
      findings.push(...(await tryChange(context, stack, wantedOf(template, outputs))));
    }
  }
  return { asked: `${asked} of ${templates.length} stacks, by change sets that were made and thrown away`, findings, unasked };
}

function whyNot({ status }: StackState, wanted: Wanted | undefined): string | undefined {
  if (!wanted) return "it needs what other stacks give, which do not stand yet";
  if (wanted.bucket === undefined && isTooLarge(wanted.template))
    return "its template is sent through the bucket of the shared stack, which does not stand yet";
  if (/_IN_PROGRESS$/.test(status) && status !== "REVIEW_IN_PROGRESS") return `it is in the state ${status}`;
  return undefined;
}

async function tryChange(context: Context, stack: StackState, wanted: Wanted): Promise<PreflightFinding[]> {
  const isAbsent = isNew(stack);
  if (!isAbsent && (await isAsWanted(context, stack, wanted))) return [];
  // Whoever interrupts this waits for what is left to be removed.
  const whole = { ...context, signal: undefined };
  const tried: StackState = isAbsent ? { ...stack, id: undefined, status: "ABSENT", name: trialName(context, stack.name) } : stack;
  try {
    const prepared = await prepareChange(whole, tried, wanted);
    if (prepared) await discardChange(whole, prepared);
    return [];
  } catch (error) {
    if (!(error instanceof LandfallError) || error.code !== "STACK_FAILED") throw error;
    const { what, why = "" } = error.parts;
    const named = what.includes(tried.name) ? what.replace(tried.name, stack.name) : `${what} of stack "${stack.name}"`;
    return [{ what: named, why: [why, meaningOf(why)].filter(Boolean).join("\n") }];
  } finally {
    if (isAbsent) await removeTrial(whole, tried.name);
  }
}

const trialName = ({ deployment }: Context, name: string): string => `${stackPrefix(deployment)}preflight-${name}`;

/** A stack without resources, which a change set that was not executed leaves. */
async function removeTrial(context: Context, name: string): Promise<void> {
  const standing = await observeStack(context.clients, name);
  if (standing.status === "REVIEW_IN_PROGRESS") await reconcileStack({ context, standing, goal: "gone" });
}
