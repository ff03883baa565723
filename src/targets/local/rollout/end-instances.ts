// Takes instances away: they are asked whether they allow it, get no new request, and are stopped or kept warm.
import { once } from "node:events";
import { describeDuration } from "../../../text/units.ts";
import { drainVetoed } from "../../preconditions.ts";
import { askUntilReady, describeHook, tellToDrain } from "../processes/drain-hooks.ts";
import type { ProcessRecord } from "../supervisor/api.ts";
import { drainOf, type FleetContext, forEachProcess, nameOf, noteEvent } from "./fleet-context.ts";

interface Instances {
  ids: string[];
  service: string;
}

export const askInstances = (fleet: FleetContext, { ids, service }: Instances): Promise<void> =>
  forEachProcess(fleet, ids, (process) => askInstance(fleet, process, service));

async function askInstance(fleet: FleetContext, { spec, port }: ProcessRecord, service: string): Promise<void> {
  const { context, options } = fleet;
  const { drainPolicy = "obey" } = options;
  const drain = drainOf(fleet, spec.release, service);
  if (!drain.ask || !port) return;
  const hook = { port, path: drain.ask, host: drain.host };
  const onNotYet = (answer: string) => context.emit({ type: "warning", text: `${spec.id} says "not yet": ${answer}` });
  const timeoutMs = drainPolicy === "ignore" ? 0 : drain.timeout;
  const reply = await askUntilReady({ hook, timeoutMs, signal: context.signal, onNotYet });
  if (reply.ready) return;
  const { answer } = reply;
  if (drainPolicy === "obey") {
    const { environment } = context.deployment;
    const asked = describeHook(hook);
    throw drainVetoed({ instance: spec.id, asked, answer, timeoutMs, release: nameOf(fleet, spec.release), environment });
  }
  noteEvent(fleet, "drain-overridden", { text: `${spec.id} was stopped although it said "not yet": ${answer}`, release: spec.release });
}

export const drainInstances = (fleet: FleetContext, { ids, service }: Instances): Promise<void> =>
  forEachProcess(fleet, ids, (process) => drainInstance(fleet, process, service));

async function drainInstance(fleet: FleetContext, { spec, port }: ProcessRecord, service: string): Promise<void> {
  const { context, supervisor } = fleet;
  const drain = drainOf(fleet, spec.release, service);
  if (drain.start && port) {
    // First out of the balancer's choice, then told: from here on it gets no new request.
    await supervisor.drain({ id: spec.id, timeoutMs: 0 });
    await tellToDrain({ port, path: drain.start, host: drain.host });
  }
  const { inHand } = await unlessAborted(context.signal, supervisor.drain({ id: spec.id, timeoutMs: drain.timeout }));
  if (inHand > 0) context.emit({ type: "warning", text: `${spec.id} still had ${inHand} requests in hand after its drain time-out` });
}

/** A wait that an interruption ends. What was asked for goes on by itself. */
async function unlessAborted<T>(signal: AbortSignal | undefined, waiting: Promise<T>): Promise<T> {
  if (!signal) return waiting;
  signal.throwIfAborted();
  const ended = new AbortController();
  const aborted = once(signal, "abort", { signal: ended.signal }).then(() => Promise.reject(signal.reason));
  try {
    return await Promise.race([waiting, aborted]);
  } finally {
    ended.abort();
  }
}

export const stopInstances = (fleet: FleetContext, { ids }: Pick<Instances, "ids">): Promise<void> =>
  forEachProcess(fleet, ids, async ({ spec }) => {
    const { ignored } = await fleet.supervisor.stop({ id: spec.id });
    if (!ignored) return;
    const text = `${spec.id} did not end within ${describeDuration(spec.stop.timeoutMs)} of ${spec.stop.signal} and was killed with what it had in hand`;
    noteEvent(fleet, "ignored-stop", { text, release: spec.release });
  });

export const keepInstancesWarm = (fleet: FleetContext, { ids, service }: Instances): Promise<void> =>
  forEachProcess(fleet, ids, ({ spec }) => {
    const { context, supervisor } = fleet;
    const drain = drainOf(fleet, spec.release, service);
    const until = context.clock.now() + context.deployment.rollout.soak;
    return supervisor.keepWarm({ id: spec.id, until, drainPath: drain.start, drainHost: drain.host, drainMs: drain.timeout });
  });
