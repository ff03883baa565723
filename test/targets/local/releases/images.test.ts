import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import type { RecipeContent } from "../../../../src/release/recipe.ts";
import { recipeHash } from "../../../../src/release/release.ts";
import { loadSource } from "../../../../src/release/source.ts";
import { isRunning, observeStart } from "../../../../src/system/processes.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { ensureImage, listImages, removeUnusedImages } from "../../../../src/targets/local/releases/images.ts";
import { failureOf, makeFolder, makeRepository, writeAll } from "../../../release/repository.ts";
import { requires } from "../../../skips.ts";

const FILES = { "package.json": "{}", "lib/setup.sh*": "#!/bin/sh\necho made > made\n", "server.js": "1" };

function prepare(recipe: Partial<RecipeContent>, files: Record<string, string> = FILES) {
  const whole: RecipeContent = { packages: [], files: ["package.json", "lib"], steps: [], ...recipe };
  const { folder: app } = makeRepository(files);
  const home = makeFolder();
  const paths = pathsOf(home, "guestbook", "local");
  const lines: string[] = [];
  const ensure = async (options: { env?: NodeJS.ProcessEnv; signal?: AbortSignal; emit?: (line: string) => void } = {}) => {
    const source = await loadSource({ folder: app, dirty: true });
    return ensureImage({ paths, recipe: whole, hash: await recipeHash(whole, source), source, emit: (line) => lines.push(line), ...options });
  };
  return { app, home, paths, lines, ensure, recipe: whole };
}

function startMaker(home: string, hash: string, app: string, recipe: RecipeContent): { child: ChildProcess; lines: AsyncIterableIterator<string> } {
  const program = join(import.meta.dirname, "image-maker.ts");
  const child = spawn(process.execPath, [...TYPESCRIPT, program, home, hash, app, JSON.stringify(recipe)], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
}

/** Node 20 reads TypeScript through jiti, which Landfall has for the configuration. */
const TYPESCRIPT = ["--import", "jiti/register"];

async function lineWith(lines: AsyncIterableIterator<string>, pattern: RegExp): Promise<string> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) if (pattern.test(next.value)) return next.value;
  throw new Error(`no line like ${pattern}`);
}

test("the steps run once, in the final folder, where only the recipe's files are", async () => {
  const { ensure, paths, lines } = prepare({ steps: ["find . -type f | sort", "lib/setup.sh && pwd"] });
  const { folder, made } = await ensure();
  expect(made).toBe(true);
  expect(lines).toEqual(["$ find . -type f | sort", "./lib/setup.sh", "./package.json", "$ lib/setup.sh && pwd", folder]);
  expect(readFileSync(join(folder, "made"), "utf8")).toBe("made\n");
  const [hash = ""] = listImages(paths);
  expect(folder).toBe(join(paths.images, hash));
  expect(readFileSync(join(paths.app, "logs", `image-${hash}.log`), "utf8")).toBe(`${lines.join("\n")}\n`);

  expect(await ensure()).toMatchObject({ folder, made: false });
  expect(lines).toHaveLength(5);
});

test("a change of the code makes no new image, a change of a lock file does", async () => {
  const { app, ensure, paths } = prepare({ steps: ["touch made"] });
  const first = await ensure();
  writeAll(app, { "server.js": "2" });
  expect(await ensure()).toMatchObject({ folder: first.folder, made: false });
  writeAll(app, { "package.json": '{"a":1}' });
  const second = await ensure();
  expect(second.made).toBe(true);
  expect(second.folder).not.toBe(first.folder);
  expect(listImages(paths)).toHaveLength(2);
});

test("a step sees a clean environment", async () => {
  const { ensure, lines } = prepare({ steps: ["env"] });
  const env = {
    PATH: process.env.PATH,
    HOME: "/home/ada",
    NODE_ENV: "production",
    SECRET: "1",
    npm_config_registry: "http://r/",
    PIP_INDEX_URL: "http://p/",
    HTTPS_PROXY: "http://x/",
    npm_config_omit: "dev",
  };
  await ensure({ env });
  const names = lines.slice(1).map((line) => line.split("=")[0]);
  expect(names.filter((name) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name ?? "")).sort()).toEqual([
    "HOME",
    "HTTPS_PROXY",
    "LANG",
    "PATH",
    "PIP_INDEX_URL",
    "npm_config_registry",
  ]);
});

