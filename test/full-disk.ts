// A small disk of its own, which a test may fill.
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Whether this user may mount one: root on Linux. */
export const canMount = process.platform === "linux" && process.getuid?.() === 0 && spawnSync("unshare", ["-m", "true"]).status === 0;

/** Mounts a disk of that size at `folder`, and returns what takes it away. */
export function mountDisk(folder: string, megabytes: number): () => void {
  mkdirSync(folder, { mode: 0o711 });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0711`, "tmpfs", folder]);
  return () => execFileSync("umount", ["-l", folder]);
}

/** Takes every byte that is left in a folder, and returns what gives them back. */
export function fill(folder: string): () => void {
  const file = join(folder, "fill");
  const handle = openSync(file, "a");
  try {
    for (let bytes = 1 << 20; bytes >= 1; ) {
      try {
        writeSync(handle, Buffer.alloc(bytes));
      } catch {
        bytes = Math.floor(bytes / 2);
      }
    }
  } finally {
    closeSync(handle);
  }
  return () => rmSync(file, { force: true });
}
