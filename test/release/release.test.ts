import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { makeRelease, packSource, recipeHash } from "../../src/release/release.ts";
import { loadSource } from "../../src/release/source.ts";
import { appOf, commitAll, failureOf, makeFolder, makeRepository, writeAll } from "./repository.ts";

const FILES = { "package.json": "{}", "package-lock.json": "{}", "server.js": "1", "landfall.config.ts": "1" };
const RECIPE = { packages: ["libvips42", "ffmpeg"], files: ["package.json", "package-lock.json"], steps: ["npm ci"] };
const load = (folder: string) => loadSource({ folder, dirty: true });

test("a recipe's hash changes with its files, steps and packages, and with nothing else", async () => {
  const { folder } = makeRepository(FILES);
  const hash = async (change = {}) => recipeHash({ ...RECIPE, ...change }, await load(folder));
  const first = await hash();
  expect(first).toMatch(/^[0-9a-f]{16}$/);

  writeAll(folder, { "server.js": "2", "new.js": "3" });
  expect(await hash()).toBe(first);
  expect(await hash({ packages: ["ffmpeg", "libvips42", "ffmpeg"], files: ["./package-lock.json", "package.json"] })).toBe(first);

  expect(await hash({ packages: ["ffmpeg"] })).not.toBe(first);
  expect(await hash({ steps: ["npm ci --omit=dev"] })).not.toBe(first);
  expect(await hash({ files: ["package.json"] })).not.toBe(first);
  writeAll(folder, { "package-lock.json": '{"a":1}' });
  expect(await hash()).not.toBe(first);
});

test("a recipe may name a folder", async () => {
  const { folder } = makeRepository({ "vendor/a.whl": "1", "vendors.txt": "" });
  const hash = async () => recipeHash({ packages: [], steps: [], files: ["vendor/"] }, await load(folder));
  const first = await hash();
  writeAll(folder, { "vendors.txt": "changed" });
  expect(await hash()).toBe(first);
  writeAll(folder, { "vendor/b.whl": "2" });
  expect(await hash()).not.toBe(first);
});

test("every file that a recipe names and the release lacks is listed", async () => {
  const { folder, commit } = makeRepository(FILES);
  const source = await loadSource({ folder, dirty: false });
  expect(await failureOf(recipeHash({ ...RECIPE, files: ["package.json", "packagelock.json", "Gemfile.lock"] }, source))).toEqual({
    code: "RECIPE_FILE_MISSING",
    what: `the recipe's files "packagelock.json", "Gemfile.lock" are not in the release`,
    where: "recipe.files in landfall.config.ts",
    why: `Looked in: commit ${commit.slice(0, 7)} “Begin”.\nNames that come near: "package-lock.json", "package.json".`,
    standing: "Nothing was changed.",
    next: "git add packagelock.json Gemfile.lock && git commit   (or take the name out of recipe.files)",
  });
});

/** What names a release of these files: its id, and the two digests. */
async function digestsOf(folder: string, input: Parameters<typeof appOf>[0] = {}, secretsRevision = "0") {
  const clock = { now: () => Math.random(), sleep: async () => {} };
  const { id, processHash, edgeHash } = await makeRelease({
    deployment: appOf({ recipe: RECIPE, ...input }),
    source: await load(folder),
    secretsRevision,
    clock,
  });
  return { id, process: processHash, edge: edgeHash };
}

const WEB = { command: "node server.js", port: 80 };
const local = (environment: object) => ({ environments: { local: { target: "local" as const, ...environment } } });

test("the same content has the same id, whatever the commit, the clock and the order of keys", async () => {
  const { folder, commit } = makeRepository(FILES);
  const first = await digestsOf(folder);
  expect(first.id).toMatch(/^[0-9a-f]{10}$/);
  writeAll(folder, { "landfall.config.ts": "// another number of instances" });
  expect(commitAll(folder, "Scale")).not.toBe(commit);
  expect(await digestsOf(folder)).toEqual(first);
  const ordered = (environment: Record<string, string>) => digestsOf(folder, { services: { web: { ...WEB, environment } } });
  expect(await ordered({ B: "2", A: "1" })).toEqual(await ordered({ A: "1", B: "2" }));
});

test.each([
  ["the number of instances", { services: { web: { ...WEB, instances: { min: 2, max: 9 } } } }],
  ["scaling", { services: { web: { ...WEB, scaling: { cpu: "60%" } } } }],
  ["the machine", { services: { web: { ...WEB, machine: { disk: "20GB" } } } }],
  ["the container, which is a plain process here", { services: { web: { ...WEB, container: { cpu: 1 } } } }],
  ["the rollout", { rollout: { strategy: "blueGreen" } }],
  ["where the balancer listens", local({ port: 18_000, tls: "local" })],
  ["what images hold on AWS", { recipe: { ...RECIPE, image: "release" } }],
] as [string, Parameters<typeof appOf>[0]][])("%s is no part of a release", async (_, input) => {
  const { folder } = makeRepository(FILES);
  expect(await digestsOf(folder, input)).toEqual(await digestsOf(folder));
});

test.each([
  ["a route", { routes: [{ path: "/admin", deny: true }] }],
  ["a limit", local({ limits: { body: "1MB" } })],
  ["a health check", { services: { web: { ...WEB, health: { unhealthyAfter: 5 } } } }],
  ["draining", { services: { web: { ...WEB, drain: { start: "/leave" } } } }],
] as [string, Parameters<typeof appOf>[0]][])("%s makes a release with the same processes", async (_, input) => {
  const { folder } = makeRepository(FILES);
  const [first, other] = [await digestsOf(folder), await digestsOf(folder, input)];
  expect(other.process).toBe(first.process);
  expect([other.edge, other.id]).not.toEqual([first.edge, first.id]);
  expect(other.id).not.toBe(first.id);
});

