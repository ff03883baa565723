// The balancer's process as the supervisor runs it: what is lost when it ends, by whatever way.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { Agent, createServer, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { controlClient } from "../../../../src/system/control.ts";
import { findFreePort } from "../../../../src/system/network.ts";
import { socketPathOf } from "../../../../src/system/socket-path.ts";
import type { BalancerApi } from "../../../../src/targets/local/balancer/api.ts";
import type { HandledEdge, ProcessSpec } from "../../../../src/targets/local/supervisor/api.ts";
import { builtMain } from "../../../build.ts";
import { killGroup } from "../../../groups.ts";
import { makeEnvironment, type TestEnvironment, until } from "../supervisor/environment.ts";

const held: ServerResponse[] = [];
const upstream = createServer((incoming, outgoing) => {
  if (incoming.url !== "/held") return void outgoing.end("served");
  outgoing.write("first ");
  held.push(outgoing);
});

let environment: TestEnvironment;
let edge: HandledEdge;
let spec: ProcessSpec;

beforeEach(async () => {
  environment = await makeEnvironment();
  const main = builtMain("targets/local/balancer/main.js");
  await once(upstream.listen(0, "127.0.0.1"), "listening");
  const { port } = upstream.address() as AddressInfo;
  edge = {
    port: await findFreePort(),
    metricsPort: await findFreePort(),
    limits: { bodyBytesMax: 1_000_000, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
    routes: [],
    defaultService: "web",
    handling: {},
  };
  const { paths } = environment;
  const common = {
    cwd: paths.environment,
    env: { PATH: process.env.PATH ?? "" },
    secretEnv: {},
    stop: { signal: "SIGTERM", timeoutMs: 10_000 },
  } as const;
  spec = {
    ...common,
    id: "balancer",
    kind: "balancer",
    argv: [process.execPath, main, socketPathOf(paths.balancerSocket), paths.environment],
    listen: [edge.port, edge.metricsPort],
    restart: "always",
  };
  const supervisor = await environment.supervisor();
  await supervisor.start(spec);
  await supervisor.setEdge(edge);
  await supervisor.start({ ...common, id: "web.1", kind: "instance", service: "web", argv: ["sleep", "1000"], port, restart: "never" });
  await supervisor.attach({ id: "web.1" });
}, 180_000);

afterEach(async () => {
  await environment.remove();
  upstream.closeAllConnections();
  upstream.close();
});

async function ask(path = "/", agent?: Agent): Promise<string> {
  const asked = request({ host: "127.0.0.1", port: edge.port, path, agent: agent ?? false }).end();
  const [answer] = await once(asked, "response");
  let body = "";
  for await (const chunk of answer) body += chunk;
  return body;
}

test("a balancer that is killed refuses nobody: new connections wait for the next", async () => {
  const { pid } = await environment.record("balancer");
  process.kill(pid as number, "SIGKILL");
  for (let turn = 0; turn < 50; turn++) expect(await ask()).toBe("served");
  expect((await environment.record("balancer")).pid).not.toBe(pid);
});

test("a renewed balancer takes over before the old one ends, which finishes what it has", async () => {
  const { pid } = await environment.record("balancer");
  const slow = ask("/held");
  while (held.length === 0) await new Promise(setImmediate);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await ask("/", agent)).toBe("served");
  const renewed = (await environment.supervisor()).renew({ spec });
  // Asked as fast as they are answered, each on a connection of its own, while the one takes over from the other.
  while ((await environment.record("balancer")).pid === pid) expect(await ask()).toBe("served");
  for (let turn = 0; turn < 50; turn++) expect(await ask()).toBe("served");
  held.splice(0)[0]?.end("last");
  expect(await slow).toBe("first last");
  const next = await renewed;
  expect(next.pid).not.toBe(pid);
  expect(await ask()).toBe("served");
  agent.destroy();
});

test("after the supervisor was killed a balancer is renewed, and refuses nobody", async () => {
  await environment.crashSupervisor();
  const { pid } = await environment.record("balancer");
  const renewed = (await environment.supervisor()).renew({ spec });
  while ((await environment.record("balancer")).pid === pid) expect(await ask()).toBe("served");
  for (let turn = 0; turn < 50; turn++) expect(await ask()).toBe("served");
  expect((await renewed).pid).not.toBe(pid);
  expect(await ask()).toBe("served");
});

test("a balancer that is killed after the supervisor was, or together with it, refuses nobody", async () => {
  const { pid } = await environment.record("balancer");
  await environment.crashSupervisor();
  expect((await environment.record("balancer")).pid).toBe(pid);
  process.kill(pid as number, "SIGKILL");
  for (let turn = 0; turn < 50; turn++) expect(await ask()).toBe("served");
  const { pid: second, group } = await environment.record("balancer");
  await environment.crashSupervisor();
  await killGroup(group?.pid as number);
  const waiting = ask();
  expect((await environment.record("balancer")).pid).not.toBe(second);
  expect(await waiting).toBe("served");
});

test("a balancer is not renewed onto a port that somebody has, and serves on", async () => {
  const { pid } = await environment.record("balancer");
  const stranger = createServer().listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const { port } = stranger.address() as AddressInfo;
  const supervisor = await environment.supervisor();
  const taken = { code: "PORT_TAKEN", message: `port ${port} of the balancer is in use by another process` };
  await expect(supervisor.requirePorts({ ports: [edge.port, port] })).rejects.toMatchObject(taken);
  await expect(supervisor.renew({ spec: { ...spec, listen: [edge.port, port] } })).rejects.toMatchObject(taken);
  await environment.crashSupervisor();
  await expect(supervisor.renew({ spec: { ...spec, listen: [edge.port, port] } })).rejects.toMatchObject(taken);
  await supervisor.requirePorts({ ports: spec.listen as number[] });
  expect(await ask()).toBe("served");
  expect((await environment.record("balancer")).pid).toBe(pid);
  stranger.close();
});

