// The checks of the source itself, by the programs that a person would run: a pipeline that runs the tests holds them too.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("the source", () => {
  it.each([
    ["is formatted and has nothing that the linter names", "node_modules/.bin/biome", ["ci", "--colors=off", "."]],
    ["has right types, in tests and benchmarks as well", "node_modules/.bin/tsc", ["--noEmit", "--pretty", "false"]],
    ["has nothing that nobody uses", "node_modules/.bin/knip", ["--no-progress"]],
    ["keeps the bounds of its figures", process.execPath, ["scripts/figures.mjs", "--check"]],
    ["has its generated pages", process.execPath, ["scripts/docs.mjs", "--check"]],
  ])("%s", (_, program, args) => {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: "utf8", env: { ...process.env, FORCE_COLOR: "0" } });
    expect(status, stdout + stderr).toBe(0);
  });
});
