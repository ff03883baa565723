// The rollout's hands on this machine: each step becomes calls to the supervisor.
import { once } from "node:events";
import type { Service } from "../../config/schema.ts";
import { describeDuration } from "../../config/units.ts";
import { LandfallError } from "../../error.ts";
import type { Fleet } from "../../rollout/run.ts";
import { instanceId, type Place, type Standing } from "../../rollout/steps.ts";
import { type Context, type EnvironmentRecord, recordEvent } from "./context.ts";
import { type Watched, waitHealthy, waitSteady } from "./diagnosis/wait-healthy.ts";
import { askUntilReady, tellToDrain } from "./drain.ts";
import { instanceSpec } from "./instances.ts";
import { findRelease, loadRelease } from "./releases.ts";
import type { Exit, ProcessRecord, SupervisorApi } from "./supervisor/api.ts";
import { describeExit } from "./supervisor/supervised.ts";

/** For an instance of a service that neither its release nor the configuration knows any more. */
const LAST_DRAIN_MS = 10_000;

export async function observeStanding(supervisor: SupervisorApi): Promise<Standing[]> {
  const { processes } = await supervisor.observe();
  return processes.flatMap(({ spec, traffic, share, warm }) =>
    spec.kind === "instance" && spec.service && spec.release && spec.slot
      ? [
          {
            id: spec.id,
            service: spec.service,
            release: spec.release,
            slot: spec.slot,
            attached: traffic === "attached",
            share,
            warm: warm !== undefined,
          },
        ]
      : [],
  );
}

export interface FleetOptions {
  /** Whether a release that was never rolled out is asked to stop before anything else is stopped for it. */
  rehearse?: boolean;
  /** What an instance's “not yet” means at its drain time-out: the end of the rollout, or nothing. `ignore` does not even wait for it. */
  veto?: "obey" | "overrule" | "ignore";
}

export function openFleet(context: Context, record: EnvironmentRecord, supervisor: SupervisorApi, options: FleetOptions = {}): Fleet {
  const rehearsed = new Set<string>();
  const fresh: Watched[] = [];
  const heard: Record<string, number> = {};
  const { rehearse = false, veto = "obey" } = options;
  const find = async (ids: string[]): Promise<ProcessRecord[]> => (await supervisor.observe({ ids })).processes;
  // Whatever became of its release's files, an instance can be taken away.
  const drainOf = (release: string | undefined, service: string): Partial<Service["drain"]> & Pick<Service["drain"], "timeout"> => {
    const releases = [findRelease(context.places, release ?? ""), context.app.app];
    return releases.map((one) => one?.services[service]?.drain).find((drain) => drain !== undefined) ?? { timeout: LAST_DRAIN_MS };
  };
  const each = async (ids: string[], act: (one: ProcessRecord) => Promise<unknown>) => {
    await Promise.all((await find(ids)).map(act));
  };
  const note = (type: string, text: string, release: string | undefined) => {
    context.emit({ type: "note", text });
    recordEvent(context, type, text, release);
  };

  return {
    standing: () => observeStanding(supervisor),

    async start(place) {
      const { service, release } = place;
      const since = context.clock.now();
      const isNew = rehearse && release !== record.release && !rehearsed.has(service);
      rehearsed.add(service);
      const other = new AbortController();
      const signal = AbortSignal.any([other.signal, ...(context.signal ? [context.signal] : [])]);
      const rehearsal = isNew ? rehearseStop({ ...context, signal }, record, supervisor, release, service) : Promise.resolve();
      const watched = watchedOf({ ...context, signal }, record, supervisor, place, since);
      const started = supervisor.start(instanceSpec(context, record, loadRelease(context.places, release), place)).then(() => waitHealthy(watched));
      // The first verdict is enough and ends the other wait. Both come to their end before it is told, so that nothing is started
      // behind the back of what then stops it.
      let reason: unknown;
      const fail = (error: unknown) => {
        reason ??= error;
        other.abort();
      };
      await Promise.all([started.catch(fail), rehearsal.catch(fail)]);
      if (reason !== undefined) throw reason;
      if (rehearse) fresh.push({ ...watched, signal: context.signal, healthyAt: context.clock.now() });
    },

    confirm: () => waitSteady(fresh),

    attach: async ({ ids, share }) => {
      await Promise.all(ids.map((id) => supervisor.attach({ id, share })));
    },

    ask: ({ ids, service }) =>
      each(ids, async ({ spec, port }) => {
        const drain = drainOf(spec.release, service);
        if (!drain.ask || !port) return;
        const url = `http://127.0.0.1:${port}${drain.ask}`;
        const onNotYet = (answer: string) => context.emit({ type: "note", text: `${spec.id} says "not yet": ${answer}` });
        const asked = await askUntilReady({ url, timeoutMs: veto === "ignore" ? 0 : drain.timeout, signal: context.signal, onNotYet });
        if (asked.ready) return;
        if (veto === "obey") throw vetoed(context, { id: spec.id, release: spec.release, url, timeoutMs: drain.timeout, answer: asked.answer });
        note("drain-overridden", `${spec.id} was stopped although it said "not yet": ${asked.answer}`, spec.release);
      }),

    hear: async ({ canary, baseline }) => {
      const traffic = await supervisor.observeTraffic({ ids: [...canary, ...baseline], after: heard });
      for (const { id, next } of traffic) heard[id] = next;
      for (const { spec, lastExit, restarts } of await find(canary)) if (restarts > 0) throw canaryCrashed(context, spec.id, record, lastExit);
      const outcomes = (ids: string[]) => traffic.filter(({ id }) => ids.includes(id)).flatMap(({ samples }) => samples);
      return { canary: outcomes(canary), baseline: outcomes(baseline) };
    },

    drain: ({ ids, service }) =>
      each(ids, async ({ spec, port }) => {
        const drain = drainOf(spec.release, service);
        if (drain.start && port) {
          // First out of the balancer's choice, then told: from here on it gets no new request.
          await supervisor.drain({ id: spec.id, timeoutMs: 0 });
          await tellToDrain(`http://127.0.0.1:${port}${drain.start}`);
        }
        const { inHand } = await unlessAborted(context.signal, supervisor.drain({ id: spec.id, timeoutMs: drain.timeout }));
        if (inHand > 0) context.emit({ type: "note", text: `${spec.id} still had ${inHand} requests in hand after its drain time-out` });
      }),

    stop: ({ ids }) =>
      each(ids, async ({ spec }) => {
        const { ignored } = await supervisor.stop({ id: spec.id });
        if (ignored)
          note("ignored-stop", `${spec.id} did not end within ${spec.stop.timeoutMs / 1000} s of ${spec.stop.signal} and was killed`, spec.release);
      }),

    keepWarm: ({ ids, service }) =>
      each(ids, ({ spec }) => {
        const drain = drainOf(spec.release, service);
        const until = context.clock.now() + context.app.app.rollout.soak;
        return supervisor.keepWarm({ id: spec.id, until, drainPath: drain.start, drainMs: drain.timeout });
      }),
  };
}

