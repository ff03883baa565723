// Deploy, rollback, and what finishes or undoes them when they were cut off.
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import { makeRelease } from "../../../release/release.ts";
import { loadSource } from "../../../release/source.ts";
import type { DeployReport } from "../../../reports.ts";
import { refuseBarred } from "../../refusals.ts";
import type { DeployOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { observeRunning } from "../running.ts";
import { requireSecrets } from "../secrets.ts";
import { type Running, servingFleet } from "../stacks/running.ts";
import { ensureContainers, requireContainers } from "./containers.ts";
import { ensureBootImages, ensureImages, ensureRecipe, type Images } from "./image.ts";
import { performBack, performStages } from "./perform.ts";
import { runContract, runExpand } from "./phases.ts";
import { type EnvironmentRecord, loadRecord, writeRecord } from "./record.ts";
import { loadSite, type Site } from "./site.ts";
import { compileStages, type Stage } from "./stages.ts";
import { ensureRelease, fleetsOf, loadStored, type StoredRelease } from "./store.ts";

/** Errors: those of the source, SECRET_MISSING, RECIPE_STEP_FAILED, BUILD_STEP_FAILED, MIGRATION_*, those of a rollout. */
export async function deploy(context: Context, options: DeployOptions): Promise<DeployReport> {
  const from = context.clock.now();
  const site = await loadSite(context);
  const secretsRevision = await requireSecrets(context);
  const source = await loadSource({ folder: context.folder, ref: options.ref, dirty: options.dirty ?? false });
  const release = await makeRelease({ app: context.app, source, secretsRevision });
  context.emit({ type: "note", text: `release ${release.id}: ${release.description}` });
  const recipe = await ensureRecipe(context, site.bucket, source);
  // A release is built on the image of its recipe, whatever its instances boot from.
  const built = await ensureImages(context, site, recipe);
  const containers = await ensureContainers(context, site, release, source);
  const stored = await ensureRelease(context, site, { release, source, recipe, images: built.images, containers });
  const { images, made } = context.app.app.recipe.image === "release" ? await ensureBootImages(context, site, stored) : built;
  const report = await rollTo(context, site, { stored, images, from, imageMade: built.made || made });
  if (!options.contract && !context.app.app.release.autoContract) return report;
  return { ...report, contracted: await contract(context, site, stored, images) };
}

/** To the release that served before, or to the one that is named. Errors: NOTHING_TO_ROLL_BACK, RELEASE_UNKNOWN, RELEASE_BARRED. */
export async function rollback(context: Context, { to }: { to?: string }): Promise<DeployReport> {
  const from = context.clock.now();
  const site = await loadSite(context);
  const record = await loadRecord(context, site.bucket);
  const serving = servingRelease(await observeRunning(context, site.stacks));
  const id = to ?? record.rolledOut.filter((other) => other !== serving).at(-1);
  if (id === undefined) throw nothingBefore(context.app.name, serving);
  const stored = await loadStored(context, site.bucket, id);
  const { images } = await ensureBootImages(context, site, stored);
  return rollTo(context, site, { stored, images, from, imageMade: false });
}

interface Roll {
  stored: StoredRelease;
  images: Images;
  /** When the operation began. */
  from: number;
  imageMade: boolean;
}

async function rollTo(context: Context, site: Site, { stored, images, from, imageMade }: Roll): Promise<DeployReport> {
  const { app, name } = context.app;
  const { release } = stored;
  const record = await loadRecord(context, site.bucket);
  const running = await observeRunning(context, site.stacks);
  const previous = servingRelease(running);
  refuseBarred(record.contracted, release.id, previous);
  const isNew = !record.rolledOut.includes(release.id);
  await requireContainers(context, stored.containers, release.id);
  const fleets = fleetsOf(context, stored, images);
  const stages = compileStages(running, { rollout: app.rollout, services: app.services, fleets, isNew });
  const report = {
    app: app.name,
    environment: name,
    release: release.id,
    description: release.description,
    imageMade,
    address: site.stacks.get(`${app.name}-${name}-edge`)?.outputs.Address ?? "",
  };
  if (stages.length === 0) {
    await settle(context, site, release.id);
    context.emit({ type: "unchanged", step: "rollout", text: `release ${release.id} serves already` });
    return { ...report, changed: false, previous: previousOf(record, release.id), durationMs: context.clock.now() - from };
  }
  // Noted before anything moves: whoever finishes or undoes it later knows where it led and where it came from.
  const before = record.rollout?.before ?? running;
  await writeRecord(context, site.bucket, { ...record, rollout: { to: release.id, before, since: from } });
  if (isNew) await runExpand(context, site, stored, images);
  await perform(context, site, stages, before);
  await settle(context, site, release.id);
  await askAddress(context, report.address);
  return { ...report, changed: true, previous, durationMs: context.clock.now() - from };
}

async function perform(context: Context, site: Site, stages: Stage[], before: Running): Promise<void> {
  try {
    await performStages(context, stages, { before });
  } catch (error) {
    const isBack = !context.signal?.aborted && !(error instanceof LandfallError && error.code === "WAY_BACK_FAILED");
    if (isBack) await forget(context, site);
    throw error;
  }
}

/** What was under way is so no more. */
async function forget(context: Context, { bucket }: Site): Promise<void> {
  const { rollout: _, ...record } = await loadRecord(context, bucket);
  await writeRecord(context, bucket, record);
}

async function settle(context: Context, { bucket }: Site, release: string): Promise<void> {
  const { rollout, ...record } = await loadRecord(context, bucket);
  const rolledOut = [...record.rolledOut.filter((id) => id !== release), release];
  if (rollout === undefined && record.rolledOut.at(-1) === release) return;
  await writeRecord(context, bucket, { ...record, rolledOut });
}

async function contract(context: Context, site: Site, stored: StoredRelease, images: Images): Promise<boolean> {
  const record = await loadRecord(context, site.bucket);
  if (!stored.release.release.contract || record.contracted?.release === stored.release.id) return false;
  await runContract(context, site, stored, images);
  return true;
}

/** Goes on with the rollout that was cut off; undefined when there is none. */
export async function resumeRollout(context: Context): Promise<DeployReport | undefined> {
  const site = await loadSite(context);
  const { rollout } = await loadRecord(context, site.bucket);
  if (!rollout) return undefined;
  const from = context.clock.now();
  const stored = await loadStored(context, site.bucket, rollout.to);
  const { images } = await ensureBootImages(context, site, stored);
  return rollTo(context, site, { stored, images, from, imageMade: false });
}

/** Brings back what ran before the rollout that was cut off. False when there is none. */
export async function abortRollout(context: Context): Promise<boolean> {
  const site = await loadSite(context);
  const { rollout } = await loadRecord(context, site.bucket);
  if (!rollout) return false;
  await performBack(context, await observeRunning(context, site.stacks), rollout.before);
  await forget(context, site);
  return true;
}

const servingRelease = (running: Running): string | undefined =>
  Object.values(running)
    .map((fleets) => servingFleet(fleets)?.release)
    .find((release) => release !== undefined);

const previousOf = ({ rolledOut }: EnvironmentRecord, release: string): string | undefined => rolledOut.filter((id) => id !== release).at(-1);

const ADDRESS_TIMEOUT_MS = 10_000;

/** What the public address answers, said and not judged: its name may take minutes to be known everywhere. */
async function askAddress({ emit }: Context, address: string): Promise<void> {
  if (address === "" || process.env.AWS_ENDPOINT_URL) return;
  await during(emit, "address", `GET ${address}`, async () => {
    try {
      const { status } = await fetch(address, { redirect: "manual", signal: AbortSignal.timeout(ADDRESS_TIMEOUT_MS) });
      return `${address} answers with ${status}`;
    } catch (error) {
      const cause = (error as Error & { cause?: Error }).cause ?? (error as Error);
      return `${address} could not be asked from here (${cause.message}); the balancer finds the instances healthy`;
    }
  });
}

const nothingBefore = (environment: string, serving: string | undefined) =>
  new LandfallError({
    code: "NOTHING_TO_ROLL_BACK",
    what: `no earlier release was deployed to environment "${environment}"`,
    standing: serving ? `Release ${serving} serves.` : "No release serves yet.",
  });
