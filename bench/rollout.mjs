// A rolling deploy of ten instances, one after the other. First beside its limit: the app's own start and stop, once per wave, and the window
// in which a new release is watched, once for the first wave and once for the last. Then, without a window, beside the same rollout by Ansible
// and HAProxy, and by pm2, each under the same load. All of it for an app that starts at once and for one that takes a second.
// npm run build && node bench/rollout.mjs [rounds] [--alone]   (--alone: beside its limit only)
import { fork } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEnvironment } from "../dist/index.js";
import { execute } from "./cache.mjs";
import { openAnsible } from "./rollout/ansible.mjs";
import { openPm2 } from "./rollout/pm2.mjs";
import { landfall, measureApp, median, ms, onStage, show, took } from "./stage.mjs";

const isAlone = process.argv.includes("--alone");
const rounds = Number(process.argv.slice(2).find((word) => word !== "--alone") ?? 3);
const INSTANCES = 10;
const PER_SECOND = 200;
const BODY = "^hello from release \\w+, instance [\\w.]+\\n$";

/** The default of `health.steadyFor`, and none, as the peers have it. */
const WINDOWS_MS = [5_000, 0];

const APPS = {
  "quick app": { aim: 1.1, start: "" },
  "1 s app": { aim: 1.05, start: "await new Promise((resolve) => setTimeout(resolve, 1_000));\nserver.listen(" },
};

const change = (folder) => appendFileSync(join(folder, "server.js"), "// another release\n");
const load = () => `load average ${loadavg()[0].toFixed(1)}`;
const pause = () => new Promise((resolve) => setTimeout(resolve, 1_000));

for (const [name, { aim, start }] of Object.entries(APPS))
  for (const windowMs of WINDOWS_MS)
    await onStage({ instances: INSTANCES, adapt: (folder) => adapt(folder, { start, windowMs }) }, async (stage) => {
      stage.run("commission", "local");
      stage.run("deploy", "local", "--dirty");
      await besideItsLimit({ name, aim, windowMs }, stage);
      if (windowMs === 0 && !isAlone) await besidePeers(name, stage);
    });
if (!isAlone) await import("./growth.mjs");

/** The web service alone, with the window and the start that were asked for. */
function adapt(folder, { start, windowMs }) {
  replaceIn(join(folder, "landfall.config.ts"), /^ {4}ticker: .*\n/m, "");
  replaceIn(join(folder, "landfall.config.ts"), 'steadyFor: "500ms"', `steadyFor: "${windowMs}ms"`);
  if (start) replaceIn(join(folder, "server.js"), "server.listen(", start);
}

function replaceIn(file, what, by) {
  const text = readFileSync(file, "utf8");
  const replaced = text.replace(what, by);
  if (replaced === text) throw new Error(`${file} is not what this measurement expects`);
  writeFileSync(file, replaced);
}

async function besideItsLimit({ name, aim, windowMs }, { folder }) {
  const alone = [];
  const deploys = [];
  for (let round = 0; round < rounds; round++) {
    for (let time = 0; time < 3; time++) alone.push(await measureApp(folder));
    change(folder);
    deploys.push(await deploy(folder));
  }
  const start = median(alone.map((app) => app.start));
  const stop = median(alone.map((app) => app.stop));
  // The last old instance stops while the last new one is watched.
  const limit = INSTANCES * (start + stop) + windowMs + Math.max(0, windowMs - stop);
  const whole = median(deploys.map((one) => one.whole));
  show(
    "rollout",
    `${(whole / limit).toFixed(2)} x`,
    `its limit, ${name}, window ${ms(windowMs)}: ${ms(whole)} / ${ms(limit)}, ${INSTANCES} waves of start ${ms(start)} and stop ${ms(stop)}, median of ${rounds}; ${load()} (aim ${aim})`,
  );
  const typical = deploys.find((one) => one.whole >= whole);
  const described = Object.entries(typical.steps).map(([step, time]) => `${step} ${ms(time)}`);
  console.log(
    `  of which: ${described.join(", ")}; the rest ${ms(typical.whole - Object.values(typical.steps).reduce((sum, time) => sum + time, 0))}`,
  );
}

