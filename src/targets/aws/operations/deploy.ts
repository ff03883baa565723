// Deploy, rollback, and what finishes or undoes them when they were cut off.
import type { Service } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import type { Release } from "../../../release/release.ts";
import { loadSource } from "../../../release/source.ts";
import type { DeployReport } from "../../../reports.ts";
import { announceSource } from "../../announce-source.ts";
import { assertCounts, backNotes, type Counts, countNotes, heldCounts, keptCounts } from "../../counts.ts";
import { assertNotBarred, nothingToRollBack, untriedNote } from "../../preconditions.ts";
import type { DeployOptions } from "../../target.ts";
import { contractedOn, databasesOf, type EnvironmentRecord, hasExpanded, loadRecord, previousOf, processesOf, writeRecord } from "../record.ts";
import type { ReleaseContext } from "../releases/driver.ts";
import { ensureBootImages, ensureImages, ensureRecipe, type Images } from "../releases/image.ts";
import { findServing, nameRelease } from "../releases/name.ts";
import { ensureRelease, fleetsOf, rulesOf } from "../releases/release-store.ts";
import { loadStored, type StoredRelease } from "../releases/stored-release.ts";
import { askInstances } from "../rollout/ask-instances.ts";
import { performBack, performStages } from "../rollout/perform.ts";
import { runContract, runExpand } from "../rollout/phases.ts";
import { compileStages, type Stage, untriedServices } from "../rollout/stages.ts";
import { diskNotes } from "../templates/compute/disks.ts";
import { assertKeepsTarget, assertSameKind } from "../templates/shared/drawn.ts";
import { countsIn, type Fleet, type Running, rangeFrom, type Standing, servingFleet, servingRelease } from "../templates/shared/running.ts";

/** Errors: those of the source, SECRET_MISSING, RECIPE_STEP_FAILED, BUILD_STEP_FAILED, MIGRATION_*, those of a rollout. */
export async function deploy(context: ReleaseContext, options: DeployOptions): Promise<DeployReport> {
  const from = context.clock.now();
  assertCounts(context.deployment.services, options.instances ?? {});
  const prepared = await prepareRelease(context, options);
  const report = await rollTo(context, { ...prepared, from, counts: options.instances, forward: true, force: options.force });
  if (!options.contract && !context.deployment.release.autoContract) return report;
  return { ...report, contracted: await contract(context, prepared) };
}

/** A release with all that its instances need, which nothing of it runs yet. */
export interface Prepared {
  stored: StoredRelease;
  images: Images;
  imageMade: boolean;
}

/** Makes what is not there yet of a release: its image, its archive, its containers. */
export async function prepareRelease(context: ReleaseContext, options: Pick<DeployOptions, "ref" | "dirty">): Promise<Prepared> {
  const { driver, emit, deployment, folder } = context;
  const secretsRevision = await driver.secretsRevision();
  const source = await loadSource({ folder, ref: options.ref, dirty: options.dirty ?? false });
  await announceSource(emit, source);
  const serving = await findServing(driver.objects, servingRelease(await driver.fleets.observe()));
  const release = await nameRelease({ deployment, source, secretsRevision, serving });
  emit({ type: "note", text: `release ${release.id}: ${release.description}` });
  const recipe = await ensureRecipe(context, source);
  // A release is built on the image of its recipe, whatever its instances boot from.
  const built = await ensureImages(context, recipe);
  const containers = (await driver.containers?.ensure(release, source)) ?? {};
  const stored = await ensureRelease(context, { release, source, recipe, images: built.images, containers });
  const { images, made } = deployment.recipe.image === "release" ? await ensureBootImages(context, stored) : built;
  return { stored, images, imageMade: built.made || made };
}

