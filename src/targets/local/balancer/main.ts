// The balancer's process: main.js <controlSocket> <folder>. Started and watched by the supervisor.
import { serveControl } from "../../../system/control.ts";
import { outliveFullDisk } from "../../../system/processes.ts";
import type { BalancerApi } from "./api.ts";
import { Balancer } from "./balancer.ts";

outliveFullDisk();

/** Below the 10 s after which a stopping process is killed. */
const STOP_TIMEOUT_MS = 8_000;

const [, , controlSocket, folder] = process.argv;
if (!controlSocket || !folder) {
  process.stderr.write("usage: main.js <controlSocket> <folder>\n");
  process.exit(2);
}

const balancer = new Balancer(folder);
await balancer.resume();
const api: BalancerApi = {
  configure: (input) => balancer.configure(input),
  observe: () => balancer.observe(),
  observeTraffic: (input) => balancer.observeTraffic(input),
  idle: (input) => balancer.idle(input),
};
const control = await serveControl(controlSocket, api);

// A throw out of a connection costs what it stands for, and not all that are open: whoever is left without an answer meets the limits.
process.on("uncaughtException", (error) => console.error("no request answers for this:", error));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    control.close();
    await balancer.stop(STOP_TIMEOUT_MS);
    process.exit(0);
  });
}
