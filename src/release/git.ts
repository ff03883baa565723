// The one door to git. It asks the git program, never the files inside .git, so that worktrees, packed
// objects and whatever git learns next work the same.
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { LandfallError } from "../error.ts";
import { suggestions } from "../text/suggest.ts";
import type { Content } from "./source-file.ts";

const STANDING = "Nothing was changed.";

/** An entry of a commit's tree, its path relative to the app's folder. */
export interface TreeEntry {
  mode: string;
  type: string;
  object: string;
  path: Buffer;
}

/** The repository around a folder. */
export interface Repository {
  folder: string;
  /** The folder's path inside the repository: empty, or with a slash at its end. */
  prefix: string;
}

/** The repository the folder is in. Throws GIT_NOT_A_REPOSITORY with git's own words. */
export async function openRepository(folder: string): Promise<Repository> {
  try {
    return { folder, prefix: text(await git(folder, ["rev-parse", "--show-prefix"])).replace(/\n$/, "") };
  } catch (error) {
    throw notARepository(folder, failureOf(error));
  }
}

/** The full hash of the commit that a branch, tag or hash names. Throws GIT_REF_UNKNOWN with the names that come near. */
export async function resolveCommit({ folder }: Repository, ref: string): Promise<string> {
  try {
    return text(await git(folder, ["rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`])).trim();
  } catch (error) {
    const names = text(await git(folder, ["for-each-ref", "--format=%(refname:lstrip=2)"]))
      .split("\n")
      .filter(Boolean);
    throw refUnknown(ref, names, failureOf(error));
  }
}

/** Whether the repository has a commit at all: right after `git init` it has none. */
export async function hasCommit({ folder }: Repository): Promise<boolean> {
  return git(folder, ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).then(
    () => true,
    () => false,
  );
}

export async function loadSubject({ folder }: Repository, commit: string): Promise<string> {
  return text(await git(folder, ["log", "-1", "--no-show-signature", "--format=%s", commit])).trim();
}

/** Every file of the commit below the folder, submodules included. */
export async function loadTree({ folder }: Repository, commit: string): Promise<TreeEntry[]> {
  return splitZero(await git(folder, ["ls-tree", "-r", "-z", commit])).map((line) => {
    const tab = line.indexOf(9);
    const [mode = "", type = "", object = ""] = line.subarray(0, tab).toString("latin1").split(" ");
    return { mode, type, object, path: line.subarray(tab + 1) };
  });
}

/** The bytes of a file of the commit, by its path below the folder. */
export const findObject = ({ folder, prefix }: Repository, commit: string, path: string): Promise<Buffer | undefined> =>
  git(folder, ["cat-file", "blob", `${commit}:${prefix}${path}`]).catch(() => undefined);

/** Paths below the folder that differ from HEAD or are new and not ignored. */
export async function loadDifferences({ folder, prefix }: Repository): Promise<string[]> {
  const status = await git(folder, [
    "status",
    "--porcelain=v1",
    "-z",
    "--no-renames",
    "--untracked-files=all",
    "--ignore-submodules=none",
    "--",
    ".",
  ]);
  return splitZero(status).map((line) => text(line.subarray(3)).slice(prefix.length));
}

/** Paths of the working tree below the folder, without the ignored ones. A repository inside it ends with a slash. */
export async function loadWorkingPaths({ folder }: Repository): Promise<Buffer[]> {
  return splitZero(await git(folder, ["ls-files", "-c", "-o", "--exclude-standard", "--deduplicate", "-z"]));
}

export type ReadObject = <T>(object: string, use: (content: Content) => Promise<T>) => Promise<T>;

/**
 * Reads objects through one `git cat-file --batch`, one after another and piece by piece, so that neither a large repository nor a large file
 * stands in memory as a whole. The process does not keep ours alive, and ends when nothing was asked of it for a second.
 */
export function openObjects({ folder }: Repository): ReadObject {
  let reader: ObjectReader | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return (object, use) => {
    const answer = last.then(() => {
      if (!reader?.isOpen()) reader = startReader(folder);
      return reader.read(object, use);
    });
    last = answer.catch(() => {});
    return answer;
  };
}

interface ObjectReader {
  isOpen(): boolean;
  read: ReadObject;
}

function startReader(folder: string): ObjectReader {
  const child = spawn("git", ["cat-file", "--batch"], { cwd: folder, env: gitEnvironment(), stdio: ["pipe", "pipe", "ignore"] });
  const output = readPieces(child.stdout);
  let open = true;
  let idle: NodeJS.Timeout | undefined;
  child.on("error", () => (open = false));
  child.on("exit", () => (open = false));
  child.stdin.on("error", () => (open = false));
  const close = () => {
    open = false;
    child.stdin.end();
  };

  return {
    isOpen: () => open,
    read: async (object, use) => {
      clearTimeout(idle);
      keepAlive(child, true);
      try {
        child.stdin.write(`${object}\n`);
        const line = await output.takeLine();
        const size = /^\S+ \S+ (\d+)$/.exec(line)?.[1];
        if (size === undefined) throw new Error(`git cat-file: ${line}`);
        let left = Number(size);
        async function* pieces() {
          while (left > 0) {
            const piece = await output.take(left);
            left -= piece.length;
            yield piece;
          }
        }
        const result = await use({ size: left, pieces: pieces() });
        // What was not read to its end would be taken for the next answer.
        if (left > 0) close();
        else await output.take(1);
        return result;
      } catch (error) {
        close();
        throw error;
      } finally {
        keepAlive(child, false);
        idle = setTimeout(close, 1000).unref();
      }
    },
  };
}

function readPieces(stream: Readable) {
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const more = async () => {
    const next = await chunks.next();
    if (next.done) throw new Error("git cat-file ended before it answered");
    return next.value;
  };
  return {
    async takeLine(): Promise<string> {
      while (rest.indexOf(10) < 0) rest = Buffer.concat([rest, await more()]);
      const end = rest.indexOf(10);
      const line = rest.subarray(0, end).toString("latin1");
      rest = rest.subarray(end + 1);
      return line;
    },
    /** At least one byte, and at most so many. */
    async take(most: number): Promise<Buffer> {
      if (rest.length === 0) rest = await more();
      const piece = rest.subarray(0, most);
      rest = rest.subarray(piece.length);
      return piece;
    },
  };
}

/** A pipe of a child is a socket underneath: while it is referenced, our own process cannot end. */
function keepAlive(child: ChildProcessByStdio<Writable, Readable, null>, keep: boolean): void {
  for (const handle of [child, child.stdin, child.stdout] as unknown as { ref(): void; unref(): void }[]) {
    if (keep) handle.ref();
    else handle.unref();
  }
}

/** What git-lfs makes of a pointer, which it reads from its input. */
export const startSmudge = ({ folder }: Pick<Repository, "folder">, path: string): ChildProcessByStdio<Writable, Readable, Readable> =>
  spawn("git", ["lfs", "smudge", "--", path], { cwd: folder, env: gitEnvironment() });

interface GitFailure extends Error {
  code?: string | number;
  stderr?: string;
}

const failureOf = (thrown: unknown): GitFailure => (thrown instanceof Error ? thrown : new Error(String(thrown)));

function git(folder: string, args: string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env: gitEnvironment(), encoding: "buffer" as const, maxBuffer: Number.POSITIVE_INFINITY };
    // Without optional locks a look at the tree never disturbs a git command that the user runs at the same moment.
    execFile("git", ["--no-optional-locks", "-c", "core.quotePath=false", ...args], options, (error, stdout, stderr) => {
      if (error) reject(Object.assign(error, { stderr: stderr.toString().trim() }));
      else resolve(stdout);
    });
  });
}

