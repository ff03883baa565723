// Where machines of a rehearsal are: their network, what they find in it, and the machines themselves. Nothing of it stays behind: what a
// killed rehearsal of the same folder left is taken away before the next one begins.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { endGroup } from "./control-group.ts";
import { type Answerer, makeEndpoints, REGION, type Recorded, type ServedResource } from "./endpoints.ts";
import type { InstanceLife } from "./instance-life.ts";
import { bootMachine, type Machine } from "./machine.ts";
import type { Subject } from "./metadata.ts";
import { type Network, removeNetwork, startNetwork } from "./network.ts";
import { findCgroups, type RootFilesystem } from "./root-filesystem.ts";

export interface MachineHostInput {
  /** Holds the machines' disks; a folder of its own. */
  folder: string;
  rootFilesystem: RootFilesystem;
  /** In the order in which they are asked. */
  answerers: Answerer[];
  resources?: ServedResource[];
  /** Ends what waits. */
  signal?: AbortSignal;
}

export interface BootInput {
  /** A label in its name. */
  role: string;
  userData: string;
  /** What is on its disk above the root file system: images, the newest first. */
  layers?: string[];
  tags?: Record<string, string>;
  /** In the group that starts it. */
  life?: InstanceLife;
}

export interface Instance extends Machine {
  id: string;
  /** What its metadata service tells; changes are seen by the next request. */
  subject: Subject;
}

export interface MachineHost {
  gateway: string;
  calls: Recorded[];
  /** The machines that stand. */
  machines: Instance[];
  boot(input: BootInput): Instance;
  dial(address: string, port: number): Promise<Socket>;
  /** The first call that fits, whether it was made before or is made later. Rejects at the time-out. */
  called(fits: (call: Recorded) => boolean, timeoutMs: number): Promise<Recorded>;
  stop(): Promise<void>;
}

interface Places {
  name: string;
  machines: string;
  cgroup: string;
}

export async function openMachineHost({ folder, rootFilesystem, answerers, resources = [], signal }: MachineHostInput): Promise<MachineHost> {
  const places = placesOf(folder);
  await removeMachines(folder);
  mkdirSync(places.machines, { recursive: true, mode: 0o711 });
  const subjects = new Map<string, Subject>();
  const calls: Recorded[] = [];
  const listeners = new Set<(call: Recorded) => void>();
  const endpoints = makeEndpoints({
    certificate: rootFilesystem.certificate,
    answerers,
    resources,
    subjectOf: (address) => subjects.get(address),
    tell: (call) => {
      calls.push(call);
      for (const listen of listeners) listen(call);
    },
  });
  const network = await startNetwork({ name: places.name, folder, served: resources, accept: endpoints.accept });
  const machines: Instance[] = [];
  const host: Host = { folder, places, rootFilesystem, network, subjects, machines, booted: 0 };
  return {
    gateway: network.gateway,
    calls,
    machines,
    boot: (input) => bootInstance(host, input),
    dial: network.dial,
    called: (fits, timeoutMs) => waitForCall({ calls, listeners, signal }, { fits, timeoutMs }),
    async stop() {
      await Promise.all(machines.map((machine) => machine.kill()));
      for (const machine of [...machines]) await machine.remove();
      endpoints.stop();
      await network.stop();
      await removeMachines(folder);
    },
  };
}

interface Host {
  folder: string;
  places: Places;
  rootFilesystem: RootFilesystem;
  network: Network;
  /** By address. */
  subjects: Map<string, Subject>;
  machines: Instance[];
  /** How many there ever were. */
  booted: number;
}

function bootInstance(host: Host, { role, userData, layers = [], tags = {}, life }: BootInput): Instance {
  const { folder, places, network, subjects, machines } = host;
  host.booted += 1;
  const address = addressFor(network, machines, host.booted);
  const id = `i-${createHash("sha256").update(`${folder} ${Date.now()} ${host.booted}`).digest("hex").slice(0, 17)}`;
  const name = `lf-${role}-${host.booted}`;
  const subject: Subject = {
    instanceId: id,
    address,
    region: REGION,
    imageId: "ami-00000000000000000",
    instanceType: "t4g.small",
    userData,
    role: "rehearsal",
    tags,
    life,
  };
  subjects.set(address, subject);
  const machine = bootMachine({
    name,
    network,
    address,
    folder: join(places.machines, name),
    cgroup: join(places.cgroup, name),
    layers: [...layers, host.rootFilesystem.folder],
  });
  const instance: Instance = {
    ...machine,
    id,
    subject,
    async remove(options) {
      const place = machines.indexOf(instance);
      // Whoever interrupts it all may have been here before.
      if (place < 0) return;
      machines.splice(place, 1);
      subjects.delete(address);
      await machine.remove(options);
    },
  };
  machines.push(instance);
  return instance;
}

function addressFor(network: Network, machines: Instance[], number: number): string {
  for (let step = 0; step < 200; step++) {
    const address = network.addressOf(((number + step) % 200) + 1);
    if (!machines.some((machine) => machine.address === address)) return address;
  }
  throw new RangeError("a rehearsal has room for 200 machines");
}

interface Hearing {
  calls: Recorded[];
  listeners: Set<(call: Recorded) => void>;
  signal: AbortSignal | undefined;
}

function waitForCall(
  { calls, listeners, signal }: Hearing,
  { fits, timeoutMs }: { fits: (call: Recorded) => boolean; timeoutMs: number },
): Promise<Recorded> {
  const recorded = calls.find(fits);
  if (recorded) return Promise.resolve(recorded);
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      listeners.delete(listen);
      signal?.removeEventListener("abort", stop);
    };
    const listen = (call: Recorded) => {
      if (!fits(call)) return;
      end();
      resolve(call);
    };
    const fail = (reason: unknown) => {
      end();
      reject(reason);
    };
    const stop = () => fail(signal?.reason);
    const timer = setTimeout(() => fail(new Error(`no such call within ${timeoutMs / 1000} s`)), timeoutMs);
    listeners.add(listen);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  });
}

/** Everything of it that lies outside of its folder has a name that comes from the folder's. */
export function placesOf(folder: string): Places {
  const name = `landfall-${createHash("sha256").update(folder).digest("hex").slice(0, 8)}`;
  return { name, machines: join(folder, "machines"), cgroup: join(findCgroups() ?? "/sys/fs/cgroup", name) };
}

/** Ends and removes what a rehearsal of this folder left: processes, mounts, the namespace, files. Only what bears its name. */
export async function removeMachines(folder: string): Promise<void> {
  const { name, machines, cgroup } = placesOf(folder);
  await endGroup(cgroup);
  for (const mount of mountsUnder(machines)) execFileSync("umount", ["--lazy", mount]);
  removeNetwork(name);
  rmSync(machines, { recursive: true, force: true });
  for (const socket of ["in", "out"]) rmSync(join(folder, socket), { force: true });
}

/** The deepest first. */
const mountsUnder = (folder: string): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse();
