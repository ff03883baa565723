import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadSource, type Source } from "../../src/release/source.ts";
import { readWhole } from "../../src/release/source-file.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { commitAll, failureOf, git, makeFolder, makeRepository, writeAll } from "./repository.ts";

const paths = (source: Source) => source.files.map(({ path }) => path);
const load = (folder: string, ref?: string) => loadSource({ folder, ref, dirty: false });
const loadDirty = (folder: string) => loadSource({ folder, dirty: true });
const NOTHING = "Nothing was changed.";

test("a commit's files come with bytes, modes and symlinks, sorted by bytes", async () => {
  const { folder } = makeRepository({ "run.sh*": "#!/bin/sh\n", "b/ä ö.txt": "umlauts\n", "B.txt": "", "a-b": "1", "a/b": "2" });
  symlinkSync("b/ä ö.txt", join(folder, "link"));
  const big = Buffer.alloc(3_000_000, "landfall\n\0");
  writeFileSync(join(folder, "big.bin"), big);
  const commit = commitAll(folder, "Greet by name");

  const source = await load(folder);
  expect(source).toMatchObject({ commit, description: `commit ${commit.slice(0, 7)} “Greet by name”`, suspicious: [] });
  expect(source.files.map(({ path, mode }) => [path, mode])).toEqual([
    ["B.txt", 0o644],
    ["a-b", 0o644],
    ["a/b", 0o644],
    ["b/ä ö.txt", 0o644],
    ["big.bin", 0o644],
    ["link", "symlink"],
    ["run.sh", 0o755],
  ]);
  const contents = await Promise.all(source.files.map(readWhole));
  expect(contents.map((bytes) => (bytes.length > 100 ? bytes.equals(big) : bytes.toString()))).toEqual([
    "",
    "1",
    "2",
    "umlauts\n",
    true,
    "b/ä ö.txt",
    "#!/bin/sh\n",
  ]);
});

test("an app in a folder of a repository releases that folder alone", async () => {
  const { folder } = makeRepository({ "apps/shop/server.js": "1", "apps/shop/lib/a.js": "2", "apps/other/x": "3", top: "4" });
  writeAll(folder, { "apps/other/x": "changed", new: "file" });
  expect(paths(await load(join(folder, "apps/shop")))).toEqual(["lib/a.js", "server.js"]);
  writeAll(folder, { "apps/shop/lib/a.js": "changed" });
  const { why } = await failureOf(load(join(folder, "apps/shop")));
  expect(why).toBe("  lib/a.js\nA release of the commit would leave these changes out.");
  const contents = (await loadDirty(join(folder, "apps/shop"))).files.map(readWhole);
  expect((await Promise.all(contents)).map(String)).toEqual(["changed", "1"]);
});

test("changed, deleted and new files are refused, ten of them named", async () => {
  const { folder, commit } = makeRepository({ kept: "1", changed: "1", deleted: "1", ".gitignore": "*.log\n" });
  writeAll(folder, { changed: "2", "ignored.log": "", ...Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`new/${index}`, ""])) });
  rmSync(join(folder, "deleted"));
  expect(await failureOf(load(folder))).toEqual({
    code: "GIT_DIRTY",
    what: `the working tree differs from commit ${commit.slice(0, 7)} in 12 files`,
    why: `  changed\n  deleted\n${Array.from({ length: 8 }, (_, index) => `  new/${index}\n`).join("")}  and 2 more\nA release of the commit would leave these changes out.`,
    standing: NOTHING,
    next: "commit them, or release the working tree with --dirty, or the commit alone by naming it: HEAD",
  });
  expect(paths(await load(folder, "HEAD"))).toEqual([".gitignore", "changed", "deleted", "kept"]);
});

