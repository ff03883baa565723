// Configurations by chance, from which tests of several kinds draw.
import fc from "fast-check";

const name = fc.constantFrom("web", "api", "worker", "main", "x-1");
const duration = fc.constantFrom("500ms", "1s", "30s", "5m", "1h");
const percentage = fc.constantFrom("1%", "50%", "100%");
const path = fc.constantFrom("/", "/ready", "/a/*");
const command = fc.constantFrom("node server.js", "exec ./run --port $PORT", "x");
const environment = fc.dictionary(fc.constantFrom("A", "B"), fc.constantFrom("", "1", "é🎉"), { maxKeys: 2 });
const some = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: (keyof T)[] = []) => fc.record(model, { requiredKeys });

const instances = fc.oneof(fc.nat(5), fc.record({ min: fc.nat(3), max: fc.integer({ min: 3, max: 5 }) }));
const process = {
  command,
  health: some({
    path,
    status: fc.constantFrom("200", "200-399"),
    interval: fc.constantFrom("500ms", "1s"),
    startupTimeout: fc.constantFrom("5s", "1m"),
    unhealthyAfter: fc.integer({ min: 1, max: 5 }),
  }),
  environment,
  secrets: fc.array(fc.constantFrom("S", "T"), { maxLength: 2 }),
  stop: some({ signal: fc.constantFrom("SIGTERM", "SIGINT"), timeout: duration }),
};
const scaling = some(
  {
    cpu: fc.constantFrom("1%", "60%"),
    requests: fc.double({ min: 0.5, max: 100, noNaN: true }),
    queue: fc.record({ resource: name, latency: duration }),
    cooldown: some({ out: duration, in: duration }),
  },
  ["cpu"],
);
const drain = some({ ask: path, start: path, timeout: duration });
/** Mostly a pair that Fargate has. */
const size = fc.oneof(
  { weight: 15, arbitrary: fc.constantFrom({ cpu: 0.25, memory: "512MB" }, { cpu: 1, memory: "2GB" }, { cpu: 16, memory: "32GiB" }, {}) },
  { weight: 1, arbitrary: fc.constant({ cpu: 16, memory: "512MB" }) },
);
const sized = (keys: Record<string, fc.Arbitrary<unknown>>) => fc.tuple(size, some(keys)).map(([one, other]) => ({ ...one, ...other }));
const container = sized({
  architecture: fc.constantFrom("arm64", "amd64"),
  spot: fc.boolean(),
  minHealthy: percentage,
  maxHealthy: fc.constantFrom("100%", "200%"),
});
const fromDockerfile = sized({ dockerfile: fc.constantFrom("Dockerfile", "docker/web") });
/** What a task has no time or no signal for is left to mutations. */
const { stop: _stop, ...inTask } = process;
const web = fc.oneof(
  some({ ...process, port: fc.integer({ min: 1, max: 65535 }), instances, drain }, ["command", "port"]),
  some({ ...inTask, port: fc.integer({ min: 1, max: 65535 }), instances, container: fc.oneof(container, fromDockerfile) }, [
    "command",
    "port",
    "container",
  ]),
);
const scaled = fc.record({
  command,
  port: fc.constant(1),
  instances: fc.record({ min: fc.integer({ min: 1, max: 2 }), max: fc.constant(3) }),
  scaling,
  container: fc.oneof(container, fc.constant(undefined)),
});
const machine = some({ types: fc.constantFrom(["t4g.small"], ["t3.small", "m7i.large"]), disk: fc.constantFrom("10GB", "33GB"), spot: fc.boolean() });
const worker = some({ ...process, instances, machine }, ["command"]);
const scheduler = some({ ...process, singleton: fc.boolean() }, ["command"]);
const job = fc.oneof(
  some({ ...process, schedule: fc.constantFrom("* * * * *", "*/5 1 * * mon", "0 0 1 1 *") }, ["command", "schedule"]),
  some({ ...inTask, container, timeout: fc.constant("2m"), schedule: fc.constantFrom("*/5 1 * * mon", "0 0 1 1 *") }, [
    "command",
    "schedule",
    "timeout",
  ]),
);
const url = fc.oneof(fc.constant("postgres://db/app"), fc.record({ secret: fc.constant("DB") }));
const database = {
  machine: fc.constantFrom("db.t4g.micro", "db.m7g.large"),
  disk: fc.constantFrom("20GB", "100GB"),
  multiZone: fc.boolean(),
  backups: fc.constantFrom("1d", "35d"),
  deletionProtection: fc.boolean(),
  finalSnapshot: fc.boolean(),
};
const resource = fc.oneof(
  some({ type: fc.constant("postgres"), url, readOnlyUser: fc.boolean(), ...database }, ["type"]),
  some({ type: fc.constant("mysql"), url, readOnlyUser: fc.boolean(), ...database }, ["type", "url"]),
  fc.record({ type: fc.constant("bucket") }),
  some({ type: fc.constant("queue"), visibilityTimeout: duration, maxReceiveCount: fc.integer({ min: 1, max: 9 }) }, ["type"]),
  some({ type: fc.constant("cache"), memory: fc.constantFrom("64MB", "1GiB"), multiZone: fc.boolean() }, ["type"]),
);
const rollout = some({
  strategy: fc.constantFrom("rolling", "blueGreen", "canary"),
  batch: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant("25%")),
  soak: duration,
});
const basicAuth = fc.record({ user: command, password: fc.constant("P") });
const headers = fc.dictionary(fc.constantFrom("x-a", "x-b"), command, { maxKeys: 2 });
const route = fc.oneof(
  some({ path, deny: fc.boolean(), headers }),
  some({ path, redirect: some({ to: path, status: fc.constantFrom(301, 302) }, ["to"]) }),
  some({ path, service: fc.constant("web"), basicAuth }),
);
const override = some({ web: some({ instances, environment, scaling: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, scaling) }) });
const local = some(
  {
    target: fc.constant("local"),
    port: fc.nat(65535),
    tls: fc.oneof(fc.constant(false), fc.constant("local")),
    limits: some({ body: fc.constant("1MB"), idleTimeout: duration }),
    services: override,
    rollout,
  },
  ["target"],
);
const aws = some(
  {
    target: fc.constant("aws"),
    services: override,
    rollout,
    region: fc.constantFrom("eu-central-1", "us-gov-west-1"),
    account: fc.constant("123456789012"),
    budget: fc.nat(1000),
    domain: some(
      {
        name: fc.constantFrom("example.com", "www.example.com"),
        aliases: fc.uniqueArray(fc.constantFrom("a.example.com", "b.example.com"), { maxLength: 2 }),
        zone: fc.constant("Z0123456789ABC"),
        certificate: fc.constant("arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"),
      },
      ["name", "zone"],
    ),
    network: some({
      cidr: fc.constantFrom("10.0.0.0/16", "172.16.5.0/20", "192.168.128.0/22"),
      zones: fc.constantFrom(2, 3),
      nat: fc.constantFrom("gateway", "instance", "none"),
    }),
    firewall: fc.boolean(),
    notify: fc.uniqueArray(fc.constantFrom("mailto:a@example.com", "https://events.example.com/x"), { maxLength: 2 }),
    alarms: some({ serverErrors: percentage, latency: duration, queueAge: duration, databaseDisk: percentage }),
    logs: fc.record({ keep: fc.constantFrom("12h", "30d", "400d") }),
  },
  ["target"],
);
const deploymentOf = <T>(environments: fc.Arbitrary<T>) =>
  some(
    {
      name,
      services: some({ web: fc.oneof({ weight: 4, arbitrary: web }, scaled), worker, scheduler, job }, ["web"]),
      resources: fc.dictionary(name, resource, { maxKeys: 2 }),
      routes: fc.array(route, { maxLength: 2 }),
      release: some({ build: fc.array(command, { maxLength: 2 }), expand: command, timeout: duration }),
      recipe: some({ packages: fc.array(fc.constant("curl"), { maxLength: 1 }), steps: fc.array(command, { maxLength: 2 }) }),
      rollout,
      environments,
    },
    ["name", "services", "environments"],
  );

/** With a local environment, and often one on AWS. Not each of them is free of contradictions. */
export const generatedApp = deploymentOf(
  fc.oneof(
    { weight: 4, arbitrary: some({ local, staging: some({ target: fc.constant("aws"), services: override, rollout }, ["target"]) }, ["local"]) },
    fc.record({ local, production: aws }),
  ),
);

/** With one environment on AWS, "production". */
export const generatedAwsApp = deploymentOf(fc.record({ production: aws }));
