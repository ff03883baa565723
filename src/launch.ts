// N ready servers of the app in a folder, by one command: check, commission, deploy. What can be refused is refused before anything is made.
import { openEnvironment } from "./app.ts";
import { defaultService } from "./config/deployment.ts";
import { findConfig, loadConfig } from "./config/load.ts";
import { LandfallError } from "./error.ts";
import type { Emit } from "./progress.ts";
import type { InstanceReport } from "./reports.ts";

/** A guard on cost: more has to be asked for. */
const SERVERS_MAX = 5;

export interface LaunchOptions {
  /** Default 5. */
  max?: number;
  /** Default `local`. */
  environment?: string;
  dirty?: boolean;
  emit?: Emit;
  signal?: AbortSignal;
  /** Wait for an operation that is under way on the environment, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
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
 * Commissions the app in `folder` and deploys it, with `count` servers of its web service that passed their health check. Of several web services
 * it is the one that gets the requests which no route sends elsewhere.
 * Errors: SCALE_OUT_OF_RANGE when `count` is not from 1 to `max`; CONFIG_* when the folder holds no app; all of commission's and deploy's, of which
 * those that can be known are told before anything is changed, and the others say that the environment stands by then.
 */
export async function launch(folder: string, count: number, options: LaunchOptions = {}): Promise<LaunchReport> {
  const { max = SERVERS_MAX, environment = "local", dirty, emit, signal, wait } = options;
  if (!Number.isInteger(count) || count < 1 || count > max) throw outOfRange(count, max);
  const target = await openEnvironment(environment, { folder, emit, signal, wait });
  const { app } = await loadConfig(findConfig(folder));
  const web = defaultService(app.services);
  if (!web) throw noWebService(app.name);
  const asked = { dirty, instances: { [web]: count } };
  await target.check(asked);
  const { address, changed } = await target.commission();
  try {
    const { release } = await target.deploy(asked);
    const status = await target.status();
    const servers = status.services.find((service) => service.name === web)?.instances ?? [];
    return { app: app.name, environment, release, address, servers: servers.filter((server) => server.state === "healthy") };
  } catch (error) {
    throw changed && error instanceof LandfallError ? afterCommission(error, environment) : error;
  }
}

/** What a deploy knows of begins with it; whoever launched knows only of the whole. */
const afterCommission = (error: LandfallError, environment: string): LandfallError =>
  new LandfallError(
    {
      ...error.parts,
      standing: [
        `Environment "${environment}" was commissioned before this and stands; landfall decommission ${environment} removes it.`,
        error.parts.standing.replace(/^Nothing was changed\./, "Nothing else was changed."),
      ].join(" "),
      next: error.parts.next ?? `landfall deploy ${environment}`,
    },
    error.more,
  );

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