test("the working tree is released when asked for, without what git ignores", async () => {
  const { folder, commit } = makeRepository({ kept: "1", gone: "1", ".gitignore": "*.log\n", "sub/.gitignore": "!wanted.log\n" });
  expect(await loadDirty(folder)).toMatchObject({ commit, description: `working tree, the same as commit ${commit.slice(0, 7)}` });
  writeAll(folder, { kept: "2", "a.log": "", "sub/wanted.log": "", "run*": "" });
  rmSync(join(folder, "gone"));
  const source = await loadDirty(folder);
  expect(source.commit).toBeUndefined();
  expect(source.description).toBe(`working tree, 4 files differ from commit ${commit.slice(0, 7)}, not committed`);
  expect(source.files.map(({ path, mode }) => `${path} ${mode.toString(8)}`)).toEqual([
    ".gitignore 644",
    "kept 644",
    "run 755",
    "sub/.gitignore 644",
    "sub/wanted.log 644",
  ]);
});

test("the working tree outside git follows nested .gitignore files as git would", async () => {
  const files = {
    ".gitignore": "*.log\n/build/\n",
    "a.log": "",
    "build/x": "",
    "sub/build/x": "",
    "sub/.gitignore": "!wanted.log\nlocal/\n",
    "sub/wanted.log": "",
    "sub/local/x": "",
    "other/local/x": "",
  };
  const folder = makeFolder();
  writeAll(folder, files);
  const outside = await loadDirty(folder);
  expect(outside.description).toBe("working tree, not in a git repository");
  git(folder, "init", "-q");
  const inside = await loadDirty(folder);
  expect(inside.description).toBe("working tree, no commit yet");
  expect(paths(outside)).toEqual([".gitignore", "other/local/x", "sub/.gitignore", "sub/build/x", "sub/wanted.log"]);
  expect(paths(outside)).toEqual(paths(inside));
});

test(".landfallignore leaves files out of both, and their changes do not count", async () => {
  const { folder } = makeRepository({ ".landfallignore": "docs/\n*.psd\n", "docs/a.md": "", "art/logo.psd": "", "server.js": "" });
  writeAll(folder, { "docs/a.md": "changed", "docs/b.md": "new" });
  expect(paths(await load(folder))).toEqual([".landfallignore", "server.js"]);
  expect(paths(await loadDirty(folder))).toEqual([".landfallignore", "server.js"]);
});

test("names that say they hold a secret are pointed out", async () => {
  const { folder } = makeRepository({ ".env": "", ".env.example": "", "keys/tls.pem": "", "deploy/id_rsa": "", "id_rsa.pub": "" });
  expect((await load(folder)).suspicious).toEqual([".env", "deploy/id_rsa", "keys/tls.pem"]);
});

test("a folder outside git is no commit", async () => {
  const folder = makeFolder();
  writeAll(folder, { a: "1" });
  expect(await failureOf(load(folder))).toEqual({
    code: "GIT_NOT_A_REPOSITORY",
    what: `the app's folder "${folder}" is not in a git repository`,
    where: folder,
    why: "A release is made from a commit, so that it can be named and made again.",
    standing: NOTHING,
    next: 'git init && git add -A && git commit -m "First commit"   (or release the files as they are with --dirty)',
  });
  const absent = join(folder, "absent");
  expect(await failureOf(loadDirty(absent))).toMatchObject({ code: "GIT_NOT_A_REPOSITORY", what: `the app's folder "${absent}" does not exist` });
});

test("an unknown reference comes with the names that are near", async () => {
  const { folder } = makeRepository({ a: "1" });
  git(folder, "tag", "v1.2.0");
  git(folder, "branch", "feature/login");
  const next = "git fetch --all --tags   (if it was made elsewhere), or name one that  git log --oneline --all  lists";
  expect(await failureOf(load(folder, "v1.20"))).toEqual({
    code: "GIT_REF_UNKNOWN",
    what: 'the git reference "v1.20" names no commit of this repository',
    why: 'Names that come near: "v1.2.0".',
    standing: NOTHING,
    next,
  });
  expect((await failureOf(load(folder, "login"))).why).toBe('Names that come near: "feature/login".');
  expect((await failureOf(load(folder, "--all"))).code).toBe("GIT_REF_UNKNOWN");
  expect((await load(folder, "v1.2.0")).files).toHaveLength(1);
});

test("a repository without a commit says so", async () => {
  const folder = makeFolder();
  git(folder, "init", "-q");
  expect(await failureOf(load(folder))).toEqual({
    code: "GIT_REF_UNKNOWN",
    what: 'the repository has no commit yet, so "HEAD" names none',
    standing: NOTHING,
    next: 'git add -A && git commit -m "First commit"',
  });
});

