// Conversations by chance with the balancer's own process, for as long as it is given: what strangers say, then what odd apps answer. It ends
// with 1 at the first that gets past a rule, does not end, ends the process, is complained of in its log, or makes it listen elsewhere.
// npm run build && npx jiti bench/doors.ts [seconds] [seed]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { controlClient } from "../src/system/control.ts";
import { findFreePort } from "../src/system/network.ts";
import type { BalancerApi, Upstream } from "../src/targets/local/balancer/api.ts";
import { holdAll, LIMITS, listening, PRIVATE, plain, ROUTES, startOdd, startWitness, upgrade } from "../test/targets/local/balancer/fuzz.ts";
import { conversation, oddAnswer } from "../test/targets/local/balancer/grammar.ts";

const AT_ONCE = 100;
const seconds = Number(process.argv[2] ?? 120);
const seed = Number(process.argv[3] ?? Date.now() % 1e9);
const folder = mkdtempSync(join(tmpdir(), "landfall-doors-"));
const socket = join(folder, "control");
const port = await findFreePort();
const metricsPort = await findFreePort(new Set([port]));
const edge = { port, metricsPort, limits: LIMITS, routes: ROUTES, defaultService: "web" };
const balancer = spawn(process.execPath, ["dist/targets/local/balancer/main.js", socket, folder], { stdio: ["ignore", "pipe", "pipe"] });
const pid = balancer.pid as number;
let complaints = "";
balancer.stderr.on("data", (text) => (complaints += text));
const api = controlClient<BalancerApi>(socket);
const configure = (upstreams: Partial<Upstream>[]) =>
  api.configure({ edge, upstreams: upstreams.map((one) => ({ id: "a", service: "web", port: 0, state: "attached", ...one })) });
const witness = await startWitness();

/** Throws what is wrong. */
async function look(before: string[]): Promise<void> {
  if (balancer.exitCode !== null || balancer.signalCode !== null) throw new Error(`the balancer ended: ${balancer.exitCode} ${balancer.signalCode}`);
  if (complaints) throw new Error(complaints);
  if (witness.breaches.length > 0) throw new Error(witness.breaches.join("\n"));
  if (listening(pid).join() !== before.join()) throw new Error(`listens at ${listening(pid)} instead of ${before}`);
  const [answer = ""] = await holdAll(port, [plain("GET")]);
  if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(`the next request was answered ${answer.slice(0, 40)}`);
}

async function run(name: string, until: number, round: (seed: number) => Promise<void>): Promise<void> {
  let rounds = 0;
  for (; Date.now() < until; rounds++) {
    await round(seed + rounds).catch((error) => {
      throw new Error(`${name}, seed ${seed + rounds}: ${error.message}`);
    });
  }
  console.log(`${name}: ${rounds * AT_ONCE} conversations`);
}

try {
  for (;;) {
    if (
      await configure([{ port: witness.port, privatePaths: PRIVATE }]).then(
        () => true,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const before = listening(pid);
  await run("what strangers say", Date.now() + seconds * 500, async (seed) => {
    await holdAll(port, fc.sample(conversation, { numRuns: AT_ONCE, seed }));
    await look(before);
  });
  await run("what odd apps answer", Date.now() + seconds * 500, async (seed) => {
    const odd = await startOdd(fc.sample(oddAnswer, { numRuns: AT_ONCE, seed }));
    await configure([{ id: `odd${seed}`, port: odd.port }]);
    await holdAll(
      port,
      Array.from({ length: AT_ONCE }, (_, index) => (index % 3 === 0 ? upgrade : plain(index % 3 === 1 ? "GET" : "POST"))),
    );
    await configure([{ port: witness.port }]);
    while ((await api.observe()).upstreams.length > 1) await new Promise((resolve) => setTimeout(resolve, 20));
    odd.server.close();
    await look(before);
  });
  console.log(`${witness.requests()} requests reached the app; seed ${seed}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  balancer.kill("SIGKILL");
  witness.server.closeAllConnections();
  witness.server.close();
  rmSync(folder, { recursive: true, force: true });
}
