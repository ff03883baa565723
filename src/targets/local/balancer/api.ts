// What the balancer is told, and what it says of itself.

export interface EdgeRoute {
  path: string;
  host?: string;
  deny: boolean;
  /** The password is an scrypt hash: `scrypt$<salt base64>$<hash base64>` (N=16384, r=8, p=1, 32 bytes). */
  basicAuth?: { user: string; passwordHash: string };
  redirect?: { to: string; status: 301 | 302 | 307 | 308 };
  headers: Record<string, string>;
  service?: string;
}

/** Where the balancer listens and its rules: everything but the instances. */
export interface Edge {
  /** On 127.0.0.1. A change of these three needs a restart of the balancer. */
  port: number;
  metricsPort: number;
  /** PEM files. */
  tls?: { certificateFile: string; keyFile: string };
  limits: { bodyBytesMax: number; headerTimeoutMs: number; idleTimeoutMs: number };
  routes: EdgeRoute[];
  defaultService?: string;
  services: Record<string, { health: { path: string; from: number; to: number; intervalMs: number; timeoutMs: number; unhealthyAfter: number } }>;
}

export interface Upstream {
  id: string;
  service: string;
  port: number;
  state: "attached" | "draining";
  /** Of its program, where it is known: a program that was killed still takes connections until the kernel has cleared it away. */
  pid?: number;
  /**
   * The fraction (0 to 1) of its service's requests that it gets, drawn anew for each; the instances without one share the rest. What
   * is meant for an instance that is not healthy goes to the others, and when no others are there, it gets all.
   */
  share?: number;
}

export interface UpstreamStatus extends Upstream {
  healthy: boolean;
  /** Requests and upgraded connections under way. */
  inHand: number;
  served: number;
  failed: number;
}

/** What became of the requests of one instance. Neither requests whose client went away nor what passes through a WebSocket is in it. */
export interface InstanceTraffic {
  id: string;
  /** Since the balancer was started or the instance first attached, whichever was later. */
  total: number;
  /** Of those: answered 5xx by the instance, broken off, timed out, or not even connected. */
  failed: number;
  /** Outcomes from `after` on that are not kept any more: the balancer keeps the last 20,000 of each instance. */
  missed: number;
  /** In the order they ended. `n` grows by one each; `ms` is the time to the answer's first byte, or to the failure. */
  samples: { n: number; ms: number; failed: boolean }[];
  /** The number that the next outcome will have: what to give as `after` next time. */
  next: number;
}

/** `after` holds, by id, the `next` of the call before; an instance that is not in it is told from its oldest outcome on. */
export interface TrafficQuestion {
  ids: string[];
  after?: Record<string, number>;
}

export interface BalancerApi {
  /** The whole truth each time; idempotent. An upstream that is gone from the list while busy finishes what it has. */
  configure(input: { edge: Edge; upstreams: Upstream[] }): Promise<void>;
  observe(input?: undefined): Promise<{ upstreams: UpstreamStatus[]; requests: number; failures: number }>;
  observeTraffic(input: TrafficQuestion): Promise<InstanceTraffic[]>;
  /** Resolves when the upstream has nothing in hand, or at the time-out with what is left. */
  idle(input: { id: string; timeoutMs: number }): Promise<{ inHand: number }>;
}
