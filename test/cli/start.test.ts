// A command is as quick as the files that it loads are few.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { makeFolder } from "./command-line.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const register = fileURLToPath(new URL("../fixtures/loaded/register.mjs", import.meta.url));
const folder = makeFolder();
afterAll(() => folder.remove());

/** The files that a command loads, by their paths in the checkout. */
function loadedBy(...words: string[]): string[] {
  const LOADED = join(folder.path, "loaded");
  writeFileSync(LOADED, "");
  const env = { PATH: process.env.PATH, LANDFALL_HOME: join(folder.path, ".home"), LOADED };
  // The way to watch that Node 20 has is deprecated in Node 26, which says so.
  const watching = ["--import", register, "--disable-warning=DEP0205"];
  const { status, stderr } = spawnSync(process.execPath, [...watching, join(root, "bin/landfall.js"), ...words], {
    cwd: folder.path,
    env,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const urls = readFileSync(LOADED, "utf8").trim().split("\n");
  return urls.map((url) => relative(root, fileURLToPath(url)));
}

describe("of files", () => {
  folder.write(
    "landfall.config.ts",
    `export default {
  name: "start",
  services: { web: { command: "exec node server.js", port: 8080 } },
  environments: { local: { target: "local" }, production: { target: "aws", region: "eu-central-1" } },
};
`,
  );
  // Where apps are, a configuration that passed is kept.
  mkdirSync(join(folder.path, ".home/apps"), { recursive: true });

  it("a look at the status loads one, once the configuration has passed", () => {
    loadedBy("status", "local");
    expect(loadedBy("status", "local")).toEqual(["bin/landfall.js", "dist/cli/main.js"]);
  });

  it("a plan on AWS loads few", () => {
    const files = loadedBy("plan", "production", "--fresh");
    expect(files.length).toBeLessThan(60);
    expect(files.filter((file) => file.includes("node_modules/zod"))).toEqual([]);
  });
});
