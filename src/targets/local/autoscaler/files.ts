// The orders and readings of the autoscaler, as files of the environment: it may be asked while it is busy, or gone.
import { join } from "node:path";
import { type Reading, readSample } from "../../../scaling/sample.ts";
import { loadStateIfWhole, writeState } from "../../../system/state-file.ts";
import type { Context } from "../context.ts";
import { loadOrders, type Orders, writeOrders } from "../orders.ts";
import type { Paths } from "../paths.ts";
import type { ServiceSample } from "./sample-metrics.ts";

const ordersFile = (paths: Paths): string => join(paths.autoscaler, "orders.json");
const readingsFile = (paths: Paths): string => join(paths.autoscaler, "readings.json");

/** Written by deploy; read again for every look. */
export const loadScalingOrders = (paths: Paths): Orders | undefined => loadOrders(ordersFile(paths));

export const writeScalingOrders = (paths: Paths, context: Pick<Context, "deployment" | "folder">): void => writeOrders(ordersFile(paths), context);

interface Readings {
  at: number;
  services: Record<string, Reading[]>;
}

/** Looks come every few seconds; older ones say that the autoscaler does not run. */
const FRESH_MS = 60_000;

export function writeReadings(paths: Paths, at: number, looks: ServiceSample[]): void {
  const services = Object.fromEntries(looks.map(({ service, scaling, sample }) => [service, readSample(sample, scaling)]));
  writeState(readingsFile(paths), { at, services } satisfies Readings);
}

/** What the autoscaler saw last of each service; nothing when that is long ago. */
export function loadReadings(paths: Paths, now: number): Readings["services"] {
  const readings = loadStateIfWhole<Readings>(readingsFile(paths));
  return readings && now - readings.at < FRESH_MS ? readings.services : {};
}
