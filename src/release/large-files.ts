// Git LFS: a commit holds a small text in the place of a large file. What is released is the file; or nothing, since an app that is given the
// text goes on with it in its place.
import { createHash } from "node:crypto";
import { text } from "node:stream/consumers";
import { LandfallError } from "../error.ts";
import { startSmudge } from "./git.ts";
import { type Content, collect, contentOf, type SourceFile } from "./source-file.ts";

/** Of the specification: a pointer is smaller than 1024 bytes. */
const POINTER_BYTES_MAX = 1023;
const POINTER = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\n?$/;

interface Pointer {
  text: Buffer;
  /** The digest of the file. */
  sha256: string;
  size: number;
}

/** The same file; where it is a pointer, with the bytes that it stands for. Reading it then throws SOURCE_LFS_POINTER where git-lfs does not have them. */
export const throughLfs = (folder: string, file: SourceFile): SourceFile => ({
  ...file,
  read: (use) =>
    file.read(async (content) => {
      if (content.size > POINTER_BYTES_MAX) return use(content);
      const bytes = await collect(content);
      const pointer = parsePointer(bytes);
      return pointer ? readStored({ folder, path: file.path, pointer }, use) : use(contentOf(bytes));
    }),
});

function parsePointer(text: Buffer): Pointer | undefined {
  const [, sha256, size] = POINTER.exec(text.toString("latin1")) ?? [];
  return sha256 === undefined ? undefined : { text, sha256, size: Number(size) };
}

interface Stored {
  folder: string;
  path: string;
  pointer: Pointer;
}

/** What git-lfs gives for a pointer: from its store, or from the server. */
async function readStored<T>(stored: Stored, use: (content: Content) => Promise<T>): Promise<T> {
  const { folder, path, pointer } = stored;
  const child = startSmudge({ folder }, path);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve).once("error", () => resolve(null)));
  const said = text(child.stderr).catch(() => "");
  child.stdin.on("error", () => {});
  child.stdin.end(pointer.text);
  async function* pieces() {
    const hash = createHash("sha256");
    for await (const piece of child.stdout) {
      hash.update(piece);
      yield piece;
    }
    const code = await ended;
    if (code !== 0 || hash.digest("hex") !== pointer.sha256) throw isPointer(stored, code === null ? "" : await said);
  }
  try {
    return await use({ size: pointer.size, pieces: pieces() });
  } finally {
    child.kill();
  }
}

const isPointer = ({ path, pointer }: Stored, words: string) => {
  const isInstalled = words !== "" && !/'lfs' is not a git command/.test(words);
  return new LandfallError({
    code: "SOURCE_LFS_POINTER",
    what: `"${path}" is kept by Git LFS, and its ${pointer.size} bytes are not here`,
    where: path,
    why: [
      "The commit holds a pointer to it, a text of three lines, which the app would get in its place.",
      isInstalled ? `git lfs smudge: ${words.trim()}` : "There is no git-lfs on this machine, which could fetch it.",
    ].join("\n"),
    standing: "Nothing was changed.",
    next: isInstalled
      ? "git lfs pull   (and see that GIT_LFS_SKIP_SMUDGE is not set)"
      : `install git-lfs and run  git lfs install && git lfs pull   (or add "/${path}" to .landfallignore)`,
  });
};
