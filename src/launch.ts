// N ready servers of the app in a folder, by one command.
import { openEnvironment } from "./app.ts";
import { findConfig, loadConfig } from "./config/load.ts";
import { LandfallError } from "./error.ts";
import type { Emit } from "./progress.ts";
import type { InstanceReport } from "./reports.ts";

/** A guard on cost: more has to be asked for. */
const SERVERS_MAX = 5;

export interface LaunchOptions {
  /** Default 5. */
  max?: number;
  environment?: string;
  dirty?: boolean;
  emit?: Emit;
  signal?: AbortSignal;
}

export interface LaunchReport {
  app: string;
  environment: string;
  release: string;
  /** The balancer in front of them. */
  address: string;
  servers: InstanceReport[];
}

/**
 * Commissions the app in `folder`, deploys it, and scales its web service to `count` servers that passed their health check.
 * Errors: SCALE_OUT_OF_RANGE when `count` is not from 1 to `max`; CONFIG_* when the folder holds no app; all of deploy's.
 */
export async function launch(folder: string, count: number, options: LaunchOptions = {}): Promise<LaunchReport> {
  const { max = SERVERS_MAX, environment = "local" } = options;
  if (!Number.isInteger(count) || count < 1 || count > max) throw outOfRange(count, max);
  const { app } = await loadConfig(findConfig(folder));
  const web = Object.entries(app.services).find(([, service]) => service.port)?.[0];
  if (!web) throw noWebService(app.name);
  const target = await openEnvironment(environment, { folder, emit: options.emit, signal: options.signal });
  const { address } = await target.commission();
  // The number comes first, so that the rollout starts that many at once.
  await target.scale({ [web]: count });
  const { release } = await target.deploy({ dirty: options.dirty });
  const status = await target.status();
  const servers = status.services.find((service) => service.name === web)?.instances ?? [];
  return { app: app.name, environment, release, address, servers: servers.filter((server) => server.state === "healthy") };
}

const outOfRange = (count: number, max: number) =>
  new LandfallError({
    code: "SCALE_OUT_OF_RANGE",
    what: `the number of servers "${count}" is not a whole number from 1 to ${max}`,
    standing: "Nothing was changed.",
    next: count > max ? `landfall launch <dir> ${count} --max ${count}` : "landfall launch <dir> 2",
  });

const noWebService = (app: string) =>
  new LandfallError({
    code: "SERVICE_UNKNOWN",
    what: `app "${app}" has no web service to launch`,
    why: 'a service with the key "port" is one',
    standing: "Nothing was changed.",
  });
