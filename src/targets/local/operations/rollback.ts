// A release that served before serves again.
import type { DeployReport } from "../../../reports.ts";
import { type Counts, heldCounts } from "../../counts.ts";
import { nothingToRollBack } from "../../preconditions.ts";
import type { Context } from "../context.ts";
import { openSecrets } from "../data/secret-store.ts";
import type { JournaledOperation } from "../lease.ts";
import { loadRecord } from "../record.ts";
import { loadRelease } from "../releases/release-store.ts";
import { holdShared } from "../releases/shared.ts";
import { drainPolicyOf } from "../rollout/fleet.ts";
import { rollTo } from "../rollout/rollout.ts";
import { bringUpEnvironment } from "./commission.ts";

type Input = { release: string; force?: boolean };

/** The secrets that a release was given with other values than the one that serves. */
function listSecretsBack(context: Context, processes: string): string[] {
  const { release } = loadRecord(context);
  const serving = release === undefined ? "" : loadRelease(context.paths, release).processes;
  return openSecrets(context.paths).listDiffering(processes, serving);
}

/** What was asked for by hand outlives it: who goes back is in need of it. */
const countsOf = (context: Context): Counts => heldCounts(context.deployment.services, loadRecord(context).fleet ?? {});

export const rollback: JournaledOperation<[{ to?: string; force?: boolean }], Input, DeployReport> = {
  name: "rollback",
  begin(context, { to, force }) {
    const record = loadRecord(context);
    const release = to ?? record.previous;
    if (release === undefined) throw nothingToRollBack(context.deployment.environment, record.release);
    return { release, force };
  },
  async perform(context, journal, { release, force }) {
    const from = context.clock.now();
    await holdShared(context, journal, { release });
    const target = loadRelease(context.paths, release);
    const secretsBack = listSecretsBack(context, target.processes);
    if (secretsBack.length > 0)
      context.emit({ type: "warning", text: `with release ${release} go back to their values of then: ${secretsBack.join(", ")}` });
    const options = { forward: false, counts: countsOf(context), drainPolicy: drainPolicyOf({ force }) };
    const report = await rollTo({ context, journal }, target, { ...options, from });
    return secretsBack.length > 0 ? { ...report, secretsBack } : report;
  },
  async finish(context, journal, { release, force }) {
    await bringUpEnvironment(context, journal, { keepEntrance: true });
    const options = { forward: false, counts: countsOf(context), drainPolicy: drainPolicyOf({ force }) };
    await rollTo({ context, journal }, loadRelease(context.paths, release), options);
  },
};