/** The kernel clears a killed process's sockets away a moment after the process. */
async function listenOnceFree(port: number): Promise<Server> {
  for (;;) {
    const server = createServer().listen(port, "127.0.0.1");
    const refused = await Promise.race([
      once(server, "listening").then(() => false),
      new Promise((resolve) => server.on("error", () => resolve(true))),
    ]);
    if (!refused) return server;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a balancer whose port was taken while all were down is named, and starts once it is free", async () => {
  const { group } = await environment.record("balancer");
  await environment.crashSupervisor();
  await environment.crashKeeper();
  await killGroup(group?.pid as number);
  const stranger = await listenOnceFree(edge.port);
  const supervisor = await environment.supervisor();
  const taken = { code: "PORT_TAKEN", message: `port ${edge.port} of the balancer is in use by another process` };
  await expect(supervisor.start(spec)).rejects.toMatchObject(taken);
  await expect(supervisor.setEdge(edge)).rejects.toMatchObject(taken);
  await expect(supervisor.requirePorts({ ports: spec.listen as number[] })).rejects.toMatchObject(taken);
  // Long enough for several tries.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const told = environment.events().filter(({ id, text }) => id === "balancer" && text.startsWith("could not be started again: port"));
  expect(told).toHaveLength(1);
  stranger.close();
  await environment.event(({ type, id }) => type === "restarted" && id === "balancer");
  expect(await ask()).toBe("served");
});

test("a balancer that is given a socket of another address serves nobody", async () => {
  const stranger = createServer().listen(0, "127.0.0.1");
  await once(stranger, "listening");
  const { libuv } = process.report.getReport() as unknown as { libuv: { fd?: number; localEndpoint?: { port: number } }[] };
  const { port } = stranger.address() as AddressInfo;
  const descriptor = libuv.find(({ localEndpoint }) => localEndpoint?.port === port)?.fd as number;
  const folder = join(environment.paths.environment, "other");
  mkdirSync(folder);
  const socket = socketPathOf(join(folder, "balancer.sock"));
  const wanted = await findFreePort();
  const balancer = spawn(process.execPath, [spec.argv[1] as string, socket, folder], {
    env: { ...process.env, LANDFALL_LISTENERS: `${wanted}:3` },
    stdio: ["ignore", "inherit", "inherit", descriptor],
  });
  await until(() => existsSync(socket));
  const configured = controlClient<BalancerApi>(socket).configure({ edge: { ...edge, port: wanted }, upstreams: [] });
  await expect(configured).rejects.toThrow(`the socket that was given for port ${wanted} is at 127.0.0.1:${port}`);
  balancer.kill("SIGKILL");
  await once(balancer, "exit");
  stranger.close();
});

test("a balancer that is stopped leaves nobody waiting", async () => {
  await (await environment.supervisor()).stop({ id: "balancer" });
  const [error] = await once(connect(edge.port, "127.0.0.1"), "error");
  expect(error.code).toBe("ECONNREFUSED");
});

test("a balancer that gets SIGTERM finishes what it has, answers on kept connections, and ends by itself", async () => {
  const slow = ask("/held");
  while (held.length === 0) await new Promise(setImmediate);
  const kept = connect(edge.port, "127.0.0.1");
  let answers = "";
  kept.on("data", (data) => (answers += data));
  kept.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  while (!answers.includes("served")) await once(kept, "data");
  const { pid } = await environment.record("balancer");
  process.kill(pid as number, "SIGTERM");
  kept.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  await once(kept, "close");
  expect(answers.split("served")).toHaveLength(3);
  held.splice(0)[0]?.end("last");
  expect(await slow).toBe("first last");
  const event = await environment.event(({ type, id }) => type === "crashed" && id === "balancer");
  expect(event.text).toBe("exit status 0");
  expect(await ask()).toBe("served");
});

test("a share and the count of what became of it outlive a killed supervisor, the share also a killed balancer", async () => {
  const ids = ["web.1"];
  await (await environment.supervisor()).attach({ id: "web.1", share: 0.25 });
  await ask();
  const [before] = await (await environment.supervisor()).observeTraffic({ ids });
  expect(before).toMatchObject({ id: "web.1", total: 1, failed: 0, missed: 0 });
  await environment.crashSupervisor();
  expect((await environment.record("web.1")).share).toBe(0.25);
  await ask();
  const after = { "web.1": before?.next as number };
  const [second] = await (await environment.supervisor()).observeTraffic({ ids, after });
  expect([second?.total, second?.samples.length]).toEqual([2, 1]);
  process.kill((await environment.record("balancer")).pid as number, "SIGKILL");
  await environment.event(({ type, id }) => type === "restarted" && id === "balancer");
  expect(await ask()).toBe("served");
  // Numbers go on in the new process, so that the cursor of the old one misses nothing.
  const [third] = await (await environment.supervisor()).observeTraffic({ ids, after: { "web.1": second?.next as number } });
  expect([third?.total, third?.samples.length]).toEqual([1, 1]);
  expect(JSON.parse(readFileSync(join(environment.paths.environment, "balancer.json"), "utf8")).upstreams).toMatchObject([
    { id: "web.1", share: 0.25 },
  ]);
  await (await environment.supervisor()).attach({ id: "web.1" });
  expect((await environment.record("web.1")).share).toBeUndefined();
});
