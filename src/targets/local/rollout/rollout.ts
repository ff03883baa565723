// Takes a release that is there to the fleet: deploy, rollback, scale, resume and abort all end here.
import type { DeployedService } from "../../../config/deployment.ts";
import type { Release } from "../../../release/release.ts";
import type { DeployReport } from "../../../reports.ts";
import { runRollout } from "../../../rollout/run.ts";
import { compileRollout, type Desired, untriedServices } from "../../../rollout/steps.ts";
import { inRolloutOrder, strategyFor } from "../../../rollout/strategy.ts";
import type { Journal } from "../../../state/journal.ts";
import { backNotes, type Counts, countNotes, keptCounts } from "../../counts.ts";
import { assertNotBarred, assertSecretsSet, untriedNote } from "../../preconditions.ts";
import { tellAutoscaler } from "../autoscaler/process.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import { openSecrets } from "../data/secret-store.ts";
import { removeLogsOfReleases } from "../log-writer/read-logs.ts";
import { addressOf, type EnvironmentRecord, loadRecord, recordEvent, setCount, wantedCount, writeRecord } from "../record.ts";
import { findRelease, listReleases, loadRelease, releasesByProcesses } from "../releases/release-store.ts";
import { removeUnused } from "../releases/shared.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { ensureSupervisor } from "../supervisor/start.ts";
import { edgeOf } from "./balancer-config.ts";
import { type FleetOptions, openFleet } from "./fleet.ts";
import type { ReleaseSite } from "./instances.ts";
import { findUnwell, observeEdge, observeJobs, observeStanding } from "./observe-fleet.ts";
import { contractedOf, hasRun, loadPhases } from "./phase-memory.ts";
import { runExpand } from "./phases.ts";

export interface RollOptions {
  /** To a release that may be new here: with its release phase, a rehearsal, and a trial where the configuration has one. */
  forward: boolean;
  imageMade?: boolean;
  /** When the operation began, in milliseconds since 1970; now when left out. */
  from?: number;
  drainPolicy?: FleetOptions["drainPolicy"];
  /** As many instances as the record has, whatever the configuration says today. */
  asRecorded?: boolean;
  /** As many instances of these services. */
  counts?: Counts;
}

type Rollout = Pick<Desired, "strategy" | "batch" | "surge" | "canary">;

/** How the fleet gets from one release to another. */
const rolloutOf = ({ deployment }: Context, isNew: boolean): Rollout => {
  const { strategy, batch, surge, canary } = deployment.rollout;
  return { strategy: strategyFor(strategy, isNew), batch, surge, canary };
};

/** What should stand once `release` serves: so many instances as are wanted today, or as the record says of the release that serves. */
export function desiredOf(
  { context, record, release }: ReleaseSite,
  {
    rollout = { strategy: "rolling", batch: "100%" },
    asRecorded = false,
    counts = {},
  }: Pick<RollOptions, "asRecorded" | "counts"> & { rollout?: Rollout } = {},
): Desired {
  const isJob = ([, { kind }]: [string, DeployedService]) => kind === "job";
  const fleets = Object.entries(release.services).filter((entry) => !isJob(entry));
  return {
    ...rollout,
    release: release.processes,
    isNew: !hasServed({ context, record, release }),
    keepsWarm: record.release === release.id,
    edge: { release: release.id, isNew: !record.rolledOut.includes(release.id) },
    jobs: Object.entries(release.services)
      .filter(isJob)
      .map(([service]) => service),
    services: inRolloutOrder(fleets).map(([service, settings]) => ({
      service,
      singleton: settings.singleton,
      web: settings.kind === "web",
      count:
        counts[service] ??
        (asRecorded ? record.fleet?.[service] : undefined) ??
        wantedCount({ deployment: context.deployment, record }, service, settings),
    })),
  };
}

/** Whether its processes ran here to the end of a rollout, be it with another edge. */
const hasServed = ({ context: { paths }, record: { rolledOut }, release: { processes } }: ReleaseSite): boolean =>
  rolledOut.some((id) => (findRelease(paths, id)?.processes ?? id) === processes);

export async function rollTo({ context, journal }: Journaled, release: Release, options: RollOptions): Promise<DeployReport> {
  const { forward, imageMade = false, asRecorded, counts = {}, from = context.clock.now() } = options;
  const record = loadRecord(context);
  assertDataPresent(context.paths);
  const ran = await loadPhases(context);
  assertNotBarred(contractedOf(ran), release.processes, record.release);
  const supervisor = await ensureSupervisor(context.paths);
  const rollout = rolloutOf(context, forward && !hasServed({ context, record, release }));
  const desired = desiredOf({ context, record, release }, { rollout, asRecorded, counts });
  const report = {
    app: record.app,
    environment: record.environment,
    release: release.id,
    description: release.description,
    imageMade,
    address: addressOf(record),
  };
  // Older data has come back, or data was begun anew: what the release needs in it is made again, whichever way the release goes.
  const isForgotten = release.release.expand !== undefined && desired.isNew === false && !hasRun(ran, "expand", release.processes);
  if (!isForgotten && (await isInPlace({ record, supervisor, release, desired }))) {
    const unwell = (await findUnwell(context.paths, supervisor, release.processes)).map(({ spec }) => spec.id);
    const but = unwell.length > 0 ? `, but not by ${unwell.join(", ")}` : "";
    context.emit({ type: "unchanged", step: "rollout", text: `release ${release.id} serves already${but}` });
    if (forward) await journal.perform("tell the autoscaler", () => tellAutoscaler(context, supervisor));
    return { ...report, changed: false, unwell, previous: record.previous, durationMs: context.clock.now() - from };
  }
  const handled = { context, record, releases: releasesByProcesses(context.paths, record, release) };
  // Before anything moves: what the release was given, or else what is set today, has to be there, and the balancer's rules have to be possible.
  const { has, nameFor } = openSecrets(context.paths);
  const users = { services: release.services, routes: release.routes, resources: context.deployment.resources };
  assertSecretsSet(users, record.environment, (secret) => has(nameFor(release.processes, secret)));
  await edgeOf(handled, release.id);
  await journal.perform("tell the balancer how to handle instances", async () => {
    const { edge } = await supervisor.observe({ ids: [] });
    await supervisor.setEdge(await edgeOf(handled, edge?.release ?? "", edge));
  });
  if (isForgotten)
    context.emit({ type: "warning", text: `the data does not know the expand phase of release ${release.id} any more: it runs again` });
  if (forward || isForgotten) await runExpand({ context, journal, supervisor, release }, ran);
  if (forward) noteCounts(context, { record, desired, counts });
  for (const service of untriedServices(await observeStanding(supervisor), desired)) noteUntried(context, service, release.id);
  await roll({ context, journal, record, supervisor, release, desired }, options);
  const previous = record.release === release.id ? record.previous : record.release;
  await settle({ context, journal, supervisor, release, desired }, { previous, forward, counts });
  return { ...report, changed: true, previous, durationMs: context.clock.now() - from };
}

