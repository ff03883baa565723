// The story of a deploy on this machine: source, image, release, release phase, rollout, record.
import { describeDuration } from "../../config/units.ts";
import { LandfallError } from "../../error.ts";
import { during } from "../../progress.ts";
import { makeRelease, type Release } from "../../release/release.ts";
import { loadSource, type Source } from "../../release/source.ts";
import type { DeployReport } from "../../reports.ts";
import { runRollout } from "../../rollout/run.ts";
import { compileRollout, type Desired } from "../../rollout/steps.ts";
import type { Journal } from "../../state/journal.ts";
import type { DeployOptions } from "../target.ts";
import { addressOf, type Context, type EnvironmentRecord, loadRecord, loadRecords, recordEvent, wantedCount, writeRecord } from "./context.ts";
import { makeEdge } from "./edge.ts";
import { observeStanding, openFleet } from "./fleet.ts";
import { ensureImage, removeUnusedImages } from "./images.ts";
import { jobSpec, onceSpec } from "./instances.ts";
import { ensureRelease, listReleases, loadRelease, removeUnusedReleases } from "./releases.ts";
import { openSecrets } from "./secrets.ts";
import type { SupervisorApi } from "./supervisor/api.ts";
import { connectSupervisor } from "./supervisor/start.ts";

/** Releases kept for rolling back, besides the one that serves. */
const RELEASES_KEPT = 5;

export interface Prepared {
  release: Release;
  imageMade: boolean;
}

/** Makes the image and the release if they are not there. Changes nothing that serves. */
export async function prepareRelease(context: Context, record: EnvironmentRecord, options: DeployOptions): Promise<Prepared> {
  const secrets = openSecrets(context.places);
  refuseMissingSecrets(context, secrets);
  const source = await loadSource({ folder: context.folder, ref: options.ref, dirty: options.dirty ?? false });
  const release = await makeRelease({ app: context.app, source, secretsRevision: secrets.revision() });
  context.emit({ type: "note", text: `release ${release.id}: ${release.description}` });
  const image = await prepareImage(context, release, source);
  await during(context.emit, "release", "packing the release", async () => {
    const { made } = await ensureRelease({
      places: context.places,
      release,
      source,
      imageFolder: image.folder,
      recipeFiles: context.app.app.recipe.files,
      environment: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...record.variables.env },
      emit: (line) => context.emit({ type: "output", step: "release", line }),
    });
    return made ? `release ${release.id} packed` : `release ${release.id} is there already`;
  });
  return { release, imageMade: image.made };
}

async function prepareImage(context: Context, release: Release, source: Source) {
  const { recipe } = context.app.app;
  const hash = release.recipeHash.slice(0, 10);
  let image = { folder: "", made: false };
  await during(context.emit, "image", `image ${hash}`, async () => {
    image = await ensureImage({
      places: context.places,
      recipe,
      hash: release.recipeHash,
      source,
      emit: (line) => context.emit({ type: "output", step: "image", line }),
      signal: context.signal,
    });
    return image.made ? `image ${hash} made` : `image ${hash} is there already`;
  });
  return image;
}

function refuseMissingSecrets(context: Context, secrets: ReturnType<typeof openSecrets>): void {
  const { name, app } = context.app;
  const wanted = Object.entries(app.services).flatMap(([service, { secrets: names }]) => names.map((secret) => ({ service, secret })));
  const problems = wanted
    .filter(({ secret }) => !secrets.has(secret))
    .map(
      ({ service, secret }) =>
        new LandfallError({
          code: "SECRET_MISSING",
          what: `secret "${secret}" of service "${service}" is not set in environment "${name}"`,
          standing: "Nothing was changed.",
          next: `landfall secrets set ${name} ${secret}`,
        }),
    );
  const [first, ...more] = problems;
  if (first) throw new LandfallError(first.parts, more);
}

/** What should stand once `release` serves. */
export function desiredOf(
  context: Context,
  record: EnvironmentRecord,
  release: Release,
  rollout: { strategy: Desired["strategy"]; batch: Desired["batch"] },
): Desired {
  const fleets = Object.entries(release.services).filter(([, service]) => !service.schedule);
  const order = ([, service]: (typeof fleets)[number]) => (service.port ? 0 : service.singleton ? 2 : 1);
  return {
    release: release.id,
    ...rollout,
    services: fleets
      .sort((a, b) => order(a) - order(b))
      .map(([service, settings]) => ({ service, singleton: settings.singleton, count: wantedCount(context, record, service, settings) })),
  };
}

