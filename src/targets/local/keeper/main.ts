// The keeper's own process: `node main.js <environment folder> <pid of the supervisor>`. It keeps what must not end with a supervisor: the reading end of all pipes, since
// whoever writes into one that nobody reads comes to a stop there, and the balancer's sockets, since whoever connects to one that nobody holds is
// refused. Only the supervisor's word ends it.

import { join } from "node:path";
import { present } from "../../../error.ts";
import { serveControl } from "../../../system/control.ts";
import { tryFileLock } from "../../../system/file-lock.ts";
import { despiteDisk, observeStart, outliveFullDisk } from "../../../system/processes.ts";
import { writeState } from "../../../system/state-file.ts";
import { LogWriter } from "../log-writer/log-writer.ts";
import { pathsOfFolder } from "../paths.ts";
import { SharedSockets } from "../ports/shared-sockets.ts";
import { spawnGroup } from "../processes/group.ts";
import { type KeeperApi, keeperFileOf } from "./api.ts";

outliveFullDisk();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
// What goes wrong with one log must not stop the others.
process.on("uncaughtException", (error) => console.error(error));

async function main(folder: string, supervisor: number): Promise<void> {
  const paths = pathsOfFolder(folder);
  // Nobody would know of one that comes up after its supervisor has died, or after another keeper has been told to leave.
  if (process.ppid !== supervisor) process.exit(0);
  if (!tryFileLock(join(paths.supervisor, "keeper.lock"))) process.exit(0);
  const identity = { pid: process.pid, startedAt: observeStart(process.pid) ?? "" };
  despiteDisk(() => writeState(keeperFileOf(paths), identity));
  const writer = new LogWriter(paths.logs);
  const sockets = new SharedSockets();
  await serveControl<KeeperApi>(paths.keeperSocket, {
    observe: async () => ({ keeper: identity, ports: sockets.ports() }),
    follow: async (run) => writer.follow(run),
    conclude: async (run) => writer.conclude(run),
    hold: async ({ ports, standing }) => void (await sockets.hold(ports, standing)),
    requireFree: ({ ports, standing }) => sockets.requireFree(ports, standing),
    release: ({ ports }) => sockets.release(ports),
    start: async (launch) => {
      const child = await spawnGroup(launch, await sockets.hold(launch.listen));
      return { pid: present(child.pid, "pid of what was spawned") };
    },
    live: () => new Promise<never>(() => {}),
    leave: async () => {
      writer.leave();
      // After the answer.
      setImmediate(() => process.exit(0));
    },
  });
}

main(present(process.argv[2], "folder among the arguments"), Number(process.argv[3])).catch((error) => {
  console.error(error);
  process.exit(1);
});
