// Counts what a constant, checked load loses while releases, numbers and processes change: ten deploys (five rolling, five
// blueGreen), a rollback, scaling up and down, and kill -9 of an instance without requests. Run: npx jiti bench/zero-loss.ts
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CommissionReport, Status } from "../src/reports.ts";
import { startLoad } from "../test/end-to-end/load.ts";
import { change, makeSandbox } from "../test/end-to-end/sandbox.ts";

const perSecond = Number(process.argv[2] ?? 300);
const sandbox = makeSandbox();
const app = sandbox.copyApp("examples/guestbook");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8");

async function landfall<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await sandbox.run(app, ...args, "--json");
  if (code !== 0) throw new Error(`landfall ${args.join(" ")} ended with ${code}\n${stderr}`);
  return JSON.parse(stdout) as T;
}

try {
  const { address } = await landfall<CommissionReport>("commission", "local");
  await landfall("deploy", "local");
  const load = startLoad({ url: address, perSecond, ws: 10 });
  const did = (what: string) => console.log(`${what}: ${load.requests} requests so far, ${load.failures.length} failed`);
  for (const strategy of ["rolling", "blueGreen"])
    for (let round = 1; round <= 5; round++) {
      change(app, "landfall.config.ts", config.replace("environments:", `rollout: { strategy: "${strategy}" },\n  environments:`));
      change(app, "changed.txt", `${strategy} ${round}`);
      await landfall("deploy", "local");
      did(`deploy ${strategy} ${round}`);
    }
  await landfall("rollback", "local");
  did("rollback");
  for (const count of [5, 3]) {
    await landfall("scale", "local", `web=${count}`);
    did(`scale web=${count}`);
  }
  const idle = (await landfall<Status>("status", "local")).services
    .flatMap((service) => service.instances)
    .find((one) => one.state === "warm" && one.pid);
  if (!idle?.pid) throw new Error("no instance without requests is there to be killed");
  process.kill(idle.pid, "SIGKILL");
  did(`kill -9 ${idle.id}`);
  const report = await load.stop();
  console.log(JSON.stringify({ ...report, failures: report.failures.slice(0, 20), failed: report.failures.length }, null, 2));
  process.exitCode = report.failures.length > 0 ? 1 : 0;
} finally {
  await sandbox.dispose();
}
