// The caretaker's process: main.js <app> <environment>. Sees that a supervisor answers, which sees that the caretaker runs; and takes up what was
// interrupted when nobody else does. Started by the supervisor; SIGTERM ends it at the next safe point.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { codeOf, messageOf } from "../../../error.ts";
import { systemClock } from "../../../system/clock.ts";
import { findHome } from "../../../system/home.ts";
import { outliveFullDisk } from "../../../system/processes.ts";
import { describeDuration } from "../../../text/units.ts";
import { makeContext } from "../context.ts";
import { loadOrders } from "../orders.ts";
import { pathsOf } from "../paths.ts";
import { recordEvent } from "../record.ts";
import { observeSupervisor, pidFileOf } from "../supervisor/start.ts";
import { type Abandoned, describeDone, findAbandoned } from "./abandoned.ts";

outliveFullDisk();

const LOOK_EVERY_MS = 2_000;

const [, , appName, environment] = process.argv;
if (!appName || !environment) {
  process.stderr.write("usage: main.js <app> <environment>\n");
  process.exit(2);
}

const paths = pathsOf(findHome(), appName, environment);
const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());

/** By a process that ends at once: the supervisor is then nobody's child, and does not end with us. */
async function reviveSupervisor(): Promise<void> {
  const program = fileURLToPath(new URL("./revive-main.js", import.meta.url));
  const child = spawn(process.execPath, [program, paths.environment], { stdio: ["ignore", "inherit", "inherit"] });
  await new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
}

/** One that was shut down has removed its file. */
async function lookAtSupervisor(): Promise<void> {
  const isWanted = () => !stopping.signal.aborted && existsSync(pidFileOf(paths));
  if (isWanted() && (await observeSupervisor(paths)) !== "answers" && isWanted()) await reviveSupervisor();
}

/** By the operations' ids: what could not be taken up is a person's to look at. */
const tried = new Set<string>();

async function takeUp(abandoned: Abandoned): Promise<void> {
  const orders = loadOrders(paths.orders);
  if (!orders) return;
  const { deployment, folder, env } = orders;
  const limitMs = deployment.rollout.abandonedAfter;
  if (tried.has(abandoned.operation.id) || systemClock.now() - abandoned.since < limitMs) return;
  tried.add(abandoned.operation.id);
  Object.assign(process.env, env);
  const context = makeContext({ deployment, folder, signal: stopping.signal, emit: (progress) => "text" in progress && console.log(progress.text) });
  const { name, does } = abandoned;
  recordEvent(context, "taken-up", `${name} was interrupted, and nobody took it up for ${describeDuration(limitMs)}: it is ${describeDone(does)}`);
  // Loaded with the first: most of the time there is none.
  const { openLocal } = await import("../target.ts");
  const target = openLocal(context);
  try {
    await (does === "undo" ? target.abort() : target.resume());
    recordEvent(context, "taken-up", `the interrupted ${name} is ${describeDone(does)}`);
  } catch (error) {
    // Somebody was quicker.
    if (codeOf(error) === "LEASE_HELD") return;
    recordEvent(context, "take-up-failed", `the interrupted ${name} could not be ${describeDone(does)}: ${messageOf(error)}`);
  }
}

while (!stopping.signal.aborted) {
  try {
    await lookAtSupervisor();
    const abandoned = findAbandoned(paths);
    if (abandoned) await takeUp(abandoned);
  } catch (error) {
    console.error(error);
  }
  await systemClock.sleep(LOOK_EVERY_MS, stopping.signal).catch(() => {});
}
