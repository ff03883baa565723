// Python tools of the tests, each in a virtual environment of its own that is made once and kept beside the other installed packages.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = fileURLToPath(new URL("../node_modules/.cache/landfall/", import.meta.url));

export const hasPython = (): boolean => spawnSync("python3", ["-c", "import venv, ensurepip"]).status === 0;

/**
 * Returns the environment's Python. `packages` are all of them with their versions, so that the same ones run everywhere; the first one
 * names the environment.
 */
export function ensurePython(packages: string[]): string {
  const home = join(cache, packages[0] as string);
  const python = join(home, "bin", "python");
  if (existsSync(home)) return python;
  // Made beside and renamed, so that an interrupted installation is not taken for a whole one.
  const making = `${home}.${process.pid}`;
  mkdirSync(cache, { recursive: true });
  try {
    run("python3", ["-m", "venv", making]);
    run(join(making, "bin", "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
    if (!existsSync(home)) renameSync(making, home);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return python;
}

/** Returns what it printed. */
export function run(program: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 256 * 2 ** 20 });
  if (status !== 0) throw error ?? new Error(`${program} ${args.slice(0, 3).join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}
