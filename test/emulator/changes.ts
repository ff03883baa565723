// Every key of an environment that reaches a template, changed one after the other, on top of what was changed before.
import type { AppInput } from "../../src/config/schema.ts";
import { FULL } from "../targets/aws/templates/apps.ts";

type Change = [keys: string, merge: object, confirm?: string[]];

const service = (name: string, change: object) => ({ services: { [name]: change } });
const resource = (name: string, change: object) => ({ resources: { [name]: change } });
const environment = (change: object) => ({ environments: { production: change } });

/** The full example, in any account, with a certificate of the user's own: so it needs no zone. */
export const START: AppInput = merge(
  { ...FULL, environments: { production: { ...FULL.environments?.production, target: "aws", account: undefined, budget: undefined } } },
  environment({
    domain: { name: "www.example.com", certificate: "arn:aws:acm:eu-central-1:123456789012:certificate/0-1", zone: undefined, aliases: [] },
  }),
);

/** What is changed, on top of what was changed before it. */
export const CHANGES: Change[] = [
  ["services.instances", service("web", { instances: { min: 4, max: 20 } })],
  ["services.scaling", service("web", { scaling: { cpu: "70%", requests: 80, cooldown: { out: "2m", in: "10m" } } })],
  [
    "services.health",
    service("web", { health: { path: "/alive", status: "200-299", interval: "20s", timeout: "5s", unhealthyAfter: 5, startupTimeout: "3m" } }),
  ],
  ["services.drain, stop", service("web", { drain: { timeout: "90s" }, stop: { timeout: "20s" } })],
  ["services.secrets", service("web", { secrets: ["SESSION_KEY", "OTHER_KEY"] })],
  ["services.machine", service("web", { machine: { types: ["m7g.xlarge"], disk: "40GB", spot: false } })],
  ["services.port", service("api", { port: 9100 })],
  ["a further service", service("mailer", { command: "exec node mailer.js" })],
  ["a further service, as containers", service("hooks", { command: "exec node hooks.js", container: {} })],
  ["services.container", service("hooks", { container: { cpu: 1, memory: "2GB", spot: true } })],
  ["resources.queue", resource("jobs", { visibilityTimeout: "2m", maxReceiveCount: 7 })],
  ["resources.database", resource("database", { disk: "200GB", diskMax: "1000GB", backups: "21d", machine: "db.m7g.xlarge", multiZone: false })],
  ["resources.database.finalSnapshot", resource("database", { finalSnapshot: false })],
  ["resources.database.readOnlyUser", resource("reports", { readOnlyUser: true })],
  ["a further bucket", resource("pictures", { type: "bucket" })],
  ["routes", { routes: [{ path: "/gone", deny: true }] }],
  ["rollout.strategy", { rollout: { strategy: "rolling", batch: 2 } }],
  ["network.nat", environment({ network: { cidr: "10.20.0.0/16", zones: 3, nat: "instance" } })],
  ["firewall", environment({ firewall: false })],
  ["alerts", environment({ notify: ["mailto:others@example.com"] })],
  [
    "alarms",
    environment({
      alarms: {
        latency: "900ms",
        serverErrors: "3%",
        clientErrors: "30%",
        queueAge: "20m",
        databaseCpu: "70%",
        databaseDisk: "80%",
        databaseConnections: "60%",
      },
    }),
  ],
  ["logs.keep", environment({ logs: { keep: "90d" } })],
  ["domain", environment({ domain: undefined })],
];

/** Objects are merged, all else is replaced. */
export function merge<T>(base: T, change: object): T {
  if (!isPlain(base)) return change as T;
  const merged = Object.entries(change).map(([key, value]) => [
    key,
    isPlain(value) ? merge((base as Record<string, unknown>)[key] ?? {}, value) : value,
  ]);
  return { ...base, ...Object.fromEntries(merged) };
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
