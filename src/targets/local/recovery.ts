// After a crash, of ours or of the machine: finishing or undoing what was interrupted, and bringing back what stood.
import { during } from "../../progress.ts";
import { runRollout } from "../../rollout/run.ts";
import type { Journal, Operation } from "../../state/journal.ts";
import { commission } from "./commission.ts";
import { type Context, findRecord, loadRecord } from "./context.ts";
import { decommission } from "./decommission.ts";
import { prepareRelease } from "./deploy.ts";
import { observeStanding, openFleet } from "./fleet.ts";
import { runContract } from "./phases.ts";
import { loadRelease } from "./releases.ts";
import { rollTo } from "./rollout.ts";
import { type ScaleOptions, scale } from "./scale.ts";
import { answers, ensureSupervisor } from "./supervisor/start.ts";

/** Goes on with an operation from what stands. The machine may have been restarted meanwhile, so what is below comes up first. */
export async function finish(context: Context, journal: Journal, { name, input }: Operation): Promise<void> {
  const release = typeof input.release === "string" ? input.release : undefined;
  switch (name) {
    case "commission":
      await commission(context, journal);
      return;
    case "deploy":
    case "rollback": {
      await commission(context, journal);
      const prepared = release ? loadRelease(context.places, release) : (await prepareRelease(context, journal, input)).release;
      await rollTo(context, journal, prepared, { forward: name === "deploy", veto: input.force ? "ignore" : "obey" });
      return;
    }
    case "scale":
    case "autoscale":
      await commission(context, journal);
      return scale(context, journal, input as unknown as ScaleOptions);
    case "contract": {
      await commission(context, journal);
      const supervisor = await ensureSupervisor(context.places);
      return runContract({ context, journal, supervisor, release: loadRelease(context.places, String(release)) });
    }
    case "decommission":
      await decommission(context, journal, input);
      return;
    case "abort":
      return undo(context, journal, input.of as Operation);
    case "resume":
      await bringBack(context, journal);
  }
}

/** Takes an operation back as far as it can be: then what stood before it stands again. */
export async function undo(context: Context, journal: Journal, { name, input }: Operation): Promise<void> {
  switch (name) {
    case "commission":
      // Whatever stood before was only added to.
      if (!findRecord(context.places)) await decommission(context, journal, { keepData: false });
      return;
    case "contract":
      return stopContract(context, String(input.release));
    case "abort":
      return undo(context, journal, input.of as Operation);
    default:
      await bringBack(context, journal);
  }
}

/** What the record says stands again: resources, balancer, and the fleet of its release. True when something was missing. */
export async function bringBack(context: Context, journal: Journal): Promise<boolean> {
  const wasUp = await answers(context.places);
  const commissioned = await commission(context, journal);
  const changed = (await startFailed(context)) || commissioned.changed || !wasUp;
  const { release } = loadRecord(context);
  if (!release) return (await removeInstances(context, journal)) || changed;
  const rolled = await rollTo(context, journal, loadRelease(context.places, release), { forward: false, veto: "overrule" });
  await journal.perform("wait until all are healthy", () => waitAllHealthy(context, release));
  return rolled.changed || changed;
}

/** A supervisor that was started again has started what ran; whether that works now is another question. */
async function waitAllHealthy(context: Context, release: string): Promise<void> {
  const supervisor = await ensureSupervisor(context.places);
  const fleet = openFleet(context, loadRecord(context), supervisor);
  const standing = await observeStanding(supervisor);
  const expected = standing.filter((one) => one.release === release && one.attached);
  await Promise.all(expected.map((one) => fleet.start(one)));
  // The supervisor gives a restarted instance its requests back by itself, but at a time of its own.
  await Promise.all(expected.map(({ id, share }) => supervisor.attach({ id, share })));
}

/** Instances that the supervisor gave up, since they crashed again and again, get another chance. True when there were any. */
async function startFailed({ places, emit }: Context): Promise<boolean> {
  const supervisor = await ensureSupervisor(places);
  const failed = (await supervisor.observe()).processes.filter(({ state }) => state === "failed");
  for (const { spec } of failed) {
    await supervisor.start(spec);
    emit({ type: "note", text: `${spec.id} is started again` });
  }
  return failed.length > 0;
}

/** A first release that did not come to its end leaves nothing. */
async function removeInstances(context: Context, journal: Journal): Promise<boolean> {
  const supervisor = await ensureSupervisor(context.places);
  const record = loadRecord(context);
  const standing = await observeStanding(supervisor);
  await runRollout({
    fleet: openFleet(context, record, supervisor, { veto: "overrule" }),
    journal,
    clock: context.clock,
    desired: { release: "", services: [], strategy: "rolling", batch: 1 },
    emit: context.emit,
    signal: context.signal,
  });
  return standing.length > 0;
}

async function stopContract(context: Context, release: string): Promise<void> {
  const supervisor = await ensureSupervisor(context.places);
  const id = `release.contract.${release}`;
  await during(context.emit, "release phase", "stopping the contract phase", async () => {
    await supervisor.stop({ id });
    await supervisor.forget({ id });
    return "the contract phase is stopped; what it had changed by then stays changed";
  });
}
