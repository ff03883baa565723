// Brings an environment's stacks to its configuration.
import type { CommissionReport, ResourceReport } from "../../reports.ts";
import { type Applied, applyStacks } from "./cloudformation/apply.ts";
import type { Context } from "./context.ts";
import { holdToCeiling } from "./plan.ts";
import { observeRunning } from "./running.ts";
import { logicalName } from "./stacks/names.ts";

export async function commission(context: Context, options: { confirmReplace?: string[] } = {}): Promise<CommissionReport> {
  const { app, name } = context.app;
  const running = await observeRunning(context);
  await holdToCeiling(context, running);
  const { makeStacks } = await import("./stacks/index.ts");
  const applied = await applyStacks(context, makeStacks(context.app, running), options);
  return {
    app: app.name,
    environment: name,
    changed: applied.changed,
    address: addressOf(context, applied),
    resources: describeResources(context, applied),
  };
}

type Given = Pick<Applied, "outputs">;

const outputsOf = ({ app }: Context, { outputs }: Given, role: string) => outputs.get(`${app.app.name}-${app.name}-${role}`) ?? {};

/** Empty for an app that answers no requests. */
export const addressOf = (context: Context, applied: Given) => outputsOf(context, applied, "edge").Address ?? "";

export function describeResources(context: Context, applied: Given): ResourceReport[] {
  const given = outputsOf(context, applied, "data");
  return Object.entries(context.app.app.resources).map(([name, { type, url }]): ResourceReport => {
    if (url !== undefined)
      return { name, type, address: typeof url === "string" ? withoutPassword(url) : `in secret ${url.secret}`, state: "external" };
    const one = (part: string) => given[`${logicalName(name)}${part}`];
    return { name, type, address: one("Address") ?? one("QueueUrl") ?? one("Bucket") ?? "", state: "running" };
  });
}

const withoutPassword = (url: string) => url.replace(/\/\/[^/@]*@/, "//");