test("submodules are released with the commits that are meant, also one within another", async () => {
  const inner = makeRepository({ deep: "3" });
  const library = makeRepository({ a: "1", "run*": "" });
  git(library.folder, "submodule", "add", "-q", inner.folder, "inner");
  commitAll(library.folder, "Add the inner one");
  const { folder } = makeRepository({ "apps/server.js": "1" });
  git(folder, "submodule", "add", "-q", library.folder, "apps/vendor/lib");
  git(folder, "submodule", "update", "-q", "--init", "--recursive");
  commitAll(folder, "Add the library");
  const app = join(folder, "apps");
  const released = ["server.js", "vendor/lib/.gitmodules", "vendor/lib/a", "vendor/lib/inner/deep", "vendor/lib/run"];
  const source = await load(app);
  expect(paths(source)).toEqual(released);
  expect((await Promise.all(source.files.map(readWhole))).map(String)).toEqual(["1", expect.stringContaining("submodule"), "1", "3", ""]);
  writeAll(app, { "vendor/lib/a": "changed" });
  expect((await failureOf(load(app))).why).toContain("  vendor/lib\n");
  const dirty = await loadDirty(app);
  expect(paths(dirty)).toEqual(released);
  expect(String(await readWhole(dirty.files[2]!))).toBe("changed");
  expect(String(await readWhole((await load(app, "HEAD")).files[2]!))).toBe("1");
});

test("a submodule that is not checked out is refused, unless it is left out", async () => {
  const library = makeRepository({ a: "1" });
  const { folder } = makeRepository({ "server.js": "1" });
  git(folder, "submodule", "add", "-q", library.folder, "vendor/lib");
  commitAll(folder, "Add the library");
  git(folder, "submodule", "deinit", "-q", "--all", "--force");
  const expected = {
    code: "SOURCE_FILE_UNSUPPORTED",
    what: `the git submodule "vendor/lib" is not checked out with its commit ${library.commit.slice(0, 7)}`,
    where: "vendor/lib",
    why: "Its files are in another repository, and a release would be without them.",
    standing: NOTHING,
    next: 'git submodule update --init --recursive   (or add "/vendor/lib" to .landfallignore to leave it out)',
  };
  expect(await failureOf(load(folder))).toEqual(expected);
  expect(await failureOf(loadDirty(folder))).toMatchObject({ code: "SOURCE_FILE_UNSUPPORTED" });
  expect(await failureOf(loadDirty(folder))).toEqual({ ...expected, what: 'the git submodule "vendor/lib" is not checked out' });
  writeAll(folder, { ".landfallignore": "/vendor/lib\n" });
  expect(paths(await loadDirty(folder))).toEqual([".gitmodules", ".landfallignore", "server.js"]);
});

