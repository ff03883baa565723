// The source of a release: the files of a commit or, when asked for, of the working tree as it is.
// The working tree is never shipped silently, and never silently ignored.
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { closeSync, existsSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import ignore, { type Ignore } from "ignore";
import { LandfallError } from "../error.ts";
import {
  findObject,
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
import { throughLfs } from "./large-files.ts";
import { type Content, collect, contentOf, type SourceFile } from "./source-file.ts";

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
const ANOTHER_FILE = "Such a name means another file on another machine.";
const NAME_BYTES_MAX = 255;
/** A path may have 4,095 bytes on Linux, of which the folder that it is unpacked in takes some. */
const PATH_BYTES_MAX = 3_000;
/** More names than this help nobody. */
const NAMES_MAX = 10;

/**
 * Finds the files of a release; their bytes are read later. `.landfallignore` at the folder's root leaves files out,
 * in the syntax of `.gitignore`; nothing else is left out but `.git`, and from a working tree what git ignores.
 *
 * Errors: GIT_NOT_A_REPOSITORY, GIT_REF_UNKNOWN, GIT_DIRTY when HEAD is asked for and the working tree differs from it,
 * SOURCE_FILE_UNSUPPORTED for submodules that are not checked out and the like, SOURCE_EMPTY. Reading a file: SOURCE_LFS_POINTER.
 *
 * @example (await loadSource({ folder: ".", ref: "HEAD", dirty: false })).files.length // 4
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
  const isLeftOut = ignoring(await findObject(repository, commit, IGNORE_FILE));
  const files = await filesOf({ repository, commit, below: "", isLeftOut });
  if (ref === undefined) {
    const differing = (await loadDifferences(repository)).filter((path) => !isLeftOut(path));
    if (differing.length > 0) throw treeDiffers(commit, differing);
  }
  return finish({ commit, description, files });
}

/** A repository, at a commit, in the app's folder. */
interface Tree {
  repository: Repository;
  commit: string;
  /** Where it is in the app's folder: empty, or with a slash at its end. */
  below: string;
  isLeftOut: (path: string) => boolean;
}

async function filesOf({ repository, commit, below, isLeftOut }: Tree): Promise<SourceFile[]> {
  const readObject = openObjects(repository);
  const files: SourceFile[] = [];
  for (const { mode, type, object, path: bytes } of await loadTree(repository, commit)) {
    const path = below + decodePath(bytes);
    if (isLeftOut(path)) continue;
    if (type === "commit") {
      const inner = await openSubmodule(join(repository.folder, decodePath(bytes)), path, object);
      files.push(...(await filesOf({ repository: inner, commit: object, below: `${path}/`, isLeftOut })));
    } else {
      const file: SourceFile = { path, mode: modeOf(mode), read: (use) => readObject(object, use) };
      files.push(throughLfs(repository.folder, file));
    }
  }
  return files;
}

const modeOf = (mode: string): SourceFile["mode"] => (mode === "120000" ? "symlink" : mode === "100755" ? 0o755 : 0o644);

/** Of a submodule a commit holds only which commit of it is meant: its files are where it was checked out, or nowhere here. */
async function openSubmodule(folder: string, path: string, commit: string): Promise<Repository> {
  if (existsSync(join(folder, ".git"))) {
    const repository = await openRepository(folder);
    if (await resolveCommit(repository, commit).catch(() => undefined)) return repository;
  }
  throw submoduleMissing(path, commit);
}

async function loadWorkingTree(folder: string): Promise<Source> {
  const repository = await openRepository(folder).catch((error: unknown) => {
    // Without git the files are still there; that is what --dirty is for.
    if (existsSync(folder)) return undefined;
    throw error;
  });
  const isLeftOut = ignoring(readIfThere(join(folder, IGNORE_FILE)));
  const paths = repository ? await workingPathsOf(repository) : walk(folder);
  const files = paths.filter((path) => !isLeftOut(path)).flatMap((path) => workingFile(folder, path));
  return finish({ ...(await describeWorkingTree(repository, isLeftOut)), files });
}

/** With those of submodules, which git lists by the path alone; a repository that is none ends with a slash. */
async function workingPathsOf(repository: Repository): Promise<string[]> {
  const paths = (await loadWorkingPaths(repository)).map(decodePath);
  const lists = paths.map(async (path) => {
    const folder = join(repository.folder, path);
    if (path.endsWith("/") || !existsSync(join(folder, ".git"))) return [path];
    return (await workingPathsOf(await openRepository(folder))).map((inner) => `${path}/${inner}`);
  });
  return (await Promise.all(lists)).flat();
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
  if (stat.isDirectory()) throw path.endsWith("/") ? unsupported(path.slice(0, -1), "another git repository", NOT_ITS_FILES) : submoduleMissing(path);
  if (stat.isSymbolicLink()) return [{ path, mode: "symlink", read: unchanging(path, () => contentOf(readlinkSync(file, { encoding: "buffer" }))) }];
  if (!stat.isFile()) throw unsupported(path, "neither a file nor a symlink", "Only these can be released.");
  const read = unchanging(path, () => openFile(file));
  return [throughLfs(folder, { path, mode: stat.mode & 0o100 ? 0o755 : 0o644, read })];
}

const NOT_ITS_FILES = "Its files do not belong to this one.";
const PIECE_BYTES_MAX = 1_000_000;

interface Opened extends Content {
  close?: () => void;
}

function openFile(file: string): Opened {
  const handle = openSync(file, "r");
  const { size } = fstatSync(handle);
  return { size, pieces: readPieces(handle, size), close: () => closeSync(handle) };
}

function* readPieces(handle: number, size: number): Generator<Buffer> {
  for (;;) {
    // One more than there should be: a file that has grown is noticed.
    const piece = Buffer.allocUnsafe(Math.min(size + 1, PIECE_BYTES_MAX));
    const count = readSync(handle, piece);
    if (count === 0) return;
    yield piece.subarray(0, count);
  }
}

/** An editor can save between the moment the release gets its id and the moment its files are copied. */
function unchanging(path: string, open: () => Opened): SourceFile["read"] {
  let first: string | undefined;
  async function* check({ size, pieces }: Content) {
    const hash = createHash("sha256");
    let count = 0;
    for await (const piece of pieces) {
      hash.update(piece);
      count += piece.length;
      yield piece;
    }
    const digest = hash.digest("hex");
    first ??= digest;
    if (digest !== first || count !== size) throw changed(path);
  }
  return async (use) => {
    const content = open();
    try {
      return await use({ size: content.size, pieces: check(content) });
    } finally {
      content.close?.();
    }
  };
}

const changed = (path: string) =>
  new LandfallError({
    code: "SOURCE_CHANGED",
    what: `the file "${path}" was changed while it was being released`,
    where: path,
    why: "The release's id was made from other bytes.",
    standing: "What runs goes on running; the release was not kept.",
    next: "run the same command again",
  });

/** Files below a folder outside git, with the rules of every `.gitignore` on the way; the deepest rule decides. */
function walk(root: string, below = "", outer: { base: string; rules: Ignore }[] = []): string[] {
  const ignoreFile = readIfThere(join(root, below, ".gitignore"));
  const layers = ignoreFile ? [{ base: below, rules: rulesOf(ignoreFile) }, ...outer] : outer;
  const isIgnored = (path: string) => {
    for (const { base, rules } of layers) {
      const verdict = rules.test(path.slice(base.length));
      if (verdict.ignored || verdict.unignored) return verdict.ignored;
    }
    return false;
  };
  return readdirSync(join(root, below), { withFileTypes: true, encoding: "utf8" })
    .filter(({ name }) => name !== ".git")
    .flatMap((entry) => {
      const path = below + entry.name;
      if (entry.isDirectory()) return isIgnored(`${path}/`) ? [] : walk(root, `${path}/`, layers);
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

function finish(listing: Pick<Source, "commit" | "description" | "files">): Source {
  const files = listing.files.map(checkingLink).toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { ...listing, files, suspicious: files.map(({ path }) => path).filter((path) => SECRET_NAMES.test(path)) };
}

/** A path from git, which is bytes. A tree made by hand may also hold names that lead out of the folder. */
function decodePath(bytes: Buffer): string {
  const path = bytes.toString("utf8");
  if (!isUtf8(bytes)) throw unsupported(path, "named in bytes that are not UTF-8", ANOTHER_FILE);
  if (path.split("/").some((part) => part === ".." || part === "."))
    throw unsupported(path, "outside the app's folder", "A release holds only what is below it.");
  if (bytes.length > PATH_BYTES_MAX || path.split("/").some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX))
    throw unsupported(path, "longer than a path can be here", `A name has ${NAME_BYTES_MAX} bytes at most, and a path ${PATH_BYTES_MAX}.`);
  return path;
}

/** Where a link leads is bytes as well. They are read with the rest, when the release is named. */
const checkingLink = (file: SourceFile): SourceFile =>
  file.mode === "symlink"
    ? {
        ...file,
        read: (use) =>
          file.read(async (content) => {
            const target = await collect(content);
            assertTarget(file.path, target);
            return use(contentOf(target));
          }),
      }
    : file;

function assertTarget(path: string, bytes: Buffer): void {
  const isPath = bytes.length > 0 && bytes.length <= PATH_BYTES_MAX && !bytes.includes(0);
  if (!isPath) throw unsupported(path, "a link that leads to no path", `A path has 1 to ${PATH_BYTES_MAX} bytes here, and no NUL among them.`);
  if (!isUtf8(bytes)) throw unsupported(path, "a link to bytes that are not UTF-8", ANOTHER_FILE);
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

const submoduleMissing = (path: string, commit?: string) =>
  new LandfallError({
    code: "SOURCE_FILE_UNSUPPORTED",
    what: `the git submodule "${path}" is not checked out${commit === undefined ? "" : ` with its commit ${commit.slice(0, 7)}`}`,
    where: path,
    why: "Its files are in another repository, and a release would be without them.",
    standing: STANDING,
    next: `git submodule update --init --recursive   (or add "/${path}" to ${IGNORE_FILE} to leave it out)`,
  });

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
