// The balancers that are compared and the programs that load them: packages of Debian, and modules of Go built once into a cache.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, execute } from "../cache.mjs";
import { findProgram, installPrograms } from "../stage.mjs";

const DEBIAN = { nginx: "nginx-light", haproxy: "haproxy", wrk: "wrk" };
/** The newest that Go's module proxy has whole: later ones of fortio and Traefik need modules that it does not give. */
const GO = {
  fortio: { module: "fortio.org/fortio", version: "v1.68.2", main: "." },
  caddy: { module: "github.com/caddyserver/caddy/v2", version: "v2.11.9", main: "./cmd/caddy" },
  traefik: { module: "github.com/traefik/traefik/v3", version: "v3.6.12", main: "./cmd/traefik", adapt: withoutDashboard },
};

/** Program → its file and version, for all that could be had; why not, for the others, goes to `say`. */
export async function findPrograms(say) {
  installPrograms(DEBIAN);
  const programs = {};
  for (const name of Object.keys(DEBIAN)) {
    const file = findProgram(name);
    if (file) programs[name] = { file, version: versionOf(file) };
  }
  for (const [name, source] of Object.entries(GO))
    try {
      programs[name] = { file: await build(name, source, say), version: source.version.slice(1) };
    } catch (error) {
      say(`missing: ${name} ${source.version}: ${error.message}`);
    }
  return programs;
}

/** As the program says it of itself, whatever its exit status. */
function versionOf(file) {
  const { stdout, stderr } = spawnSync(file, ["-v"], { encoding: "utf8" });
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? "unknown";
}

async function build(name, { module, version, main, adapt }, say) {
  const folder = cacheFolder(`${name}-${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  if (!findProgram("go")) throw new Error("it is built by Go, which is not installed");
  say(`${name} ${version} is built once, for minutes`);
  const { Dir: source } = JSON.parse(await execute("go", ["mod", "download", "-json", `${module}@${version}`], { cwd: folder }));
  const copy = join(folder, "source");
  rmSync(copy, { recursive: true, force: true });
  // A copy, because what is replaced in a module counts only in the module that is built, and Go's own store is not for writing.
  await execute("cp", ["-r", "--no-preserve=mode", source, copy]);
  adapt?.(copy);
  await execute("nice", ["-n", "19", "go", "build", "-o", `${program}.new`, main], {
    cwd: copy,
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  await execute("mv", [`${program}.new`, program]);
  rmSync(copy, { recursive: true, force: true });
  return program;
}

/** Its pages are built by other tools, and are not in the module. */
function withoutDashboard(source) {
  writeFileSync(join(source, "webui", "static", "index.html"), "");
}
