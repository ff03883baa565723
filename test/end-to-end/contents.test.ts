// What a release is made of, and what its processes see: dependencies of its own, that nothing writes into; programs, home, variables and data.
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DeployReport, Status } from "../../src/reports.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "contents");
const paths = pathsOf(sandbox.home, "contents", "local");

/** Says what it sees; at `/write` whether it may write into its folder. */
const SERVER = `import { realpathSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { execFileSync } from "node:child_process";
if (process.env.WRITES) writeFileSync("uploads.db", "1");
const { HOME, TITLE, MODE, LANDFALL_DATA } = process.env;
const read = (file) => readFileSync(file, "utf8").trim();
const mayWrite = (file) => { try { writeFileSync(file, "x"); return true; } catch (error) { return error.code; } };
createServer((_, response) => response.end(JSON.stringify({
  HOME, TITLE, MODE,
  client: read("node_modules/orm/client"),
  place: realpathSync("node_modules/orm/client"),
  tool: execFileSync("tool").toString().trim(),
  phase: read(LANDFALL_DATA + "/phase"),
  build: read("build.txt"),
  may: ["uploads.db", "node_modules/orm/client", "package.json"].map(mayWrite),
}))).listen(Number(process.env.PORT), "127.0.0.1");
`;
const WORKER = "exec sleep 1000";
const configuration = (environment: object) => `import { defineApp } from "landfall";
export default defineApp({
  name: "contents",
  environment: { MODE: "all", TITLE: "all" },
  recipe: { steps: [
    "mkdir -p node_modules/orm node_modules/.bin && echo none > node_modules/orm/client",
    "printf '#!/bin/sh\\\\necho the tool' > node_modules/.bin/tool && chmod +x node_modules/.bin/tool",
  ] },
  services: {
    worker: { command: "${WORKER}", secrets: ["KEY"], health: { steadyFor: "100ms" } },
    web: { command: "exec node server.js", port: 8080, environment: ${JSON.stringify(environment)}, health: { interval: "100ms", startupTimeout: "10s", steadyFor: "100ms" } },
  },
  release: {
    build: ['cp schema node_modules/orm/client && echo "$(tool), $TITLE, $MODE, \${KEY:-no secret}" > build.txt'],
    expand: 'echo "$(tool), $TITLE, $MODE, $KEY" > "$LANDFALL_DATA/phase"',
  },
});
`;

async function landfall(...args: string[]): Promise<Outcome> {
  const outcome = await sandbox.runWithInput("the key", app, ...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const deploy = async () => JSON.parse((await landfall("deploy", "local", "--json")).stdout) as DeployReport;
const seen = async () => (await fetch((JSON.parse((await landfall("status", "local", "--json")).stdout) as Status).address ?? "")).json();

beforeAll(async () => {
  change(app, "server.js", SERVER);
  change(app, "schema", "ONE");
  change(app, "landfall.config.ts", configuration({ TITLE: "of web" }));
  await landfall("commission", "local");
  await landfall("secrets", "set", "local", "KEY");
});
afterAll(() => sandbox.dispose());

it("has dependencies of its own, programs on its path, a home, and the variables of a service in each phase", async () => {
  const { release } = await deploy();
  const folder = realpathSync(join(paths.releases, release));
  expect(await seen()).toEqual({
    HOME: join(paths.homes, "web"),
    TITLE: "of web",
    MODE: "all",
    client: "ONE",
    place: join(folder, "node_modules/orm/client"),
    tool: "the tool",
    phase: "the tool, of web, all, the key",
    build: "the tool, of web, all, no secret",
    may: ["EACCES", "EACCES", "EACCES"],
  });
  const { stdout } = await landfall(
    "exec",
    "local",
    "worker",
    "--",
    "sh",
    "-c",
    'tool; echo "$HOME"; touch a || echo refused; touch "$HOME/a" "$LANDFALL_DATA/a"',
  );
  expect(stdout.split("\n").filter((line) => !line.includes("touch"))).toEqual(["the tool", join(paths.homes, "worker"), "refused", ""]);
});

it("keeps its dependencies when the next release builds others, and when that is taken back", async () => {
  change(app, "schema", "TWO");
  await deploy();
  expect(await seen()).toMatchObject({ client: "TWO" });
  await landfall("rollback", "local");
  expect(await seen()).toMatchObject({ client: "ONE" });
  const clients = readdirSync(paths.releases).flatMap((name) => {
    const file = join(paths.releases, name, "node_modules/orm/client");
    return existsSync(file) ? [readFileSync(file, "utf8").trim()] : [];
  });
  expect(clients.sort()).toEqual(["ONE", "TWO"]);
});

it("says where data belongs when a program writes into its release, and when a phase does", async () => {
  change(app, "landfall.config.ts", configuration({ TITLE: "of web", WRITES: "1" }));
  const web = await sandbox.run(app, "deploy", "local");
  expect(web.code).toBe(1);
  expect(web.stderr).toMatch(/may not write "uploads\.db" +INSTANCE_WRITE_REFUSED\n/);
  expect(web.stderr).toContain(`data      ${join(paths.data, "services/web")}`);
  expect(web.stderr).toContain('let "web" keep its files in the folder that the variable LANDFALL_DATA names');
  change(app, "landfall.config.ts", configuration({ TITLE: "of web" }).replace("expand: '", "expand: 'touch db.sqlite3 && "));
  const phase = await sandbox.run(app, "deploy", "local");
  expect(phase.code).toBe(1);
  expect(phase.stderr).toContain("MIGRATION_FAILED");
  expect(phase.stderr).toContain("The folder of a release is read-only, for root too");
  expect(phase.stderr).toContain("LANDFALL_DATA");
});

it("leaves nothing when it is decommissioned", async () => {
  await landfall("decommission", "local", "--yes");
  expect(existsSync(paths.homes)).toBe(false);
});
