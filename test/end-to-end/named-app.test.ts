// An app that answers to one name alone, as frameworks do that were told of their hosts: whatever Landfall asks it has to carry that name, over
// the whole of an instance's life.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RecordedEvent, Status } from "../../src/reports.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "named");
/** Every request that came to an instance, as `GET /path of name`. */
const asked = join(sandbox.folder, "asked");

const SERVER = `import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
createServer(({ method, url, headers }, response) => {
  appendFileSync(${JSON.stringify(asked)}, method + " " + url + " of " + headers.host + "\\n");
  response.writeHead(headers.host === "shop.example" ? 200 : 400).end();
}).listen(Number(process.env.PORT), "127.0.0.1");
`;
const configuration = (version: number) => `import { defineApp } from "landfall";

export default defineApp({
  name: "named",
  services: {
    web: {
      command: "exec node server.js", port: 8080, environment: { VERSION: "${version}" },
      health: { path: "/health", host: "shop.example", interval: "100ms", startupTimeout: "10s", steadyFor: "200ms" },
      drain: { ask: "/may", start: "/leave", timeout: "2s" }, stop: { timeout: "2s" },
    },
  },
  release: { expand: "true" },
  rollout: { strategy: "blueGreen", soak: "1s" },
});
`;

const landfall = async (...args: string[]): Promise<Outcome> => {
  const outcome = await sandbox.run(app, ...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
};
const report = async <T>(...args: string[]): Promise<T> => JSON.parse((await landfall(...args, "--json")).stdout) as T;
const seen = (): string[] => (existsSync(asked) ? readFileSync(asked, "utf8").split("\n").filter(Boolean) : []);
const eventTypes = async (): Promise<string[]> => (await report<RecordedEvent[]>("events", "local")).map(({ type }) => type);
const WITHIN = { timeout: 20_000, interval: 200 };

beforeAll(async () => {
  change(app, "server.js", SERVER);
  change(app, "landfall.config.ts", configuration(1));
  await landfall("commission", "local");
  await landfall("deploy", "local");
});
afterAll(() => sandbox.dispose());

it("takes requests again after a crash", async () => {
  const pid = (await report<Status>("status", "local")).services[0]?.instances[0]?.pid;
  process.kill(pid as number, "SIGKILL");
  await expect.poll(eventTypes, WITHIN).toContain("resumed");
});

it("is replaced, asked and told, also when its warm time has come", async () => {
  change(app, "landfall.config.ts", configuration(2));
  await landfall("deploy", "local");
  await expect.poll(seen, WITHIN).toContain("POST /leave of shop.example");
  change(app, "landfall.config.ts", configuration(3).replace('"blueGreen"', '"rolling"'));
  await landfall("deploy", "local");
  expect(seen()).toContain("GET /may of shop.example");
});

it("was asked by no other name", () => {
  expect(seen().filter((line) => !line.endsWith(" of shop.example"))).toEqual([]);
  expect(new Set(seen())).toEqual(new Set(["GET /health of shop.example", "GET /may of shop.example", "POST /leave of shop.example"]));
});
