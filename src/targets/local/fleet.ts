// The rollout's hands on this machine: each step becomes calls to the supervisor.

import { LandfallError } from "../../error.ts";
import type { Fleet } from "../../rollout/run.ts";
import { instanceId, type Standing } from "../../rollout/steps.ts";
import { type Context, type EnvironmentRecord, recordEvent } from "./context.ts";
import { waitHealthy } from "./diagnosis/wait-healthy.ts";
import { askUntilReady, tellToDrain } from "./drain.ts";
import { instanceSpec } from "./instances.ts";
import { loadRelease } from "./releases.ts";
import type { ProcessRecord, SupervisorApi } from "./supervisor/api.ts";

export async function observeStanding(supervisor: SupervisorApi): Promise<Standing[]> {
  const { processes } = await supervisor.observe();
  return processes.flatMap(({ spec, traffic }) =>
    spec.kind === "instance" && spec.service && spec.release && spec.slot
      ? [{ id: spec.id, service: spec.service, release: spec.release, slot: spec.slot, attached: traffic === "attached" }]
      : [],
  );
}

export function openFleet(
  context: Context,
  record: EnvironmentRecord,
  supervisor: SupervisorApi,
  options: { rehearse: boolean } = { rehearse: false },
): Fleet {
  const rehearsed = new Set<string>();
  const find = async (ids: string[]): Promise<ProcessRecord[]> => {
    const { processes } = await supervisor.observe();
    return processes.filter((one) => ids.includes(one.spec.id));
  };
  const settingsOf = (release: string, service: string) => {
    const settings = loadRelease(context.places, release).services[service];
    if (!settings) throw new TypeError(`release ${release} has no service ${service}`);
    return settings;
  };
  const each = async (ids: string[], act: (one: ProcessRecord) => Promise<unknown>) => {
    await Promise.all((await find(ids)).map(act));
  };

  return {
    standing: () => observeStanding(supervisor),

    async start({ service, places }) {
      const release = loadRelease(context.places, places[0]?.release ?? "");
      const settings = settingsOf(release.id, service);
      const serving = record.release && record.release !== release.id ? record.release : undefined;
      const since = context.clock.now();
      const rehearsal =
        options.rehearse && !rehearsed.has(service) ? rehearseStop(context, record, supervisor, release.id, service) : Promise.resolve();
      rehearsed.add(service);
      const started = Promise.all(
        places.map(async (place) => {
          await supervisor.start(instanceSpec(context, record, release, place));
          await waitHealthy({
            id: instanceId(place),
            service,
            release: release.id,
            settings,
            serving,
            environment: context.app.name,
            places: context.places,
            supervisor,
            since,
            signal: context.signal,
          });
        }),
      );
      // Both come to their end before the verdict, so that nothing is started behind the back of what then stops it.
      for (const result of await Promise.allSettled([started, rehearsal])) if (result.status === "rejected") throw result.reason;
    },

    attach: async (ids) => {
      await Promise.all(ids.map((id) => supervisor.attach({ id })));
    },

    ask: ({ ids, service }) =>
      each(ids, async ({ spec, port }) => {
        const { drain } = settingsOf(spec.release ?? "", service);
        if (!drain.ask || !port) return;
        const ready = await askUntilReady({ url: `http://127.0.0.1:${port}${drain.ask}`, timeoutMs: drain.timeout, signal: context.signal });
        if (ready) return;
        const text = `${spec.id} still said "not yet" after its drain time-out; going on`;
        context.emit({ type: "note", text });
        recordEvent(context, "drain-overridden", text, spec.release);
      }),

    drain: ({ ids, service }) =>
      each(ids, async ({ spec, port }) => {
        const { drain } = settingsOf(spec.release ?? "", service);
        // First out of the balancer's choice, then told: from here on it gets no new request.
        await supervisor.drain({ id: spec.id, timeoutMs: 0 });
        if (drain.start && port) await tellToDrain(`http://127.0.0.1:${port}${drain.start}`);
        const { inHand } = await supervisor.drain({ id: spec.id, timeoutMs: drain.timeout });
        if (inHand > 0) context.emit({ type: "note", text: `${spec.id} still had ${inHand} requests in hand after its drain time-out` });
      }),

    stop: ({ ids }) =>
      each(ids, async ({ spec }) => {
        const { ignored } = await supervisor.stop({ id: spec.id });
        if (!ignored) return;
        const text = `${spec.id} did not end within ${spec.stop.timeoutMs / 1000} s of ${spec.stop.signal} and was killed`;
        context.emit({ type: "note", text });
        recordEvent(context, "ignored-stop", text, spec.release);
      }),

    keepWarm: ({ ids, service }) =>
      each(ids, ({ spec }) => {
        const { drain } = settingsOf(spec.release ?? "", service);
        const until = context.clock.now() + context.app.app.rollout.soak;
        return supervisor.keepWarm({ id: spec.id, until, drainPath: drain.start, drainMs: drain.timeout });
      }),
  };
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
  const spec = {
    ...instanceSpec(context, record, release, { service, release: releaseId, slot: 0 }),
    kind: "job" as const,
    slot: undefined,
    restart: "never" as const,
  };
  const since = context.clock.now();
  try {
    await supervisor.start(spec);
    await waitHealthy({
      id: spec.id,
      service,
      release: releaseId,
      settings,
      serving: record.release,
      environment: context.app.name,
      places: context.places,
      supervisor,
      since,
      signal: context.signal,
    });
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
