// The apps whose templates are looked at: a small one, one that uses every key, and generated ones.

import { validateText } from "../../../../src/config/check.ts";
import { type Deployment, deploymentOf } from "../../../../src/config/deployment.ts";
import type { AppInput } from "../../../../src/config/schema.ts";
import { proxyOf } from "../../../../src/routing/placement.ts";
import type { Fleet, Running } from "../../../../src/targets/aws/templates/index.ts";

/** Validated as a file would be, and as the environment "production" has it. */
export function production(input: unknown): Deployment {
  return deploymentOf(validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input), "production");
}

export const SMALL: AppInput = {
  name: "hello",
  services: { web: { command: "node server.js", port: 3000 } },
  environments: { production: { target: "aws", network: { nat: "none" } } },
};

/** In a network that is there already, with public subnets alone. */
export const EXISTING: AppInput = {
  name: "tenant",
  resources: { database: { type: "postgres" }, cache: { type: "cache" } },
  services: { web: { command: "node server.js", port: 3000 }, worker: { command: "node worker.js", container: {} } },
  environments: {
    production: {
      target: "aws",
      network: { vpc: "vpc-0123456789abcdef0", subnets: { public: ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"] } },
    },
  },
};

export const FULL: AppInput = {
  name: "shop",
  resources: {
    database: { type: "postgres", machine: "db.m7g.large", disk: "100GB", diskMax: "500GB", multiZone: true, backups: "14d", version: "17.5" },
    reports: { type: "mysql", readOnlyUser: false, deletionProtection: false, finalSnapshot: false },
    cache: { type: "cache", memory: "2GiB", multiZone: true },
    jobs: { type: "queue", visibilityTimeout: "90s", maxReceiveCount: 3 },
    uploads: { type: "bucket" },
    legacy: { type: "postgres", url: { secret: "LEGACY_URL" } },
    "search-1": { type: "cache", url: "redis://search.example.com:6379" },
  },
  services: {
    web: {
      command: "exec node web.js",
      port: 8080,
      instances: { min: 3, max: 12 },
      scaling: { cpu: "60%", requests: 50, cooldown: { out: "90s" } },
      health: { path: "/ready", status: "200-204", interval: "10s", timeout: "3s", startupTimeout: "2m" },
      drain: { ask: "/deploy/ready", start: "/deploy/drain", timeout: "45s" },
      secrets: ["SESSION_KEY"],
      machine: { types: ["m7g.large", "m6g.large"], disk: "20GB", spot: true },
    },
    api: { command: "exec node api.js", port: 9000, instances: 2 },
    worker: {
      command: "exec node worker.js",
      instances: { min: 1, max: 20 },
      scaling: { queue: { resource: "jobs", latency: "30s", processing: "2s" } },
      stop: { timeout: "10m" },
    },
    scheduler: { command: "exec node scheduler.js", singleton: true },
    nightly: { command: "exec node nightly.js", schedule: "15 3 * * *" },
  },
  routes: [
    { path: "/old/*", redirect: { to: "https://www.example.com/new$path", status: 301 } },
    { path: "/moved", redirect: { to: "/here" } },
    { path: "/internal/*", deny: true },
    { path: "/admin/*", basicAuth: { user: "admin", password: "ADMIN_PASSWORD" } },
    { path: "/v1/*", host: "api.example.com", service: "api" },
    { headers: { "x-content-type-options": "nosniff" } },
  ],
  rollout: { strategy: "canary", batch: "50%" },
  environments: {
    production: {
      target: "aws",
      region: "eu-central-1",
      account: "123456789012",
      budget: 1000,
      domain: { name: "www.example.com", aliases: ["api.example.com"], zone: "Z0123456789ABCDEFGHIJ" },
      network: { cidr: "10.20.0.0/16", zones: 3, nat: "gateway" },
      firewall: true,
      notify: ["mailto:team@example.com", "https://events.example.com/alerts"],
      alarms: { latency: "800ms", serverErrors: "1%" },
      logs: { keep: "45d" },
    },
  },
};

/** As containers: from the recipe and from a Dockerfile, scaled, spot, a job; beside a machine. */
export const CONTAINERS: AppInput = {
  name: "scalable",
  resources: {
    database: { type: "postgres" },
    cache: { type: "cache" },
    jobs: { type: "queue" },
    legacy: { type: "mysql", url: { secret: "LEGACY_URL" } },
  },
  services: {
    web: {
      command: "node server.js",
      port: 8448,
      instances: { min: 2, max: 8 },
      scaling: { cpu: "60%", requests: 50 },
      health: { path: "/_health", startupTimeout: "90s" },
      environment: { MODE: "fast" },
      secrets: ["SESSION_KEY"],
      container: { cpu: 0.5, memory: "1GB" },
    },
    worker: {
      command: "python worker.py",
      instances: { min: 1, max: 20 },
      scaling: { queue: { resource: "jobs", latency: "30s", processing: "2s" } },
      stop: { timeout: "2m" },
      container: { dockerfile: "worker/Dockerfile", architecture: "amd64", spot: true, minHealthy: "100%", maxHealthy: "200%" },
    },
    nightly: { command: "node nightly.js", schedule: "15 3 * * 1-5", timeout: "30m", container: {} },
    scheduler: { command: "node scheduler.js", singleton: true },
  },
  rollout: { strategy: "blueGreen" },
  environments: { production: { target: "aws", region: "eu-central-1" } },
};

const fleet = (release: string, more: Partial<Fleet> = {}): Fleet => ({
  release,
  image: "ami-0123456789abcdef0",
  script: "set -eu\nsystemctl start landfall.target\n",
  ...more,
});

const IMAGE = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/scalable@sha256:${"0".repeat(64)}`;

/** Every service runs one release; with several slots, web services are in the middle of a change to another. */
export function runningIn(deployment: Deployment): Running {
  const several = deployment.rollout.strategy !== "rolling";
  return Object.fromEntries(
    Object.entries(deployment.services).map(([name, service]) => {
      const proxy = proxyOf(deployment, name);
      const kind = { settings: service, ...(proxy ? { proxy } : {}), ...(service.container ? { image: IMAGE, script: "" } : {}) };
      return [
        name,
        several && service.port !== undefined
          ? { blue: fleet("7f3c2a", { ...kind, weight: 90 }), green: fleet("4be019", { ...kind, weight: 10, instances: { min: 1, max: 1 } }) }
          : { blue: fleet("7f3c2a", kind) },
      ];
    }),
  );
}