/** One deploy in this process, with the time of each kind of step. */
async function deploy(folder) {
  const steps = {};
  const emit = ({ type, text, durationMs = 0 }) => {
    if (type !== "finished") return;
    const step = text.split(/ (?=\w+\.\d)/)[0];
    steps[step] = (steps[step] ?? 0) + durationMs;
  };
  const environment = await openEnvironment("local", { folder, emit });
  return { whole: await took(() => environment.deploy({ dirty: true })), steps };
}

async function besidePeers(name, { base, folder, run, atEnd }) {
  const { address } = JSON.parse(run("status", "local", "--json"));
  const roll = () => execute(process.execPath, [landfall, "deploy", "local", "--dirty"], { cwd: folder });
  const contenders = [{ name: "landfall deploy", address, roll }];
  for (const [peer, open] of Object.entries({ Ansible: openAnsible, pm2: openPm2 }))
    try {
      contenders.push(...(await open({ base, app: folder, instances: INSTANCES, atEnd })));
    } catch (error) {
      console.log(`  ${peer} is skipped: ${error.message}`);
    }
  const results = new Map(contenders.map((one) => [one.name, []]));
  for (let round = 0; round < rounds; round++)
    for (const [place, contender] of contenders.entries()) {
      change(folder);
      results.get(contender.name).push(await rollUnderLoad(contender, `r${round}x${place}`));
    }
  showResults(name, results);
}

/** The wall time of a rollout, and what its load saw of it from a second before to a second after. */
async function rollUnderLoad({ address, roll }, release) {
  const before = await releasesOf(address);
  const client = fork(fileURLToPath(new URL("rollout/load.mjs", import.meta.url)), [address, String(PER_SECOND), BODY]);
  const report = new Promise((resolve, reject) => {
    client.once("message", resolve);
    client.once("exit", (code) => reject(new Error(`the load ended with ${code}`)));
  });
  try {
    await pause();
    const wall = await took(() => roll(release));
    await pause();
    client.send("stop");
    const left = [...(await releasesOf(address))].filter((one) => before.has(one));
    if (left.length > 0) throw new Error(`${address} still answers from release ${left.join(", ")} after the rollout`);
    return { wall, ...(await report) };
  } finally {
    client.kill();
  }
}

/** Which releases answer: each on a connection of its own, so that every instance gets its turn. */
async function releasesOf(address) {
  const answers = await Promise.all(
    Array.from({ length: 5 * INSTANCES }, async () => (await fetch(address, { headers: { connection: "close" } })).text()),
  );
  return new Set(answers.map((text) => /release (\w+)/.exec(text)?.[1]));
}

function showResults(name, results) {
  const wallOf = (list) => median(list.map(({ wall }) => wall));
  const own = wallOf(results.get("landfall deploy"));
  console.log(`  ${name}, ${INSTANCES} instances, ${PER_SECOND} requests/s, median of ${rounds}; ${load()}`);
  for (const [contender, list] of results) {
    const sum = (of) => list.reduce((total, one) => total + of(one), 0);
    const lost = list.flatMap((one) => Object.entries(one.lost));
    const described = lost.length > 0 ? `: ${lost.map(([reason, count]) => `${count} ${reason}`).join(", ")}` : "";
    console.log(
      [
        `  ${contender.padEnd(32)}`,
        ms(wallOf(list)).padStart(9),
        `${(wallOf(list) / own).toFixed(2)} x landfall's`.padStart(20),
        `  lost ${lost.reduce((total, [, count]) => total + count, 0)} of ${sum((one) => one.done)}${described}`,
        `, p99 ${ms(median(list.map((one) => one.p99)))}, slowest ${ms(Math.max(...list.map((one) => one.slowest)))}`,
      ].join(""),
    );
  }
}
