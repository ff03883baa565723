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
}

export interface UpstreamStatus extends Upstream {
  healthy: boolean;
  /** Requests and upgraded connections under way. */
  inHand: number;
  served: number;
  failed: number;
}

export interface BalancerApi {
  /** The whole truth each time; idempotent. An upstream that is gone from the list while busy finishes what it has. */
  configure(input: { edge: Edge; upstreams: Upstream[] }): Promise<void>;
  observe(input?: undefined): Promise<{ upstreams: UpstreamStatus[]; requests: number; failures: number }>;
  /** Resolves when the upstream has nothing in hand, or at the time-out with what is left. */
  idle(input: { id: string; timeoutMs: number }): Promise<{ inHand: number }>;
}
