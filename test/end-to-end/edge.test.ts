// The balancer's rules belong to the release that serves: under load, whatever is deployed, rolled back or commissioned meanwhile.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { get as getSecurely } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Plan, Status } from "../../src/index.ts";
import { findFreePort } from "../../src/system/network.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello", "edges");
let address = "";

interface Settings {
  /** The name of the web service. */
  name?: string;
  command?: string;
  instances?: number | { min: number; max: number };
  service?: object;
  routes?: object[];
  environment?: object;
}

const HEALTH = { path: "/", interval: "200ms", timeout: "1s", startupTimeout: "5s", steadyFor: "500ms" };

const configuration = ({ name = "web", command = "exec node server.js", instances = 2, service = {}, routes = [], environment = {} }: Settings) => ({
  name: "edges",
  services: { [name]: { command, port: 8080, instances, health: HEALTH, stop: { timeout: "3s" }, ...service } },
  routes,
  environments: { local: { target: "local", ...environment } },
});

const write = (settings: Settings): void =>
  change(
    app,
    "landfall.config.ts",
    `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(configuration(settings))});\n`,
  );

const run = async (...args: string[]): Promise<Outcome> => sandbox.run(app, ...args);
async function report<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, "--json");
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}
const status = () => report<Status>("status", "local");
const deploy = (settings: Settings) => {
  write(settings);
  return report<DeployReport>("deploy", "local");
};
async function failToDeploy(settings: Settings): Promise<Outcome> {
  write(settings);
  const outcome = await run("deploy", "local");
  expect(outcome.code, outcome.stdout).not.toBe(0);
  return outcome;
}
const codeOf = (path: string, headers: Record<string, string> = {}): Promise<number> =>
  fetch(address + path, { headers, redirect: "manual" }).then((answer) => answer.status);

/** Pids of the instances that serve: the same before and after when nobody was restarted. */
const pids = async () =>
  (await status()).services.flatMap(({ instances }) => instances.filter(({ state }) => state === "healthy").map(({ pid }) => pid));

/** Every path is asked every 20 ms on kept connections; each answer must have the status that it began with, until `act` is done. */
async function underLoad<T>(paths: string[], act: () => Promise<T>): Promise<T> {
  const agent = new Agent({ keepAlive: true });
  const ask = (path: string): Promise<string> =>
    new Promise((resolve) =>
      get(address + path, { agent }, (answer) => {
        answer.resume().on("end", () => resolve(String(answer.statusCode)));
        answer.on("error", (error) => resolve(error.message));
      }).on("error", (error) => resolve(error.message)),
    );
  const answers = new Map<string, number>();
  const asked: Promise<void>[] = [];
  const count = async (path: string) => {
    const key = `${path} ${await ask(path)}`;
    answers.set(key, (answers.get(key) ?? 0) + 1);
  };
  const timer = setInterval(() => asked.push(...paths.map(count)), 20);
  await sleep(100);
  try {
    return await act();
  } finally {
    clearInterval(timer);
    await Promise.all(asked);
    agent.destroy();
    const first = await Promise.all(paths.map(async (path) => `${path} ${await codeOf(path)}`));
    expect(Object.fromEntries(answers)).toEqual(Object.fromEntries(first.map((key) => [key, asked.length / paths.length])));
  }
}

beforeAll(async () => {
  write({});
  ({ address } = await report<CommissionReport>("commission", "local"));
});
afterAll(() => sandbox.dispose());

const RULES = [
  { path: "/x", deny: true },
  { path: "/y", basicAuth: { user: "u", password: "PW" } },
];

