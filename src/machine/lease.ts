// The lease of a service of which there is never more than one: where it lies, how long it holds, and how long another machine waits for it. Pure.
import { type DeployedService, isAlone } from "../config/deployment.ts";

/**
 * Of a term, what is not the app's own time to stop. systemd waits for the keeper's word twice at most after a write that has reached S3
 * (`WatchdogSec`), and gives the app ten seconds more than its time (`boot.sh`); the rest is for clocks that do not run alike.
 */
const TERM_MS = 90_000;
/** Of a handover, what is neither draining nor stopping. A little more than a term, after which a machine that died holds its lease no more. */
const HANDOVER_MS = 120_000;

/** In the artifact bucket: one for a service of an environment, whatever fleets it has. */
export const leaseKey = (environment: string, service: string): string => `${leasesPrefix(environment)}${service}.json`;
export const leasesPrefix = (environment: string): string => `singletons/${environment}/`;

export const leaseTermMs = ({ stop }: Pick<DeployedService, "stop">): number => TERM_MS + stop.timeout;

/** What the next instance has to wait for: the one before it is let go by the balancer, asked, finishes its requests, and is stopped. */
export function handoverMs(service: DeployedService): number {
  if (!isAlone(service)) return 0;
  return HANDOVER_MS + (service.port === undefined ? 0 : 3 * service.drain.timeout) + service.stop.timeout;
}