test("a failing step says which, how it ended and its last 20 lines, and leaves nothing", async () => {
  const { ensure, paths } = prepare({ steps: ["true", "seq 30; echo oops >&2; exit 3", "touch never"] });
  const failure = await failureOf(ensure());
  const log = join(paths.app, "logs", readdirSync(join(paths.app, "logs"))[0] ?? "");
  const last = [...Array.from({ length: 19 }, (_, index) => String(index + 12)), "oops"];
  expect(failure).toEqual({
    code: "RECIPE_STEP_FAILED",
    what: `the recipe's step "seq 30; echo oops >&2; exit 3" ended with status 3`,
    where: log,
    evidence: last.map((line, index) => [index === 0 ? "last lines" : "", line]),
    standing: "The image was not kept. What runs goes on running.",
    next: "make the step work in a folder that holds only recipe.files, then run the command again",
  });
  expect(readdirSync(paths.images).filter((name) => !name.endsWith(".lock"))).toEqual([]);
  expect(readFileSync(log, "utf8")).toContain("\n30\noops\n");
});

test("a step that did not find a host says so, and not that the step is at fault", async () => {
  const { ensure } = prepare({ steps: ["echo npm error reason: getaddrinfo EAI_AGAIN registry.npmjs.org; exit 1"] });
  expect(await failureOf(ensure())).toMatchObject({
    code: "RECIPE_STEP_FAILED",
    why: `Probably there is no network, or no name server, where it ran: "registry.npmjs.org" was not found.`,
    next: "see that registry.npmjs.org is reached from there, then run the command again",
  });
});

test("a step killed by a signal says so", async () => {
  const { ensure } = prepare({ steps: ["kill -9 $$"] });
  expect((await failureOf(ensure())).what).toBe(`the recipe's step "kill -9 $$" was killed by SIGKILL`);
});

test("a progress bar counts as its last state, and a line may come in pieces", async () => {
  const { ensure, lines } = prepare({ steps: ["printf '10%%\\r50%%\\r100%%\\r\\nna'; printf 'me\\nno end'"] });
  await ensure();
  expect(lines.slice(1)).toEqual(["100%", "name", "no end"]);
});

test("what a step leaves in the background ends with it", async () => {
  const { ensure, lines } = prepare({ steps: ["sleep 600 & echo $!"] });
  await ensure();
  expect(observeStart(Number(lines[1]))).toBeUndefined();
});

test("an interrupted step is stopped with all its processes", async () => {
  const { ensure, paths } = prepare({ steps: ["sh -c 'echo $$; sleep 600'"] });
  const abort = new AbortController();
  let pid = 0;
  const emit = (line: string) => {
    if (!/^\d+$/.test(line)) return;
    pid = Number(line);
    abort.abort();
  };
  expect(await failureOf(ensure({ signal: abort.signal, emit }))).toEqual({
    code: "INTERRUPTED",
    what: "the operation was interrupted",
    standing: "What runs goes on running; what was being made was not kept.",
    next: "run the same command again",
  });
  expect(observeStart(pid)).toBeUndefined();
  expect(listImages(paths)).toEqual([]);
});

test("killed in the middle, it leaves no image, and the next maker ends the orphaned step and begins anew", async () => {
  const steps = ['if [ -e "$HOME/again" ]; then ls; else touch half; echo pid $$; exec sleep 600; fi'];
  const { home, app, paths, ensure, recipe } = prepare({ steps });
  const hash = await recipeHash(recipe, await loadSource({ folder: app, dirty: true }));
  const { child, lines } = startMaker(home, hash, app, recipe);
  const pid = Number((await lineWith(lines, /^pid \d+$/)).split(" ").at(-1));
  const orphan = { pid, startedAt: observeStart(pid) ?? "" };
  onTestFinished(() => {
    if (isRunning(orphan)) process.kill(pid, "SIGKILL");
  });
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isRunning(orphan)).toBe(true);
  expect(existsSync(join(paths.images, hash, "half"))).toBe(true);
  expect(listImages(paths)).toEqual([]);

  const again = makeFolder();
  writeAll(again, { again: "" });
  const said: string[] = [];
  expect((await ensure({ env: { PATH: process.env.PATH, HOME: again }, emit: (line) => said.push(line) })).made).toBe(true);
  expect(said.slice(1)).toEqual(["lib", "package.json"]);
  expect(isRunning(orphan)).toBe(false);
  expect(listImages(paths)).toEqual([hash]);
});

