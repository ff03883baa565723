// After a restart of the machine, or instead of what was interrupted: what the record says stands again.
import { serviceOf } from "../../../config/deployment.ts";
import { runRollout } from "../../../rollout/run.ts";
import type { Journal } from "../../../state/journal.ts";
import type { Context } from "../context.ts";
import { checkHealth } from "../diagnosis/probe.ts";
import { loadRecord } from "../record.ts";
import { loadRelease } from "../releases/release-store.ts";
import { openFleet } from "../rollout/fleet.ts";
import { hasJustRestarted } from "../rollout/instances.ts";
import { findUnwell, observeStanding } from "../rollout/observe-fleet.ts";
import { rollTo } from "../rollout/rollout.ts";
import { answers, ensureSupervisor } from "../supervisor/start.ts";
import { bringUpEnvironment } from "./commission.ts";

/** What the record says stands again: resources, balancer, and the fleet of its release. True when something was missing. */
export async function bringBack(context: Context, journal: Journal): Promise<boolean> {
  const wasUp = await answers(context.paths);
  const commissioned = await bringUpEnvironment(context, journal, { keepEntrance: true });
  const changed = (await startFailed(context)) || commissioned.changed || !wasUp;
  const { release } = loadRecord(context);
  if (!release) return (await removeInstances(context, journal)) || changed;
  const replaced = await journal.perform("replace what does not answer", () => replaceHung(context, release));
  const rolled = await rollTo({ context, journal }, loadRelease(context.paths, release), {
    forward: false,
    drainPolicy: "overrule",
    asRecorded: true,
  });
  await journal.perform("wait until all are healthy", () => waitAllHealthy(context, release));
  return rolled.changed || changed || replaced;
}

/** Asked for by a person, so that it is not looked at how many there are. What has only just begun is left its time. True when there were any. */
async function replaceHung({ paths, clock, emit }: Context, release: string): Promise<boolean> {
  const { services, processes } = loadRelease(paths, release);
  const supervisor = await ensureSupervisor(paths);
  const asked = (await findUnwell(paths, supervisor, processes)).map(async ({ spec: { id, service = "" }, state, port, since }) => {
    const { health } = serviceOf({ services }, service);
    if (state !== "running" || port === undefined || clock.now() - since < health.startupTimeout) return false;
    if ((await checkHealth(port, health)).passed) return false;
    emit({ type: "note", text: `${id} does not pass its health check and is replaced` });
    await supervisor.replace({ id, why: "does not pass its health check, and its environment was to be brought back" });
    return true;
  });
  return (await Promise.all(asked)).includes(true);
}

/** A supervisor that was started again has started what ran; whether that works now is another question. */
async function waitAllHealthy(context: Context, release: string): Promise<void> {
  const supervisor = await ensureSupervisor(context.paths);
  const fleet = await openFleet({ context, record: loadRecord(context), supervisor });
  const standing = await observeStanding(supervisor);
  const { services, processes: name } = loadRelease(context.paths, release);
  const expected = standing.filter(({ release: processes, attached }) => processes === name && attached);
  await Promise.all(expected.map((place) => fleet.start(place)));
  const { processes } = await supervisor.observe({ ids: expected.map(({ id }) => id) });
  const restarted = processes.filter((process) =>
    hasJustRestarted(process, serviceOf({ services }, process.spec.service ?? ""), context.clock.now()),
  );
  await Promise.all(expected.filter(({ id }) => restarted.some(({ spec }) => spec.id === id)).map((place) => fleet.watch(place)));
  // The supervisor gives a restarted instance its requests back by itself, but at a time of its own.
  await Promise.all(expected.map(({ id, share }) => supervisor.attach({ id, share })));
}

/** Instances that the supervisor gave up, since they crashed again and again, get another chance. True when there were any. */
async function startFailed({ paths, emit }: Context): Promise<boolean> {
  const supervisor = await ensureSupervisor(paths);
  const failed = (await supervisor.observe()).processes.filter(({ state }) => state === "failed");
  for (const { spec } of failed) {
    await supervisor.start(spec);
    emit({ type: "note", text: `${spec.id} is started again` });
  }
  return failed.length > 0;
}

/** A first release that did not come to its end leaves nothing. */
async function removeInstances(context: Context, journal: Journal): Promise<boolean> {
  const supervisor = await ensureSupervisor(context.paths);
  const record = loadRecord(context);
  const standing = await observeStanding(supervisor);
  await runRollout({
    fleet: await openFleet({ context, record, supervisor, options: { drainPolicy: "overrule" } }),
    journal,
    clock: context.clock,
    desired: { release: "", services: [], jobs: [], edge: { release: "", isNew: false }, strategy: "rolling", batch: 1 },
    emit: context.emit,
    signal: context.signal,
  });
  return standing.length > 0;
}
