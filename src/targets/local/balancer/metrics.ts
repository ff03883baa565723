// Metrics for Prometheus. The children are looked up once per service, so that a request costs an addition.
import { createServer, type Server } from "node:http";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Upstreams } from "./upstreams.ts";

interface ServiceMetrics {
  byClass: { inc(): void }[];
  seconds: { observe(value: number): void };
}

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<"service" | "status">;
  readonly #seconds: Histogram<"service">;
  readonly #retries: Counter;
  readonly #services = new Map<string, ServiceMetrics>();
  requests = 0;
  failures = 0;

  constructor(upstreams: Upstreams) {
    const registers = [this.registry];
    this.#requests = new Counter({
      name: "landfall_requests_total",
      help: "Requests answered, by service and class of status.",
      labelNames: ["service", "status"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "landfall_request_seconds",
      help: "From a request's headers to the end of its answer.",
      labelNames: ["service"],
      registers,
    });
    this.#retries = new Counter({ name: "landfall_retries_total", help: "Requests that were given to another upstream.", registers });
    new Gauge({
      name: "landfall_in_hand",
      help: "Requests and upgraded connections under way.",
      labelNames: ["service", "upstream"],
      registers,
      collect() {
        this.reset();
        for (const member of upstreams.all()) this.set({ service: member.service, upstream: member.id }, member.inHand);
      },
    });
    new Gauge({
      name: "landfall_healthy_upstreams",
      help: "Upstreams that get requests.",
      labelNames: ["service"],
      registers,
      collect() {
        this.reset();
        for (const member of upstreams.all()) this.inc({ service: member.service }, member.state === "attached" && member.healthy ? 1 : 0);
      },
    });
  }

  /** `failed` counts what the balancer itself could not do: no upstream, or one that broke off. */
  answered(service: string, { status, seconds, failed }: { status: number; seconds: number; failed: boolean }): void {
    this.requests++;
    if (failed) this.failures++;
    const metrics = this.#services.get(service) ?? this.#add(service);
    metrics.byClass[Math.floor(status / 100)]?.inc();
    metrics.seconds.observe(seconds);
  }

  retried(): void {
    this.#retries.inc();
  }

  #add(service: string): ServiceMetrics {
    const byClass = [0, 1, 2, 3, 4, 5].map((digit) => this.#requests.labels(service, `${digit}xx`));
    const metrics = { byClass, seconds: this.#seconds.labels(service) };
    this.#services.set(service, metrics);
    return metrics;
  }
}

/** Serves GET /metrics; nothing else is there. */
export function makeMetricsServer(metrics: Metrics): Server {
  return createServer(async (request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end();
    const text = await metrics.registry.metrics();
    response.writeHead(200, { "content-type": metrics.registry.contentType }).end(text);
  });
}
