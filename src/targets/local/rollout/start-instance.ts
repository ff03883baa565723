// Starts an instance and waits for its verdict; of a release that was never rolled out, whether it stops when it is asked to is found out
// meanwhile.
import { LandfallError } from "../../../error.ts";
import { instanceId, type Place } from "../../../rollout/steps.ts";
import { describeDuration } from "../../../text/units.ts";
import { describeStanding } from "../diagnosis/describe.ts";
import { waitHealthy } from "../diagnosis/wait-healthy.ts";
import { loadRelease } from "../releases/release-store.ts";
import type { ProcessSpec } from "../supervisor/api.ts";
import { type FleetContext, settingsOf, watchedOf } from "./fleet-context.ts";
import { instanceSpec } from "./instances.ts";

export async function startInstance(fleet: FleetContext, place: Place): Promise<void> {
  const { context, record, supervisor, stopChecked, startedAt } = fleet;
  const isToBeChecked = isNewHere(fleet, place) && !stopChecked.has(place.service);
  stopChecked.add(place.service);
  const since = context.clock.now();
  startedAt.set(instanceId(place), since);
  const spec = instanceSpec({ context, record, release: loadRelease(context.paths, place.release) }, place);
  await firstVerdict(context.signal, [
    async (signal) => {
      await supervisor.start(spec);
      await waitHealthy(watchedOf(fleet, place, { since, signal }));
    },
    async (signal) => {
      if (isToBeChecked) await checkGracefulStop(fleet, place, signal);
    },
  ]);
}

const isNewHere = ({ options: { checkStop, target } }: FleetContext, { release }: Place): boolean =>
  checkStop === true && release === target?.processes;

/**
 * The first failure is enough and ends the other wait. Both come to their end before it is told, so that nothing is started behind the back of
 * what then stops it.
 */
async function firstVerdict(signal: AbortSignal | undefined, waits: ((signal: AbortSignal) => Promise<void>)[]): Promise<void> {
  const failing = new AbortController();
  const ending = AbortSignal.any([failing.signal, ...(signal ? [signal] : [])]);
  let reason: unknown;
  const fail = (error: unknown) => {
    reason ??= error;
    failing.abort();
  };
  await Promise.all(waits.map((wait) => wait(ending).catch(fail)));
  if (reason !== undefined) throw reason;
}

/**
 * Starts one more instance of a release that was never rolled out, and asks it to stop: whether it obeys is known before
 * the release before it is gone. Rejects with INSTANCE_IGNORED_STOP.
 */
async function checkGracefulStop(fleet: FleetContext, { service, release }: Place, signal: AbortSignal): Promise<void> {
  const { context, record, supervisor } = fleet;
  const settings = settingsOf(fleet, release, service);
  if (!settings.port || settings.singleton) return;
  const place = { service, release, slot: 0 };
  const spec = trialSpec(instanceSpec({ context, record, release: loadRelease(context.paths, release) }, place));
  const since = context.clock.now();
  try {
    await supervisor.start(spec);
    await waitHealthy(watchedOf(fleet, place, { since, signal }));
  } catch (error) {
    await supervisor.stop({ id: spec.id });
    throw error;
  }
  const { ignored } = await supervisor.stop({ id: spec.id });
  if (ignored) throw ignoredStop(fleet, spec, release);
}

/** It gets no requests, and is not started again. */
const trialSpec = (spec: ProcessSpec): ProcessSpec => ({ ...spec, kind: "job", slot: undefined, restart: "never" });

const ignoredStop = (fleet: FleetContext, { service, stop }: ProcessSpec, release: string) =>
  new LandfallError({
    code: "INSTANCE_IGNORED_STOP",
    what: `release ${release} of "${service}" does not stop when it is asked to`,
    evidence: [
      ["asked", `${stop.signal} to a rehearsal instance without traffic`],
      ["observed", `still running after ${describeDuration(stop.timeoutMs)}; killed with SIGKILL`],
    ],
    standing: describeStanding({ serving: fleet.record.release, release, gotRequests: fleet.gotRequests.has(release) }),
    next: `end the process on ${stop.signal}, or set stop.signal or a longer stop.timeout for "${service}"`,
  });
