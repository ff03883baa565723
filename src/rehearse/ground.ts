// Where machines of a rehearsal are: their network, what they find in it, and the machines themselves. Nothing of it stays behind: what a
// killed rehearsal of the same folder left is taken away before the next one begins.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join, relative } from "node:path";
import { type Answerer, makeEndpoints, REGION, type Recorded, type ServedResource } from "./endpoints.ts";
import { bootMachine, type Machine, removeCgroup } from "./machine.ts";
import type { Subject } from "./metadata.ts";
import { type Network, removeNetwork, startNetwork } from "./network.ts";
import { findCgroups, type Tree } from "./tree.ts";

export interface GroundInput {
  /** Holds the machines' disks; a folder of its own. */
  folder: string;
  tree: Tree;
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
  /** What is on its disk above the tree: images, the newest first. */
  layers?: string[];
  tags?: Record<string, string>;
}

export interface Instance extends Machine {
  id: string;
  /** What its metadata service tells; changes are seen by the next request. */
  subject: Subject;
}

export interface Ground {
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

export async function openGround({ folder, tree, answerers, resources = [], signal }: GroundInput): Promise<Ground> {
  const places = placesOf(folder);
  removeRemains(folder);
  mkdirSync(places.machines, { recursive: true, mode: 0o711 });
  const subjects = new Map<string, Subject>();
  const calls: Recorded[] = [];
  const listeners = new Set<(call: Recorded) => void>();
  const endpoints = makeEndpoints({
    certificate: tree.certificate,
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
  let booted = 0;

  function boot({ role, userData, layers = [], tags = {} }: BootInput): Instance {
    booted += 1;
    const address = addressFor(network, machines, booted);
    const id = `i-${createHash("sha256").update(`${folder} ${Date.now()} ${booted}`).digest("hex").slice(0, 17)}`;
    const name = `lf-${role}-${booted}`;
    const subject: Subject = {
      instanceId: id,
      address,
      region: REGION,
      imageId: "ami-00000000000000000",
      instanceType: "t4g.small",
      userData,
      role: "rehearsal",
      tags,
      lifecycleState: "InService",
    };
    subjects.set(address, subject);
    const machine = bootMachine({
      name,
      network,
      address,
      folder: join(places.machines, name),
      cgroup: join(places.cgroup, name),
      layers: [...layers, tree.folder],
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

  return {
    gateway: network.gateway,
    calls,
    machines,
    boot,
    dial: network.dial,
    called: (fits, timeoutMs) => waitForCall({ calls, listeners, signal }, { fits, timeoutMs }),
    async stop() {
      await Promise.all(machines.map((machine) => machine.kill()));
      for (const machine of [...machines]) await machine.remove();
      endpoints.stop();
      await network.stop();
      removeRemains(folder);
    },
  };
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
  const made = calls.find(fits);
  if (made) return Promise.resolve(made);
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
function placesOf(folder: string): Places {
  const name = `landfall-${createHash("sha256").update(folder).digest("hex").slice(0, 8)}`;
  return { name, machines: join(folder, "machines"), cgroup: join(findCgroups() ?? "/sys/fs/cgroup", name) };
}

/** Ends and removes what a rehearsal of this folder left: processes, mounts, the namespace, files. Only what bears its name. */
export function removeRemains(folder: string): void {
  const { name, machines, cgroup } = placesOf(folder);
  endGroup(cgroup);
  for (const mount of mountsUnder(machines)) execFileSync("umount", ["--lazy", mount]);
  removeNetwork(name);
  rmSync(machines, { recursive: true, force: true });
  for (const socket of ["in", "out"]) rmSync(join(folder, socket), { force: true });
}

/** Ten seconds, a tenth each. */
const ENDING_ROUNDS = 100;

function endGroup(cgroup: string): void {
  for (let round = 0; round < ENDING_ROUNDS && !removeCgroup(cgroup); round++) {
    for (const pid of processesOf(cgroup)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    }
    execFileSync("sleep", ["0.1"]);
  }
}

/** Groups come and go while this looks. */
function processesOf(cgroup: string): number[] {
  const read = (file: string) => {
    try {
      return readFileSync(join(cgroup, file), "utf8").split("\n").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  };
  return groupsUnder(cgroup).flatMap((group) => read(join(group, "cgroup.procs")));
}

function groupsUnder(cgroup: string): string[] {
  try {
    return [
      "",
      ...readdirSync(cgroup, { recursive: true, withFileTypes: true }).flatMap((one) =>
        one.isDirectory() ? [relative(cgroup, join(one.parentPath, one.name))] : [],
      ),
    ];
  } catch {
    return [];
  }
}

/** The deepest first. */
const mountsUnder = (folder: string): string[] =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse();
