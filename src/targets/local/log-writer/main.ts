// The log writer's own process: `node main.js <environment folder>`. Nothing ends it but the supervisor's word, since whoever writes
// into a pipe that nobody reads comes to a stop there.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { present } from "../../../error.ts";
import { serveControl } from "../../../system/control.ts";
import { tryFileLock } from "../../../system/file-lock.ts";
import { despiteDisk, observeStart, outliveFullDisk } from "../../../system/processes.ts";
import { writeState } from "../../../system/state-file.ts";
import { pathsOfFolder } from "../paths.ts";
import { type LogWriterApi, writerFileOf } from "./api.ts";
import { LogWriter } from "./log-writer.ts";

outliveFullDisk();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
// What goes wrong with one log must not stop the others.
process.on("uncaughtException", (error) => console.error(error));

const LOCK_WAIT_MS = 5_000;

async function main(folder: string): Promise<void> {
  const paths = pathsOfFolder(folder);
  for (const end = performance.now() + LOCK_WAIT_MS; !tryFileLock(join(paths.supervisor, "log-writer.lock")); ) {
    if (performance.now() > end) process.exit(0);
    await sleep(20);
  }
  const identity = { pid: process.pid, startedAt: observeStart(process.pid) ?? "" };
  despiteDisk(() => writeState(writerFileOf(paths), identity));
  const writer = new LogWriter(paths.logs);
  await serveControl<LogWriterApi>(paths.logWriterSocket, {
    observe: async () => ({ writer: identity }),
    follow: async (run) => writer.follow(run),
    conclude: async (run) => writer.conclude(run),
    live: () => new Promise<never>(() => {}),
    leave: async () => {
      writer.leave();
      // After the answer.
      setImmediate(() => process.exit(0));
    },
  });
}

main(present(process.argv[2], "folder among the arguments")).catch((error) => {
  console.error(error);
  process.exit(1);
});
