// Weighted traffic: who gets how much, and what is known of it afterwards.
import { once } from "node:events";
import { Agent, request, type ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Stage, web } from "./stage.ts";

let stage: Stage;
afterEach(() => stage.close());

/** mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function openWith(random: () => number, ...ids: string[]): Promise<Record<string, number>> {
  stage = await new Stage(random).open();
  const ports: Record<string, number> = {};
  for (const id of ids) ports[id] = (await stage.upstream((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end(id)))).port;
  return ports;
}

async function spread(count: number): Promise<Record<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const got: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const { body } = await stage.ask("/", { agent });
    got[body] = (got[body] ?? 0) + 1;
  }
  agent.destroy();
  return got;
}

test("gives each instance with a share its part, and the others the rest in equal parts", async () => {
  const ports = await openWith(seeded(7), "canary", "baseline", "c", "d");
  await stage.configure([
    web("canary", ports.canary as number, "attached", 0.2),
    web("baseline", ports.baseline as number, "attached", 0.2),
    web("c", ports.c as number),
    web("d", ports.d as number),
  ]);
  const got = await spread(1_000);
  expect(got.canary).toBeGreaterThan(160);
  expect(got.canary).toBeLessThan(240);
  expect(got.baseline).toBeGreaterThan(160);
  expect(got.baseline).toBeLessThan(240);
  expect(Math.abs((got.c as number) - (got.d as number))).toBeLessThan(100);
});

test("changes a share at once, also to none and to nothing at all", async () => {
  const ports = await openWith(seeded(3), "a", "b");
  const a = web("a", ports.a as number);
  const b = web("b", ports.b as number);
  await stage.configure([a, { ...b, share: 0 }]);
  expect(await spread(20)).toEqual({ a: 20 });
  await stage.configure([a, { ...b, share: 1 }]);
  expect(await spread(20)).toEqual({ b: 20 });
  await stage.configure([a, b]);
  expect(Object.keys(await spread(40)).sort()).toEqual(["a", "b"]);
});

test("gives the share of an instance that is down to the others, and everything to shares that are alone", async () => {
  const ports = await openWith(() => 0, "canary", "c");
  const dead = await stage.upstream(() => undefined);
  await new Promise((resolve) => dead.server.close(resolve));
  await stage.configure([web("dead", dead.port, "attached", 0.9), web("c", ports.c as number)]);
  expect(await spread(5)).toEqual({ c: 5 });
  await stage.configure([web("canary", ports.canary as number, "attached", 0), web("c", ports.c as number, "draining")]);
  expect(await spread(5)).toEqual({ canary: 5 });
});

test("counts an upgrade as a request of the share, and its messages not at all", async () => {
  const ports = await openWith(() => 0, "canary", "c");
  const sockets = new WebSocketServer({ server: stage.servers[0] });
  sockets.on("connection", (socket) => socket.on("message", (text) => socket.send(text)));
  await stage.configure([web("canary", ports.canary as number, "attached", 0.1), web("c", ports.c as number)]);
  const client = new WebSocket(`ws://127.0.0.1:${stage.edge.port}/`);
  await once(client, "open");
  client.send("hello");
  await once(client, "message");
  client.close();
  await once(client, "close");
  const [canary] = await stage.balancer.observeTraffic({ ids: ["canary"] });
  expect(canary).toMatchObject({ total: 1, failed: 0 });
});

test("knows how each request ended but not those whose client left", async () => {
  stage = await new Stage().open({
    limits: { bodyBytesMax: 1_000, headerTimeoutMs: 10_000, idleTimeoutMs: 300, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
  });
  let held: ServerResponse | undefined;
  const { port, server } = await stage.upstream((incoming, outgoing) => {
    if (incoming.url === "/bad") outgoing.writeHead(500).end();
    else if (incoming.url === "/none") outgoing.writeHead(404).end();
    else if (incoming.url === "/reset") incoming.socket.resetAndDestroy();
    else if (incoming.url === "/left") held = outgoing;
    else if (incoming.url !== "/silent") outgoing.end("x");
  });
  await stage.configure([web("a", port)]);
  for (const path of ["/", "/none", "/bad"]) await stage.ask(path);
  await stage.ask("/reset", { method: "POST" });
  await stage.ask("/silent");
  const asked = request({ host: "127.0.0.1", port: stage.edge.port, path: "/left", agent: false }).end();
  asked.on("error", () => undefined);
  await once(server, "request");
  asked.destroy();
  await once(held as ServerResponse, "close");
  const [told, unknown] = await stage.balancer.observeTraffic({ ids: ["a", "never"] });
  expect(told).toMatchObject({ id: "a", total: 5, failed: 3, missed: 0 });
  expect(told?.samples.map(({ failed }) => failed)).toEqual([false, false, true, true, true]);
  expect(told?.samples[4]?.ms).toBeGreaterThan(200);
  expect(unknown).toMatchObject({ id: "never", total: 0, samples: [] });
  await stage.ask("/");
  const [more] = await stage.balancer.observeTraffic({ ids: ["a"], after: { a: told?.next as number } });
  expect(more?.samples).toHaveLength(1);
});
