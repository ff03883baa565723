// The proxy on an instance as Debian's nginx runs it, beside the local balancer with the same routes and the same app behind both.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { programText } from "../../src/machine/programs.ts";
import { drainPaths } from "../../src/routing/placement.ts";
import { compileProxy } from "../../src/routing/proxy.ts";
import type { EdgeRoute } from "../../src/routing/rules.ts";
import { findFreePort } from "../../src/system/network.ts";
import { Balancer } from "../../src/targets/local/balancer/balancer.ts";
import { hashPassword } from "../../src/targets/local/balancer/request/credentials.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { production } from "../targets/aws/templates/apps.ts";

const PASSWORDS: Record<string, string> = { ADMIN: "open sesame", REPORTS: "let me in" };

const deployment = production({
  name: "shop",
  services: {
    web: { command: "x", port: 3000, health: { path: "/ready", host: "app.example.com" }, drain: { ask: "/deploy/ready", start: "/deploy/drain" } },
    api: { command: "x", port: 9000 },
  },
  routes: [
    { path: "/old/*", redirect: { to: "https://www.example.com/new$path", status: 307 } },
    { path: "/price", redirect: { to: "/now?in=$1&of=$path" } },
    { path: "/internal/*", deny: true },
    { path: "/admin/*", basicAuth: { user: "admin", password: "ADMIN" }, headers: { "cache-control": "no-store" } },
    { path: "/admin/away", redirect: { to: "/gone" } },
    { path: "/admin/secret/*", deny: true },
    { path: "/reports/*", host: "reports.example.com", basicAuth: { user: "r", password: "REPORTS" }, service: "web" },
    { path: "/reports/x", deny: true },
    { path: "/a.b/*", headers: { "x-place": 'one "two" \\ $3' } },
    { path: "/served", service: "web" },
    { path: "/served", deny: true },
    { headers: { "x-content-type-options": "nosniff", "x-own": "the route's", "Cache-Control": "public" } },
  ],
  environments: { production: { target: "aws", trustedProxies: ["198.51.100.0/24", "2001:db8::/32"] } },
});

const folder = mkdtempSync(join(tmpdir(), "landfall-proxy-"));
const balancer = new Balancer(join(folder, "balancer"));
let upstream: Server;
let nginx: ChildProcess | undefined;
let [proxyPort, balancerPort] = [0, 0];

async function startNginx(appPort: number): Promise<void> {
  proxyPort = await findFreePort();
  const { rules, passwords } = compileProxy(
    { ...deployment, services: { ...deployment.services, web: { ...deployment.services.web!, port: appPort } } },
    "web",
  );
  for (const { number, secret, user } of passwords) {
    const hash = execFileSync("openssl", ["passwd", "-6", "-stdin"], { input: PASSWORDS[secret] ?? "", encoding: "utf8" });
    writeFileSync(join(folder, `${number}.passwords`), `${user}:${hash}`);
  }
  const placed = rules.replaceAll("/run/landfall/proxy/", `${folder}/`).replace(/listen \d+;/, `listen 127.0.0.1:${proxyPort};`);
  writeFileSync(join(folder, "rules.conf"), placed);
  writeFileSync(
    join(folder, "proxy.conf"),
    `user ${process.getuid?.() === 0 ? "root" : "nobody"};\n${programText("proxy.conf").replaceAll("/run/landfall/proxy/", `${folder}/`)}`,
  );
  const argv = ["-p", folder, "-e", "stderr", "-c", join(folder, "proxy.conf")];
  execFileSync("nginx", ["-t", ...argv], { stdio: "pipe" });
  nginx = spawn("nginx", argv, { stdio: "ignore" });
  await waitFor(proxyPort);
}

async function waitFor(port: number): Promise<void> {
  for (;;) {
    const answered = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
      socket.on("error", () => resolve(false));
    });
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** As `makeEdge` of the local target makes them. */
const edgeRoutes = (): EdgeRoute[] => [
  ...drainPaths(deployment).map((path): EdgeRoute => ({ path, deny: true, headers: {} })),
  ...deployment.routes.map(({ basicAuth, ...route }): EdgeRoute => {
    if (!basicAuth) return route;
    return { ...route, basicAuth: { user: basicAuth.user, passwordHash: hashPassword(PASSWORDS[basicAuth.password] ?? "") } };
  }),
];

