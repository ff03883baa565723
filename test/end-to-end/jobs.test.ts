// Scheduled jobs through deploys and rollbacks that are killed, and while they run: what counts is what the supervisor has.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { DeployReport, RecordedEvent, Status } from "../../src/index.ts";
import { controlClient } from "../../src/system/control.ts";
import { socketPathOf } from "../../src/system/socket-path.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import type { SupervisorApi } from "../../src/targets/local/supervisor/api.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
afterAll(() => sandbox.dispose());

/** An environment in which a release with the job `report` serves. Nothing is watched: this is about jobs. */
async function makeStage(name: string) {
  const folder = sandbox.copyApp("test/fixtures/apps/unsteady", name);
  const report = { command: "exec node report.js", schedule: "* * * * *" };
  const configure = (services: Record<string, object>) => {
    const app = { name, services: { worker: { command: "exec node worker.js", health: { steadyFor: "0s" } }, ...services } };
    writeFileSync(join(folder, "landfall.config.ts"), `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify(app)});\n`);
  };
  const run = async (...args: string[]): Promise<Outcome> => {
    const outcome = await sandbox.run(folder, ...args);
    if (outcome.code !== 0) throw new Error(`landfall ${args.join(" ")}: ${outcome.stderr}`);
    return outcome;
  };
  const read = async <T>(...args: string[]) => JSON.parse((await run(...args, "--json")).stdout) as T;
  const next = (services: Record<string, object> = { report }) => {
    configure(services);
    change(folder, "number.txt", String(Math.random()));
  };
  next();
  await run("commission", "local");
  await run("deploy", "local");
  const data = join(sandbox.home, "apps", name, "environments", "local", "data", "services", "report");
  const supervisor = controlClient<SupervisorApi>(socketPathOf(pathsOf(sandbox.home, name, "local").supervisorSocket));
  return {
    folder,
    supervisor,
    next,
    run,
    read,
    /** `report` and the release whose times it is run at. */
    scheduled: async () => (await supervisor.observe()).processes.flatMap(({ spec }) => (spec.schedule ? [`${spec.service} ${spec.release}`] : [])),
    marks: () => (existsSync(join(data, "marks")) ? readFileSync(join(data, "marks"), "utf8").trim().split("\n") : []),
    finishRun: () => writeFileSync(join(data, "finish"), ""),
  };
}

/** Resolves to whether the command was killed before it came to its end. */
function crash(folder: string, at: string, ...args: string[]): Promise<boolean> {
  const bin = fileURLToPath(new URL("../../bin/landfall.js", import.meta.url));
  const preload = new URL("./crash-at.mjs", import.meta.url).href;
  const child = spawn(process.execPath, ["--import", preload, bin, ...args], {
    cwd: folder,
    env: { ...process.env, LANDFALL_HOME: sandbox.home, LANDFALL_CRASH_AT: at },
    stdio: "ignore",
  });
  return new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal === "SIGKILL")));
}

describe.concurrent("scheduled jobs", () => {
  it.each(["resume", "abort"])("stand with the release that serves after %s, wherever a deploy was killed", async (remedy) => {
    const { folder, next, run, read, scheduled } = await makeStage(`killed-${remedy}`);
    for (let step = 8; ; step++) {
      next();
      const isKilled = await crash(folder, `between ${step} command`, "deploy", "local");
      if (!isKilled) break;
      await run(remedy, "local");
      const { release, services } = await read<Status>("status", "local");
      expect({ step, scheduled: await scheduled() }).toEqual({ step, scheduled: [`report ${release}`] });
      expect(services.find(({ name }) => name === "report")?.schedule).toBe("* * * * *");
    }
  });

  it("that are missing are named by status, and are brought back by a deploy that has nothing else to do", async () => {
    const { supervisor, scheduled, run, read } = await makeStage("missing");
    const [before] = await scheduled();
    const { processes } = await supervisor.observe();
    await supervisor.stop({ id: processes.find(({ spec }) => spec.schedule)?.spec.id as string });
    expect((await run("status", "local")).stdout).toMatch(/report \(job\) +not scheduled/);
    expect((await run("status", "local")).stdout).toContain("landfall resume local");
    expect(await read<DeployReport>("deploy", "local")).toMatchObject({ changed: true });
    expect(await scheduled()).toEqual([before]);
    expect(await read<DeployReport>("deploy", "local")).toMatchObject({ changed: false });
  });

  it("that are running come to their own end through a deploy and a rollback, which say so", async () => {
    const { marks, finishRun, next, run, read, scheduled } = await makeStage("running");
    const { release: first } = await read<Status>("status", "local");
    while (marks().length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    next();
    const { stdout, stderr } = await run("deploy", "local");
    expect(stdout + stderr).toMatch(/report\.job\.\d+T\d+Z of release \w+ is running: it comes to its own end, and the next run waits for that/);
    const { release: second } = await read<Status>("status", "local");
    expect(await scheduled()).toEqual([`report ${second}`]);
    await run("rollback", "local");
    expect(await scheduled()).toEqual([`report ${first}`]);
    // Without the job, its run goes on all the same.
    next({});
    expect((await run("deploy", "local")).stderr).toContain("it comes to its own end, and there are no more runs");
    expect(await scheduled()).toEqual([]);
    finishRun();
    const ended = async () => (await read<RecordedEvent[]>("events", "local")).filter(({ type }) => type === "job-run");
    while ((await ended()).length === 0) await new Promise((resolve) => setTimeout(resolve, 250));
    expect(marks()).toEqual([`began ${first}`, `done ${first}`]);
    expect(await ended()).toMatchObject([{ text: "exit status 0" }]);
  });
});
