// What commission and deploy would refuse, before either is begun. Makes and starts nothing.
import { loadSource } from "../../../release/source.ts";
import { assertCounts } from "../../counts.ts";
import { assertSecretsSet } from "../../preconditions.ts";
import type { DeployOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import { secretPlacesOf } from "../data/retained-data.ts";
import { openSecrets } from "../data/secret-store.ts";
import { checkPackages } from "../releases/images.ts";
import { nameRelease } from "../releases/prepare-release.ts";
import { requireResources } from "../resources/index.ts";
import { assertCertificate } from "../rollout/balancer-config.ts";
import { findReadable, takePlace } from "./place.ts";

export async function check(context: Context, { ref, dirty = false, instances = {} }: DeployOptions): Promise<void> {
  const { deployment, paths, folder, emit } = context;
  assertCounts(deployment.services, instances);
  assertCertificate(context);
  const before = findReadable(context);
  if (before) assertDataPresent(paths);
  // Naming it looks for the files of the recipe as well.
  await nameRelease(context, await loadSource({ folder, ref, dirty }), before?.release);
  const secrets = openSecrets(secretPlacesOf(paths));
  assertSecretsSet(deployment, deployment.environment, secrets.has);
  await checkPackages(deployment.recipe.packages, (text) => emit({ type: "note", text }));
  await takePlace(context, before, false);
  if (!before) await requireResources(deployment.resources, secrets);
}