/** What an app does once it has answered, with most of the upload unread. */
const WAYS: Record<string, (request: IncomingMessage) => void> = {
  "reads on": (request) => void request.resume(),
  "keeps its connection open": () => {},
  "ends its half of the connection": ({ socket }) => void socket.end(),
  "closes at once": ({ socket }) => void socket.destroy(),
};

function answerEarly(request: IncomingMessage): void {
  const way = WAYS[decodeURIComponent(request.url?.slice("/early/".length) ?? "")];
  request.socket.write("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig", () => way?.(request));
}

beforeAll(async () => {
  if (!isOnPath("nginx")) return;
  upstream = createServer((request, response) => {
    response.setHeader("x-own", "the app's");
    response.setHeader("x-place", "the app's");
    if (request.url?.startsWith("/early/")) answerEarly(request);
    else if (request.url === "/headers") response.end(JSON.stringify(request.headers));
    else response.end(`${request.method} ${request.url} ${request.headers.host}`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  mkdirSync(join(folder, "balancer"));
  balancerPort = await findFreePort();
  await balancer.configure({
    edge: {
      port: balancerPort,
      metricsPort: await findFreePort(),
      limits: { bodyBytesMax: 1_000_000, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
      routes: edgeRoutes(),
      defaultService: "web",
    },
    upstreams: [
      { id: "a", service: "web", port, weight: 1, state: "active" },
      { id: "b", service: "api", port, weight: 1, state: "active" },
    ] as never,
  });
  await startNginx(port);
});

afterAll(async () => {
  nginx?.kill("SIGTERM");
  if (nginx && nginx.exitCode === null) await new Promise((resolve) => nginx?.once("exit", resolve));
  await balancer.stop(1_000);
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Written as it is, because a client of ours would tidy the path up. Before the path there may be a method. */
function ask(port: number, path: string, lines: string[] = []): Promise<Answer> {
  const text = [
    `${path.includes(" ") ? path : `GET ${path}`} HTTP/1.1`,
    ...(lines.some((line) => /^host:/i.test(line)) ? [] : ["Host: www.example.com"]),
    ...lines,
  ];
  return new Promise((resolve, reject) => {
    // As from the balancer, which always says for whom it asks.
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(
        `${[...text, ...(lines.some((line) => /^x-forwarded-for:/i.test(line)) ? [] : ["X-Forwarded-For: 192.0.2.1"]), "Connection: close"].join("\r\n")}\r\n\r\n`,
      ),
    );
    let got = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => (got += chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(parse(got)));
  });
}

function parse(text: string): Answer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
  const body = rest.join("\r\n\r\n");
  return {
    status: Number(first.split(" ")[1]),
    headers,
    body: headers["transfer-encoding"] ? body.replace(/^[0-9a-f]+\r\n([\s\S]*)\r\n0\r\n\r\n$/, "$1") : body,
  };
}

const auth = (user: string, password: string) => `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const ADMIN = auth("admin", "open sesame");

/** What a client can see of a ruling. What cannot be read is ruled upon by nobody. */
const seen = ({ status, headers, body }: Answer) =>
  status === 400
    ? { status }
    : {
        status,
        location: headers.location,
        asked: headers["www-authenticate"] === undefined ? undefined : "restricted",
        ...Object.fromEntries(["x-content-type-options", "x-own", "x-place", "cache-control"].map((name) => [name, headers[name]])),
        body: status === 200 ? body : undefined,
      };

const SAME: [string, ...string[]][] = [
  ["/"],
  ["/deploy/ready"],
  ["/deploy/drain"],
  ["/deploy/%72eady"],
  ["/deploy/./ready"],
  ["/x/../deploy/ready"],
  ["/deploy//ready"],
  ["//deploy/ready"],
  ["//evil.example/deploy/ready"],
  ["\\\\deploy/ready"],
  ["/deploy\\ready"],
  ["/%5cdeploy/ready"],
  ["/deploy%2fready"],
  ["/deploy/ready?x=1"],
  ["/deploy/ready/"],
  ["/Deploy/ready"],
  ["http://www.example.com/deploy/ready"],
  ["/old/page?x=1&y=%20"],
  ["/old"],
  ["/old/%2e%2e/deploy/ready"],
  ["/price"],
  ["/price?$path"],
  ["/internal/x"],
  ["/internal"],
  ["/internal%2fx"],
  ["/admin/"],
  ["/admin/x", ADMIN],
  ["/admin/x", auth("admin", "wrong")],
  ["/admin/x", auth("root", "open sesame")],
  ["/admin/away"],
  ["/admin/away", ADMIN],
  ["/admin/secret/x", ADMIN],
  ["/admin/secret/x"],
  ["/%61dmin/x"],
  ["/reports/x", "Host: reports.example.com"],
  ["/reports/x", "Host: REPORTS.example.com:8080", auth("r", "let me in")],
  ["/reports/x", "Host: www.example.com"],
  ["/reports/y", "Host: www.example.com"],
  ["/a.b/x"],
  ["/aXb/x"],
  ["/served"],
  ["/%zz"],
  ["/two%20words"],
  ["/ready"],
  ["/Internal"],
  ["/INTERNAL/x"],
  ["/internal;a=b"],
  ["/internal;a/x"],
  ["/internals"],
  ["/admin;x/y"],
  ["/ADMIN"],
  ["/Admin/", ADMIN],
  ["/administration"],
  ["/admin/secret"],
  ["/DEPLOY/ready/"],
  ["/deploy;x/ready"],
  ["/deploy/;x/ready"],
  ["/deploy/ready/;x"],
  ["/x/..;/deploy/ready"],
  ["/internal%00"],
  ["/two%0alines"],
  ["/Served"],
  ["/served/"],
  ["/Old/page"],
  ["/reports/x", "Host: reports.example.com."],
  ["/REPORTS/x", "Host: reports.example.com.:80"],
  ["/REPORTS/x", "Host: reports.example.com.:80", auth("r", "let me in")],
  ["/x", "Host: a..b"],
  ["http://reports.example.com/reports/y", "Host: www.example.com"],
  ["http://other.example:81/x?y", "Host: reports.example.com"],
];

requires("nginx on PATH", isOnPath("nginx"))("the proxy", () => {
  test.each(SAME.map((request) => [request.join("  "), request] as const))("rules as the local balancer does: %s", async (_, [path, ...lines]) => {
    const [ours, theirs] = await Promise.all([ask(proxyPort, path, lines), ask(balancerPort, path, lines)]);
    expect(seen(ours)).toEqual(seen(theirs));
  });

  test.each([
    "/x\\..\\deploy/ready",
    "/x/..%5cdeploy/ready",
    "/a//../deploy/ready",
    "/deploy/ready%00",
    "/deploy/ready%0a",
    "/%2e%2e%5cdeploy/ready",
  ])("sends nothing to the app that could be read as a denied path: %s", async (path) => {
    const { status, body } = await ask(proxyPort, path);
    // What is sent on may only be what no program reads as that path.
    expect([400, 404].includes(status) || !/deploy\/ready( |$)/.test(decodeURIComponent(body).replaceAll("\\", "/"))).toBe(true);
  });

  test("lets the balancer's own health check through, and nobody who looks like it", async () => {
    const { rules } = compileProxy({ ...deployment, routes: [{ ...deployment.routes[3]!, path: "/*" }] }, "web");
    expect(rules).toContain('map "$http_x_forwarded_for|$uri" $state0');
    const direct = await fetch(`http://127.0.0.1:${proxyPort}/ready`);
    // In the name that the app answers to.
    expect([direct.status, await direct.text()]).toEqual([200, "GET /ready app.example.com"]);
    expect((await ask(proxyPort, "/ready")).body).toBe("GET /ready www.example.com");
    expect((await ask(proxyPort, "/deploy/ready", ["User-Agent: ELB-HealthChecker/2.0"])).status).toBe(404);
  });

  test("passes a body and an upgrade on", async () => {
    const answer = await fetch(`http://127.0.0.1:${proxyPort}/x`, { method: "POST", body: "y".repeat(300_000) });
    expect([answer.status, await answer.text()]).toEqual([200, `POST /x 127.0.0.1:${proxyPort}`]);
    upstream.once("upgrade", (_, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello"));
    const upgraded = await new Promise<string>((resolve) => {
      const socket = connect(proxyPort, "127.0.0.1", () =>
        socket.write("GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
      );
      let got = "";
      socket.on("data", (chunk) => (got += chunk));
      socket.on("close", () => resolve(got));
    });
    expect(upgraded).toMatch(/^HTTP\/1.1 101 [\s\S]*hello$/);
  });
});

requires("nginx on PATH", isOnPath("nginx"))("what the app is told", () => {
  const told = async (...lines: string[]): Promise<Record<string, string>> => JSON.parse((await ask(proxyPort, "/headers", lines)).body);

  test("is what the balancer saw, whatever a stranger says", async () => {
    const { claims } = await import("../../src/targets/local/balancer/request/headers.ts");
    const lies = [
      ...claims,
      "x-forwarded-ssl",
      "x-forwarded-protocol",
      "x-forwarded-scheme",
      "x-forwarded-prefix",
      "x-forwarded-server",
      "x-forwarded-user",
    ];
    const headers = await told(
      ...lies.map((name) => `${name}: 6.6.6.6`),
      "X-Forwarded-Host: evil",
      "X_Forwarded_For: 6.6.6.6",
      "X-Forwarded-For: 6.6.6.6, 192.0.2.1",
    );
    expect(headers).toEqual({ host: "www.example.com", "x-forwarded-for": "192.0.2.1", "x-forwarded-host": "www.example.com" });
  });

  test.each([
    ["6.6.6.6, 198.51.100.7", "6.6.6.6, 198.51.100.7"],
    ["6.6.6.6, 2001:db8::7", "6.6.6.6, 2001:db8::7"],
    ["198.51.100.7, 6.6.6.6", "6.6.6.6"],
  ])("of %j is %j: a trusted proxy is believed", async (said, heard) => {
    expect((await told(`X-Forwarded-For: ${said}`))["x-forwarded-for"]).toBe(heard);
  });

  test.each(["GET h2c", "GET websocket, h2c", "GET TLS/1.3", "POST websocket"])("is no upgrade, by %s", async (upgrade) => {
    const [method, protocol] = [upgrade.split(" ")[0], upgrade.slice(upgrade.indexOf(" ") + 1)];
    const { body } = await ask(proxyPort, `${method} /headers`, [`Upgrade: ${protocol}`, "HTTP2-Settings: AAMAAABk"]);
    expect(Object.keys(JSON.parse(body))).toEqual(["host", "x-forwarded-for", "x-forwarded-host"]);
  });
});

requires("nginx on PATH", isOnPath("nginx"))("an answer before the end of an upload", () => {
  const BODY = Buffer.alloc(8_000_000);

  /** Sends all of the body at once, as AWS's balancer does, and tells the status; undefined when there was no whole answer. */
  const upload = (path: string): Promise<number | undefined> =>
    new Promise((resolve) => {
      const socket = connect(proxyPort, "127.0.0.1");
      let got = "";
      let failed = false;
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: ${BODY.length}\r\nConnection: close\r\n\r\n`);
      socket.write(BODY);
      socket.on("data", (chunk) => (got += chunk));
      socket.on("error", () => (failed = true));
      socket.on("close", () => resolve(failed ? undefined : parse(got).status));
    });

  const statusesOf = async (path: string): Promise<Set<number | undefined>> => {
    const statuses = new Set<number | undefined>();
    for (let turn = 0; turn < 20; turn++) statuses.add(await upload(path));
    return statuses;
  };

  test.each(["reads on", "keeps its connection open", "ends its half of the connection"])("is passed on when the app %s", async (way) => {
    expect(await statusesOf(`/early/${encodeURIComponent(way)}`)).toEqual(new Set([413]));
  });

  // The app's is lost as soon as a write of nginx meets the reset (docs/decisions/0059).
  test("is a whole one also when the app closes its connection at once: the app's, or 502", async () => {
    const statuses = await statusesOf(`/early/${encodeURIComponent("closes at once")}`);
    expect([...statuses].filter((status) => status !== 413 && status !== 502)).toEqual([]);
  });

  test.each([
    ["/internal/x", 404],
    ["/admin/x", 401],
    ["/price", 308],
  ])("is passed on when it is the proxy's own: %s", async (path, status) => {
    for (let turn = 0; turn < 5; turn++) expect(await upload(path)).toBe(status);
  });
});

describe("what it is made of", () => {
  test("needs each password once, and none for a denied path", () => {
    expect(compileProxy(deployment, "web").passwords).toEqual([
      { number: 6, secret: "ADMIN", user: "admin" },
      { number: 9, secret: "REPORTS", user: "r" },
    ]);
  });
});
