// The proxy on an instance as Debian's nginx runs it, beside the local balancer with the same routes and the same app behind both.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { scryptSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { programText } from "../../src/machine/programs.ts";
import { compileProxy } from "../../src/machine/proxy.ts";
import { findFreePort } from "../../src/system/network.ts";
import { drainPaths } from "../../src/targets/aws/routes.ts";
import type { EdgeRoute } from "../../src/targets/local/balancer/api.ts";
import { Balancer } from "../../src/targets/local/balancer/balancer.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { production } from "../targets/aws/stacks/apps.ts";

const PASSWORDS: Record<string, string> = { ADMIN: "open sesame", REPORTS: "let me in" };

const { app } = production({
  name: "shop",
  services: {
    web: { command: "x", port: 3000, health: { path: "/ready" }, drain: { ask: "/deploy/ready", start: "/deploy/drain" } },
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
  environments: { production: { target: "aws" } },
});

const folder = mkdtempSync(join(tmpdir(), "landfall-proxy-"));
const balancer = new Balancer(join(folder, "balancer"));
let upstream: Server;
let nginx: ChildProcess | undefined;
let [proxyPort, balancerPort] = [0, 0];

async function startNginx(appPort: number): Promise<void> {
  proxyPort = await findFreePort();
  const { rules, passwords } = compileProxy({ ...app, services: { ...app.services, web: { ...app.services.web!, port: appPort } } }, "web");
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
  ...drainPaths(app).map((path): EdgeRoute => ({ path, deny: true, headers: {} })),
  ...app.routes.map(({ basicAuth, ...route }): EdgeRoute => {
    if (!basicAuth) return route;
    const hash = scryptSync(PASSWORDS[basicAuth.password] ?? "", "salt", 32, { N: 16_384, r: 8, p: 1 }).toString("base64");
    return { ...route, basicAuth: { user: basicAuth.user, passwordHash: `scrypt$${Buffer.from("salt").toString("base64")}$${hash}` } };
  }),
];

beforeAll(async () => {
  if (!isOnPath("nginx")) return;
  upstream = createServer((request, response) => {
    response.setHeader("x-own", "the app's");
    response.setHeader("x-place", "the app's");
    response.end(`${request.method} ${request.url} ${request.headers.host}`);
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  mkdirSync(join(folder, "balancer"));
  balancerPort = await findFreePort();
  await balancer.configure({
    edge: {
      port: balancerPort,
      metricsPort: await findFreePort(),
      limits: { bodyBytesMax: 1_000_000, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000 },
      routes: edgeRoutes(),
      defaultService: "web",
      services: {},
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

/** Written as it is, because a client of ours would tidy the path up. */
function ask(port: number, path: string, lines: string[] = []): Promise<Answer> {
  const text = [`GET ${path} HTTP/1.1`, ...(lines.some((line) => /^host:/i.test(line)) ? [] : ["Host: www.example.com"]), ...lines];
  return new Promise((resolve, reject) => {
    // As from the balancer, which always says for whom it asks.
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(`${[...text, "X-Forwarded-For: 192.0.2.1", "Connection: close"].join("\r\n")}\r\n\r\n`),
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

/** What a client can see of a ruling. */
const seen = ({ status, headers, body }: Answer) => ({
  status,
  location: headers.location,
  asked: headers["www-authenticate"] === undefined ? undefined : "restricted",
  ...Object.fromEntries(["x-content-type-options", "x-own", "x-place", "cache-control"].map((name) => [name, headers[name]])),
  body: status === 200 ? body : undefined,
});

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
    const { rules } = compileProxy({ ...app, routes: [{ ...app.routes[3]!, path: "/*" }] }, "web");
    expect(rules).toContain('map "$http_x_forwarded_for|$uri" $state0');
    const direct = await fetch(`http://127.0.0.1:${proxyPort}/ready`);
    expect([direct.status, (await direct.text()).split(" ")[1]]).toEqual([200, "/ready"]);
    expect((await ask(proxyPort, "/deploy/ready", ["User-Agent: ELB-HealthChecker/2.0"])).status).toBe(404);
  });

  test("passes a body and an upgrade on", async () => {
    const answer = await fetch(`http://127.0.0.1:${proxyPort}/x`, { method: "POST", body: "y".repeat(300_000) });
    expect([answer.status, await answer.text()]).toEqual([200, `POST /x 127.0.0.1:${proxyPort}`]);
    upstream.once("upgrade", (_, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello"));
    const upgraded = await new Promise<string>((resolve) => {
      const socket = connect(proxyPort, "127.0.0.1", () =>
        socket.write("GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"),
      );
      let got = "";
      socket.on("data", (chunk) => (got += chunk));
      socket.on("close", () => resolve(got));
    });
    expect(upgraded).toMatch(/^HTTP\/1.1 101 [\s\S]*hello$/);
  });
});

describe("what it is made of", () => {
  test("needs each password once, and none for a denied path", () => {
    expect(compileProxy(app, "web").passwords).toEqual([
      { number: 6, secret: "ADMIN", user: "admin" },
      { number: 9, secret: "REPORTS", user: "r" },
    ]);
  });
});
