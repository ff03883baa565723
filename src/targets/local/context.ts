// What every operation of the local target works with, and the record of one environment.
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { EnvironmentApp } from "../../config/app.ts";
import type { Service } from "../../config/schema.ts";
import { LandfallError } from "../../error.ts";
import type { Emit } from "../../progress.ts";
import type { ResourceReport } from "../../reports.ts";
import { type Clock, systemClock } from "../../system/clock.ts";
import { appendLine, loadJson, writeJson } from "../../system/files.ts";
import { findHome } from "../../system/home.ts";
import type { Contracted } from "../refusals.ts";
import type { TargetInput } from "../target.ts";
import { type Places, placesOf } from "./places.ts";

export interface Context {
  app: EnvironmentApp;
  folder: string;
  places: Places;
  clock: Clock;
  emit: Emit;
  signal?: AbortSignal;
  wait?: boolean;
}

export const makeContext = (input: TargetInput): Context => ({
  ...input,
  places: placesOf(findHome(), input.app.app.name, input.app.name),
  clock: systemClock,
});

/** What stands of one environment, beyond its processes. */
export interface EnvironmentRecord {
  app: string;
  environment: string;
  /** The app's folder on this machine. */
  folder: string;
  commissionedAt: number;
  port: number;
  metricsPort: number;
  tls: boolean;
  resources: (ResourceReport & { processId?: string })[];
  variables: { env: Record<string, string>; secretEnv: Record<string, string> };
  release?: string;
  previous?: string;
  /** Releases whose rollout came to its end, in the order in which they first did. */
  rolledOut: string[];
  /** Releases whose expand phase has run. */
  expanded: string[];
  contracted?: Contracted;
  /** Set by `scale`; otherwise the configuration's minimum. */
  counts: Record<string, number>;
  /** For services with `scaling`: what the autoscaler wants, from the number on that a person set last. */
  scaled?: Record<string, number>;
}

export const findRecord = (places: Places): EnvironmentRecord | undefined => loadJson<EnvironmentRecord>(places.record);

export function loadRecord(context: Context): EnvironmentRecord {
  const record = findRecord(context.places);
  if (record) return record;
  const { name, app } = context.app;
  throw new LandfallError({
    code: "ENVIRONMENT_NOT_COMMISSIONED",
    what: `environment "${name}" of app "${app.name}" does not stand on this machine`,
    standing: "Nothing was changed.",
    next: `landfall commission ${name}`,
  });
}

export const writeRecord = (places: Places, record: EnvironmentRecord): void => writeJson(places.record, record);

export const recordEvent = (context: Context, type: string, text: string, release?: string): void =>
  appendLine(context.places.events, JSON.stringify({ at: context.clock.now(), type, text, release }));

export const addressOf = (record: EnvironmentRecord): string => `${record.tls ? "https" : "http"}://127.0.0.1:${record.port}`;

/** Set by the autoscaler or by hand, else by today's configuration: how many run is no part of a release. */
export function wantedCount(context: Pick<Context, "app">, record: EnvironmentRecord, service: string, settings: Service): number {
  const today = context.app.app.services[service];
  const scaled = today?.scaling && record.scaled?.[service];
  return scaled ?? record.counts[service] ?? today?.instances.min ?? settings.instances.min;
}

/** The records of all environments of the app on this machine. */
export function loadRecords(places: Places): EnvironmentRecord[] {
  const folder = dirname(places.environment);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => loadJson<EnvironmentRecord>(join(folder, name, basename(places.record))) ?? []);
}
