// Finishing or taking back what was cut off. The stacks' own states say what that is, so any machine can do it.
import { LandfallError } from "../../error.ts";
import type { RecoveryReport } from "../../reports.ts";
import { undoStacks } from "./cloudformation/remove.ts";
import { observeEnvironment, type Standing } from "./cloudformation/stand.ts";
import { announce, type Context } from "./context.ts";
import type { DecommissionOptions } from "./decommission.ts";
import { findLast, findOpen, leased } from "./lease.ts";

/** What `resume` finishes with, by the operation's name. */
export interface Ways {
  commission: () => Promise<{ changed: boolean }>;
  decommission: (options: DecommissionOptions) => Promise<unknown>;
}

type Recovered = Pick<RecoveryReport, "did" | "operation">;

/** Goes on from what stands: to the configuration, or to where the operation led that was cut off. */
export async function resume(context: Context, ways: Ways): Promise<Recovered> {
  const last = await findLast(context);
  const open = last?.endedAt === undefined ? last : undefined;
  if (open?.operation === "decommission") {
    await ways.decommission(open.options ?? {});
    return { did: "finished", operation: open.operation };
  }
  if (open?.operation === "abort") {
    await undo(context);
    return { did: "finished", operation: open.operation };
  }
  const stacks = await observeOwn(context);
  const foundation = stacks.find(({ name }) => name === `${context.app.app.name}-foundation`);
  // It goes last in a decommission, and the lease with it. All that was to go had gone before, so what is kept now was to be kept.
  if (!last && foundation?.status.startsWith("DELETE_")) {
    await ways.decommission({ keepData: true });
    return { did: "finished", operation: "decommission" };
  }
  if (last?.operation === "decommission" && !open && stacks.every((stack) => stack === foundation)) throw notCommissioned(context);
  const { changed } = await ways.commission();
  return { did: changed || open ? "finished" : "nothing", operation: open?.operation ?? (changed ? "commission" : undefined) };
}

/** Takes unfinished changes back; what came up stays. */
export async function abort(context: Context): Promise<Recovered> {
  const open = await findOpen(context);
  if (open?.operation === "decommission" && !open.running) throw goneTooFar(context.app.name);
  const touched = await undo(context);
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
