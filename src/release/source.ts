// What a release is made of: the files of a commit or, when asked for, of the working tree as it is.
// The working tree is never shipped silently, and never silently ignored.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import ignore, { type Ignore } from "ignore";
import { LandfallError } from "../error.ts";
import {
  hasCommit,
  loadDifferences,
  loadSubject,
  loadTree,
  loadWorkingPaths,
  openObjects,
  openRepository,
  type Repository,
  resolveCommit,
} from "./git.ts";

export interface SourceFile {
  /** Relative to the app's folder, with forward slashes. */
  path: string;
  mode: 0o644 | 0o755 | "symlink";
  /** The bytes; of a symlink, where it points. May be called again, and gives the same bytes or throws SOURCE_CHANGED. */
  content: () => Promise<Buffer> | Buffer;
}

export interface Source {
  /** The full hash, when the files are those of a commit. */
  commit?: string;
  /** For people: `commit 7f3c2a1 “Greet by name”`. */
  description: string;
  /** Sorted by the bytes of their paths. */
  files: SourceFile[];
  /** Paths whose names say that they hold a secret: worth a warning, not a refusal. */
  suspicious: string[];
}

export interface SourceOptions {
  /** The app's folder: the repository's root or any folder in it. Only what is below it is released. */
  folder: string;
  /** A branch, tag or hash; HEAD unless told. The working tree does not matter then. */
  ref?: string;
  /** The working tree instead of a commit. Works outside git too. */
  dirty: boolean;
}

const STANDING = "Nothing was changed.";
const IGNORE_FILE = ".landfallignore";
/** More names than this help nobody. */
const NAMES_MAX = 10;

/**
 * Finds the files of a release; their bytes are read later. `.landfallignore` at the folder's root leaves files out,
 * in the syntax of `.gitignore`; nothing else is left out but `.git`, and from a working tree what git ignores.
 *
 * Errors: GIT_NOT_A_REPOSITORY, GIT_REF_UNKNOWN, GIT_DIRTY when HEAD is asked for and the working tree differs from it,
 * SOURCE_FILE_UNSUPPORTED for submodules and the like, SOURCE_EMPTY.
 *
 * @example await loadSource({ folder: "/srv/guestbook", ref: "v1.2.0", dirty: false })
 */
export async function loadSource(options: SourceOptions): Promise<Source> {
  if (options.dirty && options.ref !== undefined) throw refAndDirty(options.ref);
  const folder = resolve(options.folder);
  const source = options.dirty ? await loadWorkingTree(folder) : await loadCommit(folder, options.ref);
  if (source.files.length === 0) throw sourceEmpty(folder, source.description);
  return source;
}

async function loadCommit(folder: string, ref: string | undefined): Promise<Source> {
  const repository = await openRepository(folder);
  const commit = await resolveCommit(repository, ref ?? "HEAD");
  const description = `commit ${commit.slice(0, 7)} “${await loadSubject(repository, commit)}”`;
  const readObject = openObjects(repository);
  const entries = await loadTree(repository, commit);

  const ignoreEntry = entries.find(({ path }) => path.toString("latin1") === IGNORE_FILE);
  const isLeftOut = ignoring(ignoreEntry && (await readObject(ignoreEntry.object)));
  const files = entries
    .map((entry) => ({ ...entry, path: decodePath(entry.path) }))
    .filter(({ path }) => !isLeftOut(path))
    .map(({ path, mode, type, object }): SourceFile => {
      if (type === "commit") throw unsupported(path, "a git submodule", "Its files are in another repository, and the commit does not hold them.");
      return { path, mode: mode === "120000" ? "symlink" : mode === "100755" ? 0o755 : 0o644, content: () => readObject(object) };
    });

  if (ref === undefined) {
    const differing = (await loadDifferences(repository)).filter((path) => !isLeftOut(path));
    if (differing.length > 0) throw treeDiffers(commit, differing);
  }
  return finish({ commit, description, files });
}

async function loadWorkingTree(folder: string): Promise<Source> {
  const repository = await openRepository(folder).catch((error: unknown) => {
    // Without git the files are still there; that is what --dirty is for.
    if (existsSync(folder)) return undefined;
    throw error;
  });
  const isLeftOut = ignoring(readIfThere(join(folder, IGNORE_FILE)));
  const paths = repository ? (await loadWorkingPaths(repository)).map(decodePath) : walk(folder);
  const files = paths.filter((path) => !isLeftOut(path)).flatMap((path) => workingFile(folder, path));
  return finish({ ...(await describeWorkingTree(repository, isLeftOut)), files });
}

async function describeWorkingTree(
  repository: Repository | undefined,
  isLeftOut: (path: string) => boolean,
): Promise<Pick<Source, "commit" | "description">> {
  if (!repository) return { description: "working tree, not in a git repository" };
  if (!(await hasCommit(repository))) return { description: "working tree, no commit yet" };
  const commit = await resolveCommit(repository, "HEAD");
  const count = (await loadDifferences(repository)).filter((path) => !isLeftOut(path)).length;
  if (count === 0) return { commit, description: `working tree, the same as commit ${commit.slice(0, 7)}` };
  return { description: `working tree, ${count} ${count === 1 ? "file differs" : "files differ"} from commit ${commit.slice(0, 7)}, not committed` };
}

