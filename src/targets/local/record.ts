// The record of one environment: what stands of it beyond its processes, and what happened to it.
import { basename } from "node:path";
import { boundsOf } from "../../config/bounds.ts";
import type { Environment, Service } from "../../config/schema.ts";
import type { ResourceReport } from "../../reports.ts";
import { appendLine } from "../../system/files.ts";
import { loadState, writeState } from "../../system/state-file.ts";
import { notCommissioned } from "../preconditions.ts";
import type { Context } from "./context.ts";
import type { Paths } from "./paths.ts";

export interface EnvironmentRecord {
  app: string;
  environment: string;
  /** The app's folder on this machine. */
  folder: string;
  commissionedAt: number;
  port: number;
  metricsPort: number;
  tls: Environment["tls"];
  resources: (ResourceReport & { processId?: string })[];
  variables: { env: Record<string, string>; secretEnv: Record<string, string> };
  release?: string;
  previous?: string;
  /** Releases whose rollout came to its end, in the order in which they first did. */
  rolledOut: string[];
  /** How many of each service the release that serves has: what going back goes back to. */
  fleet?: Record<string, number>;
  /** Set by `scale` for the deploys to come; otherwise the configuration's minimum. */
  counts: Record<string, number>;
  /** For services with `scaling`: what the autoscaler wants, from the number on that a person set last. */
  scaled?: Record<string, number>;
}

/** Errors: STATE_DAMAGED. */
export const findRecord = (paths: Paths): EnvironmentRecord | undefined =>
  loadState<EnvironmentRecord>({
    file: paths.record,
    lost: "which release serves, where the balancer listens, and how many instances there are of each service",
    next: `landfall commission ${basename(paths.environment)}   finds that out again, but for the numbers of instances`,
  });

export function loadRecord(context: Context): EnvironmentRecord {
  const record = findRecord(context.paths);
  if (record) return record;
  throw notCommissioned(context.deployment, "on this machine");
}

export const writeRecord = (paths: Paths, record: EnvironmentRecord): void => writeState(paths.record, record);

export const recordEvent = (context: Context, type: string, text: string, release?: string): void =>
  appendLine(context.paths.events, JSON.stringify({ at: context.clock.now(), type, text: context.hide(text), release }));

export const addressOf = (record: { port: number; tls: unknown }): string => `${record.tls ? "https" : "http"}://127.0.0.1:${record.port}`;

interface Counted {
  deployment: Context["deployment"];
  record: EnvironmentRecord;
}

/**
 * Set by the autoscaler or by hand, within what today's configuration allows; else its minimum. How many run is no part of a release.
 */
export function wantedCount({ deployment, record }: Counted, service: string, settings: Service): number {
  const today = deployment.services[service] ?? settings;
  const { min, max } = today.instances;
  const set = setCount({ deployment, record }, service);
  if (set === undefined) return min;
  // The first release begins with what was asked for before it.
  const { least, most } = record.release === undefined ? boundsOf(today) : { least: min, most: max };
  return Math.max(least, Math.min(most, set));
}

/** What was set of it, whatever the configuration says by now. */
export const setCount = ({ deployment, record }: Counted, service: string): number | undefined =>
  (deployment.services[service]?.scaling && record.scaled?.[service]) ?? record.counts[service];
