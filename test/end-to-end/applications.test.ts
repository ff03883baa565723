// Programs of others as they are: installed, released, used through the balancer, released again, and gone; and environments
// beside each other in one home that do not touch.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { CommissionReport, DecommissionReport, DeployReport, Status } from "../../src/reports.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
// The installs are what takes time: all three apps share one home and are made at once.
const apps = {
  nodeRed: sandbox.copyApp("examples/node-red", "node-red"),
  optuna: sandbox.copyApp("examples/optuna", "optuna"),
  palette: sandbox.copyApp("examples/palette", "palette"),
};
const address = { nodeRed: "", optuna: "", palette: "", second: "" };

async function report<T>(app: string, ...args: string[]): Promise<T> {
  const outcome = await sandbox.run(app, ...args, "--json");
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return JSON.parse(outcome.stdout) as T;
}

async function bringUp(app: string, environment: string): Promise<{ address: string; deployed: DeployReport }> {
  const { address } = await report<CommissionReport>(app, "commission", environment);
  return { address, deployed: await report<DeployReport>(app, "deploy", environment) };
}

/** Every fleet has as many healthy instances as it should, and all of them are of the release that serves. */
async function expectHealthy(app: string, environment: string, release: string): Promise<void> {
  const status = await report<Status>(app, "status", environment);
  expect(status).toMatchObject({ commissioned: true, supervisor: "running", release });
  expect(status.unfinished).toBeUndefined();
  for (const { name, wanted, healthy, instances } of status.services) {
    expect({ name, healthy }).toEqual({ name, healthy: wanted });
    expect(new Set(instances.map((one) => one.release))).toEqual(new Set([release]));
  }
}

async function expectGone(app: string, environment: string): Promise<void> {
  const before = await report<Status>(app, "status", environment);
  const gone = await report<DecommissionReport>(app, "decommission", environment, "--yes");
  expect(gone.removed.length).toBeGreaterThan(3);
  await expect(fetch(before.address ?? "")).rejects.toThrow();
  const pids = before.services.flatMap((service) => service.instances.flatMap((one) => one.pid ?? []));
  expect(pids.length).toBeGreaterThan(0);
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  expect(existsSync(join(sandbox.home, "apps", gone.app, "environments", environment))).toBe(false);
}

const ask = async (url: string, body?: unknown, headers: Record<string, string> = {}) => {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text() };
};

