// The contract phase of a deploy: waits until nothing could go back, then runs.
import { LandfallError } from "../../error.ts";
import type { Journal } from "../../state/journal.ts";
import { type Context, loadRecord } from "./context.ts";
import { hasContracted, runContract } from "./phases.ts";
import { loadRelease } from "./releases.ts";
import { connectSupervisor } from "./supervisor/start.ts";

const LOOK_EVERY_MS = 500;

/** Resolves when no other release is kept warm any more. */
export async function waitFinal(context: Context, release: string): Promise<void> {
  const supervisor = await connectSupervisor(context.places);
  for (let said = false; ; said = true) {
    const { processes } = await supervisor.observe();
    const old = processes.filter(({ spec }) => spec.kind === "instance" && spec.release !== release);
    if (old.length === 0 || loadRecord(context).release !== release) return;
    const until = Math.max(...old.map(({ warm }) => warm?.until ?? 0));
    if (!said && until)
      context.emit({ type: "note", text: `the old fleet stays warm until ${new Date(until).toISOString()}; then the contract phase runs` });
    await context.clock.sleep(LOOK_EVERY_MS, context.signal).catch(() => {});
    if (context.signal?.aborted) throw interrupted(context, release);
  }
}

export async function contractServing(context: Context, journal: Journal, release: string): Promise<{ contracted: boolean }> {
  const record = loadRecord(context);
  if (record.release !== release) throw rolledBack(release, record.release);
  const serving = loadRelease(context.places, release);
  if (!serving.release.contract || hasContracted(record, serving)) return { contracted: false };
  await runContract({ context, journal, supervisor: await connectSupervisor(context.places), release: serving });
  return { contracted: true };
}

const interrupted = (context: Context, release: string) =>
  new LandfallError({
    code: "INTERRUPTED",
    what: "the wait for the contract phase was interrupted",
    standing: `Release ${release} serves; its contract phase has not run.`,
    next: `landfall deploy ${context.app.name} --contract`,
  });

const rolledBack = (release: string, serving: string | undefined) =>
  new LandfallError({
    code: "RELEASE_BARRED",
    what: `the contract phase of release ${release} was not run`,
    why: `release ${serving} serves by now`,
    standing: "Nothing was changed.",
  });
