// A resource keeps its port, because its address is in variables of instances that outlive it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { LandfallError } from "../../../error.ts";
import { loadText, writeWhole } from "../../../system/files.ts";
import { findFreePort, isPortFree } from "../../../system/network.ts";

/** The port kept in `<folder>/port`; the first time a free one that is not in `taken` is chosen and kept. */
export async function keepPort(folder: string, taken: Set<number>): Promise<number> {
  const file = join(folder, "port");
  const kept = Number(loadText(file)?.trim());
  const port = Number.isInteger(kept) && kept > 0 && kept < 65_536 ? kept : await findFreePort(taken);
  taken.add(port);
  if (port !== kept) {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    writeWhole(file, `${port}\n`);
  }
  return port;
}

/** Throws PORT_TAKEN when the port of a resource that does not run is in use by something else. */
export async function requireFreePort(name: string, port: number, folder: string): Promise<void> {
  if (await isPortFree(port)) return;
  throw new LandfallError({
    code: "PORT_TAKEN",
    what: `port ${port} of the resource "${name}" is in use by another process`,
    where: `127.0.0.1:${port}`,
    why: "The resource is not running, so what listens there is not ours.",
    standing: "Nothing was changed.",
    next: `stop that process, or remove ${join(folder, "port")} so that another port is chosen`,
  });
}
