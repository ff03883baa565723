// The autoscaler's process: main.js <app> <environment>. Started and watched by the supervisor; SIGTERM ends it at the next safe point.
import { LandfallError } from "../../../error.ts";
import { findUnfinished, type Operation, operationName } from "../../../state/journal.ts";
import { observeHolder } from "../../../state/lease.ts";
import { systemClock } from "../../../system/clock.ts";
import { controlClient } from "../../../system/control.ts";
import { findHome } from "../../../system/home.ts";
import { outliveFullDisk } from "../../../system/processes.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import { type Context, makeContext } from "../context.ts";
import { runJournaled } from "../lease.ts";
import type { Orders } from "../orders.ts";
import { pathsOf } from "../paths.ts";
import { findRecord, recordEvent } from "../record.ts";
import { loadRelease } from "../releases/release-store.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { openLocal } from "../target.ts";
import { type Change, lookEvery, makeAutoscaler } from "./autoscaler.ts";
import { loadScalingOrders, writeReadings } from "./files.ts";
import { makeSampler } from "./sample-metrics.ts";

outliveFullDisk();

const [, , appName, environment] = process.argv;
if (!appName || !environment) {
  process.stderr.write("usage: main.js <app> <environment>\n");
  process.exit(2);
}

const paths = pathsOf(findHome(), appName, environment);
const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());

const contextOf = ({ deployment, folder }: Orders): Context =>
  makeContext({ deployment, folder, signal: stopping.signal, emit: (progress) => progress.type === "note" && console.log(progress.text) });

function standing() {
  if (observeHolder(paths.lease)) return "busy";
  const unfinished = findUnfinished(paths.journal)?.operation;
  if (unfinished) tellWaiting(unfinished);
  return unfinished ? (unfinished.name === "autoscale" ? "interrupted" : "busy") : "free";
}

let told: string | undefined;

/** Once for each: whoever looks for why the number does not follow the load finds it among the events. */
function tellWaiting(unfinished: Operation): void {
  const orders = loadScalingOrders(paths);
  if (unfinished.name === "autoscale" || told === unfinished.id || !orders) return;
  told = unfinished.id;
  recordEvent(
    contextOf(orders),
    "autoscale-waits",
    `${operationName(unfinished)} was interrupted: no number is changed until it is finished or undone`,
  );
}

/** Loaded with the first change: most of the time there is none. */
const act = async (orders: Orders, changes: Change[]): Promise<void> => {
  const { autoscale } = await import("../operations/autoscale.ts");
  await runJournaled(contextOf(orders), autoscale, changes);
};

function complain(error: unknown, changes: Change[]): void {
  console.error(error instanceof LandfallError ? JSON.stringify(error.parts) : error);
  const orders = loadScalingOrders(paths);
  const intended = changes.map(({ service, from, count }) => `${service} ${from} → ${count}: `).join("");
  if (orders) recordEvent(contextOf(orders), "autoscale-failed", `${intended}${error instanceof Error ? error.message : String(error)}`);
}

/** Another operation was quicker, or the environment is being removed. */
const isNoFailure = (error: unknown): boolean => stopping.signal.aborted || (error instanceof LandfallError && error.code === "LEASE_HELD");

const quietly = async (work: Promise<unknown>): Promise<void> => {
  await work.catch((error) => {
    if (!isNoFailure(error)) throw error;
  });
};

const sampler = makeSampler({
  paths,
  supervisor: controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket)),
  clock: systemClock,
  complain: (text) => console.error(text),
});
const autoscaler = makeAutoscaler({
  clock: systemClock,
  look: async ({ deployment }) => {
    const record = findRecord(paths);
    if (!record?.release) return [];
    // Of a release that was gone back to, services may have other names than those that it was told of.
    const { services } = loadRelease(paths, record.release);
    const served = Object.entries(deployment.services).filter(([name]) => services[name]);
    return sampler({ ...deployment, services: Object.fromEntries(served) }, record);
  },
  standing,
  act: (orders, changes) => quietly(act(orders, changes)),
  finish: (orders) => quietly(openLocal(contextOf(orders)).resume()),
  report: (looks) => writeReadings(paths, systemClock.now(), looks),
  complain,
});

while (!stopping.signal.aborted) {
  const orders = loadScalingOrders(paths);
  if (orders) {
    // Instances get these from the process that starts them.
    Object.assign(process.env, orders.env);
    await autoscaler.round(orders).catch((error) => console.error(error));
  }
  await systemClock.sleep(orders ? lookEvery(orders) : 1_000, stopping.signal).catch(() => {});
}
await autoscaler.settled();
