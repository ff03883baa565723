// A resource keeps its port, because its address is in variables of instances that outlive it.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { loadText, writeWhole } from "../../../system/files.ts";
import { findFreePort, tryListening } from "../../../system/network.ts";
import { keptPlaceOf } from "../data/retained-data.ts";
import type { Paths } from "../paths.ts";
import type { ProcessRecord } from "../supervisor/api.ts";
import { findForeignHolder } from "./listeners.ts";
import { type PortRefusal, portTaken } from "./port-taken.ts";

const isPort = (number: number): boolean => Number.isInteger(number) && number > 0 && number < 65_536;
const loadPort = (folder: string): number | undefined => [Number(loadText(portFile(folder))?.trim())].find(isPort);

export const portFile = (folder: string): string => join(folder, "port");

/** The ports that resources keep, also those whose data a decommission kept: nothing need listen there now. */
export function keptPorts(paths: Paths): Set<number> {
  const places = [paths.data, keptPlaceOf(paths, paths.data)].filter((place) => existsSync(place));
  return new Set(places.flatMap((place) => readdirSync(place).flatMap((name) => loadPort(join(place, name)) ?? [])));
}

/** The port kept in `<folder>/port`; the first time a free one that is not in `taken` is chosen and kept. */
export async function keepPort(folder: string, taken: Set<number>): Promise<number> {
  const kept = loadPort(folder);
  const port = kept ?? (await findFreePort(taken));
  taken.add(port);
  if (port !== kept) {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    writeWhole(portFile(folder), `${port}\n`);
  }
  return port;
}

/** Throws PORT_TAKEN when the port of a resource that does not run is in use by something else. */
export async function requireFreePort(name: string, port: number, folder: string): Promise<void> {
  const refusal = await tryListening(port);
  if (refusal) throw resourcesPortTaken({ name, port, folder }, refusal, "Nothing was changed.");
}

/** Throws PORT_TAKEN when what answers for a resource that was started is none of its processes: somebody was faster than it. */
export function requireOwnListener(name: string, { spec, port, group }: ProcessRecord): void {
  if (port === undefined || !findForeignHolder(port, group?.pid, spec.id)) return;
  const refusal = { code: "EADDRINUSE", message: "What answers there is not the resource." };
  throw resourcesPortTaken(
    { name, port, folder: spec.cwd },
    refusal,
    "Nothing was changed there; the resource starts by itself once the port is free.",
  );
}

/** The port of a resource, kept in its folder. */
interface KeptPort {
  name: string;
  port: number;
  folder: string;
}

const resourcesPortTaken = ({ name, port, folder }: KeptPort, refusal: PortRefusal, standing: string) =>
  portTaken({ port, owner: `the resource "${name}"` }, refusal, {
    standing,
    next: `stop that process, or remove ${portFile(folder)} so that another port is chosen`,
  });
