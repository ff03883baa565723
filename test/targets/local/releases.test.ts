import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AppInput } from "../../../src/config/schema.ts";
import { makeRelease } from "../../../src/release/release.ts";
import { loadSource } from "../../../src/release/source.ts";
import { ensureImage } from "../../../src/targets/local/images.ts";
import { placesOf } from "../../../src/targets/local/places.ts";
import { ensureRelease, listReleases, loadRelease, removeRelease, removeUnusedReleases } from "../../../src/targets/local/releases.ts";
import { appOf, type Files, failureOf, makeFolder, makeRepository, writeAll } from "../../release/repository.ts";

function prepare(input: Partial<AppInput>, files: Files) {
  const { folder } = makeRepository(files);
  const places = placesOf(makeFolder(), "guestbook", "local");
  const lines: string[] = [];
  let now = 0;
  const ensure = async (environment: Record<string, string> = {}, emit = (line: string) => void lines.push(line)) => {
    const app = appOf(input);
    const source = await loadSource({ folder, dirty: true });
    const release = await makeRelease({ app, source, secretsRevision: "0", clock: { now: () => ++now, sleep: async () => {} } });
    const { recipe } = app.app;
    const image = await ensureImage({ places, recipe, hash: release.recipeHash, source, emit: () => {} });
    return {
      release,
      ...(await ensureRelease({ places, release, source, imageFolder: image.folder, recipeFiles: recipe.files, environment, emit })),
    };
  };
  return { folder, places, lines, ensure };
}

test("a release has the source's files, links to what the recipe made, and is read-only", async () => {
  const recipe = {
    files: ["./package.json", "ui/package.json"],
    steps: ["mkdir node_modules ui/node_modules; echo dep > node_modules/dep; echo ui > ui/node_modules/dep; echo changed > package.json"],
  };
  const { ensure, places } = prepare({ recipe }, { "package.json": "{}", "ui/package.json": "{}", "ui/main.js": "1", "bin/run*": "#!/bin/sh\n" });
  const { folder, made, release } = await ensure();
  expect(made).toBe(true);
  expect(folder).toBe(join(places.releases, release.id));
  expect(readdirSync(folder).sort()).toEqual(["bin", "node_modules", "package.json", "ui"]);
  expect(readdirSync(join(folder, "ui")).sort()).toEqual(["main.js", "node_modules", "package.json"]);
  expect(readlinkSync(join(folder, "node_modules"))).toBe(`../../images/${release.recipeHash}/node_modules`);
  expect(readFileSync(join(folder, "node_modules/dep"), "utf8")).toBe("dep\n");
  expect(readFileSync(join(folder, "ui/node_modules/dep"), "utf8")).toBe("ui\n");
  expect(readFileSync(join(folder, "package.json"), "utf8")).toBe("{}");
  const modes = ["", "bin", "bin/run", "package.json", "ui"].map((path) => lstatSync(join(folder, path)).mode & 0o222);
  expect(modes).toEqual([0, 0, 0, 0, 0]);
  expect(lstatSync(join(folder, "bin/run")).mode & 0o111).toBe(0o111);
  expect(lstatSync(join(places.images, release.recipeHash, "node_modules")).mode & 0o200).toBe(0o200);
  expect(loadRelease(places, release.id)).toEqual(JSON.parse(JSON.stringify(release)));
  expect(await ensure()).toMatchObject({ folder, made: false });
});

test("the build's output is part of the release", async () => {
  const input = {
    recipe: { files: ["tool"], steps: ["cp tool minify"] },
    release: { build: ["mkdir public && ./minify main.js > public/main.js", 'echo "for $TENANT"'] },
  };
  const { ensure, lines, places } = prepare(input, { "tool*": '#!/bin/sh\ntr -d "\\n" < "$1"\n', "main.js": "a\nb\n" });
  const { folder, release } = await ensure({ TENANT: "acme" });
  expect(readFileSync(join(folder, "public/main.js"), "utf8")).toBe("ab");
  expect(lines).toEqual(["$ mkdir public && ./minify main.js > public/main.js", '$ echo "for $TENANT"', "for acme"]);
  expect(readFileSync(join(places.app, "logs", `release-${release.id}.log`), "utf8")).toBe(`${lines.join("\n")}\n`);
});