/** One file of the working tree; none when it is tracked but was deleted. */
function workingFile(folder: string, path: string): SourceFile[] {
  const file = join(folder, path);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isDirectory()) throw unsupported(path.replace(/\/$/, ""), "another git repository", "Its files do not belong to this one.");
  if (stat.isSymbolicLink()) return [{ path, mode: "symlink", content: unchanging(path, () => readlinkSync(file, { encoding: "buffer" })) }];
  if (!stat.isFile()) throw unsupported(path, "neither a file nor a symlink", "Only these can be released.");
  return [{ path, mode: stat.mode & 0o100 ? 0o755 : 0o644, content: unchanging(path, () => readFileSync(file)) }];
}

/** An editor can save between the moment the release gets its id and the moment its files are copied. */
function unchanging(path: string, read: () => Buffer): () => Buffer {
  let first: string | undefined;
  return () => {
    const bytes = read();
    const digest = createHash("sha256").update(bytes).digest("hex");
    first ??= digest;
    if (digest === first) return bytes;
    throw new LandfallError({
      code: "SOURCE_CHANGED",
      what: `the file "${path}" was changed while it was being released`,
      where: path,
      why: "The release's id was made from other bytes.",
      standing: "What runs goes on running; the release was not kept.",
      next: "run the same command again",
    });
  };
}

/** Files below a folder outside git, with the rules of every `.gitignore` on the way; the deepest rule decides. */
function walk(root: string, below = "", outer: { base: string; rules: Ignore }[] = []): string[] {
  const own = readIfThere(join(root, below, ".gitignore"));
  const all = own ? [{ base: below, rules: rulesOf(own) }, ...outer] : outer;
  const isIgnored = (path: string) => {
    for (const { base, rules } of all) {
      const verdict = rules.test(path.slice(base.length));
      if (verdict.ignored || verdict.unignored) return verdict.ignored;
    }
    return false;
  };
  return readdirSync(join(root, below), { withFileTypes: true, encoding: "utf8" })
    .filter(({ name }) => name !== ".git")
    .flatMap((entry) => {
      const path = below + entry.name;
      if (entry.isDirectory()) return isIgnored(`${path}/`) ? [] : walk(root, `${path}/`, all);
      return isIgnored(path) ? [] : [path];
    });
}

const rulesOf = (content: Buffer): Ignore => ignore({ ignorecase: false }).add(content.toString("utf8"));

function ignoring(content: Buffer | undefined): (path: string) => boolean {
  if (!content) return () => false;
  const rules = rulesOf(content);
  return (path) => rules.ignores(path);
}

function readIfThere(file: string): Buffer | undefined {
  return lstatSync(file, { throwIfNoEntry: false })?.isFile() ? readFileSync(file) : undefined;
}

const SECRET_NAMES = /(^|\/)(\.env(\.(local|production|staging))?|[^/]*\.pem|id_(rsa|dsa|ecdsa|ed25519))$/;

function finish(found: Pick<Source, "commit" | "description" | "files">): Source {
  const files = found.files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { ...found, files, suspicious: files.map(({ path }) => path).filter((path) => SECRET_NAMES.test(path)) };
}

/** A path from git, which is bytes. A tree made by hand may also hold names that lead out of the folder. */
function decodePath(bytes: Buffer): string {
  const path = bytes.toString("utf8");
  if (!Buffer.from(path).equals(bytes))
    throw unsupported(path, "named in bytes that are not UTF-8", "Such a name means another file on another machine.");
  if (path.split("/").some((part) => part === ".." || part === "."))
    throw unsupported(path, "outside the app's folder", "A release holds only what is below it.");
  return path;
}

function unsupported(path: string, kind: string, why: string): LandfallError {
  return new LandfallError({
    code: "SOURCE_FILE_UNSUPPORTED",
    what: `"${path}" in the app's folder is ${kind}, which cannot be released`,
    where: path,
    why,
    standing: STANDING,
    next: `add "/${path}" to ${IGNORE_FILE} to leave it out, or put plain files in its place`,
  });
}

function treeDiffers(commit: string, differing: string[]): LandfallError {
  const count = differing.length;
  const shown = differing.slice(0, NAMES_MAX).map((path) => `  ${path}`);
  if (count > NAMES_MAX) shown.push(`  and ${count - NAMES_MAX} more`);
  return new LandfallError({
    code: "GIT_DIRTY",
    what: `the working tree differs from commit ${commit.slice(0, 7)} in ${count} ${count === 1 ? "file" : "files"}`,
    why: [...shown, "A release of the commit would leave these changes out."].join("\n"),
    standing: STANDING,
    next: "commit them, or release the working tree with --dirty, or the commit alone by naming it: HEAD",
  });
}

function refAndDirty(ref: string): LandfallError {
  return new LandfallError({
    code: "USAGE",
    what: `--dirty and the git reference "${ref}" exclude each other`,
    why: "--dirty releases the working tree, a reference releases a commit.",
    standing: STANDING,
    next: "leave one of them out",
  });
}

function sourceEmpty(folder: string, description: string): LandfallError {
  return new LandfallError({
    code: "SOURCE_EMPTY",
    what: `the app's folder "${folder}" has no file to release`,
    where: folder,
    why: `Looked in: ${description}. What .gitignore or ${IGNORE_FILE} names is left out.`,
    standing: STANDING,
    next: "git add the app's files and commit them",
  });
}
