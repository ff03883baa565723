import { execFileSync } from "node:child_process";
import { existsSync, linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { makeRelease } from "../../../../src/release/release.ts";
import { loadSource } from "../../../../src/release/source.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { ensureImage } from "../../../../src/targets/local/releases/images.ts";
import {
  ensureRelease,
  listReleases,
  loadRelease,
  removeRelease,
  removeUnusedReleases,
} from "../../../../src/targets/local/releases/release-store.ts";
import { appOf, type Files, failureOf, makeFolder, makeRepository, writeAll } from "../../../release/repository.ts";

function prepare(input: Partial<AppInput>, files: Files) {
  const { folder } = makeRepository(files);
  const paths = pathsOf(makeFolder(), "guestbook", "local");
  const lines: string[] = [];
  let now = 0;
  const ensure = async (environment: Record<string, string> = {}, emit = (line: string) => void lines.push(line)) => {
    const deployment = appOf(input);
    const source = await loadSource({ folder, dirty: true });
    const release = await makeRelease({ deployment, source, secretsRevision: "0", clock: { now: () => ++now, sleep: async () => {} } });
    const { recipe } = deployment;
    const image = await ensureImage({ paths, recipe, hash: release.recipeHash, source, emit: () => {} });
    return ensureRelease({ paths, release, source, image, environment, emit });
  };
  return { folder, paths, lines, ensure };
}

test("a release has the source's files, what the recipe made, and is read-only", async () => {
  const recipe = {
    files: ["./package.json", "ui/package.json"],
    steps: ["mkdir node_modules ui/node_modules; echo dep > node_modules/dep; echo ui > ui/node_modules/dep; echo changed > package.json"],
  };
  const { ensure, paths } = prepare({ recipe }, { "package.json": "{}", "ui/package.json": "{}", "ui/main.js": "1", "bin/run*": "#!/bin/sh\n" });
  const { folder, made, release } = await ensure();
  expect(made).toBe(true);
  expect(folder).toBe(join(paths.releases, release.id));
  expect(readdirSync(folder).sort()).toEqual(["bin", "node_modules", "package.json", "ui"]);
  expect(readdirSync(join(folder, "ui")).sort()).toEqual(["main.js", "node_modules", "package.json"]);
  expect(realpathSync(join(folder, "node_modules/dep"))).toBe(join(realpathSync(folder), "node_modules/dep"));
  expect(readFileSync(join(folder, "node_modules/dep"), "utf8")).toBe("dep\n");
  expect(readFileSync(join(folder, "ui/node_modules/dep"), "utf8")).toBe("ui\n");
  expect(readFileSync(join(folder, "package.json"), "utf8")).toBe("{}");
  const modes = ["", "bin", "bin/run", "package.json", "ui", "node_modules", "node_modules/dep"].map(
    (path) => lstatSync(join(folder, path)).mode & 0o222,
  );
  expect(modes).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(lstatSync(join(folder, "bin/run")).mode & 0o111).toBe(0o111);
  expect(lstatSync(join(paths.images, release.recipeHash, "node_modules/dep")).mode & 0o222).toBe(0);
  expect(loadRelease(paths, release.id)).toEqual(JSON.parse(JSON.stringify(release)));
  expect(await ensure()).toMatchObject({ folder, made: false });
});

test("the build's output is part of the release", async () => {
  const input = {
    recipe: { files: ["tool"], steps: ["cp tool minify"] },
    release: { build: ["mkdir public && ./minify main.js > public/main.js", 'echo "for $TENANT"'] },
  };
  const { ensure, lines, paths } = prepare(input, { "tool*": '#!/bin/sh\ntr -d "\\n" < "$1"\n', "main.js": "a\nb\n" });
  const { folder, release } = await ensure({ TENANT: "acme" });
  expect(readFileSync(join(folder, "public/main.js"), "utf8")).toBe("ab");
  expect(lines).toEqual(["$ mkdir public && ./minify main.js > public/main.js", '$ echo "for $TENANT"', "for acme"]);
  expect(readFileSync(join(paths.app, "logs", `release-${release.id}.log`), "utf8")).toBe(`${lines.join("\n")}\n`);
});

test("a build step that writes into its dependencies changes no other release, and not the image", async () => {
  const recipe = { files: ["lock"], steps: ["mkdir -p deps/bin && echo none > deps/client && ln -s ../client deps/bin/client"] };
  const { ensure, folder, paths } = prepare(
    { recipe, release: { build: ["cat schema > deps/client; echo log > deps/.log"] } },
    { lock: "1", schema: "ONE\n" },
  );
  const first = await ensure();
  writeAll(folder, { schema: "TWO\n" });
  const second = await ensure();
  const clients = [first.folder, second.folder].map((release) => readFileSync(join(release, "deps/bin/client"), "utf8"));
  expect(clients).toEqual(["ONE\n", "TWO\n"]);
  const image = join(paths.images, first.release.recipeHash);
  expect(readdirSync(join(image, "deps")).sort()).toEqual(["bin", "client"]);
  expect(readFileSync(join(image, "deps/client"), "utf8")).toBe("none\n");
});

test("an image can be written into by nobody: not by a build step that knows where it is, and not by another name of its files", async () => {
  const cache = join(makeFolder(), "cached");
  writeFileSync(cache, "one");
  const recipe = { steps: [`ln ${cache} linked`, "pwd > place"] };
  const { ensure, paths } = prepare({ recipe, release: { build: ['echo two > "$IMAGE/linked" || echo refused > answer'] } }, { a: "1" });
  const image = join(paths.images, (await ensure({ IMAGE: "/nowhere" })).release.recipeHash);
  writeFileSync(cache, "changed");
  expect(readFileSync(join(image, "linked"), "utf8")).toBe("one");
  linkSync(join(image, "linked"), `${cache}-2`);
  removeUnusedReleases(paths, []);
  const { folder } = await ensure({ IMAGE: image });
  expect(readFileSync(join(folder, "answer"), "utf8")).toBe("refused\n");
  expect(readFileSync(join(image, "linked"), "utf8")).toBe("one");
});

test("programs that hold the place where they were made are those of the release", async () => {
  const recipe = {
    steps: [
      "python3 -m venv --without-pip .venv",
      'printf "#!%s/.venv/bin/python\nimport sys; print(sys.prefix)\n" "$PWD" > .venv/bin/where && chmod +x .venv/bin/where',
      'ln -s "$PWD/.venv" absolute',
    ],
  };
  const { ensure, lines } = prepare({ recipe, release: { build: [".venv/bin/where"] } }, { a: "1" });
  const { folder } = await ensure();
  expect(lines.at(-1)).toBe(join(folder, ".venv"));
  expect(readlinkSync(join(folder, "absolute"))).toBe(join(folder, ".venv"));
  expect(readFileSync(join(folder, ".venv/bin/activate"), "utf8")).not.toContain("/images/");
});

test("times stay, by which Python knows its compiled files", async () => {
  const { ensure } = prepare({ recipe: { steps: ["mkdir lib; echo 1 > lib/a.py; TZ=UTC touch -t 202001020304.05 lib/a.py"] } }, { a: "1" });
  const { folder } = await ensure();
  expect(lstatSync(join(folder, "lib/a.py")).mtime.toISOString()).toBe("2020-01-02T03:04:05.000Z");
});

test("what the steps make inside of a folder that the recipe names is part of the release", async () => {
  const recipe = { files: ["packages"], steps: ["mkdir packages/lib/node_modules; echo dep > packages/lib/node_modules/dep"] };
  const { ensure } = prepare({ recipe }, { "packages/lib/package.json": "{}" });
  expect(readFileSync(join((await ensure()).folder, "packages/lib/node_modules/dep"), "utf8")).toBe("dep\n");
});

test("a failing build says why, leaves no release, and works once it is repaired", async () => {
  const { ensure, folder, paths } = prepare({ release: { build: ["touch half; cat settings; test -e ready"] } }, { settings: "debug\n" });
  const failure = await failureOf(ensure());
  expect(failure).toEqual({
    code: "BUILD_STEP_FAILED",
    what: 'the build step "touch half; cat settings; test -e ready" ended with status 1',
    where: expect.stringMatching(/\/logs\/release-[0-9a-f]{10}\.log$/),
    evidence: [["last lines", "debug"]],
    standing: "The release was not kept. What runs goes on running.",
  });
  expect(listReleases(paths)).toEqual([]);
  expect(readdirSync(paths.releases).filter((name) => !name.endsWith(".lock"))).toEqual([]);
  writeAll(folder, { ready: "" });
  expect((await ensure()).made).toBe(true);
});

test("what the recipe made and the source also has is refused", async () => {
  const { ensure, paths } = prepare({ recipe: { steps: ["mkdir node_modules"] } }, { "node_modules/a.js": "1" });
  expect(await failureOf(ensure())).toEqual({
    code: "IMAGE_ENTRY_CONFLICT",
    what: `"node_modules" was made by the recipe's steps and is also in the release's source`,
    where: "node_modules",
    why: "Only one of them can stand there: either could break the app in the other's place.",
    standing: "The release was not kept. What runs goes on running.",
    next: 'git rm -r --cached "node_modules" and add "/node_modules" to .gitignore; or, if the steps read it, add it to recipe.files',
  });
  expect(listReleases(paths)).toEqual([]);
});

test("a folder without a record is not a release, and is made anew", async () => {
  const { ensure, paths } = prepare({}, { "server.js": "1" });
  const { release, folder } = await ensure();
  removeRelease(paths, release.id);
  mkdirSync(join(folder, "half"), { recursive: true });
  expect(listReleases(paths)).toEqual([]);
  expect((await ensure()).made).toBe(true);
  expect(readdirSync(folder)).toEqual(["server.js"]);
});

test("releases are listed from the newest, and removed but for those kept", async () => {
  const { ensure, folder, paths } = prepare({}, { "lib/server.js": "1" });
  const ids: string[] = [];
  for (const content of ["1", "2", "3"]) {
    writeAll(folder, { "lib/server.js": content });
    ids.unshift((await ensure()).release.id);
  }
  expect(listReleases(paths).map(({ id }) => id)).toEqual(ids);
  mkdirSync(join(paths.releases, "0123456789"));
  expect(removeUnusedReleases(paths, ids.slice(0, 1))).toEqual([...ids.slice(1), "0123456789"].sort());
  expect(listReleases(paths).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(existsSync(join(paths.releases, ids[1] ?? ""))).toBe(false);
  expect(await failureOf(() => loadRelease(paths, "7f3c2a"))).toEqual({
    code: "RELEASE_UNKNOWN",
    what: 'there is no release "7f3c2a" on this machine',
    why: `These are kept, the newest first:\n  ${ids[0]}  ${listReleases(paths)[0]?.description}`,
    standing: "Nothing was changed.",
  });
  removeUnusedReleases(paths, []);
  expect((await failureOf(() => loadRelease(paths, "../x"))).why).toBe("No release is kept there.");
});

test.skipIf(process.getuid?.() !== 0)("a user who is not root removes a read-only release too", async () => {
  const { ensure, paths } = prepare({}, { "lib/server.js": "1" });
  const { release } = await ensure();
  execFileSync("chown", ["-R", "65534:65534", paths.home]);
  execFileSync("chmod", ["755", paths.home]);
  process.seteuid?.(65534);
  try {
    expect(() => execFileSync("rm", ["-r", paths.releases], { uid: 65534, stdio: "ignore" })).toThrow();
    expect(removeRelease(paths, release.id)).toBe(true);
  } finally {
    process.seteuid?.(0);
  }
  expect(listReleases(paths)).toEqual([]);
});
