// Where the peers are installed once: not in the project, and not in the system.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export function cacheFolder(name) {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "landfall-bench", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Runs a program to its end and returns its output; rejects with the last lines of what it said when it fails. */
export function execute(program, words, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        said += chunk;
      });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0
        ? resolve(said)
        : reject(new Error(`${program} ${words[0] ?? ""} ended with ${code}: ${said.trim().split("\n").slice(-6).join(" | ")}`)),
    );
  });
}

/** Throws with the reason when a step of an installation fails. */
export function install(program, ...words) {
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${words.slice(0, 3).join(" ")}: ${(error?.message ?? stderr).trim().split("\n").at(-1)}`);
}
