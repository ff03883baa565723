import type { Service } from "../../config/schema.ts";
import { runRollout } from "../../rollout/run.ts";
import type { Journal } from "../../state/journal.ts";
import { refuseCount } from "../refusals.ts";
import { type Context, loadRecord, recordEvent, wantedCount, writeRecord } from "./context.ts";
import { type FleetOptions, openFleet } from "./fleet.ts";
import { loadRelease } from "./releases.ts";
import { desiredOf } from "./rollout.ts";
import { ensureSupervisor } from "./supervisor/start.ts";

export interface ScaleOptions {
  counts: Record<string, number>;
  /** Of the autoscaler, why it asks for each of them: `CPU 83 % of 60 %`. Absent when a person asks. */
  why?: Record<string, string>;
  veto?: FleetOptions["veto"];
}

/**
 * Sets how many instances of each service there are; the number is kept by later deploys. What a person sets the autoscaler goes
 * on from, and what the autoscaler sets is forgotten with the service's `scaling`.
 */
export async function scale(context: Context, journal: Journal, { counts, why, veto }: ScaleOptions): Promise<void> {
  const { app } = context.app;
  for (const [service, count] of Object.entries(counts)) refuseCount(app.services, service, count);
  const record = loadRecord(context);
  const after = { ...record, counts: why ? record.counts : { ...record.counts, ...counts }, scaled: { ...record.scaled, ...counts } };
  if (record.release) {
    const supervisor = await ensureSupervisor(context.places);
    const release = loadRelease(context.places, record.release);
    // What is kept warm stays so: the number of another release's instances changes nothing about going back.
    const rollout = { strategy: "blueGreen", batch: "100%" } as const;
    await runRollout({
      fleet: openFleet(context, record, supervisor, { veto }),
      wayBack: openFleet({ ...context, signal: undefined }, record, supervisor, { veto: "overrule" }),
      journal,
      clock: context.clock,
      desired: desiredOf(context, after, release, rollout),
      before: desiredOf(context, record, release, rollout),
      emit: context.emit,
      signal: context.signal,
    });
  }
  const before = (service: string) => wantedCount(context, record, service, app.services[service] as Service);
  const text = Object.entries(counts).map(([service, count]) =>
    why ? `${service} ${before(service)} → ${count}: ${why[service]}` : `${service} to ${count}`,
  );
  await journal.perform("record the numbers", () => {
    writeRecord(context.places, { ...loadRecord(context), counts: after.counts, scaled: after.scaled });
    recordEvent(context, why ? "autoscaled" : "scaled", text.join(", "));
  });
  const scaled = why ? [] : Object.entries(counts).filter(([service]) => app.services[service]?.scaling);
  for (const [service, count] of scaled) context.emit({ type: "note", text: `the autoscaler goes on from ${service}=${count}` });
}
