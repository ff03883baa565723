// Programs that run as processes of their own are tested as built code. Building takes a second, so it is done only when a source is newer.
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tryFileLock } from "../src/system/file-lock.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The path of a built file, such as `targets/local/supervisor/main.js`, after building all of src/ if it has changed. */
export async function builtMain(path: string): Promise<string> {
  const dist = join(ROOT, "dist");
  mkdirSync(dist, { recursive: true });
  // Test files run at the same time; one builds, the others wait for it.
  const file = join(dist, ".lock");
  let lock = tryFileLock(file);
  for (; !lock; lock = tryFileLock(file)) await new Promise((resolve) => setTimeout(resolve, 50));
  try {
    const stamp = join(dist, ".built");
    const builtAt = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (newestUnder(join(ROOT, "src")) > builtAt) await build(stamp);
  } finally {
    lock.release();
  }
  return join(dist, path);
}

async function build(stamp: string): Promise<void> {
  // The stamp bears the time of the beginning: a file changed during the build makes it old.
  const began = new Date();
  await new Promise<void>((resolve) => execFile("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: ROOT }, () => resolve()));
  writeFileSync(stamp, "");
  utimesSync(stamp, began, began);
}

function newestUnder(folder: string): number {
  const times = readdirSync(folder, { recursive: true, withFileTypes: true }).map(
    (entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  return Math.max(0, ...times);
}
