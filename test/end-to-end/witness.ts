// What the kernel says of a sandbox's listening sockets: Landfall's own processes listen at 127.0.0.1 on the ports that are recorded, and
// an instance on the port that it was given. Read here anew, so that no fault of the product's own look can hide one of its sockets.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Paths, pathsOf } from "../../src/targets/local/paths.ts";
import { findRecord } from "../../src/targets/local/record.ts";
import { Records } from "../../src/targets/local/supervisor/records.ts";

/** A process that has just been started again may be between its socket and its record. */
const LOOKS = 20;
const BETWEEN_LOOKS_MS = 100;

interface Socket {
  pid: number;
  command: string;
  /** Landfall's own programs work in their environment's folder, an app's in its release. */
  isOwn: boolean;
  /** `LANDFALL_INSTANCE`, for processes of the app. */
  instance?: string;
  cwd: string;
  host: string;
  port: number;
}

/** Throws when a process of an environment under `home` listens where nothing says that it should; of apps, with `apps`. */
export async function requireNoStrayListener(home: string, { apps }: { apps: boolean }): Promise<void> {
  if (process.platform !== "linux") return;
  let stray: Socket[] = [];
  for (let look = 0; look < LOOKS; look++) {
    stray = strayListeners(home).filter(({ isOwn }) => isOwn || apps);
    if (stray.length === 0) return;
    await sleep(BETWEEN_LOOKS_MS);
  }
  const lines = stray.map(
    ({ pid, command, isOwn, instance, host, port }) =>
      `${host}:${port} by ${isOwn ? "Landfall itself" : `the app (${instance})`}, pid ${pid}, ${command}`,
  );
  throw new Error(`listens where it should not:\n${lines.join("\n")}`);
}

function strayListeners(home: string): Socket[] {
  const environments = environmentsIn(home).map(allowedIn);
  // Two environments of an app may each have an instance of that name.
  const portsOf = (instance: string) => environments.flatMap(({ instances }) => (instances.has(instance) ? [instances.get(instance)] : []));
  return listenersUnder(home).filter(({ cwd, isOwn, instance = "", host, port }) => {
    // What a decommission reports as left behind has no record any more.
    if (!isOwn) return portsOf(instance).length > 0 && !portsOf(instance).includes(port);
    return host !== "127.0.0.1" || !environments.some(({ folder, own }) => isUnder(cwd, folder) && own.has(port));
  });
}

function environmentsIn(home: string): Paths[] {
  return namesIn(join(home, "apps")).flatMap((app) =>
    namesIn(join(home, "apps", app, "environments")).map((environment) => pathsOf(home, app, environment)),
  );
}

/** By the records: the ports of balancer and resources, and each instance's port. */
function allowedIn(paths: Paths) {
  const records = [...new Records(paths).byId.values()];
  // A test may have damaged it.
  const environment = orElse(undefined, () => findRecord(paths));
  const ofProcesses = records
    .filter(({ spec }) => ["resource", "balancer"].includes(spec.kind))
    .flatMap(({ spec, port }) => [port, ...(spec.listen ?? [])]);
  // The configured ports, as soon as they are written down; until then those that the balancer was told.
  const own = new Set([environment?.port, environment?.metricsPort, ...ofProcesses]);
  return { folder: paths.environment, own, instances: new Map(records.map(({ spec, port }) => [spec.id, port])) };
}

function listenersUnder(home: string): Socket[] {
  const addresses = new Map([...listeningAddresses("tcp"), ...listeningAddresses("tcp6")]);
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const cwd = linkOf(`/proc/${pid}/cwd`);
      if (!isUnder(cwd, home)) return [];
      const instance = instanceOf(pid);
      const isOwn = instance === undefined && !cwd.includes("/releases/");
      const common = { pid: Number(pid), cwd, command: textOf(`/proc/${pid}/cmdline`).replaceAll("\0", " "), isOwn, instance };
      return namesIn(`/proc/${pid}/fd`).flatMap((fd) => {
        const address = addresses.get(linkOf(`/proc/${pid}/fd/${fd}`));
        return address ? [{ ...common, ...address }] : [];
      });
    });
}

/** By what a descriptor of it links to. */
function listeningAddresses(table: "tcp" | "tcp6"): [string, { host: string; port: number }][] {
  const rows = textOf(`/proc/net/${table}`).split("\n").slice(1, -1);
  const fields = rows.map((row) => row.trim().split(/\s+/)).filter((row) => row[3] === "0A");
  return fields.map(([, local = "", , , , , , , , inode]) => {
    const [host = "", port = ""] = local.split(":");
    return [`socket:[${inode}]`, { host: describeHost(host), port: Number.parseInt(port, 16) }];
  });
}

/** IPv4 as one writes it; IPv6, which nobody of ours uses, as the kernel prints it. */
const describeHost = (hex: string): string => (hex.length === 8 ? [...Buffer.from(hex, "hex")].reverse().join(".") : `[${hex}]`);

const instanceOf = (pid: string): string | undefined =>
  textOf(`/proc/${pid}/environ`)
    .split("\0")
    .find((variable) => variable.startsWith("LANDFALL_INSTANCE="))
    ?.slice("LANDFALL_INSTANCE=".length);

const isUnder = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

const namesIn = (folder: string): string[] => orElse([], () => (existsSync(folder) ? readdirSync(folder) : []));
const textOf = (file: string): string => orElse("", () => readFileSync(file, "utf8"));
const linkOf = (file: string): string => orElse("", () => readlinkSync(file));

/** Processes end while one looks at them. */
function orElse<T>(value: T, read: () => T): T {
  try {
    return read();
  } catch {
    return value;
  }
}
