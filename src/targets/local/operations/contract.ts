// The contract phase of a deploy: waits until nothing could go back, then runs.
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import type { DeployReport } from "../../../reports.ts";
import type { Journal } from "../../../state/journal.ts";
import type { DeployOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import { type JournaledOperation, runJournaled } from "../lease.ts";
import { loadRecord } from "../record.ts";
import { loadRelease } from "../releases/release-store.ts";
import { hasRun, loadPhases } from "../rollout/phase-memory.ts";
import { runContract } from "../rollout/phases.ts";
import { connectSupervisor, ensureSupervisor } from "../supervisor/start.ts";
import { bringUpEnvironment } from "./commission.ts";

const LOOK_EVERY_MS = 500;

export const contract: JournaledOperation<[string], { release: string }, { contracted: boolean }> = {
  name: "contract",
  begin: (_, release) => ({ release }),
  perform: contractServing,
  async finish(context, journal, { release }) {
    await bringUpEnvironment(context, journal, { keepEntrance: true });
    const supervisor = await ensureSupervisor(context.paths);
    await runContract({ context, journal, supervisor, release: loadRelease(context.paths, release) });
  },
  undo: stopContract,
};

/** Without the lease while it waits: during the soak it must be possible to roll back. */
export async function contractAfterDeploy(context: Context, report: DeployReport, options: DeployOptions): Promise<DeployReport> {
  if (!options.contract && !context.deployment.release.autoContract) return report;
  await waitFinal(context, report.release);
  // Whoever rolls back at this moment comes first; then there is nothing to be contracted any more.
  return { ...report, ...(await runJournaled({ ...context, wait: true }, contract, report.release)) };
}

/** Resolves when no other release is kept warm any more. */
async function waitFinal(context: Context, release: string): Promise<void> {
  const supervisor = await connectSupervisor(context.paths);
  const { processes: name } = loadRelease(context.paths, release);
  for (let isFirst = true; ; isFirst = false) {
    const { processes } = await supervisor.observe();
    const old = processes.filter(({ spec }) => spec.kind === "instance" && spec.release !== name);
    if (old.length === 0 || loadRecord(context).release !== release) return;
    const until = Math.max(...old.map(({ warm }) => warm?.until ?? 0));
    if (isFirst && until)
      context.emit({ type: "note", text: `the old fleet stays warm until ${new Date(until).toISOString()}; then the contract phase runs` });
    await context.clock.sleep(LOOK_EVERY_MS, context.signal).catch(() => {});
    if (context.signal?.aborted) throw interrupted(context, release);
  }
}

async function contractServing(context: Context, journal: Journal, { release }: { release: string }): Promise<{ contracted: boolean }> {
  const record = loadRecord(context);
  if (record.release !== release) throw rolledBack(release, record.release);
  const serving = loadRelease(context.paths, release);
  assertDataPresent(context.paths);
  if (!serving.release.contract || hasRun(await loadPhases(context), "contract", serving.processes)) return { contracted: false };
  await runContract({ context, journal, supervisor: await connectSupervisor(context.paths), release: serving });
  return { contracted: true };
}

async function stopContract(context: Context, _: Journal, { release }: { release: string }): Promise<void> {
  const supervisor = await ensureSupervisor(context.paths);
  const id = `release.contract.${loadRelease(context.paths, release).processes}`;
  await during(context.emit, "release phase", "stopping the contract phase", async () => {
    await supervisor.stop({ id });
    await supervisor.forget({ id });
    return "the contract phase is stopped; what it had changed by then stays changed";
  });
}

const interrupted = (context: Context, release: string) =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "the wait for the contract phase was interrupted",
    standing: `Release ${release} serves; its contract phase has not run.`,
    next: `landfall deploy ${context.deployment.environment} --contract`,
  });

const rolledBack = (release: string, serving: string | undefined) =>
  new LandfallError({
    code: "RELEASE_BARRED",
    what: `the contract phase of release ${release} was not run`,
    why: `release ${serving} serves by now`,
    standing: "Nothing was changed.",
  });
