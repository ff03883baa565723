// Requests a second and p99 of the balancer beside Caddy, nginx and HAProxy: one core each, the same upstream, interleaved rounds.
// npm run build && node bench/balancer.mjs [rounds] [seconds]
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accepts, findProgram, freePort, installPrograms, median, withServers } from "./stage.mjs";

const [rounds = 3, seconds = 3] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "landfall-bench-"));
const started = [];

installPrograms({ wrk: "wrk", nginx: "nginx-light", haproxy: "haproxy", caddy: "caddy" });
if (!findProgram("wrk")) process.exit(1);

/** The balancers share core 0; the upstream and wrk share the other. */
function start(core, argv, environment = {}) {
  const child = spawn("taskset", ["-c", String(core), ...argv], { stdio: "ignore", env: { ...withServers, ...environment } });
  started.push(child);
}

const file = (name, text) => {
  const whole = join(folder, name);
  writeFileSync(whole, text);
  return whole;
};

async function startUpstream() {
  const port = await freePort();
  const nginx = findProgram("nginx");
  // nginx as the upstream costs so little that the balancer in front is what is measured; node serves where it is missing.
  if (nginx)
    start(1, [
      nginx,
      "-p",
      folder,
      "-c",
      file("upstream.conf", nginxConfig(port, "location / { default_type text/plain; return 200 'hello, world'; }", "upstream")),
    ]);
  else start(1, [process.execPath, "-e", `require("http").createServer((_, r) => r.end("hello, world")).listen(${port}, "127.0.0.1")`]);
  await accepts(port);
  return port;
}

const nginxConfig = (port, location, name, upstream = "") =>
  `daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log ${folder}/${name}.log; events { worker_connections 4096; }
   http { access_log off; client_body_temp_path ${folder}/${name}-body; proxy_temp_path ${folder}/${name}-proxy; keepalive_requests 100000000; ${upstream}
   server { listen 127.0.0.1:${port}; ${location} } }`;

const contenders = {
  async landfall(port, upstream) {
    const home = mkdtempSync(join(folder, "balancer-"));
    const edge = {
      port,
      metricsPort: await freePort(),
      limits: { bodyBytesMax: 1e8, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000 },
      routes: [],
      defaultService: "web",
      services: {},
    };
    writeFileSync(join(home, "balancer.json"), JSON.stringify({ edge, upstreams: [{ id: "a", service: "web", port: upstream, state: "attached" }] }));
    const { balancerArgv } = await import("../dist/targets/local/balancer/argv.js");
    start(0, balancerArgv(join(home, "control.sock"), home));
  },
  caddy: async (port, upstream) =>
    start(
      0,
      [
        findProgram("caddy"),
        "run",
        "--adapter",
        "caddyfile",
        "--config",
        file("Caddyfile", `{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:${port} {\n reverse_proxy 127.0.0.1:${upstream}\n}\n`),
      ],
      { GOMAXPROCS: "1", HOME: folder },
    ),
  nginx: async (port, upstream) =>
    start(0, [
      findProgram("nginx"),
      "-p",
      folder,
      "-c",
      file(
        "proxy.conf",
        nginxConfig(
          port,
          `location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }`,
          "proxy",
          `upstream up { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 100000000; }`,
        ),
      ),
    ]),
  haproxy: async (port, upstream) =>
    start(0, [
      findProgram("haproxy"),
      "-f",
      file(
        "haproxy.cfg",
        `global\n nbthread 1\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n http-reuse always\nfrontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n server s 127.0.0.1:${upstream}\n`,
      ),
    ]),
};

function measure(port) {
  const text = execFileSync("taskset", ["-c", "1", findProgram("wrk"), "-t1", "-c64", `-d${seconds}s`, "--latency", `http://127.0.0.1:${port}/`], {
    encoding: "utf8",
  });
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  if (failed > 0) console.log(`${failed} answers were not 2xx on port ${port}`);
  const percentile = (which) => new RegExp(`${which}%\\s+([\\d.]+\\S+)`).exec(text)?.[1];
  return { rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), p50: percentile(50), p99: percentile(99) };
}

try {
  const upstream = await startUpstream();
  const ports = {};
  for (const [name, begin] of Object.entries(contenders)) {
    if (name !== "landfall" && !findProgram(name)) continue;
    ports[name] = await freePort();
    await begin(ports[name], upstream);
    await accepts(ports[name]);
  }
  const results = Object.fromEntries(Object.keys(ports).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, port] of Object.entries(ports)) {
      const result = measure(port);
      // The first round only warms up.
      if (round > 0) results[name].push(result);
    }
  }
  const rates = Object.fromEntries(Object.entries(results).map(([name, list]) => [name, median(list.map(({ rate }) => rate))]));
  const perRound = (list, which) => list.map((result) => result[which]).join(" ");
  const width = rounds * 9;
  console.log(`balancer    requests/s   ${"p50 per round".padEnd(width)} ${"p99 per round".padEnd(width)} landfall is`);
  for (const [name, list] of Object.entries(results)) {
    const times = `${perRound(list, "p50").padEnd(width)} ${perRound(list, "p99").padEnd(width)}`;
    console.log(`${name.padEnd(10)} ${rates[name].toFixed(0).padStart(11)}   ${times} ${(rates.landfall / rates[name]).toFixed(2)} of it`);
  }
} finally {
  for (const child of started) child.kill();
  rmSync(folder, { recursive: true, force: true });
}
