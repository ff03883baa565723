// What the autoscaler is told and what it says, as files of the environment: it may be asked while it is busy, or gone.
import { homedir } from "node:os";
import { join } from "node:path";
import type { EnvironmentApp } from "../../../config/app.ts";
import { type Reading, readSample } from "../../../scaling/sample.ts";
import { loadJson, writeJson } from "../../../system/files.ts";
import type { Context } from "../context.ts";
import type { Places } from "../places.ts";
import type { Look } from "./look.ts";

/** Written by commission and deploy; read again for every look. */
export interface Orders {
  app: EnvironmentApp;
  /** The app's folder. */
  folder: string;
  /** Whose instances are to be like those that were started by hand. */
  env: Record<string, string>;
}

const ordersFile = (places: Places): string => join(places.autoscaler, "orders.json");
const readingsFile = (places: Places): string => join(places.autoscaler, "readings.json");

export const loadOrders = (places: Places): Orders | undefined => loadJson<Orders>(ordersFile(places));

export function writeOrders(places: Places, { app, folder }: Pick<Context, "app" | "folder">): void {
  const { PATH, LANG } = process.env;
  const env = Object.entries({ PATH, LANG, HOME: homedir() }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  writeJson(ordersFile(places), { app, folder, env: Object.fromEntries(env) } satisfies Orders);
}

interface Readings {
  at: number;
  services: Record<string, Reading[]>;
}

/** Looks come every few seconds; older ones say that the autoscaler does not run. */
const FRESH_MS = 60_000;

export function writeReadings(places: Places, at: number, looks: Look[]): void {
  const services = Object.fromEntries(looks.map(({ service, scaling, sample }) => [service, readSample(sample, scaling)]));
  writeJson(readingsFile(places), { at, services } satisfies Readings);
}

/** What the autoscaler saw last of each service; nothing when that is long ago. */
export function loadReadings(places: Places, now: number): Readings["services"] {
  const readings = loadJson<Readings>(readingsFile(places));
  return readings && now - readings.at < FRESH_MS ? readings.services : {};
}