/** Takes a release that is there to the fleet: deploy, rollback, resume and abort all end here. */
export async function rollTo(
  context: Context,
  journal: Journal,
  release: Release,
  how: { imageMade: boolean; forward: boolean },
): Promise<DeployReport> {
  const from = performance.now();
  const record = loadRecord(context);
  const supervisor = await connectSupervisor(context.places);
  const desired = desiredOf(context, record, release, context.app.app.rollout);
  const standing = await observeStanding(supervisor);
  const report = {
    app: record.app,
    environment: record.environment,
    release: release.id,
    description: release.description,
    imageMade: how.imageMade,
    address: addressOf(record),
  };
  if (record.release === release.id && compileRollout(standing, desired).length === 0) {
    context.emit({ type: "unchanged", step: "rollout", text: `release ${release.id} serves already` });
    return { ...report, changed: false, previous: record.previous, durationMs: Math.round(performance.now() - from) };
  }

  await supervisor.setEdge(await makeEdge(context, record));
  if (how.forward) await runExpand(context, record, supervisor, release);
  const serving = record.release && record.release !== release.id ? loadRelease(context.places, record.release) : undefined;
  const before = serving && desiredOf(context, record, serving, { strategy: "rolling", batch: "100%" });
  const rehearse = how.forward && serving !== undefined && !record.rolledOut.includes(release.id);
  const wayBack = openFleet({ ...context, signal: undefined }, record, supervisor);
  await runRollout({
    fleet: openFleet(context, record, supervisor, { rehearse }),
    wayBack,
    journal,
    desired,
    before,
    emit: context.emit,
    signal: context.signal,
  });

  const previous = record.release === release.id ? record.previous : record.release;
  const after = { ...loadRecord(context), release: release.id, previous, rolledOut: [...new Set([...record.rolledOut, release.id])] };
  writeRecord(context.places, after);
  await replaceJobs(context, after, supervisor, release);
  removeOld(context, after);
  recordEvent(context, "deployed", `release ${release.id} serves: ${release.description}`, release.id);
  return { ...report, changed: true, previous, durationMs: Math.round(performance.now() - from) };
}

/** Once per release, before any traffic moves. */
async function runExpand(context: Context, record: EnvironmentRecord, supervisor: SupervisorApi, release: Release): Promise<void> {
  const { expand, timeout } = release.release;
  if (!expand || record.expanded.includes(release.id)) return;
  await during(context.emit, "release phase", `release phase: ${expand}`, async () => {
    const spec = onceSpec(context, record, release, `release.expand.${release.id}`, ["/bin/sh", "-c", expand]);
    const { exit, timedOut } = await supervisor.run({ spec, timeoutMs: timeout });
    if (timedOut || exit.code !== 0) throw migrationFailed(context, record, release, expand, exit, timedOut);
    return "release phase done";
  });
  writeRecord(context.places, { ...loadRecord(context), expanded: [...record.expanded, release.id] });
  record.expanded.push(release.id);
}

function migrationFailed(
  context: Context,
  record: EnvironmentRecord,
  release: Release,
  command: string,
  exit: { code?: number; signal?: string; lastLines: string[] },
  timedOut: boolean,
) {
  const ended = timedOut
    ? `still running after ${describeDuration(release.release.timeout)}, stopped`
    : exit.signal
      ? `killed by ${exit.signal}`
      : `ended with status ${exit.code}`;
  return new LandfallError({
    code: timedOut ? "MIGRATION_TIMED_OUT" : "MIGRATION_FAILED",
    what: `the release phase of release ${release.id} ${timedOut ? "took longer than its time budget" : "failed"}`,
    evidence: [
      ["command", command],
      ["process", ended],
      ...exit.lastLines.slice(-8).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
    ],
    standing: record.release
      ? `The rollout did not begin. Release ${record.release} is still serving all traffic.`
      : "The rollout did not begin. No release is serving yet.",
    next: `landfall logs ${context.app.name} release --release ${release.id}`,
  });
}

async function replaceJobs(context: Context, record: EnvironmentRecord, supervisor: SupervisorApi, release: Release): Promise<void> {
  const { processes } = await supervisor.observe();
  const old = processes.filter(({ spec }) => spec.kind === "job" && spec.schedule && spec.release !== release.id);
  await Promise.all(old.map(({ spec }) => supervisor.stop({ id: spec.id })));
  const jobs = Object.entries(release.services).filter(([, service]) => service.schedule);
  await Promise.all(jobs.map(([service]) => supervisor.start(jobSpec(context, record, release, service))));
}

function removeOld(context: Context, record: EnvironmentRecord): void {
  const records = [record, ...loadRecords(context.places).filter((other) => other.environment !== record.environment)];
  const keep = records.flatMap((one) => [one.release, one.previous, ...one.rolledOut.slice(-RELEASES_KEPT)]).filter((id) => id !== undefined);
  removeUnusedReleases(context.places, keep);
  removeUnusedImages(
    context.places,
    listReleases(context.places).map((release) => release.recipeHash),
  );
}
