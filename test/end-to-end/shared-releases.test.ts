// Two environments of one app share its releases and images on this machine: neither takes from the other what it needs, whatever either
// of them does meanwhile, and however it was cut off.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CleanReport, DeployReport, Status } from "../../src/reports.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "shared");
const paths = (environment: string) => pathsOf(sandbox.home, "shared", environment);
/** While this file is there, build steps wait. */
const buildGate = join(sandbox.folder, "build-gate");
/** While this file is there, the release phase of that environment waits. */
const phaseGate = (environment: string) => join(paths(environment).data, "services", "web", "gate");

const SERVER = `import { readFileSync } from "node:fs";
import { createServer } from "node:http";
createServer((_, response) => response.end(["page.txt", "deps/made.txt", "built.txt"].map((file) => readFileSync(file, "utf8")).join(" ")))
  .listen(Number(process.env.PORT), "127.0.0.1");
`;
const CONFIGURATION = `import { defineApp } from "landfall";

export default defineApp({
  name: "shared",
  environments: { one: { target: "local" }, two: { target: "local" } },
  recipe: { files: ["deps.txt"], steps: ["mkdir deps && cp deps.txt deps/made.txt"] },
  services: {
    web: { command: "exec node server.js", port: 8080, health: { interval: "100ms", startupTimeout: "10s", steadyFor: "200ms" }, drain: { timeout: "2s" }, stop: { timeout: "2s" } },
  },
  release: {
    build: ["while [ -e ${buildGate} ]; do sleep 0.05; done", "cp deps/made.txt built.txt"],
    expand: 'while [ -e "$LANDFALL_DATA/gate" ]; do sleep 0.05; done',
  },
  rollout: { strategy: "blueGreen", soak: "30s" },
});
`;

let version = 0;
/** The next deploy makes a release and an image of its own. */
function edit(): string {
  version += 1;
  for (const file of ["page.txt", "deps.txt"]) writeFileSync(join(app, file), `v${version}`);
  return `v${version} v${version} v${version}`;
}

async function succeeded(running: Promise<Outcome>): Promise<Outcome> {
  const outcome = await running;
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const landfall = (...args: string[]) => succeeded(sandbox.run(app, ...args));
const report = async <T>(...args: string[]): Promise<T> => JSON.parse((await landfall(...args, "--json")).stdout) as T;
const deploy = (environment: string) => report<DeployReport>("deploy", environment, "--dirty");
/** Each removes what nobody needs; the second one when the first has left nothing of its own to be removed. */
async function deployTwice(environment: string): Promise<void> {
  for (let time = 0; time < 2; time++) {
    edit();
    await deploy(environment);
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const from = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() - from > 60_000) throw new Error("it did not come to that within a minute");
}
const isIn = (environment: string, step: string) => () => lastIntent(environment).startsWith(step);
const lastIntent = (environment: string): string => {
  const lines = existsSync(paths(environment).journal) ? readFileSync(paths(environment).journal, "utf8").split("\n").filter(Boolean) : [];
  return lines.map((line) => (JSON.parse(line) as { step?: string }).step ?? "").at(-1) ?? "";
};

/** Everything that reads a release, or goes to another, works; and every file of what serves is there. */
async function expectWhole(environment: string, serving?: string): Promise<void> {
  const { address, release, previous } = await report<Status>("status", environment);
  const page = await (await fetch(address ?? "")).text();
  if (serving) expect(page).toBe(serving);
  const files = await landfall("exec", environment, "web", "--", "cat", "page.txt", "deps/made.txt", "built.txt");
  expect(files.stdout.replaceAll("\n", "")).toBe(page.replaceAll(" ", ""));
  for (const id of [release, previous].filter((one) => one !== undefined))
    expect(["page.txt", "deps/made.txt", "built.txt"].filter((file) => !existsSync(join(paths(environment).releases, id, file)))).toEqual([]);
  await landfall("plan", environment);
  if (!previous) return;
  expect(await report<DeployReport>("rollback", environment)).toMatchObject({ release: previous });
  expect(await report<DeployReport>("rollback", environment, "--to", release ?? "")).toMatchObject({ release });
  expect(await (await fetch(address ?? "")).text()).toBe(page);
}

/** Kills a deploy before the n-th act of its journal. */
async function deployKilledAt(environment: string, step: number): Promise<void> {
  const preload = new URL("./crash-at.mjs", import.meta.url).href;
  const cli = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
  const env = { ...process.env, LANDFALL_HOME: sandbox.home, LANDFALL_CRASH_AT: `before ${step} command` };
  const child = spawn(process.execPath, ["--import", preload, cli, "deploy", environment, "--dirty"], { cwd: app, env, stdio: "ignore" });
  expect(await new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)))).toBe("SIGKILL");
}

