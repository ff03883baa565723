// Takes a release that is there to the fleet: deploy, rollback, scale, resume and abort all end here.
import type { Service } from "../../config/schema.ts";
import type { Release } from "../../release/release.ts";
import type { DeployReport } from "../../reports.ts";
import { runRollout } from "../../rollout/run.ts";
import { compileRollout, type Desired } from "../../rollout/steps.ts";
import type { Journal } from "../../state/journal.ts";
import { refuseBarred } from "../refusals.ts";
import { bringUpAutoscaler } from "./autoscaler/process.ts";
import { addressOf, type Context, type EnvironmentRecord, loadRecord, loadRecords, recordEvent, wantedCount, writeRecord } from "./context.ts";
import { makeEdge } from "./edge.ts";
import { type FleetOptions, observeStanding, openFleet } from "./fleet.ts";
import { removeUnusedImages } from "./images.ts";
import { jobSpec } from "./instances.ts";
import { removeLogsOfReleases } from "./logs.ts";
import { runExpand } from "./phases.ts";
import { listReleases, loadRelease, removeUnusedReleases } from "./releases.ts";
import type { SupervisorApi } from "./supervisor/api.ts";
import { ensureSupervisor } from "./supervisor/start.ts";

/** Releases kept for rolling back, besides the one that serves. */
const RELEASES_KEPT = 5;

export interface RollOptions {
  /** To a release that may be new here: with its release phase, a rehearsal, and a trial where the configuration has one. */
  forward: boolean;
  imageMade?: boolean;
  veto?: FleetOptions["veto"];
}

/** How the fleet gets from one release to another. Nothing that served before is tried again with a share of the traffic. */
const strategyOf = ({ app }: Context, forward: boolean): Omit<Desired, "release" | "services"> => {
  const { strategy, batch, surge, canary } = app.app.rollout;
  return { strategy: strategy === "canary" && !forward ? "blueGreen" : strategy, batch, surge, canary };
};

/** What should stand once `release` serves. */
export function desiredOf(
  context: Context,
  record: EnvironmentRecord,
  release: Release,
  rollout: Omit<Desired, "release" | "services"> = { strategy: "rolling", batch: "100%" },
): Desired {
  const fleets = Object.entries(release.services).filter(([, service]) => !service.schedule);
  const order = ([, service]: [string, Service]) => (service.port ? 0 : service.singleton ? 2 : 1);
  return {
    ...rollout,
    release: release.id,
    services: fleets
      .sort((a, b) => order(a) - order(b))
      .map(([service, settings]) => ({
        service,
        singleton: settings.singleton,
        web: settings.port !== undefined,
        count: wantedCount(context, record, service, settings),
      })),
  };
}

export async function rollTo(context: Context, journal: Journal, release: Release, options: RollOptions): Promise<DeployReport> {
  const { forward, imageMade = false, veto } = options;
  const from = context.clock.now();
  const record = loadRecord(context);
  refuseBarred(record.contracted, release.id, record.release);
  const supervisor = await ensureSupervisor(context.places);
  const desired = desiredOf(context, record, release, strategyOf(context, forward));
  const report = {
    app: record.app,
    environment: record.environment,
    release: release.id,
    description: release.description,
    imageMade,
    address: addressOf(record),
  };
  if (await isInPlace(record, supervisor, desired)) {
    context.emit({ type: "unchanged", step: "rollout", text: `release ${release.id} serves already` });
    return { ...report, changed: false, previous: record.previous, durationMs: context.clock.now() - from };
  }

  await journal.perform("set the balancer's rules", async () => supervisor.setEdge(await makeEdge(context, record)));
  await journal.perform("tell the autoscaler", () => bringUpAutoscaler(context, supervisor));
  if (forward) await runExpand({ context, journal, supervisor, release });
  const serving = record.release && record.release !== release.id ? loadRelease(context.places, record.release) : undefined;
  await runRollout({
    fleet: openFleet(context, record, supervisor, { veto, rehearse: forward && serving !== undefined && !record.rolledOut.includes(release.id) }),
    wayBack: openFleet({ ...context, signal: undefined }, record, supervisor, { veto: "overrule" }),
    journal,
    clock: context.clock,
    desired,
    before: serving && desiredOf(context, record, serving),
    judging: context.app.app.rollout.canary,
    emit: context.emit,
    signal: context.signal,
  });
  const previous = record.release === release.id ? record.previous : record.release;
  await settle(context, journal, supervisor, release, previous);
  return { ...report, changed: true, previous, durationMs: context.clock.now() - from };
}

const isInPlace = async (record: EnvironmentRecord, supervisor: SupervisorApi, desired: Desired): Promise<boolean> =>
  record.release === desired.release && compileRollout(await observeStanding(supervisor), desired).length === 0;

/** The release serves: what follows only writes that down, and removes what nobody needs any more. */
async function settle(context: Context, journal: Journal, supervisor: SupervisorApi, release: Release, previous: string | undefined): Promise<void> {
  await journal.perform(`record that release ${release.id} serves`, () => {
    const record = loadRecord(context);
    const rolledOut = [...new Set([...record.rolledOut, release.id])];
    writeRecord(context.places, { ...record, release: release.id, previous, rolledOut });
    recordEvent(context, "deployed", `release ${release.id} serves: ${release.description}`, release.id);
  });
  await journal.perform("replace the scheduled jobs", () => replaceJobs(context, supervisor, release));
  await journal.perform("remove releases that nobody can go back to", () => removeOld(context, supervisor));
}

async function replaceJobs(context: Context, supervisor: SupervisorApi, release: Release): Promise<void> {
  const { processes } = await supervisor.observe();
  const old = processes.filter(({ spec }) => spec.kind === "job" && spec.schedule && spec.release !== release.id);
  await Promise.all(old.map(({ spec }) => supervisor.stop({ id: spec.id })));
  const jobs = Object.entries(release.services).filter(([, service]) => service.schedule);
  const record = loadRecord(context);
  await Promise.all(jobs.map(([service]) => supervisor.start(jobSpec(context, record, release, service))));
}

async function removeOld(context: Context, supervisor: SupervisorApi): Promise<void> {
  const records = loadRecords(context.places).flatMap((one) => [one.release, one.previous, ...one.rolledOut.slice(-RELEASES_KEPT)]);
  const standing = (await observeStanding(supervisor)).map((one) => one.release);
  removeUnusedReleases(
    context.places,
    [...records, ...standing].filter((id) => id !== undefined),
  );
  const left = listReleases(context.places);
  removeUnusedImages(
    context.places,
    left.map((release) => release.recipeHash),
  );
  removeLogsOfReleases(context.places, { except: left.map((release) => release.id) });
}
