// The supervisor's own process: `node main.js <environment folder>`. It holds a lock for as long as it lives, so that there is never
// a second one. SIGTERM ends it alone: what it looks after runs on and is taken up by the next.
import { mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serveControl } from "../../../system/control.ts";
import { tryFileLock } from "../../../system/file-lock.ts";
import { removeAll, writeJson } from "../../../system/files.ts";
import { observeStart, outliveFullDisk } from "../../../system/processes.ts";
import { type Places, placesOf } from "../places.ts";
import type { SupervisorApi } from "./api.ts";
import { removeSocket, socketPathOf } from "./socket.ts";
import { answers, pidFileOf } from "./start.ts";
import { Supervisor } from "./supervisor.ts";

outliveFullDisk();

const LOCK_WAIT_MS = 10_000;

/** The places of an environment, from its folder alone. */
function placesOfFolder(folder: string): Places {
  const app = dirname(dirname(folder));
  return placesOf(dirname(dirname(app)), basename(app), basename(folder));
}

/** False when another supervisor answers. One that is on its way out is waited for. */
async function takeLock(places: Places): Promise<boolean> {
  const end = performance.now() + LOCK_WAIT_MS;
  while (!tryFileLock(join(places.supervisor, "lock"))) {
    if (performance.now() > end || (await answers(places))) return false;
    await sleep(20);
  }
  return true;
}

async function main(folder: string): Promise<void> {
  const places = placesOfFolder(folder);
  mkdirSync(places.supervisor, { recursive: true, mode: 0o700 });
  mkdirSync(places.logs, { recursive: true, mode: 0o700 });
  if (!(await takeLock(places))) process.exit(0);
  const pidFile = pidFileOf(places);
  writeJson(pidFile, { pid: process.pid, startedAt: observeStart(process.pid) });
  const supervisor = new Supervisor(places);
  await supervisor.takeUp();
  const server = await serveControl<SupervisorApi>(
    socketPathOf(places.supervisorSocket),
    supervisor.api(() => leave()),
  );
  process.once("SIGTERM", () => process.exit(0));
  function leave(): void {
    removeAll(pidFile);
    removeSocket(places.supervisorSocket);
    // The answer to the last call is still to be written.
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), 1_000);
  }
}

process.on("unhandledRejection", (error) => console.error(error));
await main(process.argv[2] as string);
