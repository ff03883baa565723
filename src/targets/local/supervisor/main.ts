// The supervisor's own process: `node main.js <environment folder>`. It holds a lock for as long as it lives, so that there is never
// a second one. SIGTERM ends it alone: what it looks after runs on and is taken up by the next.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { format } from "node:util";
import { present } from "../../../error.ts";
import { serveControl } from "../../../system/control.ts";
import { tryFileLock } from "../../../system/file-lock.ts";
import { removeAll } from "../../../system/files.ts";
import { despiteDisk, observeStart, outliveFullDisk } from "../../../system/processes.ts";
import { removeSocket } from "../../../system/socket-path.ts";
import { writeState } from "../../../system/state-file.ts";
import { hiderOf } from "../data/secret-store.ts";
import { type Paths, pathsOfFolder } from "../paths.ts";
import type { SupervisorApi } from "./api.ts";
import { answers, pidFileOf } from "./start.ts";
import { Supervisor } from "./supervisor.ts";

outliveFullDisk();

const LOCK_WAIT_MS = 10_000;

/** False when another supervisor answers. One that is on its way out is waited for. */
async function takeLock(paths: Paths): Promise<boolean> {
  const end = performance.now() + LOCK_WAIT_MS;
  while (!tryFileLock(join(paths.supervisor, "lock"))) {
    if (performance.now() > end || (await answers(paths))) return false;
    await sleep(20);
  }
  return true;
}

async function main(folder: string): Promise<void> {
  const paths = pathsOfFolder(folder);
  mkdirSync(paths.supervisor, { recursive: true, mode: 0o700 });
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 });
  if (!(await takeLock(paths))) process.exit(0);
  const pidFile = pidFileOf(paths);
  despiteDisk(() => writeState(pidFile, { pid: process.pid, startedAt: observeStart(process.pid) }));
  const hide = hiderOf(paths);
  console.error = (...words) => process.stderr.write(`${hide(format(...words))}\n`);
  const supervisor = new Supervisor(paths, hide);
  await supervisor.adopt();
  const server = await serveControl<SupervisorApi>(
    paths.supervisorSocket,
    supervisor.api(() => leave()),
    hide,
  );
  process.once("SIGTERM", () => process.exit(0));
  function leave(): void {
    removeAll(pidFile);
    removeSocket(paths.supervisorSocket);
    // The answer to the last call is still to be written.
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), 1_000);
  }
}

process.on("unhandledRejection", (error) => console.error(error));
await main(present(process.argv[2], "folder among the arguments"));
