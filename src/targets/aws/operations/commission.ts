// Brings an environment's stacks to its configuration.
import type { CommissionReport } from "../../../reports.ts";
import { assertNoOption } from "../../preconditions.ts";
import type { CommissionOptions } from "../../target.ts";
import { applyStacks } from "../cloudformation/apply.ts";
import { hasOwn, observeEnvironment } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { assertNetworkFits } from "../existing-network.ts";
import { lookForDrift, reportDrift } from "../queries/drift.ts";
import { holdToBudget } from "../queries/plan.ts";
import { describeResources } from "../queries/resources.ts";
import { foreseeTasks } from "../releases/account/watch-tasks.ts";
import { observeServing } from "../running.ts";

export async function commission(context: Context, { confirmReplace, empty, revertDrift }: CommissionOptions = {}): Promise<CommissionReport> {
  const { app, environment } = context.deployment;
  assertNoOption(environment, "--empty", empty, "It is about data on this machine, and the environment is on AWS.");
  // What serves is left as its release has it, whatever the file says of it by now.
  const stacks = await observeEnvironment(context.clients, { app, environment });
  const { running, rules } = await observeServing(context, stacks);
  if (!hasOwn(stacks.values(), environment))
    context.emit({
      type: "note",
      text: `a new environment: landfall preflight ${environment} asks AWS what it would refuse, before anything is made`,
    });
  await assertNetworkFits(context);
  await holdToBudget(context, running);
  const { makeStacks } = await import("../templates/index.ts");
  const templates = makeStacks(context.deployment, running, rules);
  // What no template is for any more goes, however it was changed.
  const kept = templates.flatMap(({ name }) => stacks.get(name) ?? []);
  const found = revertDrift ? await lookForDrift(context, kept) : undefined;
  const applied = await applyStacks(context, templates, {
    confirmReplace,
    revertDrift: found && new Set(found.drifted.keys()),
    foresee: foreseeTasks(context, running),
  });
  const outputs = outputsOf(
    context.deployment,
    [...applied.outputs].map(([stack, outputs]) => ({ name: stack, outputs })),
  );
  return {
    app,
    environment,
    changed: applied.changed,
    address: outputs.find("edge", "Address") ?? "",
    resources: describeResources(context, outputs),
    ...(found && { drift: await reportDrift(context, found) }),
  };
}
