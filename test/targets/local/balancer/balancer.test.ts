import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { Agent, request, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { copyOf, writeState } from "../../../../src/system/state-file.ts";
import { Balancer } from "../../../../src/targets/local/balancer/balancer.ts";
import { hashPassword } from "../../../../src/targets/local/balancer/request/credentials.ts";
import { route, Stage, web } from "./stage.ts";

let stage: Stage;
beforeEach(() => (stage = new Stage()));
afterEach(() => stage.close());

test("names the client to the upstream and ends hop-by-hop headers here", async () => {
  let seen: Record<string, unknown> = {};
  await stage.serve((incoming, outgoing) => {
    seen = incoming.headers;
    outgoing.writeHead(200, { "keep-alive": "timeout=9", "x-mine": "1", "x-hop": "1", connection: "x-hop" }).end("yes");
  });
  const answer = await stage.ask("/", {
    headers: {
      host: "app.test:80",
      connection: "x-secret",
      "x-secret": "1",
      te: "trailers",
      "x-forwarded-for": "10.0.0.1",
      "x-forwarded-proto": "https",
    },
  });
  expect(answer.body).toBe("yes");
  expect(seen).toMatchObject({
    host: "app.test:80",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "app.test:80",
  });
  expect(seen["x-request-id"]).toBe(answer.headers["x-request-id"]);
  expect(seen).not.toHaveProperty("x-secret");
  expect(seen).not.toHaveProperty("te");
  expect(answer.headers).toMatchObject({ "x-mine": "1" });
  expect(answer.headers).not.toHaveProperty("x-hop");
});

test("uses connections again on both sides", async () => {
  const sockets = new Set<unknown>();
  await stage.serve((incoming, outgoing) => {
    sockets.add(incoming.socket);
    outgoing.end("x");
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  agent.on("free", (socket: Socket) => ports.add(socket.localPort));
  for (let turn = 0; turn < 5; turn++) expect((await stage.ask("/", { agent })).body).toBe("x");
  agent.destroy();
  expect(ports.size).toBe(1);
  expect(sockets.size).toBe(1);
});

test("streams both ways before either side has ended", async () => {
  await stage.serve((incoming, outgoing) => incoming.pipe(outgoing));
  const asked = request({ host: "127.0.0.1", port: stage.edge.port, method: "POST", path: "/", agent: false });
  asked.write("one");
  const [answer] = await once(asked, "response");
  expect(String((await once(answer, "data"))[0])).toBe("one");
  asked.end("two");
  expect(String((await once(answer, "data"))[0])).toBe("two");
});

test("sends headers on before there is a body", async () => {
  let finish: ServerResponse | undefined;
  await stage.serve((_, outgoing) => {
    outgoing.writeHead(200).flushHeaders();
    finish = outgoing;
  });
  const asked = request({ host: "127.0.0.1", port: stage.edge.port, agent: false }).end();
  const [answer] = await once(asked, "response");
  finish?.end();
  answer.resume();
  await once(answer, "end");
});

test("holds an upstream back while the client does not read", async () => {
  const total = 64 * 1_048_576;
  let written = 0;
  const paused = new Promise<void>((resolve) => {
    void stage
      .serve((_, outgoing) => {
        const more = (): void => {
          while (written < total) {
            written += 1_048_576;
            if (outgoing.write(Buffer.alloc(1_048_576))) continue;
            // Drained buffers pass through; one that does not drain within a second of silence is held.
            const silent = setTimeout(resolve, 1_000);
            return void outgoing.once("drain", () => (clearTimeout(silent), more()));
          }
          outgoing.end();
        };
        more();
      })
      .then(() => {
        const asked = request({ host: "127.0.0.1", port: stage.edge.port, agent: false }).end();
        asked.on("error", () => undefined);
        asked.on("response", (answer) => answer.pause());
      });
  });
  await paused;
  expect(written).toBeLessThan(total);
});

test("tells the upstream when the client goes away", async () => {
  let gone: Promise<unknown> | undefined;
  const server = await stage.serve((_, outgoing) => {
    gone = once(outgoing, "close");
    asked.destroy();
  });
  const asked = request({ host: "127.0.0.1", port: stage.edge.port, agent: false }).end();
  asked.on("error", () => undefined);
  await once(server, "request");
  await gone;
});

test("joins WebSockets, counts them in hand, and lets a draining upstream keep them", async () => {
  const server = await stage.serve(() => undefined);
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", (text) => socket.send(`echo ${text}`)));
  const client = new WebSocket(`ws://127.0.0.1:${stage.edge.port}/chat`);
  await once(client, "open");
  await stage.configure([web("a", (server.address() as { port: number }).port, "draining")]);
  client.send("hello");
  expect(String((await once(client, "message"))[0])).toBe("echo hello");
  expect((await stage.balancer.observe()).upstreams[0]).toMatchObject({ state: "draining", inHand: 1 });
  const idle = stage.balancer.idle({ id: "a", timeoutMs: 10_000 });
  client.close();
  expect(await idle).toEqual({ inHand: 0 });
});

test("relays an upstream that declines to upgrade, and closes", async () => {
  await stage.serve((_, outgoing) => outgoing.writeHead(426).end("no"));
  const answer = await stage.raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /again HTTP/1.1\r\n\r\n");
  expect(answer).toMatch(/^HTTP\/1.1 426 /);
  expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
});

test("gives the next request to the upstream with the fewest in hand", async () => {
  await stage.open();
  const held: ServerResponse[] = [];
  const counts = { a: 0, b: 0 };
  const make = (name: "a" | "b") => stage.upstream((_, outgoing) => (counts[name]++, held.push(outgoing), both()));
  let both = () => {};
  const [a, b] = [await make("a"), await make("b")];
  await stage.configure([web("a", a.port), web("b", b.port)]);
  const four = new Promise<void>((resolve) => (both = () => held.length === 4 && resolve()));
  const answers = [1, 2, 3, 4].map(() => stage.ask("/"));
  await four;
  expect(counts).toEqual({ a: 2, b: 2 });
  for (const outgoing of held) outgoing.end();
  await Promise.all(answers);
});

test("goes on to another upstream when a connection is refused, whatever the method", async () => {
  await stage.open();
  const dead = await stage.upstream(() => undefined);
  await new Promise((resolve) => dead.server.close(resolve));
  const alive = await stage.upstream((incoming, outgoing) => incoming.pipe(outgoing));
  await stage.configure([web("dead", dead.port), web("alive", alive.port)]);
  const body = "x".repeat(200_000);
  for (let turn = 0; turn < 8; turn++) {
    await stage.configure([web(`dead${turn}`, dead.port), web("alive", alive.port)]);
    expect((await stage.ask("/", { method: "POST", body })).body).toBe(body);
  }
});

test("sends a GET again after a reset, and a POST never", async () => {
  let resets = 0;
  await stage.open();
  const resetting = (incoming: { socket: Socket; method?: string }, outgoing: ServerResponse) => {
    if (incoming.method === "POST" || resets === 0) {
      resets++;
      incoming.socket.resetAndDestroy();
    } else outgoing.end("second");
  };
  const [a, b] = [await stage.upstream(resetting), await stage.upstream(resetting)];
  await stage.configure([web("a", a.port), web("b", b.port)]);
  expect((await stage.ask("/")).body).toBe("second");
  expect(resets).toBe(1);
  await stage.configure([web("c", a.port), web("d", b.port)]);
  expect((await stage.ask("/", { method: "POST", body: "x" })).status).toBe(502);
  expect(resets).toBe(2);
});

test("takes an upstream out after failed checks and back after one pass", async () => {
  let status = 500;
  const health = { path: "/ready", from: 200, to: 299, intervalMs: 5, timeoutMs: 1_000, unhealthyAfter: 2 };
  await stage.serve((incoming, outgoing) => outgoing.writeHead(incoming.url === "/ready" ? status : 200).end(), {}, { health });
  const until = async (healthy: boolean) => {
    while ((await stage.balancer.observe()).upstreams[0]?.healthy !== healthy) await new Promise(setImmediate);
  };
  await until(false);
  const late = stage.ask("/");
  status = 200;
  await until(true);
  expect((await late).status).toBe(200);
});

test("keeps the paths that are Landfall's alone from everybody, while an instance that has them gets requests", async () => {
  await stage.serve((_, outgoing) => outgoing.end("asked"), {}, { privatePaths: ["/leave"] });
  const statuses = async () => Promise.all(["/leave", "/%6ceave", "/leave/", "/"].map(async (path) => (await stage.ask(path)).status));
  expect(await statuses()).toEqual([404, 404, 404, 200]);
  const { port } = await stage.upstream((_, outgoing) => outgoing.end("asked"));
  await stage.configure([web("b", port)]);
  expect(await statuses()).toEqual([200, 200, 200, 200]);
});

test("a limit that was changed counts for instances that are there already", async () => {
  await stage.serve((incoming, outgoing) => incoming.url === "/" && outgoing.end("answered"));
  expect((await stage.ask("/")).status).toBe(200);
  const upstreams = (await stage.balancer.observe()).upstreams.map(({ id, service, port, state }) => ({ id, service, port, state }));
  await stage.balancer.configure({ edge: { ...stage.edge, limits: { ...stage.edge.limits, idleTimeoutMs: 200 } }, upstreams });
  expect((await stage.ask("/never")).status).toBe(504);
});

test("asks an instance that fails its check rather than answer 503 itself, when no other is left", async () => {
  const health = { path: "/ready", from: 200, to: 299, intervalMs: 5, timeoutMs: 1_000, unhealthyAfter: 2 };
  const answer = (incoming: { url?: string }) => (incoming.url === "/ready" ? 500 : 200);
  await stage.serve((incoming, outgoing) => outgoing.writeHead(answer(incoming)).end("too busy to be well"), {}, { health });
  while ((await stage.balancer.observe()).upstreams[0]?.healthy) await new Promise(setImmediate);
  expect(await stage.ask("/")).toMatchObject({ status: 200, body: "too busy to be well" });
});

test("answers 503 with Retry-After when nothing appears, and serves what does", async () => {
  await stage.open();
  await stage.configure([]);
  const none = await stage.ask("/");
  expect([none.status, none.headers["retry-after"]]).toEqual([503, "1"]);
  const { port } = await stage.upstream((_, outgoing) => outgoing.end("here"));
  const waiting = stage.ask("/");
  await stage.configure([web("a", port)]);
  expect((await waiting).body).toBe("here");
});

test("answers 504 to silence", async () => {
  await stage.serve(() => undefined, {
    limits: { bodyBytesMax: 1_000, headerTimeoutMs: 10_000, idleTimeoutMs: 50, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
  });
  expect((await stage.ask("/")).status).toBe(504);
});

test("refuses what is too large, too late or malformed", async () => {
  await stage.serve((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end()), {
    limits: { bodyBytesMax: 100_000, headerTimeoutMs: 200, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
  });
  const first = async (text: string) => (await stage.raw(text)).split("\r\n")[0];
  expect(await first("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100001\r\n\r\n")).toMatch(/413/);
  expect((await stage.ask("/", { method: "POST", headers: { "transfer-encoding": "chunked" }, body: Buffer.alloc(100_001) })).status).toBe(413);
  expect(await first(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(40_000)}\r\n\r\n`)).toMatch(/431/);
  expect(await first("GET / HTTP/1.1\r\nhost: a\r\nx:")).toMatch(/408/);
  expect(await first("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")).toMatch(/400/);
  expect(await first("GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n")).toMatch(/400/);
  expect(await first("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n")).toMatch(/400/);
  expect(await first("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")).toMatch(/400/);
  expect(await first("CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n")).toMatch(/405/);
});

test("lets no spelling of a path past a denial", async () => {
  const reached: string[] = [];
  await stage.serve((incoming, outgoing) => (reached.push(incoming.url ?? ""), outgoing.end()), {
    routes: [route({ path: "/deploy/*", deny: true })],
  });
  const spellings = [
    "/deploy/drain",
    "/x/../deploy/drain",
    "/%64eploy/drain",
    "/deploy%2fdrain",
    "//deploy//drain",
    "/./deploy/drain",
    "/x/%2e%2e/deploy/drain",
    "/x\\..\\deploy\\drain",
    "//evil/..//deploy/drain",
    "http://other.test/deploy/drain",
    "/deploy/%zz",
  ];
  for (const spelling of spellings) {
    const answer = await stage.raw(`GET ${spelling} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
    expect([spelling, answer.slice(9, 12)]).toEqual([spelling, expect.stringMatching(/40[04]/)]);
  }
  expect(reached).toEqual([]);
  await stage.ask("//harmless/x?y=..");
  expect(reached).toEqual(["/harmless/x?y=.."]);
});

test("rules in order: host, redirect, password, service, headers of all that match", async () => {
  const passwordHash = hashPassword("open");
  await stage.serve((_, outgoing) => outgoing.setHeader("x-frame", "upstream").end("in"), {
    routes: [
      route({ host: "Old.test", redirect: { to: "https://new.test$path", status: 301 } }),
      route({ path: "/admin*", basicAuth: { user: "ann", passwordHash } }),
      route({ headers: { "X-Frame": "DENY" } }),
    ],
  });
  const moved = await stage.ask("/a?b=$&", { headers: { host: "OLD.test:8080" } });
  expect([moved.status, moved.headers.location, moved.headers["x-frame"]]).toEqual([301, "https://new.test/a?b=$&", "DENY"]);
  const asked = await stage.ask("/admin");
  expect([asked.status, asked.headers["www-authenticate"]]).toEqual([401, 'Basic realm="restricted", charset="UTF-8"']);
  expect((await stage.ask("/admin", { auth: "ann:wrong" })).status).toBe(401);
  expect((await stage.ask("/admin", { auth: "bob:open" })).status).toBe(401);
  for (let turn = 0; turn < 2; turn++) expect((await stage.ask("/admin", { auth: "ann:open" })).headers["x-frame"]).toBe("DENY");
});

test("keeps its configuration, finishes what is in hand when stopped, and serves again after a restart", async () => {
  let finish = () => {};
  const server = await stage.serve((incoming, outgoing) => {
    if (incoming.url === "/slow") finish = () => outgoing.end("slow");
    else outgoing.end("fast");
  });
  const slow = stage.ask("/slow");
  await once(server, "request");
  const stopped = stage.balancer.stop(10_000);
  finish();
  expect((await slow).body).toBe("slow");
  await stopped;
  expect(statSync(join(stage.folder, "balancer.json")).mode & 0o777).toBe(0o600);
  const again = new Balancer(stage.folder);
  await again.resume();
  expect((await stage.ask("/")).body).toBe("fast");
  await again.stop(1_000);
  const lines = readFileSync(join(stage.folder, "access.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { path: "/slow", status: 200, service: "web" },
    { path: "/", status: 200 },
  ]);
});

test("tells Prometheus", async () => {
  await stage.serve((_, outgoing) => outgoing.end());
  await stage.ask("/");
  const { body } = await stage.ask("/metrics", { port: stage.edge.metricsPort });
  expect(body).toContain('landfall_requests_total{service="web",status="2xx"} 1');
  expect(body).toContain('landfall_healthy_upstreams{service="web"} 1');
});

test("says whose port is taken", async () => {
  await stage.open();
  const other = await stage.upstream(() => undefined);
  stage.edge.port = other.port;
  await expect(stage.configure([])).rejects.toMatchObject({
    code: "PORT_TAKEN",
    message: `port ${other.port} of the balancer is in use by another process`,
  });
});

test("loses nothing while all upstreams are replaced twenty times", async () => {
  const open: Awaited<ReturnType<Stage["upstream"]>>[] = [];
  const start = async () => {
    const upstream = await stage.upstream((incoming, outgoing) => {
      if (incoming.url === "/stream") {
        outgoing.write("a");
        setImmediate(() => outgoing.end("b"));
      } else incoming.pipe(outgoing);
    });
    new WebSocketServer({ server: upstream.server }).on("connection", (socket) => socket.on("message", (text) => socket.send(text)));
    open.push(upstream);
    return upstream;
  };
  await stage.open();
  let fleet = [await start(), await start()];
  const list = () => fleet.map(({ port }) => web(`p${port}`, port));
  await stage.configure(list());
  let running = true;
  let done = 0;
  const failures: unknown[] = [];
  const repeat = async (act: () => Promise<boolean>) => {
    while (running) {
      if (!(await act().catch((error) => (failures.push(error), true)))) failures.push(act.toString());
      done++;
    }
  };
  const body = "y".repeat(100_000);
  const load = [
    repeat(async () => (await stage.ask("/")).status === 200),
    repeat(async () => (await stage.ask("/", { method: "POST", body: "small" })).body === "small"),
    repeat(async () => (await stage.ask("/", { method: "POST", body })).body === body),
    repeat(async () => (await stage.ask("/stream")).body === "ab"),
    repeat(async () => {
      const client = new WebSocket(`ws://127.0.0.1:${stage.edge.port}/`);
      await once(client, "open");
      client.send("hi");
      const [text] = await once(client, "message");
      client.close();
      await once(client, "close");
      return String(text) === "hi";
    }),
  ];
  for (let turn = 0; turn < 20; turn++) {
    const old = fleet;
    const before = done;
    fleet = [await start(), await start()];
    await stage.configure([...list(), ...old.map(({ port }) => web(`p${port}`, port, "draining"))]);
    for (const { port, server } of old) {
      expect(await stage.balancer.idle({ id: `p${port}`, timeoutMs: 10_000 })).toEqual({ inHand: 0 });
      server.close();
      server.closeAllConnections();
    }
    await stage.configure(list());
    while (done < before + 10) await new Promise(setImmediate);
  }
  running = false;
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect((await stage.balancer.observe()).failures).toBe(0);
});

test("serves by the copy of its configuration when a power cut left half of that", async () => {
  await stage.open();
  const { port } = await stage.upstream((_, outgoing) => outgoing.end("told before"));
  const file = keepConfiguration(port);
  cutShort(file);
  await stage.balancer.resume();
  expect((await stage.ask("/")).body).toBe("told before");
});

test("starts with nothing, and serves once it is told, when a power cut left half of its configuration and of the copy", async () => {
  await stage.open();
  const { port } = await stage.upstream((_, outgoing) => outgoing.end("told"));
  const file = keepConfiguration(port);
  cutShort(file);
  cutShort(copyOf(file));
  await stage.balancer.resume();
  await expect(stage.ask("/")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await stage.configure([web("a", port)]);
  expect((await stage.ask("/")).body).toBe("told");
});

/** As a balancer keeps it that was told of one upstream at `port`. */
function keepConfiguration(port: number): string {
  const file = join(stage.folder, "balancer.json");
  writeState(file, { edge: stage.edge, upstreams: [web("a", port)] });
  return file;
}

const cutShort = (file: string) => writeFileSync(file, readFileSync(file, "utf8").slice(0, -20));