test("several makers at once, in one process and in others, make it once", async () => {
  const folder = makeFolder();
  const [ran, go] = [join(folder, "ran"), join(folder, "go")];
  const { home, app, recipe, ensure } = prepare({ steps: [`echo x >> "${ran}"; until [ -e "${go}" ]; do sleep 0.02; done`] });
  const hash = await recipeHash(recipe, await loadSource({ folder: app, dirty: true }));
  const here: ReturnType<typeof ensure>[] = [];
  await new Promise<void>((resolve) => {
    const emit = (line: string) => void (line.startsWith("waiting for process") && resolve());
    here.push(ensure({ emit }), ensure({ emit }));
  });
  const makers = [startMaker(home, hash, app, recipe), startMaker(home, hash, app, recipe)];
  await Promise.all(makers.map(({ lines }) => lineWith(lines, /^waiting for process \d+, which makes /)));
  writeAll(folder, { go: "" });
  expect((await Promise.all(here)).map(({ made }) => made).sort()).toEqual([false, true]);
  expect(await Promise.all(makers.map(({ lines }) => lineWith(lines, /^(MADE|WAS THERE)$/)))).toEqual(["WAS THERE", "WAS THERE"]);
  expect(readFileSync(ran, "utf8")).toBe("x\n");
});

test("images that are not in use are removed, and what a crash left of one", async () => {
  const { app, ensure, paths } = prepare({ steps: ["mkdir -p a/b; touch a/b/c; chmod -R a-w a"] });
  await ensure();
  const [old = ""] = listImages(paths);
  writeAll(app, { "package.json": "2" });
  await ensure();
  const kept = listImages(paths).filter((hash) => hash !== old);
  mkdirSync(join(paths.images, "0123456789abcdef"));
  expect(removeUnusedImages(paths, kept)).toEqual([old, "0123456789abcdef"].sort());
  expect(listImages(paths)).toEqual(kept);
  expect(readdirSync(paths.images).filter((name) => !name.startsWith(kept[0] ?? "?"))).toEqual([]);
  expect(removeUnusedImages(paths, kept)).toEqual([]);
});

test("an image being made is not removed", async () => {
  const { ensure, paths } = prepare({ steps: ["echo here"] });
  const removed: string[][] = [];
  await ensure({ emit: () => removed.push(removeUnusedImages(paths, [])) });
  expect(removed).toEqual([[], []]);
  expect(listImages(paths)).toHaveLength(1);
});

test("an image whose folder somebody removed is made again", async () => {
  const { ensure } = prepare({ steps: ["touch made"] });
  const { folder } = await ensure();
  rmSync(folder, { recursive: true });
  expect(await ensure()).toMatchObject({ folder, made: true });
});

test("every package that is not installed is named; what another provides counts", async () => {
  const { ensure } = prepare({ packages: ["ffmpeg", "curl", "gone", "awk", "nginx"] });
  const bin = makeFolder();
  writeAll(bin, { "dpkg-query*": "#!/bin/sh\nprintf 'installed\\tcurl\\t\\ninstalled\\tmawk\\tawk, other (= 1)\\nconfig-files\\tgone\\t\\n'\n" });
  expect(await failureOf(ensure({ env: { PATH: `${bin}:${process.env.PATH}` } }))).toEqual({
    code: "RECIPE_PACKAGE_MISSING",
    what: `the recipe's Debian packages "ffmpeg", "gone", "nginx" are not installed on this machine`,
    where: "recipe.packages in landfall.config.ts",
    why: "Landfall looks for packages here, and never installs them: that would change a machine that is not its own.",
    standing: "Nothing was changed. What runs goes on running.",
    next: "sudo apt-get install ffmpeg gone nginx",
  });
});

test("without dpkg the packages are noted", async () => {
  const { ensure, lines } = prepare({ packages: ["ffmpeg", "curl"] });
  await ensure({ env: { PATH: makeFolder() } });
  expect(lines).toEqual(["this machine has no dpkg, so these packages of the recipe were not looked for: ffmpeg, curl"]);
});

const hasVenv = (() => {
  try {
    execFileSync("python3", ["-c", "import venv, ensurepip"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

requires("python3 with venv", hasVenv)("Python", () => {
  test("a Python venv works where it was made", async () => {
    const { ensure } = prepare(
      {
        files: ["hello.py"],
        steps: [
          "python3 -m venv --without-pip venv",
          'cp hello.py venv/bin/hello && sed -i "1i #!$PWD/venv/bin/python" venv/bin/hello && chmod +x venv/bin/hello',
        ],
      },
      {
        "hello.py": "import sys\nprint(sys.prefix)\n",
      },
    );
    const { folder } = await ensure();
    expect(execFileSync(join(folder, "venv/bin/hello"), { encoding: "utf8" }).trim()).toBe(join(folder, "venv"));
  });
});
