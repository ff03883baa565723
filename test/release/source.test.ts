import { execFileSync } from "node:child_process";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadSource, type Source } from "../../src/release/source.ts";
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
  const contents = await Promise.all(source.files.map(({ content }) => content()));
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
  expect((await loadDirty(join(folder, "apps/shop"))).files.map(({ content }) => String(content()))).toEqual(["changed", "1"]);
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

test("a submodule is refused, unless it is left out", async () => {
  const library = makeRepository({ a: "1" });
  const { folder } = makeRepository({ "server.js": "1" });
  git(folder, "submodule", "add", "-q", library.folder, "vendor/lib");
  commitAll(folder, "Add the library");
  const expected = {
    code: "SOURCE_FILE_UNSUPPORTED",
    what: '"vendor/lib" in the app\'s folder is a git submodule, which cannot be released',
    where: "vendor/lib",
    why: "Its files are in another repository, and the commit does not hold them.",
    standing: NOTHING,
    next: 'add "/vendor/lib" to .landfallignore to leave it out, or put plain files in its place',
  };
  expect(await failureOf(load(folder))).toEqual(expected);
  expect(await failureOf(loadDirty(folder))).toMatchObject({ code: "SOURCE_FILE_UNSUPPORTED", where: "vendor/lib" });
  writeAll(folder, { ".landfallignore": "/vendor/lib\n" });
  expect(paths(await loadDirty(folder))).toEqual([".gitmodules", ".landfallignore", "server.js"]);
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
  expect(String(file?.content())).toBe("1");
  writeAll(folder, { a: "2" });
  expect(await failureOf(() => file?.content())).toEqual({
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
