// A canary whose command is killed while it is on trial: what was answered before counts for nothing.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import type { CommissionReport, DeployReport, Status } from "../../src/index.ts";
import { codeOf } from "./faulty-stage.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
afterAll(() => sandbox.dispose());

it("a resumed canary is judged by requests of its own and of its baseline", async () => {
  const folder = sandbox.copyApp("test/fixtures/apps/unsteady", "resumed");
  const app = {
    name: "resumed",
    services: { web: { command: "exec node web.js", port: 8080, health: { path: "/health", interval: "200ms", steadyFor: "1s" } } },
    rollout: { strategy: "canary", canary: { weights: ["40%"], step: "1s", minRequests: 40, timeout: "1m" } },
  };
  writeFileSync(join(folder, "landfall.config.ts"), `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(app)});\n`);
  const report = async <T>(...args: string[]) => JSON.parse((await sandbox.run(folder, ...args, "--json")).stdout) as T;
  const release = (web: string) => change(folder, "mode.json", JSON.stringify({ web, worker: "steady" }));
  release("steady");
  const { address } = await report<CommissionReport>("commission", "local");
  const { release: good } = await report<DeployReport>("deploy", "local");

  release("fails");
  const load = setInterval(() => void fetch(address).catch(() => {}), 60);
  try {
    expect(await killedOnTrial(folder)).toBe("SIGKILL");
    // The canary goes on failing every other request, and nobody looks.
    await sleep(15_000);
    const outcome = await sandbox.run(folder, "resume", "local");
    expect(codeOf(outcome), outcome.stdout + outcome.stderr).toBe("CANARY_WORSE");
    expect(outcome.stderr).toMatch(/canary +\d+ requests, [1-9]\d* failed/);
    expect(outcome.stderr).toMatch(/baseline +[1-9]\d* requests, 0 failed/);
  } finally {
    clearInterval(load);
  }
  expect(await report<Status>("status", "local")).toMatchObject({ release: good });
});

/** Deploys, and kills the command right after the canary was put in service. */
async function killedOnTrial(folder: string): Promise<string | null> {
  const bin = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
  const child = spawn(process.execPath, [bin, "deploy", "local"], {
    cwd: folder,
    env: { ...process.env, LANDFALL_HOME: sandbox.home, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => {
      said += text;
      if (/put in service .* on trial/.test(said)) child.kill("SIGKILL");
    });
  return new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
}
