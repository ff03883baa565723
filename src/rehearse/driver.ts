// Releases on machines of this one: the second driver of what performs a release on AWS. Machines are booted by systemd-nspawn, requests go
// through the local balancer, objects lie in the local bucket, and an image is what a machine has written above the bare root file system.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Deployment } from "../config/deployment.ts";
import type { Emit } from "../progress.ts";
import type { Clock } from "../system/clock.ts";
import { removeAll } from "../system/files.ts";
import type { ObjectStore } from "../targets/aws/account/objects.ts";
import type { FleetDriver, ImageDriver, ImageName, ReleaseDriver, TaskDriver, TaskMachine } from "../targets/aws/releases/driver.ts";
import { IMAGE_GIB } from "../targets/aws/templates/compute/disks.ts";
import { REGION } from "./endpoints.ts";
import type { Instance, MachineHost } from "./machine-host.ts";
import type { Bucket } from "./objects.ts";
import type { Resources } from "./resources.ts";

const CONSOLE_LINES = 12;

/** What fleets, one-off tasks and images of a rehearsal work with. */
export interface RehearsalPlace {
  deployment: Deployment;
  host: MachineHost;
  resources: Resources;
  /** Keeps images: by id, what lies above the root file system. */
  images: string;
  clock: Clock;
  emit: Emit;
  signal?: AbortSignal;
}

/** The layers of a machine of this image, the newest first. */
export const layersOf = ({ images }: Pick<RehearsalPlace, "images">, image: string | undefined): string[] =>
  image === undefined ? [] : [join(images, image)];

interface RehearsalInput {
  fleets: FleetDriver;
  /** Two releases with the same content are one: by this they are told apart, as if a secret had changed between them. */
  secretsRevision(): string;
}

export function openRehearsal(place: RehearsalPlace, { fleets, secretsRevision }: RehearsalInput): ReleaseDriver {
  const { resources } = place;
  const machines = new Map<string, Instance>();
  return {
    region: REGION,
    outputs: resources.outputs,
    bucket: resources.artifacts.name,
    objects: objectsIn(resources.artifacts),
    secretsRevision: async () => secretsRevision(),
    fleets,
    tasks: taskMachines(place, machines),
    images: folderImages(place, machines),
  };
}

const objectsIn = (bucket: Bucket): ObjectStore => ({
  find: async (key) => (await bucket.get(key))?.toString(),
  has: async (key) => (await bucket.get(key)) !== undefined,
  put: (key, body) => bucket.put(key, Buffer.from(body)),
});

/** `machines` are those of tasks, by their names. What a rehearsal that was cut off left of them is gone before the next begins. */
function taskMachines(place: RehearsalPlace, machines: Map<string, Instance>): TaskDriver {
  const ended = new Set<string>();
  return {
    find: async () => undefined,
    async start({ work, image }, { id, userData }) {
      const machine = place.host.boot({ role: work.kind, userData, layers: layersOf(place, image?.id) });
      machines.set(machine.name, machine);
      void machine.off.then(() => ended.add(machine.name));
      return { id, instance: machine.name };
    },
    observe: async ({ instance }) => (ended.has(instance) ? { is: "off", word: "off" } : { is: "on", word: "on" }),
    lastLines: async ({ instance }) => (machines.get(instance)?.output() ?? "").split(/\r?\n/).filter(Boolean).slice(-CONSOLE_LINES),
    async end({ instance }) {
      const machine = machines.get(instance);
      if (!machine) return;
      await machine.kill();
      await machine.remove();
      removeAll(dirname(machine.written));
      machines.delete(instance);
    },
  };
}

function folderImages({ images }: RehearsalPlace, machines: Map<string, Instance>): ImageDriver {
  mkdirSync(images, { recursive: true, mode: 0o711 });
  const idOf = ({ hash, architecture }: ImageName) => `${hash}-${architecture}`;
  return {
    find: async (name) => (existsSync(join(images, idOf(name))) ? { image: { id: idOf(name), gib: IMAGE_GIB }, ready: true } : undefined),
    async keep({ instance }: TaskMachine, name) {
      const folder = join(images, idOf(name));
      const machine = machines.get(instance);
      await machine?.off;
      await machine?.remove({ keepWritten: true });
      // Whole or not at all; of two rehearsals that make the same image, the first has made it.
      if (machine && !existsSync(folder)) {
        await promisify(execFile)("sync", ["--file-system", machine.written]);
        renameSync(machine.written, folder);
      }
      return idOf(name);
    },
    wait: async (id) => ({ id, gib: IMAGE_GIB }),
  };
}
