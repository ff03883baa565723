// From a configuration's text to the templates of an environment on AWS, in a new process each time: wall time and peak memory by the
// number of services. npm run build && node bench/synth.mjs
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, ms, show, took } from "./stage.mjs";

const SIZES = [1, 10, 50, 200];
const ROUNDS = 5;

const dist = new URL("../dist/", import.meta.url).href;
const base = mkdtempSync(join(tmpdir(), "landfall-synth-"));

/** A third each of web services, workers that scale by a queue, and schedulers. */
function serviceOf(index) {
  const common = { command: "exec node main.js", environment: { ROLE: `r${index}` }, secrets: ["TOKEN"] };
  if (index % 3 === 0) return { ...common, port: 3000, instances: { min: 2, max: 6 }, scaling: { cpu: "60%", requests: 20 } };
  if (index % 3 === 1) return { ...common, instances: { min: 1, max: 9 }, scaling: { queue: { resource: "jobs", latency: "30s" } } };
  return { ...common, singleton: true };
}

function writeConfig(count) {
  const folder = join(base, String(count));
  mkdirSync(folder);
  const services = Object.fromEntries(Array.from({ length: count }, (_, index) => [index === 0 ? "web" : `s${index}`, serviceOf(index)]));
  const routes = Object.keys(services)
    .filter((_, index) => index % 3 === 0 && index > 0 && index < 150)
    .map((service) => ({ path: `/${service}/*`, service }));
  const app = {
    name: "bench",
    resources: { database: { type: "postgres" }, jobs: { type: "queue" }, uploads: { type: "bucket" }, cache: { type: "cache" } },
    services,
    routes,
    environments: { production: { target: "aws", notify: ["mailto:team@example.com"] } },
  };
  const file = join(folder, "landfall.config.ts");
  writeFileSync(file, `export default ${JSON.stringify(app, null, 2)};\n`);
  return file;
}

const PROGRAM = `
  const { loadConfig } = await import("${dist}config/load.js");
  const { deploymentOf } = await import("${dist}config/app.js");
  const { app } = await loadConfig(process.argv[1]);
  const { makeStacks } = await import("${dist}targets/aws/templates/index.js");
  const site = deploymentOf(app, "production");
  const fleet = { blue: { release: "7f3c2a", image: "ami-0123456789abcdef0", script: "exit 0" } };
  const running = Object.fromEntries(Object.keys(app.services).map((name) => [name, fleet]));
  const count = (template) => Object.keys(template.Resources).length;
  const resources = makeStacks(site, running).reduce((sum, { body }) => sum + count(JSON.parse(body)), 0);
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  console.log(JSON.stringify({ resources, megabytes: Math.round(maxRSS / 1024), processor: (userCPUTime + systemCPUTime) / 1000 }));`;

/** LANDFALL_HOME is new each time, so that no configuration that passed before is kept there. */
async function measure(file) {
  const home = mkdtempSync(join(base, "home-"));
  let answer = {};
  const time = await took(() => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", PROGRAM, file], {
      encoding: "utf8",
      env: { ...process.env, LANDFALL_HOME: home },
    });
    if (status !== 0) throw new Error(stderr);
    answer = JSON.parse(stdout.trim().split("\n").at(-1));
  });
  return { time, ...answer };
}

try {
  for (const count of SIZES) {
    const file = writeConfig(count);
    const runs = [];
    for (let round = 0; round < ROUNDS; round++) runs.push(await measure(file));
    const time = median(runs.map((run) => run.time));
    // The processor's time says what it takes also on a machine that is busy with something else.
    const processor = median(runs.map((run) => run.processor));
    const { resources, megabytes } = runs[0];
    show(`synth ${count}`, ms(time), `${ms(processor)} of the processor, ${megabytes} MB at most, ${resources} resources, median of ${ROUNDS}`);
  }
} finally {
  rmSync(base, { recursive: true, force: true });
}