beforeAll(() => {
  change(app, "landfall.config.ts", CONFIGURATION);
  change(app, "server.js", SERVER);
});
beforeEach(async () => {
  edit();
  for (const environment of ["one", "two"]) {
    await landfall("commission", environment);
    await deploy(environment);
  }
});
afterEach(async () => {
  rmSync(buildGate, { force: true });
  for (const environment of ["one", "two"]) await sandbox.run(app, "decommission", environment, "--yes");
  expect(existsSync(join(sandbox.home, "apps"))).toBe(false);
});
afterAll(() => sandbox.dispose());

describe("two environments of an app", () => {
  it("can be deployed at the same time, again and again", async () => {
    for (let round = 0; round < 4; round++) {
      // A secret each makes each release the environment's own.
      for (const environment of ["one", "two"])
        await succeeded(sandbox.runWithInput(`${environment} ${round}`, app, "secrets", "set", environment, "KEY"));
      const page = edit();
      await Promise.all([deploy("one"), deploy("two")]);
      await Promise.all([expectWhole("one", page), expectWhole("two", page)]);
    }
  });

  it("leave each other's release alone while its release phase runs", async () => {
    mkdirSync(join(phaseGate("one"), ".."), { recursive: true });
    writeFileSync(phaseGate("one"), "");
    const page = edit();
    const deploying = deploy("one");
    await until(isIn("one", "release phase"));
    await deployTwice("two");
    await landfall("clean", "two");
    rmSync(phaseGate("one"));
    await deploying;
    await expectWhole("one", page);
    await expectWhole("two");
  });

  it("leave each other's image alone while a release is made of it", async () => {
    writeFileSync(buildGate, "");
    const page = edit();
    const deploying = deploy("one");
    await until(isIn("one", "make release"));
    await landfall("decommission", "two", "--yes");
    rmSync(buildGate);
    await deploying;
    await expectWhole("one", page);
    await landfall("commission", "two");
    await deploy("two");
    await expectWhole("two", page);
  });

  it.each([
    ["before its release is made", 2],
    ["once its release is made", 3],
    ["in its rollout", 8],
  ])("leave alone what an interrupted deploy is to be finished with, killed %s", async (_, step) => {
    const page = edit();
    await deployKilledAt("one", step);
    const made = readdirSync(paths("one").releases).filter((name) => name.endsWith(".json"));
    const images = readdirSync(paths("one").images).filter((name) => name.endsWith(".json"));
    const source = ["page.txt", "deps.txt"].map((file) => [file, readFileSync(join(app, file))] as const);
    await deployTwice("two");
    await landfall("clean", "two");
    await landfall("decommission", "two", "--yes");
    const left = new Set([...readdirSync(paths("one").releases), ...readdirSync(paths("one").images)]);
    expect([...made, ...images].filter((name) => !left.has(name))).toEqual([]);
    // Until its release is made, a deploy is finished from the working tree.
    for (const [file, content] of source) writeFileSync(join(app, file), content);
    await landfall("resume", "one");
    await expectWhole("one", page);
  });

  it("give up what nobody needs any more, once an interrupted deploy is undone", async () => {
    edit();
    await deployKilledAt("one", 4);
    const { unfinished } = await report<Status>("status", "one");
    expect(unfinished).toMatchObject({ operation: "deploy" });
    expect((await report<CleanReport>("clean", "two")).removed).toEqual([]);
    await landfall("abort", "one");
    expect((await report<CleanReport>("clean", "two")).removed).toEqual([expect.stringMatching(/^release /), expect.stringMatching(/^image /)]);
    await Promise.all([expectWhole("one"), expectWhole("two")]);
  });

  it("keep all that is shared while the state of one cannot be read, and say so", async () => {
    const before = readdirSync(paths("one").releases);
    const record = readFileSync(paths("one").record);
    for (const file of [paths("one").record, `${paths("one").record}.copy`]) writeFileSync(file, "{");
    try {
      await deployTwice("two");
      expect((await landfall("clean", "two")).stderr).toContain(`"${paths("one").record}" is damaged`);
    } finally {
      writeFileSync(paths("one").record, record);
    }
    expect(before.filter((name) => !readdirSync(paths("one").releases).includes(name))).toEqual([]);
    await expectWhole("one");
  });
});