/** Asks until the answer is as wanted; the test's own time limit ends it otherwise. */
async function waitFor<T>(observe: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await observe();
    if (wanted(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

beforeAll(async () => {
  const config = readFileSync(join(apps.palette, "landfall.config.ts"), "utf8");
  change(
    apps.palette,
    "landfall.config.ts",
    config.replace(/\}\);\n$/, '  environments: { local: { target: "local" }, second: { target: "local" } },\n});\n'),
  );
  const [nodeRed, optuna, palette] = await Promise.all(Object.values(apps).map((app) => bringUp(app, "local")));
  for (const one of [nodeRed, optuna, palette]) expect(one?.deployed).toMatchObject({ changed: true, imageMade: true });
  Object.assign(address, { nodeRed: nodeRed?.address, optuna: optuna?.address, palette: palette?.address });
});

afterAll(() => sandbox.dispose());

describe("Node-RED", () => {
  const FLOW = [
    { id: "tab", type: "tab", label: "Greetings" },
    { id: "in", type: "http in", z: "tab", url: "/greet", method: "get", wires: [["make"]] },
    {
      id: "make",
      type: "function",
      z: "tab",
      func: 'msg.payload = `${env.get("GREETING") || "hello"} ${msg.req.query.name}`; return msg;',
      outputs: 1,
      wires: [["out"]],
    },
    { id: "out", type: "http response", z: "tab", wires: [] },
  ];

  it("serves its editor, and tells of a new flow on its WebSocket", async () => {
    expect(await ask(address.nodeRed)).toMatchObject({ status: 200, text: expect.stringContaining("<title>Node-RED</title>") });
    const socket = new WebSocket(`${address.nodeRed.replace("http", "ws")}/comms`);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const told = new Promise<void>((resolve) => socket.on("message", (text) => String(text).includes("notification/runtime-deploy") && resolve()));
    socket.send(JSON.stringify({ subscribe: "notification/#" }));
    expect(await ask(`${address.nodeRed}/flows`, FLOW, { "node-red-deployment-type": "full" })).toMatchObject({ status: 204 });
    await told;
    expect(
      await waitFor(
        () => ask(`${address.nodeRed}/greet?name=Ada`),
        ({ status }) => status === 200,
      ),
    ).toMatchObject({ text: "hello Ada" });
    socket.terminate();
  });

  it("keeps the flow in the next release, and does not wait for an editor that is open", async () => {
    const editor = new WebSocket(`${address.nodeRed.replace("http", "ws")}/comms`);
    await new Promise((resolve, reject) => editor.once("open", resolve).once("error", reject));
    const closed = new Promise((resolve) => editor.on("error", () => {}).once("close", resolve));
    const config = readFileSync(join(apps.nodeRed, "landfall.config.ts"), "utf8");
    change(apps.nodeRed, "landfall.config.ts", config.replace("port: 1880,", 'port: 1880,\n      environment: { GREETING: "welcome" },'));
    const deployed = await report<DeployReport>(apps.nodeRed, "deploy", "local");
    expect(deployed).toMatchObject({ changed: true, imageMade: false });
    await closed;
    // Node-RED passes its health check a moment before it has started its flows.
    expect(
      await waitFor(
        () => ask(`${address.nodeRed}/greet?name=Ada`),
        ({ status }) => status === 200,
      ),
    ).toMatchObject({ text: "welcome Ada" });
    await expectHealthy(apps.nodeRed, "local", deployed.release);
  });
});

describe("Optuna Dashboard", () => {
  const listStudies = async () =>
    JSON.parse((await ask(`${address.optuna}/api/studies`)).text).study_summaries.map((study: { study_name: string }) => study.study_name);

  it("has the study of the release phase, and lists one that is created", async () => {
    expect(await ask(`${address.optuna}/dashboard`)).toMatchObject({ status: 200, text: expect.stringContaining("<title>Optuna Dashboard</title>") });
    expect(await listStudies()).toEqual(["first"]);
    expect(await ask(`${address.optuna}/api/studies`, { study_name: "second", directions: ["minimize"] })).toMatchObject({ status: 201 });
    expect(await listStudies()).toEqual(["first", "second"]);
  });

  it("lists them in the next release", async () => {
    change(apps.optuna, "notes.txt", "a second release\n");
    const deployed = await report<DeployReport>(apps.optuna, "deploy", "local");
    expect(deployed).toMatchObject({ changed: true, imageMade: false });
    expect(await listStudies()).toEqual(["first", "second"]);
    await expectHealthy(apps.optuna, "local", deployed.release);
  });
});

describe("palette", () => {
  interface Palette {
    color: string;
    shades: string[] | null;
  }
  const listPalettes = async (at: string) => JSON.parse((await ask(`${at}/palettes.json`)).text) as Palette[];
  const sendColor = async (at: string, color: string) => {
    const response = await fetch(`${at}/palettes`, { method: "POST", body: new URLSearchParams({ color }), redirect: "manual" });
    expect({ status: response.status, to: response.headers.get("location") }).toEqual({ status: 303, to: expect.stringContaining("/#palette-") });
  };

  it("shows its form and the shades its worker made", async () => {
    expect(await ask(address.palette)).toMatchObject({ status: 200, text: expect.stringContaining('<form method="post" action="/palettes">') });
    await sendColor(address.palette, "#3b7dd8");
    const [made] = await waitFor(
      () => listPalettes(address.palette),
      (all) => all[0]?.shades != null,
    );
    expect(made).toMatchObject({ color: "#3b7dd8", shades: Array.from({ length: 7 }, () => expect.stringMatching(/^#[0-9a-f]{6}$/)) });
    expect((await ask(address.palette)).text).toContain('aria-label="Shades of #3b7dd8"');
  });

  it("has a second environment with an address, data and processes of its own", async () => {
    const { address: second, deployed } = await bringUp(apps.palette, "second");
    address.second = second;
    expect(second).not.toBe(address.palette);
    expect(deployed).toMatchObject({ environment: "second", changed: true, imageMade: false });
    expect(await listPalettes(second)).toEqual([]);
    await sendColor(second, "#c04040");
    await waitFor(
      () => listPalettes(second),
      (all) => all[0]?.shades != null,
    );
    expect((await listPalettes(address.palette)).map((one) => one.color)).toEqual(["#3b7dd8"]);
  });

  it("releases in one environment without touching the other", async () => {
    const before = await report<Status>(apps.palette, "status", "second");
    change(apps.palette, "web.py", readFileSync(join(apps.palette, "web.py"), "utf8").replace("<h1>Palette</h1>", "<h1>Shades</h1>"));
    const deployed = await report<DeployReport>(apps.palette, "deploy", "local");
    expect(deployed).toMatchObject({ changed: true, imageMade: false });
    expect((await ask(address.palette)).text).toContain("<h1>Shades</h1>");
    expect((await ask(address.second)).text).toContain("<h1>Palette</h1>");
    await expectHealthy(apps.palette, "local", deployed.release);
    const { services } = await report<Status>(apps.palette, "status", "second");
    const pidsOf = (all: Status["services"]) => all.flatMap((service) => service.instances.map((one) => [one.id, one.pid]));
    expect(pidsOf(services)).toEqual(pidsOf(before.services));
  });

  it("goes from one environment while the other serves on", async () => {
    const { release = "" } = await report<Status>(apps.palette, "status", "second");
    await expectGone(apps.palette, "local");
    await expectHealthy(apps.palette, "second", release);
    await sendColor(address.second, "#40c040");
    await waitFor(
      () => listPalettes(address.second),
      (all) => all.length === 2 && all.every((one) => one.shades !== null),
    );
    // What both shared has to have stayed: another release of the one that is left needs the image.
    change(apps.palette, "notes.txt", "for the environment that is left\n");
    expect(await report<DeployReport>(apps.palette, "deploy", "second")).toMatchObject({ changed: true, imageMade: false });
    expect((await ask(address.second)).text).toContain("<h1>Shades</h1>");
  });
});

describe("the end", () => {
  it("leaves nothing, and takes no other app along", async () => {
    await Promise.all([expectGone(apps.nodeRed, "local"), expectGone(apps.palette, "second")]);
    expect(await ask(`${address.optuna}/dashboard`)).toMatchObject({ status: 200 });
    await expectGone(apps.optuna, "local");
    expect(existsSync(sandbox.home) ? readdirSync(sandbox.home, { recursive: true }) : []).toEqual([]);
  });
});
