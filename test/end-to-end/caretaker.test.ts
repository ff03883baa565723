// Nobody types: what was killed is started again, and what was interrupted is taken up.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BootReport, DeployReport, RecordedEvent, RecoveryReport, Status, StopReport } from "../../src/index.ts";
import { isRunning, type ProcessIdentity } from "../../src/system/processes.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello");
const folder = join(sandbox.home, "apps/hello/environments/local");

const landfall = (...args: string[]) => sandbox.run(app, ...args);
const report = async <T>(...args: string[]): Promise<T> => {
  const outcome = await landfall(...args, "--json");
  expect(outcome, `${args.join(" ")}: ${outcome.stderr}`).toMatchObject({ code: 0 });
  return JSON.parse(outcome.stdout) as T;
};
const status = () => report<Status>("status", "local");
const events = (type: string): string[] =>
  readFileSync(join(folder, "events.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line): RecordedEvent => JSON.parse(line))
    .flatMap((event) => (event.type === type ? [event.text] : []));
const supervisor = () => JSON.parse(readFileSync(join(folder, "supervisor/supervisor.json"), "utf8")) as ProcessIdentity;
const WITHIN = { timeout: 60_000, interval: 200 };

let first: string;
beforeAll(async () => {
  const config = readFileSync(join(app, "landfall.config.ts"), "utf8");
  const keys = 'release: { expand: "test ! -e slow || sleep 600" },\n  rollout: { abandonedAfter: "5s" },';
  change(app, "landfall.config.ts", config.replace(/\n\}\);/, `\n  ${keys}\n});`));
  await report("commission", "local");
  first = (await report<DeployReport>("deploy", "local")).release;
});
afterAll(() => sandbox.dispose());

describe("without a command", () => {
  it("a supervisor that was killed is there again", async () => {
    const before = supervisor();
    const { services } = await status();
    process.kill(before.pid, "SIGKILL");
    await expect.poll(() => supervisor().pid, WITHIN).not.toBe(before.pid);
    await expect.poll(async () => (await status()).supervisor, WITHIN).toBe("running");
    const pidsOf = (all: Status["services"]) => all.flatMap(({ instances }) => instances.map(({ pid }) => pid));
    expect(pidsOf((await status()).services)).toEqual(pidsOf(services));
  });

  it("a deploy whose command was killed is undone, which status announces", async () => {
    change(app, "slow", "");
    const deploy = sandbox.start(app, "deploy", "local");
    await expect.poll(async () => (await status()).underWay?.operation, WITHIN).toBe("deploy");
    await expect.poll(() => readdirSync(join(folder, "supervisor/runs")).some((id) => id.includes("expand")), WITHIN).toBe(true);
    deploy.child.kill("SIGKILL");
    await deploy.ended;
    const { unfinished } = await status();
    expect(unfinished).toMatchObject({ operation: "deploy", byItself: { does: "undo" } });
    await expect.poll(() => events("taken-up").at(-1), WITHIN).toBe("the interrupted deploy is undone");
    expect(events("taken-up")).toContain("deploy was interrupted, and nobody took it up for 5s: it is undone");
    const after = await status();
    expect(after).toMatchObject({ release: first, services: [{ healthy: 2 }, { healthy: 1 }] });
    expect(after.unfinished).toBeUndefined();
  });
});

describe("a machine", () => {
  it("starts and stops its environment by a unit that systemd accepts", async () => {
    const { unit, text } = await report<BootReport>("boot", "local");
    expect(unit).toBe("landfall-hello-local.service");
    expect(text).toMatch(/^ExecStart=\/\S+ \/\S+landfall\.js boot local --start$/m);
    expect(text).toContain(`LANDFALL_HOME=${sandbox.home}`);
    if (spawnSync("systemd-analyze", ["--version"]).status === 0) {
      const file = join(sandbox.folder, unit);
      writeFileSync(file, text);
      const { status: code, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file], { encoding: "utf8" });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
    const before = supervisor();
    const { stopped } = await report<StopReport>("boot", "local", "--stop");
    expect(stopped).toContain("balancer");
    expect(isRunning(before)).toBe(false);
    expect(await status()).toMatchObject({
      commissioned: true,
      supervisor: "stopped",
      release: first,
      services: [{ healthy: 0, wanted: 2 }, { healthy: 0 }],
    });
    expect((await landfall("boot", "local", "--stop")).stdout).toContain("nothing to stop");
    const started = await report<RecoveryReport>("boot", "local", "--start");
    expect(started).toMatchObject({ did: "brought back", status: { release: first, services: [{ healthy: 2 }, { healthy: 1 }] } });
    const { address } = await status();
    expect((await fetch(address as string)).status).toBe(200);
  });

  it("is not asked both at once, nor for what does not stand", async () => {
    expect(await landfall("boot", "local", "--start", "--stop")).toMatchObject({ code: 2, stderr: expect.stringContaining("exclude each other") });
    expect((await landfall("boot", "lokal")).stderr).toContain("ENVIRONMENT_UNKNOWN");
  });
});
