// Finishing or taking back what was cut off. The stacks' own states say what that is, so any machine can do it.
import { LandfallError } from "../../error.ts";
import type { RecoveryReport } from "../../reports.ts";
import type { DeployOptions } from "../target.ts";
import { follow } from "./cloudformation/follow.ts";
import { undoStacks } from "./cloudformation/remove.ts";
import { observeEnvironment, type Standing } from "./cloudformation/stand.ts";
import { announce, type Context } from "./context.ts";
import type { DecommissionOptions } from "./decommission.ts";
import { findLast, findOpen, leased } from "./lease.ts";
import { loadRecord } from "./releases/record.ts";

/** What `resume` finishes with, by the operation's name. */
export interface Ways {
  commission: () => Promise<{ changed: boolean }>;
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
  const foundation = stacks.find(({ name }) => name === `${context.app.app.name}-foundation`);
  // One that failed has ended too, and is not to be made good by a commission.
  if (last?.operation === "decommission") {
    if (!open && !last.failed) throw notCommissioned(context);
    await ways.decommission(last.options ?? {});
    return { did: "finished", operation: last.operation };
  }
  // It goes last in a decommission, and the lease with it. All that was to go had gone before, so what is kept now was to be kept.
  if (!last && foundation?.status.startsWith("DELETE_")) {
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
  const { changed } = await ways.commission();
  return { did: changed || open ? "finished" : "nothing", operation: open?.operation ?? (changed ? "commission" : undefined) };
}

/** Returns the name of the operation that was cut off in a rollout, if one was. */
async function finishRollout(context: Context, stacks: Standing[]): Promise<string | undefined> {
  const rollout = await findRollout(context, stacks);
  if (!rollout) return undefined;
  await announce(context);
  await leased(context, "resume", async () => {
    // What CloudFormation has begun comes to its end by itself; only then is known what stands.
    await Promise.all(stacks.map((stack) => follow(context, stack)));
    await undoStacks(context, await observeOwn(context));
    const { resumeRollout } = await import("./releases/deploy.ts");
    await resumeRollout(context);
  });
  return "deploy";
}

/** The rollout that never came to its end, as it was noted when it began. */
async function findRollout(context: Context, stacks: Standing[]) {
  const bucket = stacks.find(({ outputs }) => outputs.ArtifactsBucket)?.outputs.ArtifactsBucket;
  if (bucket === undefined || !stacks.some(({ tags }) => tags["landfall:service"])) return undefined;
  return (await loadRecord(context, bucket)).rollout;
}

/** Takes unfinished changes back; what came up stays. */
export async function abort(context: Context): Promise<Recovered> {
  const open = await findOpen(context);
  if (open?.operation === "decommission" && !open.running) throw goneTooFar(context.app.name);
  const rollout = await findRollout(context, await observeOwn(context));
  const touched = await undo(context);
  if (rollout) {
    const { abortRollout } = await import("./releases/deploy.ts");
    await leased(context, "abort", () => abortRollout(context));
    return { did: "undone", operation: "deploy" };
  }
  if (touched.length === 0 && !open) return { did: "nothing" };
  return { did: "undone", operation: open?.operation ?? "commission" };
}

async function undo(context: Context): Promise<string[]> {
  await announce(context);
  return leased(context, "abort", async () => undoStacks(context, await observeOwn(context)));
}

async function observeOwn({ clients, app }: Context): Promise<Standing[]> {
  const stacks = [...(await observeEnvironment(clients, { app: app.app.name, environment: app.name })).values()];
  if (stacks.length > 0) return stacks;
  throw notCommissioned({ app });
}

const notCommissioned = ({ app }: Pick<Context, "app">) =>
  new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${app.name}" of app "${app.app.name}" does not stand in this account and region`,
    standing: "Nothing was changed.",
    next: `landfall commission ${app.name}`,
  });

const goneTooFar = (environment: string) =>
  new LandfallError({
    code: "ABORT_IMPOSSIBLE",
    what: `the decommission of environment "${environment}" has gone too far to be undone`,
    standing: "Some of its stacks are removed.",
    next: `landfall resume ${environment}`,
  });