/** Inside a git hook these variables point at the hook's repository, whatever folder is asked about. */
function gitEnvironment(): NodeJS.ProcessEnv {
  const { GIT_DIR: _, GIT_WORK_TREE: _1, GIT_INDEX_FILE: _2, GIT_PREFIX: _3, GIT_OBJECT_DIRECTORY: _4, GIT_NAMESPACE: _5, ...env } = process.env;
  return { ...env, LC_ALL: "C" };
}

const text = (bytes: Buffer): string => bytes.toString("utf8");

function splitZero(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const zero = bytes.indexOf(0, from);
    const end = zero < 0 ? bytes.length : zero;
    parts.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return parts;
}

function notARepository(folder: string, failure: GitFailure): LandfallError {
  const facts = { code: "GIT_NOT_A_REPOSITORY", where: folder, standing: STANDING, cause: failure } as const;
  if (!existsSync(folder)) return new LandfallError({ ...facts, what: `the app's folder "${folder}" does not exist` });
  if (failure.code === "ENOENT") {
    return new LandfallError({
      ...facts,
      what: `the app's folder "${folder}" could not be looked up in git, because there is no git program in PATH`,
      next: "apt-get install git   (or release the files as they are with --dirty)",
    });
  }
  if (/not a git repository/.test(failure.stderr ?? "")) {
    return new LandfallError({
      ...facts,
      what: `the app's folder "${folder}" is not in a git repository`,
      why: "A release is made from a commit, so that it can be named and made again.",
      next: 'git init && git add -A && git commit -m "First commit"   (or release the files as they are with --dirty)',
    });
  }
  return new LandfallError({
    ...facts,
    what: `git refused to open the repository of the app's folder "${folder}"`,
    why: failure.stderr || failure.message,
  });
}

function refUnknown(ref: string, names: string[], failure: GitFailure): LandfallError {
  if (ref === "HEAD" && names.length === 0) {
    return new LandfallError({
      code: "GIT_REF_UNKNOWN",
      what: 'the repository has no commit yet, so "HEAD" names none',
      standing: STANDING,
      next: 'git add -A && git commit -m "First commit"',
      cause: failure,
    });
  }
  const near = suggestions(ref, names);
  const unhelpful = /Needed a single revision/.test(failure.stderr ?? "");
  const why = [unhelpful ? "" : failure.stderr, near.length ? `Names that come near: ${near.map((name) => `"${name}"`).join(", ")}.` : ""]
    .filter(Boolean)
    .join("\n");
  return new LandfallError({
    code: "GIT_REF_UNKNOWN",
    what: `the git reference "${ref}" names no commit of this repository`,
    why: why || undefined,
    standing: STANDING,
    next: "git fetch --all --tags   (if it was made elsewhere), or name one that  git log --oneline --all  lists",
    cause: failure,
  });
}
