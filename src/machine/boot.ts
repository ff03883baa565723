// The boot program of an instance: what it gets at its first start, after the variables that its stack gives it.
import { type Deployment, isAlone } from "../config/deployment.ts";
import { proxyOf } from "../routing/placement.ts";
import { compileProxy } from "../routing/proxy.ts";
import { handoverMs, leaseKey, leaseTermMs } from "./lease.ts";
import { calendarsOf } from "./schedule.ts";
import { assignments } from "./shell.ts";

/** An archive in the artifact bucket, and the digest without which it is not used. */
export interface ReleaseArtifact {
  id: string;
  /** `releases/<id>/<sha256>.tar.gz` */
  key: string;
  sha256: string;
}

interface BootInput {
  deployment: Deployment;
  service: string;
  release: ReleaseArtifact;
}

/** Bash that stands in the user data after the `LANDFALL_…` variables of `settings.ts`. Holds no secret. */
export function bootScript({ deployment, service, release }: BootInput): string {
  const settings = deployment.services[service];
  if (!settings) throw new TypeError(`no service "${service}"`);
  const { command, port, health, drain, stop, schedule, timeout, environment } = settings;
  const proxy = proxyOf(deployment, service) ? compileProxy(deployment, service) : undefined;
  const lines = assignments({
    LANDFALL_RELEASE_KEY: release.key,
    LANDFALL_RELEASE_SHA256: release.sha256,
    LANDFALL_COMMAND: command,
    LANDFALL_VARIABLES: JSON.stringify(environment),
    LANDFALL_STOP_SIGNAL: stop.signal,
    LANDFALL_STOP_TIMEOUT_MS: stop.timeout,
    LANDFALL_DRAIN_TIMEOUT_MS: drain.timeout,
    LANDFALL_STEADY_FOR_MS: health.steadyFor,
    ...(schedule === undefined ? {} : { LANDFALL_SCHEDULE: calendarsOf(schedule).join("\n"), LANDFALL_JOB_TIMEOUT_MS: timeout }),
    ...(isAlone(settings)
      ? {
          LANDFALL_LEASE_KEY: leaseKey(deployment.environment, service),
          LANDFALL_LEASE_TERM_MS: leaseTermMs(settings),
          LANDFALL_LEASE_WAIT_MS: handoverMs(settings),
        }
      : {}),
    ...(port === undefined
      ? {}
      : {
          LANDFALL_HEALTH_PATH: health.path,
          LANDFALL_HEALTH_HOST: health.host,
          LANDFALL_HEALTH_FROM: health.status.from,
          LANDFALL_HEALTH_TO: health.status.to,
          LANDFALL_HEALTH_INTERVAL_MS: health.interval,
          LANDFALL_HEALTH_TIMEOUT_MS: health.timeout,
          LANDFALL_HEALTH_DEADLINE_MS: health.startupTimeout,
          LANDFALL_HEALTH_UNHEALTHY_AFTER: health.unhealthyAfter,
          LANDFALL_DRAIN_ASK: drain.ask,
          LANDFALL_DRAIN_START: drain.start,
        }),
    LANDFALL_PROXY_RULES: proxy?.rules,
    LANDFALL_PROXY_PASSWORDS: proxy?.passwords.map(({ number, secret, user }) => `${number} ${secret} ${user}`).join("\n"),
  });
  return [...lines, 'export "${!LANDFALL_@}"', "exec /usr/local/lib/landfall/boot", ""].join("\n");
}