interface Counting {
  record: EnvironmentRecord;
  desired: Desired;
  /** What the deploy itself asks for. */
  counts: Counts;
}

/** A number that was set stays within a range that the configuration has by now, and a plain number of it ends what was set. */
function noteCounts({ deployment, emit }: Context, { record, desired, counts }: Counting): void {
  const others = desired.services.filter(({ service }) => !Object.hasOwn(counts, service));
  const ran = Object.entries((record.release && record.fleet) || {}).filter(([name]) => others.some(({ service }) => service === name));
  for (const text of backNotes(deployment.services, Object.fromEntries(ran))) emit({ type: "note", text });
  for (const { service, count } of others) {
    const set = setCount({ deployment, record }, service);
    if (set !== undefined && set !== count)
      emit({
        type: "note",
        text: `${service}: ${count} instances, and not the ${set} that were set, since the configuration allows no other number`,
      });
  }
  for (const text of countNotes(deployment.services, counts, true)) emit({ type: "note", text });
}

function noteUntried(context: Context, service: string, release: string): void {
  const text = untriedNote(service);
  context.emit({ type: "warning", text });
  recordEvent(context, "untried", text, release);
}

/** An operation, and the journal that it is written in. */
interface Journaled {
  context: Context;
  journal: Journal;
}

interface Rolling extends Journaled {
  record: EnvironmentRecord;
  supervisor: SupervisorApi;
  release: Release;
  desired: Desired;
}

async function roll({ context, journal, record, supervisor, release, desired }: Rolling, { forward, drainPolicy }: RollOptions): Promise<void> {
  const serving = record.release === undefined ? undefined : loadRelease(context.paths, record.release);
  await runRollout({
    fleet: await openFleet({
      context,
      record,
      supervisor,
      options: { drainPolicy, target: release, checkStop: forward && serving !== undefined && desired.isNew },
    }),
    rollbackFleet: await openFleet({
      context: { ...context, signal: undefined },
      record,
      supervisor,
      options: { drainPolicy: "overrule", target: release },
    }),
    journal,
    clock: context.clock,
    desired,
    before: serving && desiredOf({ context, record, release: serving }, { asRecorded: true }),
    judging: context.deployment.rollout.canary,
    emit: context.emit,
    signal: context.signal,
  });
}

const isInPlace = async ({
  record,
  supervisor,
  release,
  desired,
}: Pick<Rolling, "record" | "supervisor" | "release" | "desired">): Promise<boolean> =>
  record.release === release.id &&
  (await isBalancerUp(supervisor)) &&
  compileRollout(await observeStanding(supervisor), desired, await observeJobs(supervisor), await observeEdge(supervisor)).length === 0;

const isBalancerUp = async (supervisor: SupervisorApi): Promise<boolean> =>
  (await supervisor.observe({ ids: ["balancer"] })).processes.some(({ state }) => state === "running");

interface Settled {
  previous: string | undefined;
  forward: boolean;
  counts: Counts;
}

/** The release serves: what follows only writes that down, and removes what nobody needs any more. */
async function settle(
  { context, journal, supervisor, release, desired }: Omit<Rolling, "record">,
  { previous, forward, counts }: Settled,
): Promise<void> {
  await journal.perform(`record that release ${release.id} serves`, () => {
    const record = loadRecord(context);
    const rolledOut = [...new Set([...record.rolledOut, release.id])];
    const fleet = Object.fromEntries(desired.services.map(({ service, count }) => [service, count]));
    const keep = (set: Counts) => keptCounts(context.deployment.services, { ...set, ...counts });
    const numbers = { fleet, counts: keep(record.counts), scaled: keep(record.scaled ?? {}) };
    writeRecord(context.paths, { ...record, ...numbers, release: release.id, previous, rolledOut });
    const [type, verb] = forward ? ["deployed", "serves"] : ["rolled-back", "serves again"];
    recordEvent(context, type, `release ${release.id} ${verb}: ${release.description}`, release.id);
  });
  if (forward) await journal.perform("tell the autoscaler", () => tellAutoscaler(context, supervisor));
  await journal.perform("remove releases that nobody can go back to", () => removeOld(context));
}

async function removeOld(context: Context): Promise<void> {
  await removeUnused(context);
  const except = listReleases(context.paths).map((release) => release.id);
  removeLogsOfReleases(context.paths, { except });
  openSecrets(context.paths).unseal({ except });
}
