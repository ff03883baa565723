// A million requests, each answer checked, while everything changes that can: rolling, blueGreen, a canary that is promoted, one that is
// refused, a rollback, scaling out and in, instances and the supervisor killed. The balancer's own end comes last and is counted apart.
// npm run build && npx jiti bench/million.ts [requests]

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import type { CommissionReport, Status } from "../src/reports.ts";
import { controlClient } from "../src/system/control.ts";
import { socketPathOf } from "../src/system/socket-path.ts";
import { pathsOf } from "../src/targets/local/paths.ts";
import type { SupervisorApi } from "../src/targets/local/supervisor/api.ts";
import { pidFileOf } from "../src/targets/local/supervisor/start.ts";
import { change, makeSandbox } from "../test/end-to-end/sandbox.ts";

const WANTED = Number(process.argv[2] ?? 1_000_000);
const CONNECTIONS = 32;

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello");
const paths = pathsOf(sandbox.home, "hello", "local");
let strategy = "rolling";
let version = 0;

async function landfall(...args: string[]) {
  return sandbox.run(app, ...args, "--json");
}

async function must<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await landfall(...args);
  if (code !== 0) throw new Error(`landfall ${args.join(" ")} ended with ${code}\n${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Another release; a slow one answers everything, 30 ms late. */
async function release(next: typeof strategy, slow = false) {
  strategy = next;
  version += 1;
  const config = readFileSync(join(app, "landfall.config.ts"), "utf8").replace(/\n {2}rollout: .*|(?=\n\}\);)/, "");
  const rollout = `  rollout: { strategy: "${strategy}", soak: "5s", canary: { weights: ["5%", "20%"], step: "10s", minRequests: 300, timeout: "60s" } },`;
  writeFileSync(join(app, "landfall.config.ts"), config.replace(/\n\}\);/, `\n${rollout}\n});`));
  change(app, "delay.txt", slow ? "30" : "0");
  change(app, "version.txt", String(version));
}

interface Count {
  done: number;
  lost: string[];
  times: number[];
}

function startLoad(address: string) {
  const pool = new Pool(address, { connections: CONNECTIONS });
  const count: Count = { done: 0, lost: [], times: [] };
  let going = true;
  const loop = async () => {
    while (going) {
      const from = performance.now();
      try {
        const { statusCode, body } = await pool.request({ method: "GET", path: "/" });
        const text = await body.text();
        if (statusCode !== 200 || !/^hello from release \w+, instance web\.\d+\.\w+\n$/.test(text))
          count.lost.push(`${statusCode} ${text.slice(0, 100)}`);
      } catch (error) {
        count.lost.push((error as Error).message);
      }
      count.done += 1;
      count.times.push(performance.now() - from);
    }
  };
  const loops = Array.from({ length: CONNECTIONS }, loop);
  return {
    count,
    async stop() {
      going = false;
      await Promise.all(loops);
      await pool.close();
    },
  };
}

try {
  const server = readFileSync(join(app, "server.js"), "utf8");
  const delayed = server
    .replace(
      'import { createServer } from "node:http";',
      'import { readFileSync } from "node:fs";\nimport { createServer } from "node:http";\nconst delay = Number(readFileSync("delay.txt", "utf8"));',
    )
    .replace(/ {2}response\.end\((.*)\);/, "  const answer = () => response.end($1);\n  if (delay) setTimeout(answer, delay);\n  else answer();");
  writeFileSync(join(app, "server.js"), delayed);
  const { address } = await must<CommissionReport>("commission", "local");
  await release("rolling");
  await must("deploy", "local");
  const load = startLoad(address);
  const { count } = load;
  const from = performance.now();
  let losses = 0;
  const did = (what: string) => {
    const times = count.times.splice(0).sort((a, b) => a - b);
    const at = (share: number) => `${(times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(0)} ms`;
    console.log(
      `${String(count.done).padStart(8)} requests, ${count.lost.length - losses} lost: ${what} (p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)})`,
    );
    for (const problem of count.lost.slice(losses, losses + 3)) console.log(`           ${problem}`);
    losses = count.lost.length;
  };
  const instances = async () =>
    (await must<Status>("status", "local")).services.flatMap((service) => (service.name === "web" ? service.instances : []));
  const script: [string, () => Promise<unknown>][] = [
    ["rolling deploy", () => release("rolling").then(() => must("deploy", "local"))],
    ["blueGreen deploy", () => release("blueGreen").then(() => must("deploy", "local"))],
    ["rollback", () => must("rollback", "local")],
    ["canary promoted", () => release("canary").then(() => must("deploy", "local"))],
    [
      "canary refused",
      async () => {
        await release("canary", true);
        const { code, stderr, stdout } = await landfall("deploy", "local");
        if (code !== 1 || !`${stderr}${stdout}`.includes("CANARY_WORSE")) throw new Error(`the slow canary was not refused: ${code} ${stderr}`);
      },
    ],
    ["scale out to 4", () => must("scale", "local", "web=4")],
    [
      "kill -9 of an instance that serves",
      async () => {
        const [first] = await instances();
        process.kill(first?.pid as number, "SIGKILL");
        await sleep(2_000);
      },
    ],
    ["scale in to 2", () => must("scale", "local", "web=2")],
    [
      "kill -9 of the supervisor, commission",
      async () => {
        const { pid } = JSON.parse(readFileSync(pidFileOf(paths), "utf8")) as { pid: number };
        process.kill(pid, "SIGKILL");
        await sleep(1_000);
        await must("commission", "local");
      },
    ],
  ];
  for (let round = 0; count.done < WANTED; round++) {
    for (const [what, act] of script) {
      await act();
      did(what);
      if (count.done >= WANTED && round > 0) break;
    }
  }
  await load.stop();
  const seconds = (performance.now() - from) / 1000;
  console.log(`${count.done} requests in ${seconds.toFixed(0)} s (${Math.round(count.done / seconds)} a second), ${count.lost.length} lost`);

  process.exitCode = count.lost.length > 0 ? 1 : 0;

  // The first time its sockets are held by nobody, since the supervisor was killed after it had handed them over; the second time they are.
  for (const time of ["for the first time after the supervisor was", "again"]) {
    const last = startLoad(address);
    await sleep(1_000);
    const { processes } = await controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket)).observe();
    process.kill(processes.find(({ spec }) => spec.id === "balancer")?.pid as number, "SIGKILL");
    await sleep(3_000);
    await last.stop();
    console.log(`the balancer killed ${time}: ${last.count.lost.length} of ${last.count.done} requests lost on ${CONNECTIONS} connections`);
    for (const problem of new Set(last.count.lost)) console.log(`  ${last.count.lost.filter((one) => one === problem).length} times: ${problem}`);
  }
} finally {
  await sandbox.dispose();
}