/** To the release that served before, or to the one that is named. Errors: NOTHING_TO_ROLL_BACK, RELEASE_UNKNOWN, RELEASE_BARRED. */
export async function rollback(context: ReleaseContext, { to, force }: { to?: string; force?: boolean }): Promise<DeployReport> {
  const from = context.clock.now();
  const record = await load(context);
  const standing = await context.driver.fleets.observe();
  const serving = servingRelease(standing);
  const id = to ?? record.rolledOut.filter((candidate) => candidate !== serving).at(-1);
  if (id === undefined) throw nothingToRollBack(context.deployment.environment, serving);
  // What was asked for by hand outlives it: who goes back is in need of it.
  const counts = heldCounts(context.deployment.services, countsIn(standing.running));
  return rollTo(context, { ...(await loadPrepared(context, id)), from, counts, force });
}

async function loadPrepared(context: ReleaseContext, release: string): Promise<Prepared> {
  const stored = await loadStored(context, release);
  // Its instances will read them, as they are today: none may have been removed since.
  const { services, routes } = stored.release;
  await context.driver.secretsRevision({ services, routes, resources: context.deployment.resources });
  const { images } = await ensureBootImages(context, stored);
  return { stored, images, imageMade: false };
}

const load = ({ deployment, driver }: ReleaseContext): Promise<EnvironmentRecord> => loadRecord(driver.objects, deployment.environment);
const write = ({ deployment, driver }: ReleaseContext, record: EnvironmentRecord): Promise<void> =>
  writeRecord(driver.objects, deployment.environment, record);

export interface Rolling extends Prepared {
  /** When the operation began. */
  from: number;
  /** As many instances of these services, whatever stands or is configured. */
  counts?: Counts;
  /** A deploy, which ends what was set by hand instead of a plain number. */
  forward?: boolean;
  /** Stops instances that do not allow it. */
  force?: boolean;
}

/** Errors: those of a rollout. */
export async function rollTo(
  context: ReleaseContext,
  { stored, images, from, imageMade, counts = {}, forward = false, force = false }: Rolling,
): Promise<DeployReport> {
  const { driver, emit, deployment } = context;
  const { release } = stored;
  const record = await load(context);
  const standing = await driver.fleets.observe();
  const previous = servingRelease(standing);
  const on = databasesOf(deployment, driver.outputs);
  assertNotBarred(contractedOn(record, on), release.processes, previous && processesOf(record, previous));
  const isNew = !record.rolledOut.some((id) => processesOf(record, id) === release.processes);
  // A database was made anew since: what the release needs in it is made again, whichever way the release goes.
  const isForgotten = !isNew && release.release.expand !== undefined && !hasExpanded(record, release.processes, on);
  await driver.containers?.require(stored.containers, release.id);
  const rules = rulesOf(stored);
  // The balancer is a commission's to make.
  if (rules) driver.outputs.get("edge", "Listener");
  const isStanding = ([service]: [string, number]) => servingFleet(standing.running[service] ?? {}) !== undefined;
  const waiting = Object.fromEntries(Object.entries(record.counts ?? {}).filter((entry) => !isStanding(entry)));
  const fleets = withCounts(fleetsOf(context, stored, images), { ...waiting, ...counts });
  assertChangeable(deployment.environment, standing.running, fleets);
  for (const text of diskNotes(deployment, Object.fromEntries(Object.entries(fleets).map(([service, blue]) => [service, { blue }]))))
    emit({ type: "note", text });
  const desired = { rollout: deployment.rollout, fleets, isNew, rules };
  const stages = compileStages(standing, desired);
  const report = {
    app: deployment.app,
    environment: deployment.environment,
    release: release.id,
    description: release.description,
    imageMade,
    address: driver.outputs.find("edge", "Address") ?? "",
  };
  if (stages.length === 0 && !isForgotten) {
    await settle(context, release);
    emit({ type: "unchanged", step: "rollout", text: `release ${release.id} serves already` });
    return { ...report, changed: false, previous: previousOf(record, release.id), durationMs: context.clock.now() - from };
  }
  // Noted before anything moves: whoever finishes or undoes it later knows where it led and where it came from.
  const before = record.rollout?.before ?? standing;
  await write(context, { ...record, rollout: { to: release.id, before, since: from, counts } });
  if (isForgotten) emit({ type: "warning", text: `the data does not know the expand phase of release ${release.id} any more: it runs again` });
  if (isNew || isForgotten) await runExpand(context, stored, images);
  if (forward) for (const text of numberNotes(context, standing, counts)) emit({ type: "note", text });
  for (const service of untriedServices(standing, desired)) emit({ type: "warning", text: untriedNote(service) });
  await perform(context, stages, { before, to: release.processes, force });
  await settle(context, release);
  await askAddress(context, report.address);
  return { ...report, changed: true, previous, durationMs: context.clock.now() - from };
}

