// Counts what a constant, checked load loses, and how long it waits, while releases, numbers and processes change: ten deploys (five
// rolling, five blueGreen), a rollback, scaling up, kill -9 of attached instances that have no request in hand, and scaling down.
// npm run build && npx jiti bench/zero-loss.ts [requests a second] [deploys of each strategy]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CommissionReport, Status } from "../src/reports.ts";
import { controlClient } from "../src/system/control.ts";
import { socketPathOf } from "../src/system/socket-path.ts";
import type { BalancerApi } from "../src/targets/local/balancer/api.ts";
import { pathsOf } from "../src/targets/local/paths.ts";
import type { ProcessRecord, SupervisorApi } from "../src/targets/local/supervisor/api.ts";
import { startLoad } from "../test/end-to-end/load.ts";
import { change, makeSandbox } from "../test/end-to-end/sandbox.ts";

const perSecond = Number(process.argv[2] ?? 300);
const rounds = Number(process.argv[3] ?? 5);
const sandbox = makeSandbox();
const app = sandbox.copyApp("examples/guestbook");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8");
const paths = pathsOf(sandbox.home, "guestbook", "local");
const balancer = controlClient<BalancerApi>(socketPathOf(paths.balancerSocket));
const supervisor = controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket));

async function landfall<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await sandbox.run(app, ...args, "--json");
  if (code !== 0) throw new Error(`landfall ${args.join(" ")} ended with ${code}\n${stderr}`);
  return JSON.parse(stdout) as T;
}

/**
 * Kills an attached instance while it has nothing in hand. It gets no requests for as long as it takes to become idle, and its full part
 * again at the moment of the kill: so there is no request that it could lose, and those that follow meet a dead instance.
 */
async function killIdle(id: string): Promise<void> {
  await supervisor.attach({ id, share: 0 });
  while ((await balancer.observe()).upstreams.some((one) => one.id === id && one.inHand > 0)) await new Promise((resolve) => setTimeout(resolve, 10));
  const { pid } = (await supervisor.observe()).processes.find(({ spec }) => spec.id === id) as ProcessRecord;
  const attaching = supervisor.attach({ id });
  process.kill(pid as number, "SIGKILL");
  await attaching;
}

/** The instances that were added last: WebSockets stay with those before. */
async function findNew(count: number): Promise<string[]> {
  const { services } = await landfall<Status>("status", "local");
  return services
    .flatMap(({ name, instances }) => (name === "web" ? instances : []))
    .map(({ id }) => id)
    .sort()
    .slice(-count);
}

try {
  const { address } = await landfall<CommissionReport>("commission", "local");
  await landfall("deploy", "local");
  const load = startLoad({ url: address, perSecond, ws: 10 });
  const did = (what: string) => {
    const { p50, p99, max } = load.latencySince();
    console.log(`${what}: ${load.requests} requests so far, ${load.failures.length} failed; waited p50 ${p50} p99 ${p99} most ${max} ms`);
  };
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  did("nothing, for comparison");
  for (const strategy of ["rolling", "blueGreen"])
    for (let round = 1; round <= rounds; round++) {
      change(app, "landfall.config.ts", config.replace("environments:", `rollout: { strategy: "${strategy}" },\n  environments:`));
      change(app, "changed.txt", `${strategy} ${round}`);
      await landfall("deploy", "local");
      did(`deploy ${strategy} ${round}`);
    }
  await landfall("rollback", "local");
  did("rollback");
  await landfall("scale", "local", "web=5");
  did("scale web=5");
  for (const id of [...(await findNew(2)), ...(await findNew(2))]) {
    await killIdle(id);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    did(`kill -9 of ${id}, attached and idle`);
  }
  await landfall("scale", "local", "web=3");
  did("scale web=3");
  const report = await load.stop();
  console.log(JSON.stringify({ ...report, failures: report.failures.slice(0, 20), failed: report.failures.length }, null, 2));
  process.exitCode = report.failures.length > 0 ? 1 : 0;
} finally {
  await sandbox.dispose();
}