test("a failing build says why, leaves no release, and works once it is repaired", async () => {
  const { ensure, folder, places } = prepare({ release: { build: ["touch half; cat settings; test -e ready"] } }, { settings: "debug\n" });
  const failure = await failureOf(ensure());
  expect(failure).toEqual({
    code: "BUILD_STEP_FAILED",
    what: 'the build step "touch half; cat settings; test -e ready" ended with status 1',
    where: expect.stringMatching(/\/logs\/release-[0-9a-f]{10}\.log$/),
    evidence: [["last lines", "debug"]],
    standing: "The release was not kept. What runs goes on running.",
  });
  expect(listReleases(places)).toEqual([]);
  expect(readdirSync(places.releases).filter((name) => !name.endsWith(".lock"))).toEqual([]);
  writeAll(folder, { ready: "" });
  expect((await ensure()).made).toBe(true);
});

test("what the recipe made and the source also has is refused", async () => {
  const { ensure, places } = prepare({ recipe: { steps: ["mkdir node_modules"] } }, { "node_modules/a.js": "1" });
  expect(await failureOf(ensure())).toEqual({
    code: "IMAGE_ENTRY_CONFLICT",
    what: `"node_modules" was made by the recipe's steps and is also in the release's source`,
    where: "node_modules",
    why: "Only one of them can stand there: either could break the app in the other's place.",
    standing: "The release was not kept. What runs goes on running.",
    next: 'git rm -r --cached "node_modules" and add "/node_modules" to .gitignore; or, if the steps read it, add it to recipe.files',
  });
  expect(listReleases(places)).toEqual([]);
});

test("a folder without a record is not a release, and is made anew", async () => {
  const { ensure, places } = prepare({}, { "server.js": "1" });
  const { release, folder } = await ensure();
  removeRelease(places, release.id);
  mkdirSync(join(folder, "half"), { recursive: true });
  expect(listReleases(places)).toEqual([]);
  expect((await ensure()).made).toBe(true);
  expect(readdirSync(folder)).toEqual(["server.js"]);
});

test("releases are listed from the newest, and removed but for those kept", async () => {
  const { ensure, folder, places } = prepare({}, { "lib/server.js": "1" });
  const ids: string[] = [];
  for (const content of ["1", "2", "3"]) {
    writeAll(folder, { "lib/server.js": content });
    ids.unshift((await ensure()).release.id);
  }
  expect(listReleases(places).map(({ id }) => id)).toEqual(ids);
  mkdirSync(join(places.releases, "0123456789"));
  expect(removeUnusedReleases(places, ids.slice(0, 1))).toEqual([...ids.slice(1), "0123456789"].sort());
  expect(listReleases(places).map(({ id }) => id)).toEqual(ids.slice(0, 1));
  expect(existsSync(join(places.releases, ids[1] ?? ""))).toBe(false);
  expect(await failureOf(() => loadRelease(places, "7f3c2a"))).toEqual({
    code: "RELEASE_UNKNOWN",
    what: 'there is no release "7f3c2a" on this machine',
    why: `These are kept, the newest first:\n  ${ids[0]}  ${listReleases(places)[0]?.description}`,
    standing: "Nothing was changed.",
  });
  removeUnusedReleases(places, []);
  expect((await failureOf(() => loadRelease(places, "../x"))).why).toBe("No release is kept here.");
});

test.skipIf(process.getuid?.() !== 0)("a user who is not root removes a read-only release too", async () => {
  const { ensure, places } = prepare({}, { "lib/server.js": "1" });
  const { release } = await ensure();
  execFileSync("chown", ["-R", "65534:65534", places.home]);
  execFileSync("chmod", ["755", places.home]);
  process.seteuid?.(65534);
  try {
    expect(() => execFileSync("rm", ["-r", places.releases], { uid: 65534, stdio: "ignore" })).toThrow();
    expect(removeRelease(places, release.id)).toBe(true);
  } finally {
    process.seteuid?.(0);
  }
  expect(listReleases(places)).toEqual([]);
});
