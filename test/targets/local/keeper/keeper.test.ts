import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { controlClient } from "../../../../src/system/control.ts";
import { isRunning } from "../../../../src/system/processes.ts";
import { socketPathOf } from "../../../../src/system/socket-path.ts";
import type { KeeperApi } from "../../../../src/targets/local/keeper/api.ts";
import { type Paths, pathsOf } from "../../../../src/targets/local/paths.ts";
import { builtMain } from "../../../build.ts";
import { observeKeeper, until } from "../supervisor/environment.ts";

const main = builtMain("targets/local/keeper/main.js");
let home: string;
let paths: Paths;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "landfall-test-"));
  paths = pathsOf(home, "app", "local");
  mkdirSync(paths.environment, { recursive: true });
});
afterEach(() => rmSync(home, { recursive: true }));

test("of several that are started at once one stays until it is told to leave", async () => {
  const started = [1, 2, 3].map(() => spawn(process.execPath, [main, paths.environment, String(process.pid)], { stdio: "inherit" }));
  const ended = started.map(async (child) => [child.pid, (await once(child, "exit"))[0]]);
  const keeper = await observeKeeper(paths);
  const others = ended.filter((_, index) => started[index]?.pid !== keeper.pid);
  expect((await Promise.all(others)).map(([, status]) => status)).toEqual([0, 0]);
  await controlClient<KeeperApi>(socketPathOf(paths.keeperSocket)).leave();
  await until(() => !isRunning(keeper));
});

test("one whose supervisor died before it came up ends, and makes nothing", async () => {
  const supervisor = spawn("sh", ["-c", `"$@" $$ &`, "sh", process.execPath, main, paths.environment], { stdio: ["ignore", "pipe", "inherit"] });
  supervisor.stdout.resume();
  // Of the shell at once, and of the pipe with the last that has it.
  await once(supervisor, "close");
  expect(existsSync(paths.supervisor)).toBe(false);
});
