// A folder of Landfall's for one rehearsal, with the root file system and images of the other tests; and what a rehearsal in it could leave.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { placesOf } from "../../src/rehearse/machine-host.ts";
import { ensureRootFilesystem } from "../../src/rehearse/root-filesystem.ts";
import { CACHE } from "./stage.ts";

export async function makeHome(): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), "landfall-rehearsal-"));
  chmodSync(home, 0o711);
  const { folder } = await ensureRootFilesystem(CACHE, () => {});
  mkdirSync(join(CACHE, "images"), { recursive: true, mode: 0o711 });
  mkdirSync(join(home, "rehearse"), { mode: 0o711 });
  for (const name of [basename(folder), "authority", "images"]) symlinkSync(join(CACHE, name), join(home, "rehearse", name));
  return home;
}

/** Of the rehearsal of this name in `home`: its network, its control group, its folders, and the resources that ran for it. */
export function listTraces(home: string, name: string): string[] {
  const running = join(home, "rehearse/running");
  const { name: network, cgroup } = placesOf(join(running, name));
  const places = [`/run/netns/${network}`, cgroup, join(home, "apps")].filter((path) => existsSync(path));
  return [...places, ...(existsSync(running) ? readdirSync(running) : [])];
}
