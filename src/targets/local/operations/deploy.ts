// A commit becomes the release that serves.
import type { DeployReport } from "../../../reports.ts";
import { assertCounts } from "../../counts.ts";
import { resourcesNotCommissioned } from "../../preconditions.ts";
import type { DeployOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import type { JournaledOperation } from "../lease.ts";
import { type EnvironmentRecord, loadRecord } from "../record.ts";
import { prepareRelease } from "../releases/prepare-release.ts";
import { loadRelease } from "../releases/release-store.ts";
import { compareResources } from "../resources/differences.ts";
import { drainPolicyOf } from "../rollout/fleet.ts";
import { type RollOptions, rollTo } from "../rollout/rollout.ts";
import { bringUpEnvironment } from "./commission.ts";

/** `release` is known once it was made. */
type Input = DeployOptions & { release?: string } & Record<string, unknown>;

export const deploy: JournaledOperation<[DeployOptions], Input, DeployReport> = {
  name: "deploy",
  begin(context, options) {
    const record = loadRecord(context);
    assertDataPresent(context.paths);
    assertResourcesStand(context, record);
    assertCounts(context.deployment.services, options.instances ?? {});
    return { ...options };
  },
  async perform(context, journal, input) {
    const from = context.clock.now();
    const { release, imageMade } = await prepareRelease(context, journal, input);
    return rollTo({ context, journal }, release, { ...rollOptionsOf(input), imageMade, from });
  },
  async finish(context, journal, input) {
    await bringUpEnvironment(context, journal, { keepEntrance: true });
    const release = input.release ? loadRelease(context.paths, input.release) : (await prepareRelease(context, journal, input)).release;
    await rollTo({ context, journal }, release, rollOptionsOf(input));
  },
};

const rollOptionsOf = (input: Input): RollOptions => ({ forward: true, counts: input.instances, drainPolicy: drainPolicyOf(input) });

/** Errors: ENVIRONMENT_NOT_COMMISSIONED. */
function assertResourcesStand({ deployment }: Context, record: EnvironmentRecord): void {
  const different = compareResources(deployment.resources, record).flatMap(({ name, differences }): [string, string][] => {
    if (!differences) return [[name, "does not stand yet"]];
    return differences.map(({ property, before, after }) => [name, `${property}: ${before} → ${after}`]);
  });
  if (different.length > 0) throw resourcesNotCommissioned(deployment, different);
}