/** The text that a commit holds in the place of a file that Git LFS keeps. */
const pointerTo = (bytes: string) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${createHash("sha256").update(bytes).digest("hex")}\nsize ${bytes.length}\n`;

test("a pointer of Git LFS is refused by name, from a commit and from the working tree", async () => {
  const files = { ".gitattributes": "*.bin filter=lfs -text\n", "logo.bin": pointerTo("never stored"), "notes.txt": "version 1\n" };
  const { folder } = makeRepository(files);
  for (const source of [await load(folder, "HEAD"), await loadDirty(folder)]) {
    const [attributes, logo, notes] = source.files;
    expect(String(await readWhole(attributes!))).toBe(files[".gitattributes"]);
    expect(await failureOf(readWhole(logo!))).toMatchObject({
      code: "SOURCE_LFS_POINTER",
      what: '"logo.bin" is kept by Git LFS, and its 12 bytes are not here',
      where: "logo.bin",
      standing: NOTHING,
    });
    expect(String(await readWhole(notes!))).toBe("version 1\n");
  }
});

requires("git-lfs", isOnPath("git-lfs"))("with git-lfs", () => {
  test("the file is released that a pointer stands for", async () => {
    const { folder } = makeRepository({ ".gitattributes": "*.bin filter=lfs -text\n" });
    git(folder, "lfs", "install", "--local");
    const bytes = "x".repeat(3_000_000);
    writeAll(folder, { "logo.bin": bytes });
    commitAll(folder, "Add the logo");
    expect(git(folder, "cat-file", "-p", "HEAD:logo.bin")).toBe(pointerTo(bytes).trim());
    for (const source of [await load(folder), await loadDirty(folder)]) expect(String(await readWhole(source.files[1]!))).toBe(bytes);
    rmSync(join(folder, "logo.bin"));
    writeFileSync(join(folder, "logo.bin"), pointerTo(bytes));
    expect(String(await readWhole((await loadDirty(folder)).files[1]!))).toBe(bytes);
  });
});

test("a file of more than two gigabytes is read piece by piece", async () => {
  const folder = makeFolder();
  const size = 2 ** 31 + 10;
  closeSync(openSync(join(folder, "large"), "w"));
  truncateSync(join(folder, "large"), size);
  const [file] = (await loadDirty(folder)).files;
  const first = await file?.read(async (content) => {
    for await (const piece of content.pieces) return { size: content.size, isSmall: piece.length <= 1_000_000 };
  });
  expect(first).toEqual({ size, isSmall: true });
});

test("a file of a commit that is not read to its end leaves the next one whole", async () => {
  const { folder } = makeRepository({ a: "1".repeat(3_000_000), b: "2" });
  const [a, b] = (await load(folder)).files;
  await a?.read(async ({ pieces }) => {
    for await (const _ of pieces) return;
  });
  expect(String(await readWhole(b!))).toBe("2");
  expect((await readWhole(a!)).length).toBe(3_000_000);
});

test("neither a socket nor a name that is not UTF-8 is released", async () => {
  const folder = makeFolder();
  writeAll(folder, { a: "1" });
  execFileSync("mkfifo", [join(folder, "pipe")]);
  expect((await failureOf(loadDirty(folder))).what).toBe('"pipe" in the app\'s folder is neither a file nor a symlink, which cannot be released');
  rmSync(join(folder, "pipe"));
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), "");
  git(folder, "init", "-q");
  commitAll(folder, "Begin");
  expect((await failureOf(load(folder))).what).toBe(
    '"caf\ufffd" in the app\'s folder is named in bytes that are not UTF-8, which cannot be released',
  );
});

test("a folder without files is refused", async () => {
  const { folder } = makeRepository({ ".gitignore": "dist\n", "dist/.keep": "" });
  writeAll(folder, { "dist/app.js": "" });
  const dist = join(folder, "dist");
  expect(await failureOf(loadDirty(dist))).toMatchObject({
    code: "SOURCE_EMPTY",
    what: `the app's folder "${dist}" has no file to release`,
    standing: NOTHING,
  });
});

test("a reference and the working tree exclude each other", async () => {
  const { folder } = makeRepository({ a: "1" });
  expect(await failureOf(loadSource({ folder, ref: "main", dirty: true }))).toEqual({
    code: "USAGE",
    what: '--dirty and the git reference "main" exclude each other',
    why: "--dirty releases the working tree, a reference releases a commit.",
    standing: NOTHING,
    next: "leave one of them out",
  });
});

test("a file that changes between two readings is not released", async () => {
  const { folder } = makeRepository({ a: "1" });
  const [file] = (await loadDirty(folder)).files;
  expect(String(await readWhole(file!))).toBe("1");
  writeAll(folder, { a: "2" });
  expect(await failureOf(readWhole(file!))).toEqual({
    code: "SOURCE_CHANGED",
    what: 'the file "a" was changed while it was being released',
    where: "a",
    why: "The release's id was made from other bytes.",
    standing: "What runs goes on running; the release was not kept.",
    next: "run the same command again",
  });
});

test("a git hook's variables do not lead to another repository", async () => {
  const { folder, commit } = makeRepository({ a: "1" });
  const other = makeRepository({ b: "2" });
  process.env.GIT_DIR = join(other.folder, ".git");
  try {
    expect((await load(folder)).commit).toBe(commit);
  } finally {
    delete process.env.GIT_DIR;
  }
});
