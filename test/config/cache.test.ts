// The cache of configurations that passed: what is taken from it, what makes it stale, and that nothing depends on it.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isSelfContained, removeStaleCached } from "../../src/config/cache.ts";
import { loadConfig } from "../../src/config/load.ts";
import { folderWith } from "./folders.ts";

const configOf = (name: string, before = "") => `import { defineApp } from "landfall";
${before}
export default defineApp({ name: ${name}, services: { web: { command: "node server.js", port: 8080 } } });
`;

let home = "";
let folder = "";
const write = (text: string, name = "landfall.config.ts") => writeFileSync(join(folder, name), text);
const load = async () => (await loadConfig(join(folder, "landfall.config.ts"))).app;
const cacheOf = () => join(home, "cache", "config");
const keptFiles = () => (existsSync(cacheOf()) ? readdirSync(cacheOf()).map((name) => join(cacheOf(), name)) : []);
/** Changes the name in every kept app: whoever then sees it was answered from the cache. */
function markKept(): void {
  for (const file of keptFiles()) {
    const kept = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ ...kept, app: { ...kept.app, name: "from-the-cache" } }));
  }
}

beforeEach(() => {
  home = folderWith({});
  folder = folderWith({ "landfall.config.ts": configOf('"shop"') });
  vi.stubEnv("LANDFALL_HOME", home);
  // As if an environment stood: without one nothing is kept.
  mkdirSync(join(home, "apps"));
});
afterEach(() => vi.unstubAllEnvs());

describe("a text that stands for itself", () => {
  it("is evaluated once, and gives the same app again", async () => {
    const first = await load();
    expect(keptFiles()).toHaveLength(1);
    expect(await load()).toEqual(first);
    markKept();
    expect((await load()).name).toBe("from-the-cache");
  });

  it("is evaluated again when it was changed, even with the same time of change", async () => {
    await load();
    markKept();
    utimesSync(join(folder, "landfall.config.ts"), 0, 0);
    write(configOf('"shop2"'));
    utimesSync(join(folder, "landfall.config.ts"), 0, 0);
    expect((await load()).name).toBe("shop2");
    expect(keptFiles()).toHaveLength(1);
  });

  it("is checked anew when it became wrong", async () => {
    await load();
    write(configOf("7"));
    await expect(load()).rejects.toMatchObject({ code: "CONFIG_WRONG_VALUE" });
    write(configOf('"shop"'));
    expect((await load()).name).toBe("shop");
  });

  it("is not shared by two folders", async () => {
    await load();
    markKept();
    const other = folderWith({ "landfall.config.ts": configOf('"shop"') });
    expect((await loadConfig(join(other, "landfall.config.ts"))).app.name).toBe("shop");
    expect(keptFiles()).toHaveLength(2);
  });

  it("is kept for its user alone", async () => {
    await load();
    expect(keptFiles().map((file) => statSync(file).mode & 0o777)).toEqual([0o600]);
  });
});

describe("what comes from outside the text", () => {
  it("an imported file, whose change is seen at once", async () => {
    write('export const name = "one";\n', "names.ts");
    write(configOf("name", 'import { name } from "./names.ts";'));
    expect((await load()).name).toBe("one");
    write('export const name = "two";\n', "names.ts");
    expect((await load()).name).toBe("two");
    expect(keptFiles()).toEqual([]);
  });

  it("a variable of the environment", async () => {
    write(configOf('process.env.APP_NAME ?? "none"'));
    vi.stubEnv("APP_NAME", "one");
    expect((await load()).name).toBe("one");
    vi.stubEnv("APP_NAME", "two");
    expect((await load()).name).toBe("two");
    expect(keptFiles()).toEqual([]);
  });

  it.each([
    'const name = require("./a.json").name;',
    'const { name } = await import("./a.ts");',
    'import name from "./a.ts";',
    'import "./a.ts";',
    'export * from "./a.ts";',
    "const now = Date.now();",
    "const any = Math.random();",
    'const value = globalThis["pro" + "cess"];',
    'const value = (() => {}).constructor("return process")();',
    'const value = eval("1");',
    "const value = pr\\u006fcess.env.X;",
    'const answer = fetch("http://127.0.0.1");',
    'import { defineApp } from "landfall"; import { x } from "./x.ts";',
    'import { defineApp, type App } from "landfall";\nimport { x } from "landfall-extras";',
  ])("%j is not self-contained", (line) => {
    expect(isSelfContained(configOf('"shop"', line))).toBe(false);
  });

  it.each(["", "const port = 8080;", "// a note", "const all = { a: 1, ...{ b: 2 } };", "const list = [1, 2].map((one) => one * 2);"])(
    "%j is self-contained",
    (line) => {
      expect(isSelfContained(configOf('"shop"', line))).toBe(true);
    },
  );
});

describe("the cache itself", () => {
  it.each(["", "{", "[]", "null", '{"hash":"x"}'])("is passed over when it holds %j, and written anew", async (text) => {
    await load();
    const [file = ""] = keptFiles();
    writeFileSync(file, text);
    expect((await load()).name).toBe("shop");
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ app: { name: "shop" } });
  });

  it("makes no state folder where none stands", async () => {
    vi.stubEnv("LANDFALL_HOME", join(folder, "none"));
    await load();
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  it("may be impossible to write or to read", async () => {
    writeFileSync(join(home, "cache"), "a file where the folder should be");
    expect((await load()).name).toBe("shop");
  });

  it("forgets configurations whose file is gone, and only those", async () => {
    await load();
    const other = folderWith({ "landfall.config.ts": configOf('"other"') });
    await loadConfig(join(other, "landfall.config.ts"));
    expect(removeStaleCached()).toEqual([]);
    rmSync(join(other, "landfall.config.ts"));
    expect(removeStaleCached()).toEqual([join(other, "landfall.config.ts")]);
    expect(keptFiles()).toHaveLength(1);
    markKept();
    expect((await load()).name).toBe("from-the-cache");
  });

  it("does not grow without end", async () => {
    mkdirSync(cacheOf(), { recursive: true });
    for (let number = 0; number < 200; number++) writeFileSync(join(cacheOf(), `${number}.json`), "");
    await load();
    expect(keptFiles()).toHaveLength(1);
  });
});