function numberNotes({ deployment: { services } }: ReleaseContext, { running }: Standing, counts: Counts): string[] {
  const ran = Object.entries(countsIn(running)).filter(([service]) => !Object.hasOwn(counts, service));
  return [...backNotes(services, Object.fromEntries(ran)), ...countNotes(services, counts, true)];
}

/** As many as somebody asked for; of a fleet that stands, its template says it. */
const withCounts = (fleets: Record<string, Fleet>, counts: Counts): Record<string, Fleet> =>
  Object.fromEntries(
    Object.entries(fleets).map(([service, fleet]) => {
      const count = counts[service];
      return [service, count === undefined ? fleet : { ...fleet, instances: rangeFrom(fleet.settings as Service, count) }];
    }),
  );

/** Errors: STACK_REPLACEMENT_REFUSED. */
function assertChangeable(environment: string, running: Running, fleets: Record<string, Fleet>): void {
  for (const [service, wanted] of Object.entries(fleets)) {
    const runs = servingFleet(running[service] ?? {});
    if (!runs?.settings || !wanted.settings) continue;
    assertSameKind(environment, service, { runs: runs.settings, wanted: wanted.settings });
    assertKeepsTarget(environment, service, { runs, wanted });
  }
}

async function perform(
  context: ReleaseContext,
  stages: Stage[],
  { before, to, force }: { before: Standing; to: string; force: boolean },
): Promise<void> {
  try {
    await askInstances(context, { to, force });
    await performStages(context, stages, { before });
  } catch (error) {
    const isBack = !context.signal?.aborted && !(error instanceof LandfallError && error.code === "WAY_BACK_FAILED");
    if (isBack) await forget(context);
    throw error;
  }
}

/** What was under way is so no more. */
async function forget(context: ReleaseContext): Promise<void> {
  const { rollout: _, ...record } = await load(context);
  await write(context, record);
}

async function settle(context: ReleaseContext, { id, processes }: Release): Promise<void> {
  const { rollout, counts = {}, ...record } = await load(context);
  const rolledOut = [...record.rolledOut.filter((other) => other !== id), id];
  if (rollout === undefined && record.rolledOut.at(-1) === id) return;
  const shared = processes === id ? {} : { processes: { ...record.processes, [id]: processes } };
  const kept = keptCounts(context.deployment.services, counts);
  await write(context, { ...record, rolledOut, ...shared, ...(Object.keys(kept).length > 0 ? { counts: kept } : {}) });
}

async function contract(context: ReleaseContext, { stored, images }: Prepared): Promise<boolean> {
  const record = await load(context);
  const contracted = contractedOn(record, databasesOf(context.deployment, context.driver.outputs));
  if (!stored.release.release.contract || contracted?.release === stored.release.processes) return false;
  await runContract(context, stored, images);
  return true;
}

/** Goes on with the rollout that was cut off; undefined when there is none. */
export async function resumeRollout(context: ReleaseContext): Promise<DeployReport | undefined> {
  const { rollout } = await load(context);
  if (!rollout) return undefined;
  const from = context.clock.now();
  return rollTo(context, { ...(await loadPrepared(context, rollout.to)), from, counts: rollout.counts });
}

/** Brings back what ran before the rollout that was cut off. False when there is none. */
export async function abortRollout(context: ReleaseContext): Promise<boolean> {
  const { rollout } = await load(context);
  if (!rollout) return false;
  await performBack(context, await context.driver.fleets.observe(), rollout.before);
  await forget(context);
  return true;
}

const ADDRESS_TIMEOUT_MS = 10_000;

/** What the public address answers, said and not judged: its name may take minutes to be known everywhere. */
async function askAddress({ emit }: ReleaseContext, address: string): Promise<void> {
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
