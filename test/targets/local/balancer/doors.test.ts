// What strangers and odd apps write, and what may come of it: an answer to that one request, and nothing past the rules.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectSecure } from "node:tls";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ensureLocalCertificate } from "../../../../src/targets/local/balancer/local-ca.ts";
import { hashPassword } from "../../../../src/targets/local/balancer/request/credentials.ts";
import { route, Stage } from "./stage.ts";

let stage: Stage;
beforeEach(() => (stage = new Stage()));
afterEach(() => stage.close());

const first = (answer: string) => answer.split("\r\n")[0];

const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;

describe("an answer that is not as it should be costs one request", () => {
  test.each([
    ["in Latin-1", "404 Pas trouv\xe9"],
    ["in UTF-8", Buffer.from("404 Не найдено").toString("latin1")],
    ["with a control byte", "404 no\x01way"],
    ["that is empty", "404 "],
  ])("a reason phrase %s", async (_, status) => {
    await stage.serveRaw((socket) => socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 2\r\n\r\nno`, "latin1"));
    expect(await stage.ask("/")).toMatchObject({ status: 404, body: "no" });
    const upgrade = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    expect(first(await stage.raw(upgrade))).toMatch(/^HTTP\/1.1 404 /);
    expect((await stage.ask("/")).status).toBe(404);
  });

  test.each([
    ["099 Low", "a status below all"],
    ["999 High", "a status above all"],
    ["101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c", "an upgrade that nobody asked for"],
    ["200 OK\r\nx: a\x01b", "a control byte in a header"],
    ["200 OK\r\ncontent-length: -1", "a length below zero"],
    ["200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked", "a length and chunks"],
  ])("%j: %s", async (head) => {
    await stage.serveRaw((socket) => socket.end(`HTTP/1.1 ${head}\r\n\r\n`, "latin1"), {
      limits: { bodyBytesMax: 1_000, headerTimeoutMs: 10_000, idleTimeoutMs: 2_000, connectionsMax: 100, bodyTimeoutMs: 60_000 },
    });
    for (const more of ["", "upgrade: websocket\r\n"]) {
      const asked = await stage.raw(`GET / HTTP/1.1\r\nhost: a\r\n${more}connection: ${more ? "upgrade" : "close"}\r\n\r\n`);
      expect(asked).toMatch(/^(HTTP\/1.1 \d{3}[ \r]|$)/);
    }
    expect((await stage.balancer.observe()).upstreams[0]).toMatchObject({ inHand: 0 });
  });

  test("a header of a route that node does not write", async () => {
    await stage.serve((_, outgoing) => outgoing.end("served"), { routes: [route({ path: "/bad", headers: { "x-bad": "\u20ac\n" } })] });
    await expect(stage.ask("/bad")).rejects.toMatchObject({ code: "ECONNRESET" });
    expect((await stage.ask("/")).body).toBe("served");
  });
});

describe("upgrades", () => {
  const seen: IncomingMessage[] = [];
  beforeEach(() => void seen.splice(0));
  const serve = () =>
    stage.serve(
      (incoming, outgoing) => {
        seen.push(incoming);
        outgoing.setHeader("x-asked", `${incoming.method} ${incoming.url}`);
        incoming.pipe(outgoing);
      },
      { routes: [route({ path: "/internal/*", deny: true })] },
    );

  test("to another protocol than WebSocket are ignored, body and next request included", async () => {
    await serve();
    const answers = await stage.raw(
      "POST /first HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\ncontent-length: 5\r\n\r\nhello" +
        "GET /internal/x HTTP/1.1\r\nhost: a\r\n\r\nGET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"]);
    expect(answers).toContain("hello");
    expect(seen.map(({ url }) => url).sort()).toEqual(["/first", "/last"]);
    expect(seen.flatMap(({ headers }) => Object.keys(headers))).not.toContain("upgrade");
    expect(seen.flatMap(({ headers }) => Object.keys(headers))).not.toContain("http2-settings");
  });

  test.each([
    ["POST", "upgrade: websocket", "content-length: 2\r\n\r\n{}"],
    ["GET", "upgrade: websocket, h2c", "\r\n"],
    ["GET", "upgrade: websocket\r\nupgrade: h2c", "\r\n"],
    ["GET", "upgrade: h2c", "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ["GET", "upgrade: TLS/1.3", "\r\n"],
  ])("%s with %j is a plain request", async (method, upgrade, rest) => {
    await serve();
    const socket = connect(stage.edge.port, "127.0.0.1");
    socket.write(`${method} /plain HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n${upgrade}\r\n${rest}`);
    expect(String((await once(socket, "data"))[0])).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    socket.destroy();
    expect(seen[0]?.headers.upgrade).toBeUndefined();
  });

  test("one behind a request that is still in hand waits for its answer", async () => {
    await serve();
    const answers = await stage.raw(
      "POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\noneGET /two HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nGET /three HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    expect(answers.match(/x-asked: .*/g)).toEqual(["x-asked: POST /one", "x-asked: GET /two", "x-asked: GET /three"]);
  });

  // RFC 9112, 9.3.2: answers come in the order of the requests.
  test("CONNECT waits as well", async () => {
    await serve();
    const answers = await stage.raw("POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\noneCONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 405"]);
  });

  test.each(["GET /ws HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n", "CONNECT a:443 HTTP/1.1\r\n"])(
    "%j waits no longer than its client, and no stop waits for either",
    async (next) => {
      await stage.serve(() => undefined);
      const inHand = async () => (await stage.balancer.observe()).upstreams[0]?.inHand;
      const ask = () => connect(stage.edge.port, "127.0.0.1").on("error", () => undefined);
      for (const isLast of [false, true]) {
        const client = ask();
        client.write(`GET / HTTP/1.1\r\nhost: a\r\n\r\n${next}host: a\r\n\r\n`);
        await expect.poll(inHand, { timeout: 20_000 }).toBe(1);
        if (isLast) await stage.balancer.stop(50);
        else client.resetAndDestroy();
        await expect.poll(inHand, { timeout: 20_000 }).toBe(0);
      }
    },
  );

  test("a WebSocket behind one does not end the balancer", async () => {
    await serve();
    const ws = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    expect((await stage.raw(`POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\none${ws}`)).match(/x-asked: .*/g)).toEqual([
      "x-asked: POST /one",
      "x-asked: GET /ws",
    ]);
  });

  test("are joined only when the service agrees to a WebSocket", async () => {
    await stage.serveRaw((socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\nthrough"));
    const answer = await stage.raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    expect(first(answer)).toBe("HTTP/1.1 502 Bad Gateway");
    expect(answer).not.toContain("through");
  });
});

describe("a connection that is no HTTP any more is closed", () => {
  const upgrade = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`;
  const CONNECT = "CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n";
  /** Agrees to a WebSocket at /join, gives much at /large, and declines elsewhere. */
  async function serve(idleTimeoutMs: number): Promise<void> {
    const limits = { bodyBytesMax: 90_000, headerTimeoutMs: 300, bodyTimeoutMs: 500, idleTimeoutMs, connectionsMax: 10_000 };
    const server = await stage.serve((_, outgoing) => outgoing.end(), { limits });
    server.on("upgrade", ({ url }, socket: Socket) => {
      socket.on("error", () => undefined);
      // Its own side never holds the connection open.
      socket.on("end", () => socket.end()).resume();
      if (url === "/join") socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
      else if (url === "/large")
        socket.end(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n"), Buffer.alloc(20_000_000)]));
      else socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    });
  }

  /** Says this, reads no more than the first of the answer, and says more. */
  async function say(text: string): Promise<Socket> {
    const socket = connect({ port: stage.edge.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.write(text);
    await once(socket, "readable");
    socket.write("and more");
    return socket;
  }

  const CONVERSATIONS = [
    ["an upgrade that was declined", upgrade("/")],
    ["one with an answer that nobody reads", upgrade("/large")],
    ["a WebSocket", upgrade("/join")],
    ["CONNECT", CONNECT],
  ] as const;

  test.each(CONVERSATIONS)("when its client has left: %s", async (_, text) => {
    await serve(200);
    (await say(text)).destroy();
    await expect.poll(sockets, { timeout: 20_000 }).toBe(0);
  });

  test.each(CONVERSATIONS)("when its client says nothing more: %s", async (_, text) => {
    await serve(200);
    const socket = await say(text);
    // Of the client's own end there is one.
    await expect.poll(sockets, { timeout: 20_000 }).toBeLessThanOrEqual(1);
    socket.destroy();
  });

  test("when its client goes on talking behind an answer", async () => {
    await serve(3_600_000);
    const socket = await say(CONNECT);
    const drip = setInterval(() => socket.write("."), 100);
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(drip);
  });

  test("by neither side alone, when the two are joined: an app that has said all still hears", async () => {
    await serve(3_600_000);
    let heard = "";
    stage.servers[0]?.removeAllListeners("upgrade").on("upgrade", (_, socket: Socket) => {
      socket.on("data", (chunk) => (heard += String(chunk))).on("error", () => undefined);
      socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbye");
    });
    const socket = connect({ port: stage.edge.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.write(upgrade("/join"));
    await once(socket.resume(), "end");
    socket.end("still here");
    await expect.poll(() => heard, { timeout: 20_000 }).toBe("still here");
  });

  test.each(CONVERSATIONS)("by a stop: %s", async (_, text) => {
    await serve(3_600_000);
    const socket = await say(text);
    await stage.balancer.stop(50);
    socket.destroy();
  });
});

describe("a stop waits for what is in hand and not", () => {
  afterEach(() => void vi.useRealTimers());

  test.each([
    ["behind an answered CONNECT", "CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n", false],
    ["behind a declined upgrade", "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", false],
    ["between two requests", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", false],
    ["before a request", "", false],
    ["within a request's head", "GET / HT", false],
    ["before a handshake", "", true],
    ["within a handshake", "\x16\x03\x01", true],
  ])("for a client that is silent %s", async (_, text, isSecure) => {
    const tls = isSecure ? await ensureLocalCertificate(join(stage.folder, "tls"), []) : undefined;
    const server = await stage.serve((_, outgoing) => outgoing.setHeader("connection", "close").end("served"), {
      tls,
      limits: { bodyBytesMax: 1_000, headerTimeoutMs: 3_600_000, bodyTimeoutMs: 3_600_000, idleTimeoutMs: 3_600_000, connectionsMax: 100 },
    });
    server.on("upgrade", (incoming, socket: Socket) => {
      if (incoming.url === "/") return void socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
      socket.pipe(socket);
    });
    // No time-out of the balancer passes from here on.
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const where = { port: stage.edge.port, host: "127.0.0.1" };
    const joined = tls ? connectSecure({ ...where, rejectUnauthorized: false }) : connect(where);
    joined.write("GET /join HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    expect(String((await once(joined, "data"))[0])).toMatch(/^HTTP\/1.1 101 /);
    const silent = connect({ ...where, allowHalfOpen: true });
    await once(silent, "connect");
    silent.write(text);
    if (text.endsWith("\n")) expect(String((await once(silent, "data"))[0])).toMatch(/^HTTP\/1.1 /);
    const stopped = stage.balancer.stop(3_600_000);
    // Both ends of both halves of the tunnel, and the client's own.
    while (sockets() !== 5) await new Promise(setImmediate);
    joined.write("still here");
    expect(String((await once(joined, "data"))[0])).toBe("still here");
    joined.destroy();
    await stopped;
    silent.destroy();
  });
});

test.each(["gzip, chunked", "chunked, chunked", "identity, chunked"])("a body that is %s is refused, not passed on encoded", async (coding) => {
  let reached = 0;
  await stage.serve((_, outgoing) => (reached++, outgoing.end()));
  expect(first(await stage.raw(`POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ${coding}\r\n\r\n2\r\nab\r\n0\r\n\r\n`))).toMatch(/ (501|400) /);
  expect(reached).toBe(0);
});

test.each([304, 204])("a %i with a length leaves the client's connection open", async (status) => {
  await stage.serve((incoming, outgoing) => {
    if (incoming.url === "/none") outgoing.writeHead(status, { "content-length": "1234", etag: '"x"' }).end();
    else outgoing.end("next");
  });
  const answers = await stage.raw("GET /none HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect(answers.match(/HTTP\/1.1 \d+/g)).toEqual([`HTTP/1.1 ${status}`, "HTTP/1.1 200"]);
  // RFC 9110, 8.6 and 15.4.5: of a 304 it tells the length of the whole, and a 204 has none.
  expect(/content-length: 1234/.test(answers)).toBe(status === 304);
  expect(await stage.balancer.observe()).toMatchObject({ failures: 0, upstreams: [{ failed: 0 }] });
});

describe("an answer before the end of an upload", () => {
  const BODY = Buffer.alloc(8_000_000);
  const LARGE = {
    limits: { bodyBytesMax: 100_000_000, headerTimeoutMs: 10_000, idleTimeoutMs: 10_000, connectionsMax: 1_000, bodyTimeoutMs: 60_000 },
  };
  const upload = (path = "/") => stage.ask(path, { method: "POST", body: BODY }).then(({ status, body }) => `${status} ${body}`);

  test("is passed on, when the service closes its connection at once", async () => {
    await stage.serveRaw(
      (socket) => socket.end("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig", () => socket.destroy()),
      LARGE,
    );
    for (let turn = 0; turn < 10; turn++) expect(await upload()).toBe("413 big");
  });

  test("is passed on, when the service reads on or does not", async () => {
    await stage.serve((incoming, outgoing) => {
      if (incoming.url === "/reads") incoming.resume();
      outgoing.writeHead(403).end("no");
    }, LARGE);
    for (const path of ["/reads", "/ignores", "/reads", "/ignores"]) expect(await upload(path)).toBe("403 no");
  });

  test("is the balancer's own, and the next request on the connection is not lost in it", async () => {
    await stage.serve((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end("whole")), {
      limits: { ...LARGE.limits, bodyBytesMax: 1_000_000 },
      routes: [route({ path: "/denied", deny: true })],
    });
    for (let turn = 0; turn < 5; turn++) expect(await upload()).toMatch(/^413 /);
    expect(await upload("/denied")).toMatch(/^404 /);
  });

  test("is cut off when the rest does not come", async () => {
    await stage.serve((_, outgoing) => outgoing.writeHead(403).end("no"), LARGE);
    const client = connect(stage.edge.port, "127.0.0.1");
    client.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nx");
    expect(String((await once(client, "data"))[0])).toMatch(/^HTTP\/1.1 403 /);
    await once(client.resume(), "close");
  });
});

describe("who asks, and how", () => {
  let seen: Record<string, unknown>;
  const serve = (trustedProxies?: string[]) =>
    stage.serve(
      (incoming, outgoing) => {
        seen = incoming.headers;
        outgoing.end();
      },
      { trustedProxies },
    );
  const CLAIMS = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Prefix": "/evil",
    Forwarded: "for=6.6.6.6;proto=https",
    "X-Real-IP": "6.6.6.6",
    "X-Original-URL": "/admin",
    "X-Rewrite-Url": "/admin",
    "True-Client-IP": "6.6.6.6",
    Proxy: "http://evil.example",
  };
  const UNPLAIN = {
    X_Forwarded_For: "6.6.6.6",
    X_Forwarded_Proto: "https",
    "X.Forwarded.For": "6.6.6.6",
    X_Real_IP: "6.6.6.6",
    "X-Forwarded_Ssl": "on",
  };

  test("is what the balancer saw, whatever a stranger says", async () => {
    await serve(["10.0.0.0/8", "::1"]);
    await stage.ask("/", { headers: { ...CLAIMS, ...UNPLAIN, host: "a.test", "x-own": "1" } });
    const own = { host: "a.test", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "a.test", "x-own": "1" };
    expect(seen).toMatchObject(own);
    expect(
      Object.keys(seen)
        .filter((name) => !(name in own))
        .sort(),
    ).toEqual(["connection", "x-request-id"]);
  });

  test.each([["127.0.0.1"], ["127.0.0.0/8"]])("is what a proxy at %s says, which is trusted", async (range) => {
    await serve([range]);
    await stage.ask("/", { headers: { ...CLAIMS, ...UNPLAIN, host: "a.test" } });
    expect(seen).toMatchObject({
      "x-forwarded-for": "6.6.6.6, 127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "evil.example",
      "x-real-ip": "6.6.6.6",
    });
    expect(Object.keys(seen).filter((name) => /[^a-z0-9-]/.test(name))).toEqual([]);
  });
});

describe("guards", () => {
  const reached: string[] = [];
  const ask = async (path: string, host = "a") => {
    reached.splice(0);
    const answer = await stage.raw(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    return reached.length > 0 ? "reached" : (first(answer) ?? "").slice(9, 12);
  };
  const routes = [
    route({ path: "/admin", deny: true }),
    route({ path: "/Internal/*", deny: true }),
    route({ path: "/ops*", basicAuth: { user: "a", passwordHash: hashPassword("open") } }),
    route({ host: "admin.example.com", deny: true }),
  ];
  beforeEach(async () => {
    await stage.serve(
      (incoming, outgoing) => (reached.push(incoming.url ?? ""), outgoing.end()),
      { routes },
      { privatePaths: ["/deploy/drain?now"] },
    );
  });

  test.each([
    "/admin/",
    "/Admin",
    "/ADMIN/?x",
    "/%41dmin",
    "/admin;v=1",
    "/admin;v=1/",
    "/x/..;/admin",
    "/internal",
    "/INTERNAL/x",
    "/internal;x/y",
    "/internal%00/x",
    "/admin%0a",
    "/deploy/drain",
    "/deploy/drain/",
    "/DEPLOY/Drain",
    "//deploy/drain",
    "/deploy/%64rain",
    "/deploy;x/drain;y?z",
  ])("deny %s", async (path) => {
    expect(await ask(path)).toMatch(/^40[04]$/);
  });

  test.each(["/ops", "/OPS/", "/Ops;x/y"])("ask for a password at %s", async (path) => {
    expect(await ask(path)).toBe("401");
  });

  test.each(["admin.example.com", "admin.example.com.", "ADMIN.example.COM.:8080", "admin.example.com:1"])("deny the host %s", async (host) => {
    expect(await ask("/", host)).toBe("404");
  });

  test.each(["/administrator", "/internals", "/x/admin", "/deploy"])("let %s through", async (path) => {
    expect(await ask(path)).toBe("reached");
  });
});

test("who knows the password is let in while others guess", async () => {
  await stage.serve((_, outgoing) => outgoing.end("in"), {
    routes: [route({ path: "/in*", basicAuth: { user: "ann", passwordHash: hashPassword("open") } })],
  });
  let guesses = 0;
  let isOver = false;
  const guess = async (): Promise<void> => {
    while (!isOver) expect((await stage.ask("/in", { auth: `ann:guess ${guesses++}` })).status).toBeOneOf([401, 503]);
  };
  const flood = Array.from({ length: 100 }, guess);
  await expect.poll(() => guesses).toBeGreaterThanOrEqual(100);
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => stage.ask(`/in/${index}`, { auth: "ann:open" })));
  isOver = true;
  await Promise.all(flood);
  expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200));
});

describe("limits", () => {
  const LIMITS = { bodyBytesMax: 1_000, headerTimeoutMs: 500, idleTimeoutMs: 10_000, connectionsMax: 100, bodyTimeoutMs: 60_000 };

  test("connections beyond their number are closed, those within go on, and room is used again", async () => {
    await stage.serve((_, outgoing) => outgoing.end("served"), { limits: { ...LIMITS, connectionsMax: 2 } });
    const open = [connect(stage.edge.port, "127.0.0.1"), connect(stage.edge.port, "127.0.0.1")];
    await Promise.all(open.map((socket) => once(socket, "connect")));
    const third = connect(stage.edge.port, "127.0.0.1").on("error", () => undefined);
    await once(third.resume(), "close");
    open[0]?.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(String((await once(open[0] as NodeJS.EventEmitter, "data"))[0])).toMatch(/^HTTP\/1.1 200 /);
    open[1]?.destroy();
    await expect.poll(() => stage.ask("/").catch(() => undefined)).toMatchObject({ body: "served" });
    open[0]?.destroy();
  });

  test("a body that trickles has an end", async () => {
    await stage.serve((incoming, outgoing) => incoming.resume().on("end", () => outgoing.end("whole")), {
      limits: { ...LIMITS, bodyTimeoutMs: 500 },
    });
    const client = request({ host: "127.0.0.1", port: stage.edge.port, method: "POST", agent: false, headers: { "content-length": 900 } });
    const trickle = setInterval(() => client.write("x"), 20);
    client.on("error", () => undefined);
    client.on("response", (answer) => answer.resume());
    await once(client, "close");
    clearInterval(trickle);
    expect((await stage.ask("/", { method: "POST", body: "short" })).body).toBe("whole");
  });
});
