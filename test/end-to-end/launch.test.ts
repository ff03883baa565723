// `landfall launch`, through the built program: what can be refused is refused before anything is made, and a later failure says what stands.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { LaunchReport, Status } from "../../src/index.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8").replace("instances: 2", "instances: 1");
const configured = (from: string, to: string) => change(app, "landfall.config.ts", config.replace(from, to));

interface Refusal {
  code: string;
  what: string;
  standing: string;
  next?: string;
}

async function refusal(folder: string, ...args: string[]): Promise<Refusal> {
  const { code, stderr, stdout } = await sandbox.run(sandbox.folder, "launch", folder, ...args, "--json");
  expect({ code, stdout }).toEqual({ code: expect.any(Number), stdout: "" });
  expect(code).not.toBe(0);
  return JSON.parse(stderr.slice(stderr.indexOf('{\n  "error"'))).error;
}

const report = async <T>(...args: string[]): Promise<T> => {
  const { code, stdout, stderr } = await sandbox.run(app, ...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return JSON.parse(stdout);
};
const web = async () => (await report<Status>("status", "local")).services.find(({ name }) => name === "web");

beforeEach(() => change(app, "landfall.config.ts", config));
afterAll(() => sandbox.dispose());

describe("before anything stands, launch refuses", () => {
  const nothingMade = () => expect(existsSync(sandbox.home) ? readdirSync(sandbox.home, { recursive: true }) : []).toEqual([]);

  it("a folder that is in no git repository", async () => {
    const folder = join(sandbox.folder, "plain");
    cpSync(app, folder, { recursive: true, filter: (path) => !path.endsWith(".git") });
    expect(await refusal(folder, "2")).toMatchObject({ code: "GIT_NOT_A_REPOSITORY", standing: "Nothing was changed." });
    nothingMade();
  });

  it("changes that are not committed", async () => {
    writeFileSync(join(app, "more.txt"), "more");
    expect(await refusal(app, "2")).toMatchObject({ code: "GIT_DIRTY", standing: "Nothing was changed." });
    change(app, "more.txt", "more");
    nothingMade();
  });

  it("a secret that was never set, and says how to set it", async () => {
    configured("port: 8080,", 'port: 8080, secrets: ["API_KEY"],');
    expect(await refusal(app, "2")).toMatchObject({
      code: "SECRET_MISSING",
      standing: "Nothing was changed.",
      next: "landfall secrets set local API_KEY",
    });
    nothingMade();
  });

  it("a file of the recipe that is not there", async () => {
    configured("services: {", 'recipe: { files: ["no-such.lock"] },\n  services: {');
    expect(await refusal(app, "2")).toMatchObject({ code: "RECIPE_FILE_MISSING", standing: "Nothing was changed." });
    nothingMade();
  });

  it("a package of the recipe that is not installed", async () => {
    configured("services: {", 'recipe: { packages: ["no-such-package"] },\n  services: {');
    expect(await refusal(app, "2")).toMatchObject({ code: "RECIPE_PACKAGE_MISSING" });
    nothingMade();
  });

  it("a port that somebody else has", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    configured("services: {", `environments: { local: { target: "local", port: ${port} } },\n  services: {`);
    const taken = await refusal(app, "2");
    await new Promise((resolve) => other.close(resolve));
    expect(taken).toMatchObject({ code: "PORT_TAKEN", what: expect.stringContaining(String(port)), standing: "Nothing was changed." });
    nothingMade();
  });

  it("a range that does not allow so many", async () => {
    configured("instances: 1", "instances: { min: 1, max: 2 }");
    expect(await refusal(app, "3")).toMatchObject({ code: "SCALE_OUT_OF_RANGE", standing: "Nothing was changed." });
    nothingMade();
  });

  it("an environment that is not there", async () => {
    expect(await refusal(app, "2", "--environment", "production")).toMatchObject({ code: "ENVIRONMENT_UNKNOWN", standing: "Nothing was changed." });
    nothingMade();
  });
});

it("a deploy that fails leaves the environment that was commissioned, and it is said so", async () => {
  configured("exec node server.js", "exit 3");
  const failed = await refusal(app, "2");
  expect(failed).toMatchObject({
    code: "INSTANCE_CRASHED",
    standing: expect.stringMatching(
      /^Environment "local" was commissioned before this and stands; landfall decommission local removes it\. (?!Nothing was changed)/,
    ),
    next: expect.any(String),
  });
  expect(await report<Status>("status", "local")).toMatchObject({ commissioned: true, supervisor: "running" });
  // Now it stood before.
  expect((await refusal(app, "2")).standing).not.toContain("was commissioned before this");
});

it("has as many servers as asked for, again with another number, and until the next deploy", async () => {
  const counts: number[] = [];
  for (const count of ["3", "2"]) counts.push((await report<LaunchReport>("launch", ".", count)).servers.length);
  expect(counts).toEqual([3, 2]);
  expect(await web()).toMatchObject({ wanted: 2, healthy: 2 });
  await report("deploy", "local");
  expect(await web()).toMatchObject({ wanted: 1, healthy: 1 });
});

it("replaces what serves by as many, in one rollout", async () => {
  await report("launch", ".", "3");
  change(app, "version.txt", "two");
  const { code, stderr } = await sandbox.run(app, "launch", ".", "3");
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.not.stringMatching(/goes from 3 instances|stop web\.[123]\.\w+, web\.[123]\.\w+, web/),
  });
  expect(await web()).toMatchObject({ wanted: 3, healthy: 3 });
});
