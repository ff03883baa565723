// The fixed programs and units of a machine: real files, so that they can be read, checked and run as they are.
import { parse } from "node:path";
import { fileURLToPath } from "node:url";
import { loadText } from "../system/files.ts";

/** They are in the package as they are here: both `src/machine/` and `dist/machine/` stand two folders below its root. */
const FOLDER = fileURLToPath(new URL("../../src/machine/programs/", import.meta.url));

/** What is sourced keeps its ending; what is run loses it, as programs do. */
export const PROGRAMS = [
  "boot.sh",
  "drain.sh",
  "hold-lease.sh",
  "lease-keeper.py",
  "log-shipper.py",
  "run-app.sh",
  "scram-verifier.py",
  "ship-logs.sh",
  "ship-metrics.sh",
  "stop-app.sh",
].map((file) => ({
  file,
  name: parse(file).name,
}));
export const SOURCED = [
  "machine.sh",
  "release.sh",
  "environment.sh",
  "health.sh",
  "databases.sh",
  "stopping.sh",
  "journal_reader.py",
  "lease.py",
  "log_events.py",
];
export const UNITS = [
  "landfall-app.service",
  "landfall-boot.service",
  "landfall-drain.service",
  "landfall-job.timer",
  "landfall-lease.service",
  "landfall-logs.service",
  "landfall-metrics.service",
  "landfall-metrics.timer",
  "landfall-proxy.service",
];

/** The text of a file in `programs/`. */
export function programText(file: string): string {
  const text = loadText(`${FOLDER}${file}`);
  if (text === undefined) throw new TypeError(`no program "${file}"`);
  return text;
}
