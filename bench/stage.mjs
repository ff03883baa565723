// What the measurements share: an app of their own with a state folder of its own, removed at the end, and medians.
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
export const landfall = join(root, "bin", "landfall.js");

/**
 * A copy of the fixture app, changed by `adapt`, and a LANDFALL_HOME, for as long as `act` runs or until it is interrupted. Then what
 * was given to `atEnd` is done, and the environment "local" decommissioned.
 */
export async function onStage({ instances = 2, adapt }, act) {
  const base = mkdtempSync(join(tmpdir(), "landfall-bench-"));
  chmodSync(base, 0o711);
  const home = join(base, "home");
  mkdirSync(home, { mode: 0o711 });
  const folder = join(base, "app");
  cpSync(join(root, "test", "fixtures", "apps", "hello"), folder, { recursive: true });
  const config = join(folder, "landfall.config.ts");
  writeFileSync(config, readFileSync(config, "utf8").replace("instances: 2", `instances: ${instances}`));
  adapt?.(folder);
  process.env.LANDFALL_HOME = home;
  const run = (...words) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [landfall, ...words], { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`landfall ${words.join(" ")} ended with ${status}: ${stderr}`);
    return stdout;
  };
  const ends = [];
  const interrupted = new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  try {
    return await Promise.race([act({ base, folder, run, atEnd: (end) => ends.push(end) }), interrupted]);
  } finally {
    for (const end of ends) await end();
    if (existsSync(join(home, "apps"))) run("decommission", "local", "--yes");
    rmSync(base, { recursive: true, force: true });
  }
}

/** A program of that name on the PATH, or where Debian keeps its servers. */
export function findProgram(program) {
  const { stdout } = spawnSync("sh", ["-c", `command -v ${program}`], { env: withServers, encoding: "utf8" });
  return stdout.trim() || undefined;
}

export const withServers = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Installs the Debian packages of the programs (program → package) that are missing, if it may, and says which are missing still. */
export function installPrograms(packages) {
  const absent = () => Object.keys(packages).filter((program) => !findProgram(program));
  const names = absent().map((program) => packages[program]);
  if (names.length > 0 && process.getuid() === 0) spawnSync("apt-get", ["install", "-y", "--no-install-recommends", ...names], { stdio: "ignore" });
  for (const program of absent()) console.error(`missing: ${program} (Debian package ${packages[program]})`);
}

export async function accepts(port) {
  for (const until = Date.now() + 10_000; Date.now() < until; ) {
    const open = await new Promise((resolve) => {
      const socket = createConnection(port, "127.0.0.1", () => (socket.destroy(), resolve(true))).on("error", () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on ${port}`);
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

export const took = async (act) => {
  const from = performance.now();
  await act();
  return performance.now() - from;
};

export const show = (name, ratio, more) => console.log(`${name.padEnd(12)} ${ratio.padStart(8)}   ${more}`);
export const ms = (number) => `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const asks = (port) =>
  new Promise((resolve) =>
    get({ port, host: "127.0.0.1", agent: false }, (answer) => answer.resume().on("end", () => resolve(answer.statusCode === 200))).on("error", () =>
      resolve(false),
    ),
  );

/** The app on its own, without Landfall: from its start to its first 200, and from SIGTERM to its end. */
export async function measureApp(folder) {
  const port = await freePort();
  const child = spawn("/bin/sh", ["-c", "exec node server.js"], { cwd: folder, env: { ...process.env, PORT: String(port) }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  try {
    const start = await took(async () => {
      while (!(await asks(port))) await new Promise((resolve) => setTimeout(resolve, 1));
    });
    const stop = await took(() => {
      child.kill("SIGTERM");
      return ended;
    });
    return { start, stop };
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}
