// The balancer listens where the environment says, or nowhere: a port that somebody else has is named, never replaced by another.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { findFreePort } from "../../src/system/network.ts";
import { isRunning, type ProcessIdentity } from "../../src/system/processes.ts";
import { keeperFileOf } from "../../src/targets/local/keeper/api.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { findRecord } from "../../src/targets/local/record.ts";
import { Records } from "../../src/targets/local/supervisor/records.ts";
import { pidFileOf } from "../../src/targets/local/supervisor/start.ts";
import { killGroup } from "../groups.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const paths = pathsOf(sandbox.home, "hello", "local");
const app = sandbox.copyApp("test/fixtures/apps/hello");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8");
const program = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
const crashAt = fileURLToPath(new URL("./crash-at.mjs", import.meta.url));

let port = 0;
const squatters: Server[] = [];

const configure = (more = "") =>
  change(
    app,
    "landfall.config.ts",
    config.replace("  services:", `  environments: { local: { target: "local", port: ${port} } },${more}\n  services:`),
  );

beforeEach(async () => {
  port = await findFreePort();
  configure();
});
afterEach(async () => {
  leave();
  await sandbox.run(app, "decommission", "local", "--yes");
});
afterAll(() => sandbox.dispose());

/** This process takes the port. */
async function squat(on: number, host = "127.0.0.1"): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  squatters.push(server);
  await once(server.listen(on, host), "listening");
  expect((server.address() as AddressInfo).port).toBe(on);
}

function leave(): void {
  for (const server of squatters.splice(0)) server.close();
}

const landfall = async (...args: string[]): Promise<Outcome> => {
  const outcome = await sandbox.run(app, ...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
};

/** The command ends with PORT_TAKEN and names the port and who has it: this process. */
async function expectTaken(taken: number, standing: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await sandbox.run(app, ...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("PORT_TAKEN") });
  expect(stderr).toContain(String(taken));
  expect(stderr).toContain(`pid ${process.pid}`);
  expect(stderr).toContain(standing);
}

const statusAt = async (path = "/"): Promise<number> => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

/** Nobody has run a command since. */
async function expectServesSoon(status: number): Promise<void> {
  let answer = "";
  for (const end = performance.now() + 10_000; performance.now() < end && answer !== String(status); await sleep(50))
    answer = await statusAt().then(String, (error) => String(error.cause?.code ?? error));
  expect(answer).toBe(String(status));
}

/** kill -9 to the supervisor, and then to the group of one of its processes: so that nobody starts it again. */
/** With the two that would hold its port. */
async function killOwn(id = "balancer"): Promise<void> {
  for (const file of [pidFileOf(paths), keeperFileOf(paths)]) {
    const holder = JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity;
    process.kill(holder.pid, "SIGKILL");
    while (isRunning(holder)) await sleep(10);
  }
  const group = new Records(paths).byId.get(id)?.group;
  if (!group) throw new Error(`no ${id} is recorded`);
  await killGroup(group.pid);
}

describe("a first commission", () => {
  it.each(["127.0.0.1", "0.0.0.0", "::"])("onto a port that somebody has at %s changes nothing, and works once it is free", async (host) => {
    await squat(port, host);
    await expectTaken(port, "Nothing was changed.", "commission", "local");
    expect(existsSync(pidFileOf(paths))).toBe(false);
    leave();
    await landfall("commission", "local");
    expect(await statusAt()).toBe(503);
  });

  it("that was refused for another reason is refused the port that was taken since, and works once it is free", async () => {
    configure('\n  resources: { database: { type: "postgres", url: "postgres://127.0.0.1:1/none" } },');
    expect((await sandbox.run(app, "commission", "local")).code).toBe(1);
    configure();
    await squat(port);
    await expectTaken(port, "Nothing was changed.", "commission", "local");
    leave();
    await landfall("commission", "local");
    expect(await statusAt()).toBe(503);
  });

  it("that was killed with its balancer up finds its own port its own", async () => {
    const killed = spawn(process.execPath, ["--import", crashAt, program, "commission", "local"], {
      cwd: app,
      env: { ...process.env, LANDFALL_HOME: sandbox.home, LANDFALL_CRASH_AT: "after 2 command" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    expect(await once(killed, "exit")).toEqual([null, "SIGKILL"]);
    await landfall("resume", "local");
    expect(await statusAt()).toBe(503);
  });
});

describe("an environment that was down", () => {
  it.each(["port", "metricsPort"] as const)("says who has its %s, and heals by itself once that is free", async (which) => {
    await landfall("commission", "local");
    await landfall("deploy", "local");
    expect(await statusAt()).toBe(200);
    const taken = findRecord(paths)?.[which] as number;
    await killOwn();
    await squat(taken);
    await expectTaken(taken, "The balancer listens nowhere", "commission", "local");
    await expectTaken(taken, "The balancer listens nowhere", "deploy", "local");
    expect((await landfall("status", "local")).stdout).toMatch(
      new RegExp(`^ +balancer +does not run: port ${taken} of the balancer .*pid ${process.pid}`, "m"),
    );
    leave();
    await expectServesSoon(200);
    await landfall("commission", "local");
    await landfall("deploy", "local");
    expect(await (await fetch(`http://127.0.0.1:${findRecord(paths)?.metricsPort}/metrics`)).text()).toContain("landfall_requests_total");
  });
});

describe("a resource that was down", () => {
  it("is not taken for a stranger that answers on its port", async () => {
    configure('\n  resources: { jobs: { type: "queue" } },');
    await landfall("commission", "local");
    const { port: taken = 0 } = new Records(paths).byId.get("resource.objects") ?? {};
    await killOwn("resource.objects");
    const stranger = createHttpServer((_, answer) => answer.end("{}"));
    squatters.push(stranger);
    await once(stranger.listen(taken, "127.0.0.1"), "listening");
    await expectTaken(taken, "Nothing was changed.", "commission", "local");
    leave();
    await landfall("commission", "local");
  });
});
