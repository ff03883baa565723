// Sets how many instances of each service there are; the number is kept by later deploys.
import { serviceOf } from "../../../config/deployment.ts";
import { runRollout } from "../../../rollout/run.ts";
import type { Journal } from "../../../state/journal.ts";
import { assertCounts, type Counts, countNotes, keptCounts } from "../../counts.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import type { JournaledOperation } from "../lease.ts";
import { type EnvironmentRecord, loadRecord, recordEvent, wantedCount, writeRecord } from "../record.ts";
import { loadRelease } from "../releases/release-store.ts";
import { drainPolicyOf, type FleetOptions, openFleet } from "../rollout/fleet.ts";
import { desiredOf } from "../rollout/rollout.ts";
import { ensureSupervisor } from "../supervisor/start.ts";
import { bringUpEnvironment } from "./commission.ts";

export const scale: JournaledOperation<[Counts, { force?: boolean }?], { counts: Counts; force?: boolean }, void> = {
  name: "scale",
  begin(context, counts, { force } = {}) {
    loadRecord(context);
    return { counts, force };
  },
  perform: (context, journal, { counts, force }) => setCounts(context, journal, { counts, drainPolicy: drainPolicyOf({ force }) }),
  async finish(context, journal, { counts, force }) {
    await bringUpEnvironment(context, journal, { keepEntrance: true });
    await setCounts(context, journal, { counts, drainPolicy: drainPolicyOf({ force }) });
  },
};

export interface CountOptions {
  counts: Counts;
  /** Of the autoscaler, why it asks for each of them: `CPU 83 % of 60 %`. Absent when a person asks. */
  why?: Record<string, string>;
  drainPolicy?: FleetOptions["drainPolicy"];
}

/** What a person sets the autoscaler goes on from, and what the autoscaler sets is forgotten with the service's `scaling`. */
export async function setCounts(context: Context, journal: Journal, options: CountOptions): Promise<void> {
  const { counts, why } = options;
  const { services } = context.deployment;
  assertCounts(services, counts);
  const record = loadRecord(context);
  assertDataPresent(context.paths);
  const kept = record.release ? keptCounts(services, counts) : counts;
  const after = {
    ...record,
    counts: why ? record.counts : { ...record.counts, ...kept },
    scaled: { ...record.scaled, ...kept },
    fleet: { ...record.fleet, ...counts },
  };
  if (record.release) await resize(context, journal, { before: record, after, drainPolicy: options.drainPolicy });
  const text = describeCounts(context, record, options);
  await journal.perform("record the numbers", () => {
    writeRecord(context.paths, { ...loadRecord(context), counts: after.counts, scaled: after.scaled, fleet: after.fleet });
    recordEvent(context, why ? "autoscaled" : "scaled", text);
  });
  if (why) return;
  tellWhoGoesOn(context, counts);
  for (const text of countNotes(services, counts, record.release !== undefined)) context.emit({ type: "note", text });
}

interface Resize extends Pick<CountOptions, "drainPolicy"> {
  before: EnvironmentRecord;
  after: EnvironmentRecord;
}

async function resize(context: Context, journal: Journal, { before, after, drainPolicy }: Resize): Promise<void> {
  const supervisor = await ensureSupervisor(context.paths);
  const release = loadRelease(context.paths, String(before.release));
  // What is kept warm stays so: the number of another release's instances changes nothing about going back.
  const rollout = { strategy: "blueGreen", batch: "100%" } as const;
  const as = (numbers: EnvironmentRecord) => desiredOf({ context, record: numbers, release }, { rollout, asRecorded: true });
  await runRollout({
    fleet: await openFleet({ context, record: before, supervisor, options: { drainPolicy } }),
    rollbackFleet: await openFleet({ context: { ...context, signal: undefined }, record: before, supervisor, options: { drainPolicy: "overrule" } }),
    journal,
    clock: context.clock,
    desired: as(after),
    before: as(before),
    emit: context.emit,
    signal: context.signal,
  });
}

function describeCounts({ deployment }: Context, record: EnvironmentRecord, { counts, why }: CountOptions): string {
  const before = (service: string) => wantedCount({ deployment, record }, service, serviceOf(deployment, service));
  const texts = Object.entries(counts).map(([service, count]) =>
    why ? `${service} ${before(service)} → ${count}: ${why[service]}` : `${service} to ${count}`,
  );
  return texts.join(", ");
}

function tellWhoGoesOn(context: Context, counts: Counts): void {
  const scaled = Object.entries(counts).filter(([service]) => context.deployment.services[service]?.scaling);
  for (const [service, count] of scaled) context.emit({ type: "note", text: `the autoscaler goes on from ${service}=${count}` });
}
