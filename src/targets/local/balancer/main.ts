// The balancer's process: main.js <controlSocket> <folder>. Started and watched by the supervisor.
import { renameSync } from "node:fs";
import { dirname, join } from "node:path";
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
// Its predecessor may still be finishing and will remove the socket it made: each makes one under a name of its own, and moves it.
const ownSocket = join(dirname(controlSocket), `.${process.pid}`);
const control = await serveControl(ownSocket, api);
renameSync(ownSocket, controlSocket);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    control.close();
    await balancer.stop(STOP_TIMEOUT_MS);
    process.exit(0);
  });
}
