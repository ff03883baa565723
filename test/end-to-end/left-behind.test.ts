// Commands that leave their process group, through deploys to the end of their environment: what counts is what runs.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { DecommissionReport, Status } from "../../src/index.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { isOnPath } from "../programs.ts";
import { requires } from "../skips.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
const WORD = `left-behind-${process.pid}`;
afterAll(async () => {
  await sandbox.dispose();
  for (const pid of alive()) process.kill(pid, "SIGKILL");
});

/** By its arguments, which are none of Landfall's. */
const alive = (): number[] =>
  readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").includes(WORD) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });

/** Ignores the signal. The first starts a second, and on each start of the worker a daemon that loses its parent at once. */
const WORKER = `process.on("SIGTERM", () => {});
setInterval(() => {}, 1000);
const { spawn } = require("node:child_process");
if (!process.argv[3]) {
  spawn(process.execPath, [__filename, process.argv[2], "child"], { stdio: "ignore" });
  spawn("sh", ["-c", 'setsid "$0" "$@" &', process.execPath, __filename, process.argv[2], "daemon"], { stdio: "ignore" });
}
`;

requires("Linux and setsid", process.platform === "linux" && isOnPath("setsid"))("a worker that leaves its process group", () => {
  it("is one version at a time, is named by status, and is gone with its environment", async () => {
    const folder = sandbox.copyApp("test/fixtures/apps/unsteady", "leaver");
    const services = { worker: { command: `exec setsid node leaver.cjs ${WORD}`, stop: { timeout: "1s" }, health: { steadyFor: "0s" } } };
    const app = { name: "leaver", services };
    writeFileSync(join(folder, "landfall.config.ts"), `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(app)});\n`);
    change(folder, "leaver.cjs", WORKER);
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await sandbox.run(folder, ...args);
      if (code !== 0) throw new Error(`landfall ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const three = async () => {
      while (alive().length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await run("commission", "local");
    await run("deploy", "local");
    await three();
    const first = alive();
    change(folder, "number.txt", "2");
    await run("deploy", "local");
    await three();
    expect(alive().filter((pid) => first.includes(pid))).toEqual([]);
    expect(alive().length).toBe(3);

    const status = JSON.parse(await run("status", "local", "--json")) as Status;
    const worker = status.services[0]?.instances[0]?.id;
    expect(status.strays).toEqual([{ pid: expect.any(Number), command: "node", id: worker }]);
    expect(await run("status", "local")).toMatch(/left their process group.*\n +pid \d+ +node +started for worker\.1/);

    // Of a run that no record names any more.
    const run9 = join(pathsOf(sandbox.home, "leaver", "local").runs, "worker.9.gone", "1");
    const stray = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", WORD], {
      env: { LANDFALL_RUN: run9 },
      detached: true,
      stdio: "ignore",
    });
    stray.unref();
    const report = JSON.parse(await run("decommission", "local", "--yes", "--json")) as DecommissionReport;
    expect(alive()).toEqual([]);
    expect(report.removed).toContain(`process ${stray.pid} (node), which had left its group`);
  });
});
