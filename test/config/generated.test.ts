// Ten thousand generated configurations. Each gives an app, or errors whose places lie inside the text; never another exception.
import fc from "fast-check";
import { expect, test } from "vitest";
import { describeError } from "../../src/cli/print/error.ts";
import { validateText } from "../../src/config/check.ts";
import { LandfallError, type SourcePlace } from "../../src/error.ts";

const RUNS = 10_000;

const name = fc.constantFrom("web", "api", "worker", "main", "x-1");
const duration = fc.constantFrom("500ms", "1s", "30s", "5m", "1h");
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
    deadline: fc.constantFrom("5s", "1m"),
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
const web = some({ ...process, port: fc.integer({ min: 1, max: 65535 }), instances, drain }, ["command", "port"]);
const scaled = fc.record({
  command,
  port: fc.constant(1),
  instances: fc.record({ min: fc.integer({ min: 1, max: 2 }), max: fc.constant(3) }),
  scaling,
});
const worker = some({ ...process, instances }, ["command"]);
const scheduler = some({ ...process, singleton: fc.boolean() }, ["command"]);
const job = some({ ...process, schedule: fc.constantFrom("* * * * *", "*/5 1 * * mon", "0 0 1 1 *") }, ["command", "schedule"]);
const url = fc.oneof(fc.constant("postgres://db/app"), fc.record({ secret: fc.constant("DB") }));
const resource = fc.oneof(
  some({ type: fc.constant("postgres"), url, readOnlyUser: fc.boolean() }, ["type"]),
  some({ type: fc.constant("queue"), visibilityTimeout: duration, deadLetterAfter: fc.integer({ min: 1, max: 9 }) }, ["type"]),
  some({ type: fc.constant("cache"), memory: fc.constantFrom("64MB", "1GiB") }, ["type"]),
);
const rollout = some({
  strategy: fc.constantFrom("rolling", "blueGreen"),
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
const aws = some({ target: fc.constant("aws"), services: override, rollout }, ["target"]);
const app = some(
  {
    name,
    services: some({ web: fc.oneof({ weight: 4, arbitrary: web }, scaled), worker, scheduler, job }, ["web"]),
    resources: fc.dictionary(name, resource, { maxKeys: 2 }),
    routes: fc.array(route, { maxLength: 2 }),
    release: some({ build: fc.array(command, { maxLength: 2 }), expand: command, timeout: duration }),
    recipe: some({ packages: fc.array(fc.constant("curl"), { maxLength: 1 }), steps: fc.array(command, { maxLength: 2 }) }),
    rollout,
    environments: some({ local, production: aws }, ["local"]),
  },
  ["name", "services"],
);

type Tree = Record<string | number, unknown>;

const odd = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(null, undefined, -1, 1.5, 1e21, true, [], {}, [[]], { type: "postgres" }, "__proto__", "\u001b[31m", "a\nb", "${x}"),
  fc.double(),
);
const mutation = fc.record({
  at: fc.nat(1000),
  kind: fc.constantFrom("rename", "replace", "remove", "add", "wrap"),
  value: odd,
  letter: fc.nat(20),
  key: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("helth", "__proto__", "constructor", "toString", "")),
});

/** Every object and list of the tree with one of its keys. */
function spots(tree: unknown): { owner: Tree; key: string }[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([key, value]) => [{ owner: tree as Tree, key }, ...spots(value)]);
}

const own = (owner: Tree, key: string, value: unknown) =>
  Object.defineProperty(owner, key, { value, enumerable: true, writable: true, configurable: true });

function mutate(tree: Tree, { at, kind, value, letter, key }: { at: number; kind: string; value: unknown; letter: number; key: string }): void {
  const all = spots(tree);
  const spot = all[at % Math.max(1, all.length)];
  if (!spot) return;
  const old = spot.owner[spot.key];
  if (kind === "replace") own(spot.owner, spot.key, value);
  else if (kind === "wrap") own(spot.owner, spot.key, [old]);
  else if (kind === "add" && !Array.isArray(spot.owner)) own(spot.owner, key, value);
  else if (!Array.isArray(spot.owner)) {
    delete spot.owner[spot.key];
    const cut = letter % Math.max(1, spot.key.length);
    if (kind === "rename") own(spot.owner, spot.key.slice(0, cut) + spot.key.slice(cut + 1), old);
  }
}

/** The value as a literal, with computed names where a plain one would set the prototype. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value !== "object" || value === null) return typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
  return `{\n${Object.entries(value)
    .map(([key, item]) => `${key === "__proto__" ? `["__proto__"]` : JSON.stringify(key)}: ${literal(item)},\n`)
    .join("")}}`;
}

/** Plain comparisons: ten thousand times several problems are many for expect(). */
function misplaced({ code, parts }: LandfallError, lines: string[]): boolean {
  const { line, column, length = 0, text } = parts.where as SourcePlace;
  const inside = column >= 1 && column - 1 + length <= Math.max(1, lines[line - 1]?.length ?? 0);
  return !inside || lines[line - 1] !== text || !code.startsWith("CONFIG_");
}

test("each generated configuration gives an app or placed errors", () => {
  const seen = { valid: 0, wrong: 0 };
  fc.assert(
    fc.property(app, fc.array(mutation, { maxLength: 3 }), (base, mutations) => {
      const tree = structuredClone(base) as Tree;
      for (const one of mutations) mutate(tree, one);
      const text = `export default ${literal(tree)};\n`;
      const value: unknown = new Function(`return (${literal(tree)});`)();
      try {
        const checked = validateText(text, "landfall.config.ts", value);
        if (checked.name !== tree.name) throw new Error("another name");
        seen.valid++;
      } catch (error) {
        if (!(error instanceof LandfallError)) throw error;
        const lines = text.split(/\r\n|\r|\n/);
        expect([error, ...error.more].filter((one) => misplaced(one, lines))).toEqual([]);
        expect(describeError(error).includes("\u001b")).toBe(false);
        seen.wrong++;
      }
    }),
    { numRuns: RUNS },
  );
  expect(seen.valid).toBeGreaterThan(RUNS / 10);
  expect(seen.wrong).toBeGreaterThan(RUNS / 4);
}, 300_000);
