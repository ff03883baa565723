import type { RecoveryReport } from "../../../reports.ts";
import { goneTooFar, notCommissioned } from "../../preconditions.ts";
import type { CommissionOptions, DeployOptions } from "../../target.ts";
import { objectsIn } from "../account/objects.ts";
import { HERE, hasOwn, observeEnvironment, type StackState } from "../cloudformation/describe-stacks.ts";
import { undoStacks } from "../cloudformation/remove.ts";
import { waitForStack } from "../cloudformation/wait-for-stack.ts";
import { announce, type Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { findLast, findOpen, leased } from "../lease.ts";
import { loadRecord } from "../record.ts";
import { stackName } from "../templates/shared/names.ts";
import type { DecommissionOptions } from "./decommission.ts";

/** What `resume` finishes with, by the operation's name. */
export interface Ways {
  commission: (options?: CommissionOptions) => Promise<{ changed: boolean }>;
  decommission: (options: DecommissionOptions) => Promise<unknown>;
  deploy: (options: DeployOptions) => Promise<unknown>;
}

type Recovered = Pick<RecoveryReport, "did" | "operation">;

/** Goes on from what stands: to the configuration, or to where the operation led that was cut off. */
export async function resume(context: Context, ways: Ways): Promise<Recovered> {
  const last = await findLast(context);
  const open = last?.endedAt === undefined ? last : undefined;
  if (open?.operation === "abort") {
    await undo(context);
    return { did: "finished", operation: open.operation };
  }
  const stacks = await observeOwn(context);
  const shared = stacks.find(({ name }) => name === stackName(context.deployment, "shared"));
  // One that failed has ended too, and is not to be made good by a commission.
  if (last?.operation === "decommission") {
    if (!open && !last.failed) throw notCommissioned(context.deployment, HERE);
    await ways.decommission(last.options ?? {});
    return { did: "finished", operation: last.operation };
  }
  // It goes last in a decommission, and the lease with it. All that was to go had gone before, so what is kept now was to be kept.
  if (!last && shared?.status.startsWith("DELETE_")) {
    await ways.decommission({ keepData: true });
    return { did: "finished", operation: "decommission" };
  }
  const rollout = await finishRollout(context, stacks);
  if (rollout) return { did: "finished", operation: rollout };
  // Before anything of it had moved.
  if (open?.operation === "deploy") {
    await ways.deploy((open.options as DeployOptions | undefined) ?? {});
    return { did: "finished", operation: open.operation };
  }
  // Of another environment the shared stack may stand.
  if (!open && !hasOwn(stacks, context.deployment.environment) && shared?.status.endsWith("_COMPLETE"))
    throw notCommissioned(context.deployment, HERE);
  const { changed } = await ways.commission(open?.operation === "commission" ? open.options : undefined);
  return { did: changed || open ? "finished" : "nothing", operation: open?.operation ?? (changed ? "commission" : undefined) };
}

/** Returns the name of the operation that was cut off in a rollout, if one was. */
async function finishRollout(context: Context, stacks: StackState[]): Promise<string | undefined> {
  const rollout = await findRollout(context, stacks);
  if (!rollout) return undefined;
  await announce(context);
  await leased(context, "resume", async (guarded) => {
    // What CloudFormation has begun comes to its end by itself; only then is known what stands.
    await Promise.all(stacks.map((stack) => waitForStack(guarded, stack)));
    await undoStacks(guarded, await observeOwn(guarded));
    const [{ resumeRollout }, { openAccount }] = await loadReleases();
    await resumeRollout(await openAccount(guarded));
  });
  return "deploy";
}

const loadReleases = () => Promise.all([import("./deploy.ts"), import("../releases/account/driver.ts")]);

/** The rollout that never came to its end, as it was noted when it began. */
async function findRollout(context: Context, stacks: StackState[]) {
  const bucket = outputsOf(context.deployment, stacks).find("shared", "ArtifactsBucket");
  if (bucket === undefined || !stacks.some(({ tags }) => tags["landfall:service"])) return undefined;
  return (await loadRecord(objectsIn(context, bucket), context.deployment.environment)).rollout;
}

/** Takes unfinished changes back; what came up stays. */
export async function abort(context: Context): Promise<Recovered> {
  const open = await findOpen(context);
  if (open?.operation === "decommission" && !open.running) throw goneTooFar(context.deployment.environment, "Some of its stacks are removed.");
  const stacks = await observeOwn(context);
  const rollout = await findRollout(context, stacks);
  const touched = await undo(context);
  if (rollout) {
    const [{ abortRollout }, { openAccount }] = await loadReleases();
    await leased(context, "abort", async (guarded) => abortRollout(await openAccount(guarded)));
    return { did: "undone", operation: "deploy" };
  }
  if (touched.length === 0 && !open && !hasOwn(stacks, context.deployment.environment)) throw notCommissioned(context.deployment, HERE);
  if (touched.length === 0 && !open) return { did: "nothing" };
  return { did: "undone", operation: open?.operation ?? "commission" };
}

async function undo(context: Context): Promise<string[]> {
  await announce(context);
  return leased(context, "abort", async (guarded) => undoStacks(guarded, await observeOwn(guarded)));
}

async function observeOwn({ clients, deployment }: Context): Promise<StackState[]> {
  const stacks = [...(await observeEnvironment(clients, deployment)).values()];
  if (stacks.length > 0) return stacks;
  throw notCommissioned(deployment, HERE);
}
