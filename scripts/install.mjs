// What every script needs first: the packages of the lock file, a fresh dist/, and `landfall` where npx looks for it.
// Each step is left out when it would change nothing, so that a second run costs milliseconds.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFile = join(root, "node_modules", ".landfall-stamp");

/** Runs a program in the checkout with this terminal, and returns its exit status. */
export function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, { cwd: root, stdio: "inherit", ...options });
  if (error) {
    console.error(`error: ${program} could not be started: ${error.message}`);
    return 1;
  }
  return signal ? 130 : (status ?? 1);
}

/** Installs, builds and links. Ends the process when a step fails. */
export function install() {
  const release = takeTurn();
  installPackages();
  buildIfOlder({ strict: true });
  linkCommand();
  release();
}

/** Two installations in one folder at the same time would remove each other's files. Whoever was killed counts as done. */
function takeTurn() {
  const name = createHash("sha256").update(`${root} ${process.getuid?.()}`).digest("hex").slice(0, 16);
  const lock = join(tmpdir(), `landfall-install-${name}`);
  for (let said = false; ; said = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      const release = () => rmSync(lock, { force: true });
      process.once("exit", release);
      return () => {
        process.off("exit", release);
        release();
      };
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const holder = loadHolder(lock);
    if (holder !== undefined && !isAlive(holder)) rmSync(lock, { force: true });
    else if (!said) console.error(`waiting for process ${holder ?? "(just ended)"}, which installs or builds here`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

/** Undefined when it ended just now, or is about to write its pid. */
function loadHolder(lock) {
  try {
    return Number(readFileSync(lock, "utf8")) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** `npm ci`, unless it was done for this very lock file. */
function installPackages() {
  const hash = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === hash) return;
  if (!existsSync(stampFile) && isAsLocked()) return writeFileSync(stampFile, hash);
  console.error("npm ci (the packages of package-lock.json)");
  const status = run("npm", ["ci", "--no-audit", "--no-fund"], { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status);
  writeFileSync(stampFile, hash);
}

/** After an `npm ci` by hand there is no stamp, but npm's own record in node_modules is newer than the lock file. */
function isAsLocked() {
  const record = join(root, "node_modules", ".package-lock.json");
  return existsSync(record) && statSync(record).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

/** Compiles src/ to dist/, and bundles it, when a source is newer than the last build without errors. `strict`: errors end the process. */
export function buildIfOlder({ strict }) {
  const stamp = join(root, "dist", ".checked");
  const from = Date.now() / 1000;
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newestChange()) return;
  const node = (...words) => run(process.execPath, words, { stdio: ["ignore", 2, 2] });
  // The compiler writes its files in spite of type errors.
  const compiled = node(join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json");
  const status = node(join(root, "scripts", "bundle.mjs")) || compiled;
  if (status !== 0) {
    // Without a stamp the next run compiles again, and so shows the errors again.
    rmSync(stamp, { force: true });
    if (strict) process.exit(status);
    return;
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  // A file saved while the compiler ran may have been missed, so the build counts as old as its beginning.
  utimesSync(stamp, from, from);
}

/** The latest change to what the compiler reads; folders count too, because a removed file only shows there. */
function newestChange() {
  const src = join(root, "src");
  const settings = ["tsconfig.json", "tsconfig.build.json", "scripts/bundle.mjs"];
  const paths = [src, ...readdirSync(src, { recursive: true }).map((name) => join(src, name)), ...settings.map((name) => join(root, name))];
  return Math.max(...paths.map((path) => statSync(path).mtimeMs));
}

/** npm links the commands of dependencies only, not of the package itself: this makes `npx landfall` work in the checkout. */
function linkCommand() {
  const link = join(root, "node_modules", ".bin", "landfall");
  if (existsSync(link)) return;
  rmSync(link, { force: true });
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync("../../bin/landfall.js", link);
  chmodSync(join(root, "bin", "landfall.js"), 0o755);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install();