describe.sequential("the rules of the release that serves hold", () => {
  beforeAll(async () => {
    expect((await sandbox.runWithInput("pw", app, "secrets", "set", "local", "PW")).code).toBe(0);
  });
  beforeEach(async () => {
    await deploy({ routes: RULES });
    expect([await codeOf("/"), await codeOf("/x"), await codeOf("/y")]).toEqual([200, 404, 401]);
  });

  it("during and after a failed deploy that renames its service and has none of them", async () => {
    await underLoad(["/", "/x", "/y"], () => failToDeploy({ name: "shop", command: "exit 3" }));
    expect(await codeOf("/y", { authorization: `Basic ${btoa("u:pw")}` })).toBe(200);
  });

  it("through a commission with an edited file", async () => {
    write({ name: "shop" });
    await underLoad(["/", "/x", "/y"], () => report("commission", "local"));
  });

  it("after a failed deploy that changes how its instances are checked", async () => {
    await underLoad(["/"], () => failToDeploy({ routes: RULES, command: "exit 3", service: { health: { ...HEALTH, status: "404" } } }));
    await sleep(1_500);
    expect((await status()).services).toMatchObject([{ name: "web", healthy: 2 }]);
  });

  it("across a rename, and back", async () => {
    await underLoad(["/"], async () => {
      const { previous } = await deploy({ name: "shop" });
      expect([await codeOf("/x"), (await status()).services.map(({ name }) => name)]).toEqual([200, ["shop"]]);
      expect(await report<DeployReport>("rollback", "local")).toMatchObject({ release: previous });
    });
    expect([await codeOf("/x"), await codeOf("/y")]).toEqual([404, 401]);
  });

  it("after an abort, with the numbers of instances that it had", async () => {
    write({ name: "shop", instances: 1 });
    const { child, ended, outcome } = sandbox.start(app, "deploy", "local");
    const switched = new Promise<void>((resolve) => child.stderr.on("data", () => /switch the balancer/.test(outcome.stderr) && resolve()));
    await Promise.race([switched, ended]);
    child.kill("SIGKILL");
    await ended;
    expect(await run("abort", "local")).toMatchObject({ code: 0 });
    expect([await codeOf("/"), await codeOf("/x"), await codeOf("/y")]).toEqual([200, 404, 401]);
    expect((await status()).services).toMatchObject([{ name: "web", wanted: 2, healthy: 2 }]);
  });

  it("with as many instances as it had, after a failed deploy that wants fewer or more", async () => {
    await failToDeploy({ routes: RULES, command: "exit 3", instances: 1 });
    expect((await status()).services).toMatchObject([{ name: "web", wanted: 2, healthy: 2 }]);
  });
});

describe.sequential("a release that changes nothing but the rules", () => {
  let first: DeployReport;
  beforeEach(async () => {
    first = await deploy({});
  });

  it("restarts nobody, and can be gone back from", async () => {
    const before = await pids();
    const second = await underLoad(["/"], () => deploy({ routes: [{ path: "/x", deny: true }] }));
    expect(second).toMatchObject({ changed: true, previous: first.release });
    expect(second.release).not.toBe(first.release);
    expect([await codeOf("/x"), await pids()]).toEqual([404, before]);
    expect((await status()).services[0]?.instances.map(({ release }) => release)).toEqual([second.release, second.release]);
    expect(await report("rollback", "local")).toMatchObject({ changed: true, release: first.release });
    expect([await codeOf("/x"), await pids()]).toEqual([200, before]);
  });

  it("brings a limit, a redirect and what the balancer calls healthy", async () => {
    const before = await pids();
    const routes = [{ path: "/old", redirect: { to: "/new", status: 301 } }];
    await deploy({ routes, environment: { limits: { body: "1KB" } }, service: { health: { ...HEALTH, path: "/elsewhere", unhealthyAfter: 2 } } });
    const large = await fetch(address, { method: "POST", body: "x".repeat(2_000) });
    expect([await codeOf("/old"), large.status, await pids()]).toEqual([301, 413, before]);
  });

  it("fails when what runs does not pass its check, and leaves the rules before in force", async () => {
    const before = await pids();
    const { stderr } = await underLoad(["/", "/x"], () =>
      failToDeploy({ routes: [{ path: "/x", deny: true }], service: { health: { ...HEALTH, status: "404" } } }),
    );
    expect(stderr).toContain("HEALTH_");
    expect(stderr).toContain(`Release ${first.release} is still serving all traffic`);
    expect(await pids()).toEqual(before);
    expect(await status()).toMatchObject({ release: first.release, services: [{ healthy: 2 }] });
  });

  it("is none when only numbers and the ways of a rollout are others", async () => {
    const more = await deploy({ instances: { min: 3, max: 4 }, service: { scaling: { cpu: "90%" } } });
    expect(more).toMatchObject({ release: first.release });
    expect(await status()).toMatchObject({ release: first.release, services: [{ wanted: 3, healthy: 3, scaling: expect.anything() }] });
    const fewer = await deploy({ instances: 2, environment: { rollout: { strategy: "blueGreen" } } });
    expect(fewer).toMatchObject({ release: first.release });
  });

  it("keeps for Landfall the paths by which instances of either release are asked", async () => {
    await deploy({ service: { drain: { start: "/leave" } } });
    expect([await codeOf("/leave"), await codeOf("/%6ceave"), await codeOf("/stay")]).toEqual([404, 404, 200]);
    await deploy({ service: { drain: { start: "/stay" } } });
    expect([await codeOf("/leave"), await codeOf("/stay")]).toEqual([200, 404]);
  });
});

