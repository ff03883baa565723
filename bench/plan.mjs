// From command to plan, cold: a new process each time, the configuration evaluated, templates made, compared with those that stand, and priced. With 1 to
// 1150 services. CDK's own users report 5.8 s for 1,000 resources and 33 s for 10,000, for the templates alone.
// npm run build && node bench/plan.mjs
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { landfall, median, ms, show } from "./stage.mjs";

/** The last comes to 10,000 resources. */
const SIZES = [1, 10, 50, 200, 1150];
const RUNS = 5;
/** Services that answer requests: a balancer has room for so many. */
const WEB_MAX = 90;
/** The aim: 100 resources in 0.4 s, 600 in 0.6 s, 2,200 in 1 s, 10,000 in 3 s. */
const aimOf = (resources) => (resources <= 100 ? 400 : resources <= 600 ? 600 : resources <= 2200 ? 1000 : 3000);

const PEAK = fileURLToPath(new URL("./peak.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "landfall-plan-bench-"));
try {
  for (const services of SIZES) await measure(services);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(services) {
  writeFileSync(join(folder, "landfall.config.ts"), `export default ${JSON.stringify(appOf(services))};\n`);
  const runs = [];
  await run();
  for (let count = 0; count < RUNS; count++) runs.push(await run());
  const { changes } = runs[0];
  const time = median(runs.map(({ durationMs }) => durationMs));
  show(
    `plan of ${services} service${services === 1 ? "" : "s"}`,
    ms(time),
    `${changes} resources, ${ms(median(runs.map(({ cpuMs }) => cpuMs)))} of processor, ${Math.round(median(runs.map(({ peakMib }) => peakMib)))} MiB at most, median of ${RUNS} cold starts (aim ${ms(aimOf(changes))})`,
  );
}

/** Every third service answers requests, as long as there is room; all use a database, a cache, a queue and a bucket. */
function appOf(services) {
  const service = (index) => ({
    command: "exec node service.js",
    ...(index % 3 === 0 && index / 3 < WEB_MAX ? { port: 3000 + index } : {}),
    instances: { min: 2, max: 6 },
    scaling: { cpu: "60%" },
  });
  return {
    name: "bench",
    resources: { database: { type: "postgres" }, cache: { type: "cache" }, jobs: { type: "queue" }, uploads: { type: "bucket" } },
    services: Object.fromEntries(Array.from({ length: services }, (_, index) => [index === 0 ? "web" : `service-${index}`, service(index)])),
    environments: { production: { target: "aws", region: "eu-central-1" } },
  };
}

function run() {
  const from = performance.now();
  const note = join(folder, "peak");
  const child = spawn(process.execPath, ["--import", PEAK, landfall, "plan", "production", "--fresh", "--json"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LANDFALL_HOME: join(folder, "home"), PEAK_NOTE: note },
  });
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) =>
    child.on("close", (status) => {
      const durationMs = performance.now() - from;
      if (status !== 0) return reject(new Error(`plan ended with status ${status}`));
      const { changes } = JSON.parse(Buffer.concat(chunks).toString());
      const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(note, "utf8"));
      resolve({ durationMs, changes: changes.length, cpuMs: (userCPUTime + systemCPUTime) / 1000, peakMib: maxRSS / 1024 });
    }),
  );
}
