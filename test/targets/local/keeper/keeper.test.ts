import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { controlClient } from "../../../../src/system/control.ts";
import { isRunning } from "../../../../src/system/processes.ts";
import { socketPathOf } from "../../../../src/system/socket-path.ts";
import type { KeeperApi } from "../../../../src/targets/local/keeper/api.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { builtMain } from "../../../build.ts";
import { observeKeeper, until } from "../supervisor/environment.ts";

test("of several that are started at once one stays, and none comes after it has left", async () => {
  const home = mkdtempSync(join(tmpdir(), "landfall-test-"));
  const paths = pathsOf(home, "app", "local");
  mkdirSync(paths.environment, { recursive: true });
  const started = [1, 2, 3].map(() => spawn(process.execPath, [builtMain("targets/local/keeper/main.js"), paths.environment], { stdio: "inherit" }));
  const ended = started.map(async (child) => (await once(child, "exit"))[0]);
  const keeper = await observeKeeper(paths);
  await controlClient<KeeperApi>(socketPathOf(paths.keeperSocket)).leave();
  await until(() => !isRunning(keeper));
  expect(await Promise.all(ended)).toEqual([0, 0, 0]);
  rmSync(home, { recursive: true });
});
