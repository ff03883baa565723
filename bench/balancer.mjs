// Landfall's balancer beside Traefik, Caddy, nginx and HAProxy, over HTTP and HTTPS: requests a second when saturated, and the times of answers
// at half of each one's own capacity under a constant rate. Each balancer has core 0 to itself; the upstream and the load have core 1. In every
// round each has its turn, in another order. Prints a table and whether the aims are met, and ends with 1 when one is missed.
// npm run build && node bench/balancer.mjs [--rounds=5] [--seconds=5] [--json]     (10 minutes, and what is built once)
import { mkdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureLocalCertificate } from "../dist/targets/local/balancer/local-ca.js";
import { contenders, upstreamArgv } from "./balancer/contenders.mjs";
import { awaitAnswer, saturate, sendSteadily } from "./balancer/load.mjs";
import { cpuSeconds, endAll, openFolder, startOn, watchCore } from "./balancer/processes.mjs";
import { findPrograms } from "./balancer/programs.mjs";
import { describeAim, describeTable, judge, summarise } from "./balancer/verdict.mjs";
import { accepts, freePort } from "./stage.mjs";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, seconds: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
});
const [rounds, seconds] = [values.rounds, values.seconds].map(Number);
if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seconds) && seconds > 0))
  throw new Error("--rounds and --seconds are whole numbers from 1");

const BALANCER_CORE = 0;
const LOAD_CORE = 1;
const SCHEMES = ["http", "https"];
const BODY = "x".repeat(1024);

const say = (text) => console.error(text);
const shuffle = (list) =>
  list
    .map((seat) => ({ seat, place: Math.random() }))
    .sort((left, right) => left.place - right.place)
    .map(({ seat }) => seat);

if (availableParallelism() < 2) throw new Error("the balancer and its load need a core each");
const programs = await findPrograms(say);
for (const needed of ["nginx", "wrk", "fortio"]) if (!programs[needed]) throw new Error(`nothing can be measured without ${needed}`);
const load = loadavg()[0];

const folder = openFolder();
const certificate = await ensureLocalCertificate(join(folder, "certificate"), []);
const authority = readFileSync(certificate.authorityFile);
const upstream = await freePort();
await begin("upstream", {
  core: LOAD_CORE,
  port: upstream,
  argvIn: (home) => upstreamArgv({ program: programs.nginx.file, folder: home, port: upstream, body: BODY }),
});

const seats = await openSeats();
const measured = new Map(seats.map((seat) => [seat, []]));
// The first round only warms up.
for (const seat of shuffle(seats)) await saturate({ core: LOAD_CORE, wrk: programs.wrk.file, address: seat.address, seconds });
for (let round = 1; round <= rounds; round++)
  for (const seat of shuffle(seats)) {
    const { saturated, steady } = await measure(seat);
    measured.get(seat).push({ saturated, steady });
    say(
      `round ${round}: ${seat.name} over ${seat.scheme}: ${saturated.rate.toFixed(0)} requests/s, p99 ${steady.p99Ms.toFixed(2)} ms at ${steady.asked}/s`,
    );
  }
await endAll();
report();
process.exit();

/** Starts a program in a folder of its own, waits until it listens, and returns its group. */
async function begin(name, { core, port, argvIn }) {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const log = join(home, "output.log");
  const { group, ended } = startOn(core, await argvIn(home), { environment: { HOME: home }, log });
  const listens = Promise.race([
    accepts(port),
    ended.then((code) => {
      throw new Error(`it ended with ${code}`);
    }),
  ]);
  await listens.catch((error) => {
    throw new Error(`${name}: ${error.message}: ${readFileSync(log, "utf8").trim().split("\n").slice(-3).join(" | ")}`);
  });
  return group;
}

/** One process for each balancer and scheme; what cannot be started is left out, and said. */
async function openSeats() {
  const open = [];
  for (const name of Object.keys(contenders).filter((name) => programs[name] || name === "landfall"))
    for (const scheme of SCHEMES)
      try {
        open.push(await openSeat(name, scheme));
      } catch (error) {
        if (name === "landfall") throw error;
        say(`left out: ${error.message}`);
      }
  return open;
}

async function openSeat(name, scheme) {
  const port = await freePort();
  const address = `${scheme}://127.0.0.1:${port}/`;
  const tls = scheme === "https" ? certificate : undefined;
  const argvIn = (home) => contenders[name]({ program: programs[name]?.file, port, upstream, folder: home, tls });
  const group = await begin(`${name}-${scheme}`, { core: BALANCER_CORE, port, argvIn });
  await awaitAnswer({ address, authority, body: BODY });
  return { name, scheme, address, group };
}

async function measure({ address, group }) {
  const watched = async (act) => {
    const [loadBusy, cpu, from] = [watchCore(LOAD_CORE), cpuSeconds(group), performance.now()];
    const result = await act();
    return { ...result, coreShare: (1_000 * (cpuSeconds(group) - cpu)) / (performance.now() - from), loadCoreShare: loadBusy() };
  };
  const saturated = await watched(() => saturate({ core: LOAD_CORE, wrk: programs.wrk.file, address, seconds }));
  const rate = saturated.rate / 2;
  const fortio = programs.fortio.file;
  const { authorityFile } = certificate;
  return { saturated, steady: await watched(() => sendSteadily({ core: LOAD_CORE, fortio, address, authorityFile, seconds, rate })) };
}

function report() {
  const names = [...new Set(seats.map(({ name }) => name))];
  const versions = Object.fromEntries(names.map((name) => [name, programs[name]?.version ?? `on node ${process.versions.node}`]));
  const results = SCHEMES.map((scheme) => {
    const summaries = Object.fromEntries(seats.filter((seat) => seat.scheme === scheme).map((seat) => [seat.name, summarise(measured.get(seat))]));
    return { scheme, summaries, aims: judge(summaries) };
  });
  if (values.json) {
    const perRound = seats.map((seat) => ({ name: seat.name, scheme: seat.scheme, rounds: measured.get(seat) }));
    console.log(JSON.stringify({ processor: cpus()[0].model, loadBefore: load, rounds, seconds, versions, results, perRound }, null, 2));
  } else {
    console.log(
      Object.entries(versions)
        .map((pair) => pair.join(" "))
        .join(", "),
    );
    console.log(
      `${cpus()[0].model}, load average ${load.toFixed(1)} before; medians of ${rounds} rounds of ${seconds} s and ${seconds} s, answers of ${BODY.length} bytes`,
    );
    for (const { scheme, summaries, aims } of results) console.log(["", describeTable(scheme, summaries), ...aims.map(describeAim)].join("\n"));
  }
  if (results.some(({ aims }) => aims.some(({ verdict }) => verdict === "missed"))) process.exitCode = 1;
}