describe.sequential("where the balancer listens, and what it speaks there,", () => {
  const codeAt = (url: string): Promise<number | string | undefined> =>
    new Promise((resolve) => {
      const read = url.startsWith("https") ? getSecurely : get;
      read(url, { rejectUnauthorized: false, agent: false }, (answer) => resolve(answer.resume().statusCode)).on("error", (error) =>
        resolve(error.message),
      );
    });

  it("is what a plan announces, a commission does and status says", async () => {
    await deploy({});
    const port = await findFreePort();
    write({ environment: { port, tls: "local" } });
    expect((await report<Plan>("plan", "local")).changes).toMatchObject([
      { of: "balancer", action: "change", differences: [{ property: "port" }, { property: "tls", before: "false", after: "local" }] },
    ]);
    expect(await status()).toMatchObject({ address, differs: [{ property: "port", after: String(port) }, { property: "tls" }] });
    // A deploy is about something else.
    expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: false, address });
    const { authority = "", ...secure } = await report<CommissionReport>("commission", "local");
    expect(secure).toMatchObject({ changed: true, address: `https://127.0.0.1:${port}` });
    expect(readFileSync(authority, "utf8")).toContain("BEGIN CERTIFICATE");
    expect(await codeAt(`https://127.0.0.1:${port}/`)).toBe(200);
    expect(await codeAt(address)).toContain("ECONNREFUSED");
    const after = await status();
    expect(after).toMatchObject({ address: `https://127.0.0.1:${port}`, authority });
    expect(after.differs).toBeUndefined();
    expect(await report<CommissionReport>("commission", "local")).toMatchObject({ changed: false });
    write({ environment: { port } });
    expect(await report<CommissionReport>("commission", "local")).toMatchObject({ changed: true, address: `http://127.0.0.1:${port}` });
    expect(await codeAt(`http://127.0.0.1:${port}/`)).toBe(200);
    address = `http://127.0.0.1:${port}`;
  });

  it("stays as it is when the port is somebody else's, and may be where its metrics were", async () => {
    const stranger = createServer().listen(0, "127.0.0.1");
    await once(stranger, "listening");
    write({ environment: { port: (stranger.address() as AddressInfo).port } });
    expect(await run("commission", "local")).toMatchObject({ code: 2, stderr: expect.stringContaining("PORT_TAKEN") });
    stranger.close();
    const { metrics = "", ...unchanged } = await status();
    expect([unchanged.address, await codeOf("/")]).toEqual([address, 200]);
    const port = Number(new URL(metrics).port);
    write({ environment: { port } });
    ({ address } = await report<CommissionReport>("commission", "local"));
    expect([address, await codeOf("/")]).toEqual([`http://127.0.0.1:${port}`, 200]);
  });
});
