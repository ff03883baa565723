// The interface of the balancer.
import type { EdgeRoute } from "../../../routing/rules.ts";

/** Where the balancer listens and its rules: everything but the instances. */
export interface Edge {
  /** Whose rules they are; absent while none serves. */
  release?: string;
  /** On 127.0.0.1. A change of these three needs a restart of the balancer. */
  port: number;
  metricsPort: number;
  /** PEM files. */
  tls?: { certificateFile: string; keyFile: string };
  limits: { bodyBytesMax: number; headerTimeoutMs: number; bodyTimeoutMs: number; idleTimeoutMs: number; connectionsMax: number };
  /** Addresses and ranges of proxies that are believed for whom they ask. */
  trustedProxies?: string[];
  routes: EdgeRoute[];
  defaultService?: string;
}

export interface HealthRule {
  path: string;
  /** The `Host` of the request, where it is not the instance's own address. */
  host?: string;
  from: number;
  to: number;
  intervalMs: number;
  timeoutMs: number;
  unhealthyAfter: number;
}

/** What goes with an instance and not with the rules that hold: it is its own release's, whichever serves. */
export interface Handling {
  /** Without one it is taken to be healthy. */
  health?: HealthRule;
  /** Paths that only Landfall may ask, and never anybody from outside while the instance gets requests. */
  privatePaths?: string[];
}

export interface Upstream extends Handling {
  id: string;
  service: string;
  port: number;
  state: "attached" | "draining";
  /** Of its program, where it is known: a program that was killed still takes connections until the kernel has cleared it away. */
  pid?: number;
  /** The leader of its process group: while it is given, nobody else who listens on the port gets requests. */
  group?: number;
  /**
   * The fraction (0 to 1) of its service's requests that it gets, drawn anew for each; the instances without one share the rest. What
   * is meant for an instance that is not healthy goes to the others, and when no others are there, it gets all.
   */
  share?: number;
}

export interface UpstreamStatus extends Omit<Upstream, keyof Handling> {
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

export interface Observed {
  /** Where it listens, and whether it speaks HTTPS there; absent before it was configured. */
  listening?: { port: number; tls: boolean };
  /** Why it does not. */
  trouble?: string;
  upstreams: UpstreamStatus[];
  requests: number;
  failures: number;
}

export interface BalancerApi {
  /** The whole truth each time; idempotent. An upstream that is gone from the list while busy finishes what it has. */
  configure(input: { edge: Edge; upstreams: Upstream[] }): Promise<void>;
  observe(input?: undefined): Promise<Observed>;
  observeTraffic(input: TrafficQuestion): Promise<InstanceTraffic[]>;
  /** Resolves when the upstream has nothing in hand, or at the time-out with what is left. */
  idle(input: { id: string; timeoutMs: number }): Promise<{ inHand: number }>;
}