function settingsOf(context: Context, release: string, service: string) {
  const settings = loadRelease(context.places, release).services[service];
  if (!settings) throw new TypeError(`release ${release} has no service ${service}`);
  return settings;
}

const watchedOf = (context: Context, record: EnvironmentRecord, supervisor: SupervisorApi, place: Place, since: number): Watched => ({
  id: instanceId(place),
  service: place.service,
  release: place.release,
  settings: settingsOf(context, place.release, place.service),
  serving: record.release === place.release ? undefined : record.release,
  environment: context.app.name,
  places: context.places,
  supervisor,
  since,
  signal: context.signal,
});

/** A wait that an interruption ends. What was asked for goes on by itself. */
async function unlessAborted<T>(signal: AbortSignal | undefined, waiting: Promise<T>): Promise<T> {
  if (!signal) return waiting;
  signal.throwIfAborted();
  const done = new AbortController();
  const aborted = once(signal, "abort", { signal: done.signal }).then(() => Promise.reject(signal.reason));
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    done.abort();
  }
}

function vetoed(context: Context, asked: { id: string; release?: string; url: string; timeoutMs: number; answer: string }) {
  return new LandfallError({
    code: "DRAIN_VETOED",
    what: `"${asked.id}" does not allow itself to be stopped`,
    evidence: [
      ["asked", `GET ${asked.url} for ${describeDuration(asked.timeoutMs)}; 200 is yes`],
      ["answered", asked.answer],
    ],
    standing: `Release ${asked.release} is still serving.`,
    next: `landfall deploy ${context.app.name} --force   stops it all the same`,
  });
}

function canaryCrashed(context: Context, id: string, record: EnvironmentRecord, exit: Exit | undefined) {
  return new LandfallError({
    code: "CANARY_WORSE",
    what: `the canary "${id}" crashed while it had requests`,
    evidence: [
      ["process", describeExit(exit)],
      ...(exit?.lastLines ?? []).slice(-8).map((line, index): [string, string] => [index ? "" : "last log", line]),
    ],
    standing: `Release ${record.release} is still serving. The canary was stopped.`,
    next: `landfall logs ${context.app.name} --instance ${id}`,
  });
}

/**
 * Starts one more instance of a release that was never rolled out, and asks it to stop: whether it obeys is known before
 * the release before it is gone. Rejects with INSTANCE_IGNORED_STOP.
 */
export async function rehearseStop(
  context: Context,
  record: EnvironmentRecord,
  supervisor: SupervisorApi,
  releaseId: string,
  service: string,
): Promise<void> {
  const release = loadRelease(context.places, releaseId);
  const settings = release.services[service];
  if (!settings?.port || settings.singleton) return;
  const place = { service, release: releaseId, slot: 0 };
  const spec = {
    ...instanceSpec(context, record, release, place),
    kind: "job" as const,
    slot: undefined,
    restart: "never" as const,
  };
  const since = context.clock.now();
  try {
    await supervisor.start(spec);
    await waitHealthy(watchedOf(context, record, supervisor, place, since));
  } catch (error) {
    await supervisor.stop({ id: spec.id });
    throw error;
  }
  const { ignored } = await supervisor.stop({ id: spec.id });
  if (!ignored) return;
  throw new LandfallError({
    code: "INSTANCE_IGNORED_STOP",
    what: `release ${releaseId} of "${service}" does not stop when it is asked to`,
    evidence: [
      ["asked", `${spec.stop.signal} to a rehearsal instance without traffic`],
      ["observed", `still running after ${spec.stop.timeoutMs / 1000} s; killed with SIGKILL`],
    ],
    standing: record.release
      ? `Release ${record.release} is still serving all traffic. ${releaseId} took none and was stopped.`
      : "No release is serving yet.",
    next: `end the process on ${spec.stop.signal}, or set stop.signal or a longer stop.timeout for "${service}"`,
  });
}
