// Counts what clients lose when the balancer is killed, also with its supervisor, and when it is renewed, under a constant load of GET and POST over kept
// connections and over new ones. npm run build && npx jiti bench/balancer-restart.ts [requests a second] [times]
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { findFreePort } from "../src/system/network.ts";
import { socketPathOf } from "../src/system/socket-path.ts";
import type { ProcessSpec, SupervisorApi } from "../src/targets/local/supervisor/api.ts";
import { makeEnvironment } from "../test/targets/local/supervisor/environment.ts";

const perSecond = Number(process.argv[2] ?? 400);
const times = Number(process.argv[3] ?? 5);
const PAUSE_MS = 2_000;
const ANSWERED_AFTER_MS = 5;

const upstream = createServer((incoming, outgoing) => incoming.resume().on("end", () => setTimeout(() => outgoing.end("served"), ANSWERED_AFTER_MS)));
await once(upstream.listen(0, "127.0.0.1"), "listening");
const environment = await makeEnvironment();
const port = await findFreePort();
const metricsPort = await findFreePort();
const agent = new Agent({ keepAlive: true });
const lost: Record<string, number> = {};
const waitedMs: number[] = [];
let sent = 0;

async function ask(method: string, kept: boolean): Promise<void> {
  const from = performance.now();
  try {
    const asked = request({ host: "127.0.0.1", port, method, agent: kept ? agent : false }).end(method === "POST" ? "body" : undefined);
    const [answer] = await once(asked, "response");
    let body = "";
    for await (const chunk of answer) body += chunk;
    if (body !== "served") throw new Error(String(answer.statusCode));
    waitedMs.push(performance.now() - from);
  } catch (error) {
    const why = `${method} over a ${kept ? "kept" : "new"} connection: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`;
    lost[why] = (lost[why] ?? 0) + 1;
  }
}

async function load(until: AbortSignal): Promise<void> {
  const underWay: Promise<void>[] = [];
  const from = performance.now();
  for (let begun = 0; !until.aborted; await sleep(5))
    for (; begun < ((performance.now() - from) / 1_000) * perSecond; begun++) {
      underWay.push(ask(begun % 2 ? "POST" : "GET", begun % 4 < 2));
      sent++;
    }
  await Promise.all(underWay);
}

async function measure(what: string, act: () => Promise<unknown>): Promise<void> {
  const until = new AbortController();
  const loading = load(until.signal);
  for (let time = 0; time < times; time++) {
    await sleep(PAUSE_MS);
    await act();
  }
  await sleep(PAUSE_MS);
  until.abort();
  await loading;
  const sorted = waitedMs.splice(0).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(0);
  console.log(`${what} ${times} times: ${sent} requests, lost ${JSON.stringify(lost)}; waited p50 ${at(0.5)} p99 ${at(0.99)} most ${at(1)} ms`);
  sent = 0;
  for (const why of Object.keys(lost)) delete lost[why];
}

async function kill(): Promise<void> {
  for (;;) {
    const { pid } = await environment.record("balancer");
    if (pid) return void process.kill(pid, "SIGKILL");
  }
}

async function startAll(supervisor: SupervisorApi): Promise<ProcessSpec> {
  const { paths } = environment;
  const common = {
    cwd: paths.environment,
    env: { PATH: process.env.PATH ?? "" },
    secretEnv: {},
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  } as const;
  const main = fileURLToPath(new URL("../dist/targets/local/balancer/main.js", import.meta.url));
  const argv = [process.execPath, main, socketPathOf(paths.balancerSocket), paths.environment];
  const spec: ProcessSpec = { ...common, id: "balancer", kind: "balancer", argv, listen: [port, metricsPort], restart: "always" };
  await supervisor.start(spec);
  const limits = { bodyBytesMax: 1e6, headerTimeoutMs: 10_000, bodyTimeoutMs: 3_600_000, idleTimeoutMs: 60_000, connectionsMax: 10_000 };
  await supervisor.setEdge({ port, metricsPort, limits, routes: [], defaultService: "web", handling: {} });
  const instance = { ...common, id: "web.1", kind: "instance", service: "web", argv: ["sleep", "1000"], restart: "never" } as const;
  await supervisor.start({ ...instance, argv: [...instance.argv], port: (upstream.address() as AddressInfo).port });
  await supervisor.attach({ id: "web.1" });
  return spec;
}

try {
  const supervisor = await environment.supervisor();
  const spec = await startAll(supervisor);
  await measure("nothing", async () => undefined);
  await measure("renewed", () => supervisor.renew({ spec }));
  await measure("killed", kill);
  await measure("killed together with the supervisor,", async () => {
    const { pid } = await environment.record("balancer");
    await environment.crashSupervisor();
    process.kill(pid as number, "SIGKILL");
    await environment.supervisor();
  });
} finally {
  await environment.remove();
  agent.destroy();
  upstream.closeAllConnections();
  upstream.close();
}
