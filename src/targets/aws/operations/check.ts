// What commission and deploy would refuse, before either is begun. Reads, and changes nothing.
import { loadSource } from "../../../release/source.ts";
import { assertCounts } from "../../counts.ts";
import type { DeployOptions } from "../../target.ts";
import { observeEnvironment } from "../cloudformation/describe-stacks.ts";
import { assertPossible } from "../cloudformation/impossible-changes.ts";
import { type Context, locate } from "../context.ts";
import { assertNetworkFits } from "../existing-network.ts";
import { withFleets } from "../prices/cost.ts";
import { holdToBudget } from "../queries/plan.ts";
import { assertBuildable } from "../releases/account/containers.ts";
import { nameRelease } from "../releases/name.ts";
import { observeServing } from "../running.ts";
import { requireSecrets } from "../secrets.ts";

export async function check(context: Context, { ref, dirty = false, instances = {} }: DeployOptions): Promise<void> {
  const { deployment, folder } = context;
  const { app, environment } = deployment;
  assertCounts(deployment.services, instances);
  const source = await loadSource({ folder, ref, dirty });
  await locate(context);
  const secretsRevision = await requireSecrets(context);
  // Naming it looks for the files of the recipe as well.
  const release = await nameRelease({ deployment, source, secretsRevision, serving: undefined });
  const stacks = await observeEnvironment(context.clients, { app, environment });
  const { running, rules } = await observeServing(context, stacks);
  // Of an environment that serves, an image may be in the registry already.
  if (!rules) await assertBuildable(release, source);
  await assertNetworkFits(context);
  const wanted = withFleets(deployment, running, instances);
  const { makeStacks } = await import("../templates/index.ts");
  await assertPossible(context, makeStacks(deployment, wanted), stacks);
  await holdToBudget(context, wanted);
}