test("the order of services counts where it decides which is asked by default", async () => {
  const { folder } = makeRepository(FILES);
  const [one, other] = [await digestsOf(folder, { services: { a: WEB, b: WEB } }), await digestsOf(folder, { services: { b: WEB, a: WEB } })];
  expect([one.process === other.process, one.edge === other.edge]).toEqual([true, false]);
});

test("everything that reaches a process makes another release, and other processes", async () => {
  const { folder } = makeRepository(FILES);
  const all = [
    await digestsOf(folder),
    await digestsOf(folder, {}, "1"),
    await digestsOf(folder, { services: { web: { ...WEB, command: "node other.js" } } }),
    await digestsOf(folder, { services: { web: { ...WEB, environment: { GREETING: "hi" } } } }),
    await digestsOf(folder, { services: { web: { ...WEB, stop: { timeout: "20s" } } } }),
    await digestsOf(folder, { services: { web: WEB, worker: { command: "node worker.js" } } }),
    await digestsOf(folder, { resources: { database: { type: "postgres" } } }),
    await digestsOf(folder, { resources: { database: { type: "mysql", url: "mysql://db.example.com/shop" } } }),
    await digestsOf(folder, { resources: { database: { type: "mysql", url: "mysql://db.example.com/shop", readOnlyUser: false } } }),
    await digestsOf(folder, { release: { expand: "node migrate.js" } }),
    await digestsOf(folder, { recipe: { ...RECIPE, steps: ["npm ci --omit=dev"] } }),
  ];
  writeAll(folder, { "server.js": "2" });
  all.push(await digestsOf(folder));
  writeAll(folder, { "server.js*": "2" });
  all.push(await digestsOf(folder));
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(new Set(all.map(({ process }) => process)).size).toBe(all.length);
});

test("a release with the processes of one that there is shares them", async () => {
  const { folder } = makeRepository(FILES);
  const source = await load(folder);
  const first = await makeRelease({ deployment: appOf(), source, secretsRevision: "0" });
  const denied = await makeRelease({ deployment: appOf({ routes: [{ path: "/x", deny: true }] }), source, secretsRevision: "0", known: [first] });
  const other = await makeRelease({ deployment: appOf(), source, secretsRevision: "1", known: [denied, first] });
  expect([first.processes, denied.processes, other.processes]).toEqual([first.id, first.id, other.id]);
});

test("a release says what it is made of", async () => {
  const { folder, commit } = makeRepository(FILES);
  const deployment = appOf({ recipe: RECIPE });
  const source = await loadSource({ folder, dirty: false });
  const release = await makeRelease({ deployment, source, secretsRevision: "0", clock: { now: () => 7, sleep: async () => {} } });
  expect(release).toMatchObject({
    commit,
    description: source.description,
    createdAt: 7,
    services: deployment.services,
    release: deployment.release,
  });
  expect(release.recipeHash).toBe(await recipeHash(RECIPE, source));
  expect(JSON.parse(JSON.stringify(release))).toEqual(release);
});

test("a packed source has the same bytes whatever the umask, the folder and the times of its files", async () => {
  const folder = makeFolder();
  const other = makeFolder();
  for (const one of [folder, other]) {
    writeAll(one, { "server.js": "1", "bin/run*": "#!/bin/sh\n", [`deep/${"long-name/".repeat(20)}ä.txt`]: "2" });
    symlinkSync("bin/run", join(one, "link"));
  }
  const pack = async (from: string) =>
    createHash("sha256")
      .update(await buffer(packSource(await load(from))))
      .digest("hex");
  const first = await pack(folder);
  const umask = process.umask(0o077);
  execFileSync("touch", ["-d", "2001-01-01", join(other, "server.js")]);
  try {
    expect(await pack(other)).toBe(first);
  } finally {
    process.umask(umask);
  }
  writeAll(other, { "server.js": "2" });
  expect(await pack(other)).not.toBe(first);
});

test("a packed source is a tar that others unpack, with every byte, mode and symlink", async () => {
  const { folder } = makeRepository({
    "server.js": "1",
    "bin/run*": "#!/bin/sh\n",
    [`deep/${"long-name/".repeat(20)}ä.txt`]: "2",
    big: "0123456789".repeat(500_000),
  });
  symlinkSync("bin/run", join(folder, "link"));
  commitAll(folder, "Link");
  const bytes = await buffer(packSource(await loadSource({ folder, dirty: false })));
  expect([bytes.readUInt32LE(4), bytes[9]]).toEqual([0, 255]);

  const unpacked = join(makeFolder(), "unpacked");
  mkdirSync(unpacked);
  writeFileSync(join(unpacked, "../source.tar.gz"), bytes);
  execFileSync("tar", ["-xzf", "../source.tar.gz"], { cwd: unpacked });
  expect(execFileSync("diff", ["-r", "--exclude=.git", folder, unpacked], { encoding: "utf8" })).toBe("");
  expect(statSync(join(unpacked, "bin/run")).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(unpacked, "link"))).toBe("bin/run");
  expect(readFileSync(join(unpacked, "big")).length).toBe(5_000_000);
});

test("a file that cannot be read breaks the packing off", async () => {
  const source = { description: "", suspicious: [], files: [{ path: "a", mode: 0o644 as const, read: () => Promise.reject(new Error("disk")) }] };
  await expect(buffer(packSource(source))).rejects.toThrow("disk");
});
