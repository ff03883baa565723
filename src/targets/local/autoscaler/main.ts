// The autoscaler's process: main.js <app> <environment>. Started and watched by the supervisor; SIGTERM ends it at the next safe point.
import { LandfallError } from "../../../error.ts";
import { findUnfinished } from "../../../state/journal.ts";
import { observeHolder } from "../../../state/lease.ts";
import { systemClock } from "../../../system/clock.ts";
import { controlClient } from "../../../system/control.ts";
import { findHome } from "../../../system/home.ts";
import { outliveFullDisk } from "../../../system/processes.ts";
import { type Context, findRecord, loadRecord, makeContext, recordEvent, wantedCount } from "../context.ts";
import { placesOf } from "../places.ts";
import { scale } from "../scale.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { socketPathOf } from "../supervisor/socket.ts";
import { openLocal, operate } from "../target.ts";
import { type Change, lookEvery, makeAutoscaler } from "./autoscaler.ts";
import { loadOrders, type Orders, writeReadings } from "./files.ts";
import { makeLooker } from "./look.ts";

outliveFullDisk();

const [, , appName, environment] = process.argv;
if (!appName || !environment) {
  process.stderr.write("usage: main.js <app> <environment>\n");
  process.exit(2);
}

const places = placesOf(findHome(), appName, environment);
const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());

const contextOf = ({ app, folder }: Orders): Context =>
  makeContext({ app, folder, signal: stopping.signal, emit: (progress) => progress.type === "note" && console.log(progress.text) });

function standing() {
  if (observeHolder(places.lease)) return "busy";
  const unfinished = findUnfinished(places.journal)?.operation;
  return unfinished ? (unfinished.name === "autoscale" ? "interrupted" : "busy") : "free";
}

const act = (orders: Orders, changes: Change[]): Promise<void> => {
  const context = contextOf(orders);
  const counts = Object.fromEntries(changes.map(({ service, count }) => [service, count]));
  const why = Object.fromEntries(changes.map(({ service, why }) => [service, why]));
  return operate(context, "autoscale", { counts, why }, async (journal) => {
    const record = loadRecord(context);
    // Somebody may have changed a number since it was looked at.
    const isCurrent = changes.every(({ service, from }) => {
      const settings = context.app.app.services[service];
      return settings && wantedCount(context, record, service, settings) === from;
    });
    if (isCurrent) await scale(context, journal, { counts, why });
  });
};

function complain(error: unknown, changes: Change[]): void {
  console.error(error instanceof LandfallError ? JSON.stringify(error.parts) : error);
  const orders = loadOrders(places);
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

const looker = makeLooker({
  supervisor: controlClient<SupervisorApi>(socketPathOf(places.supervisorSocket)),
  clock: systemClock,
  complain: (text) => console.error(text),
});
const autoscaler = makeAutoscaler({
  clock: systemClock,
  look: async ({ app }) => {
    const record = findRecord(places);
    return record?.release ? looker(app, record) : [];
  },
  standing,
  act: (orders, changes) => quietly(act(orders, changes)),
  finish: (orders) => quietly(openLocal(contextOf(orders)).resume()),
  report: (looks) => writeReadings(places, systemClock.now(), looks),
  complain,
});

while (!stopping.signal.aborted) {
  const orders = loadOrders(places);
  if (orders) {
    // Instances get these from the process that starts them.
    Object.assign(process.env, orders.env);
    await autoscaler.round(orders).catch((error) => console.error(error));
  }
  await systemClock.sleep(orders ? lookEvery(orders) : 1_000, stopping.signal).catch(() => {});
}
await autoscaler.settled();
