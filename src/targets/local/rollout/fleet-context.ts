// The context of one rollout's steps, and their memory from one to the next.
import { setMaxListeners } from "node:events";
import type { Service } from "../../../config/schema.ts";
import type { Release } from "../../../release/release.ts";
import { instanceId, type Place } from "../../../rollout/steps.ts";
import type { Context } from "../context.ts";
import type { Watched } from "../diagnosis/watched.ts";
import { type EnvironmentRecord, recordEvent } from "../record.ts";
import { findRelease, loadRelease, releasesByProcesses } from "../releases/release-store.ts";
import type { HandledEdge, ProcessRecord, SupervisorApi } from "../supervisor/api.ts";

export interface FleetOptions {
  /** Whether a release that was never rolled out is asked to stop before anything else is stopped for it. */
  checkStop?: boolean;
  /** What an instance's “not yet” means at its drain time-out: the end of the rollout, or nothing. `ignore` does not even wait for it. */
  drainPolicy?: "obey" | "overrule" | "ignore";
  /** A release that is on its way to serve. */
  target?: Release;
}

export interface FleetContext {
  context: Context;
  record: EnvironmentRecord;
  supervisor: SupervisorApi;
  options: FleetOptions;
  /** The release that instances are handled by, by the name that they have. */
  releases: Map<string, Release>;
  /** What the balancer went by before: while that is a release's, going back to it gives back the very same. */
  edgeBefore: HandledEdge | undefined;
  /** Services whose new release was asked to stop in this rollout. */
  stopChecked: Set<string>;
  /** When this rollout started an instance. */
  startedAt: Map<string, number>;
  /** Releases of which an instance has got requests, by the name that instances have. */
  gotRequests: Set<string>;
  /** By instance, up to where its requests were counted. */
  heard: Record<string, number>;
}

/** What a fleet is opened with. */
export type FleetInput = Pick<FleetContext, "context" | "record" | "supervisor"> & { options?: FleetOptions };

export async function makeFleetContext({ context, record, supervisor, options = {} }: FleetInput): Promise<FleetContext> {
  // As many listen to it at once as there are instances, of which Node would warn.
  if (context.signal) setMaxListeners(0, context.signal);
  const { edge, processes } = await supervisor.observe();
  const attached = processes.filter(({ spec, traffic }) => traffic === "attached" && spec.port !== undefined);
  return {
    context,
    record,
    supervisor,
    options,
    releases: releasesByProcesses(context.paths, record, options.target),
    edgeBefore: edge,
    stopChecked: new Set(),
    startedAt: new Map(),
    gotRequests: new Set(attached.map(({ spec }) => spec.release ?? "")),
    heard: {},
  };
}

/** For an instance of a service that neither its release nor the configuration knows any more. */
const LAST_DRAIN_MS = 10_000;

/** With the name by which it is asked. Whatever became of its release's files, an instance can be taken away. */
export function drainOf(
  { context, releases }: FleetContext,
  release: string | undefined,
  service: string,
): Partial<Service["drain"]> & Pick<Service["drain"], "timeout"> & Pick<Service["health"], "host"> {
  const settings = [releases.get(release ?? "") ?? findRelease(context.paths, release ?? ""), context.deployment];
  const known = settings.map((app) => app?.services[service]).find((found) => found !== undefined);
  return known ? { ...known.drain, host: known.health.host } : { timeout: LAST_DRAIN_MS };
}

export async function forEachProcess({ supervisor }: FleetContext, ids: string[], act: (process: ProcessRecord) => Promise<unknown>): Promise<void> {
  const { processes } = await supervisor.observe({ ids });
  await Promise.all(processes.map(act));
}

/** Says it, and records it as an event. */
export function noteEvent({ context }: FleetContext, type: string, { text, release }: { text: string; release?: string }): void {
  context.emit({ type: "note", text });
  recordEvent(context, type, text, release);
}

/** The release that serves with an instance of that name. */
export const nameOf = ({ releases }: FleetContext, processes = ""): string => releases.get(processes)?.id ?? processes;

export function settingsOf({ context, releases }: FleetContext, release: string, service: string): Service {
  const settings = (releases.get(release) ?? loadRelease(context.paths, release)).services[service];
  if (!settings) throw new TypeError(`release ${release} has no service ${service}`);
  return settings;
}

/** An exit of the instance before `since` (milliseconds since 1970) is another life's. */
export function watchedOf(fleet: FleetContext, place: Place, { since, signal = fleet.context.signal }: Pick<Watched, "since" | "signal">): Watched {
  const { context, record, supervisor } = fleet;
  const release = nameOf(fleet, place.release);
  return {
    id: instanceId(place),
    service: place.service,
    release,
    settings: settingsOf(fleet, place.release, place.service),
    serving: record.release === release ? undefined : record.release,
    gotRequests: fleet.gotRequests.has(place.release),
    environment: context.deployment.environment,
    paths: context.paths,
    supervisor,
    since,
    signal,
  };
}
