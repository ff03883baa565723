// Programs that live and do not answer: each is stopped as a debugger or a dead disk would, and what is said and done is looked at.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordedEvent, Status } from "../../src/index.ts";
import { isRunning, type ProcessIdentity } from "../../src/system/processes.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello");
const folder = join(sandbox.home, "apps/hello/environments/local");
const stopped = new Set<number>();

const landfall = (...args: string[]) => sandbox.run(app, ...args);
const report = async <T>(...args: string[]): Promise<T> => {
  const outcome = await landfall(...args, "--json");
  expect(outcome, args.join(" ")).toMatchObject({ code: 0 });
  return JSON.parse(outcome.stdout) as T;
};
const status = () => report<Status>("status", "local");
const events = (): RecordedEvent[] =>
  readFileSync(join(folder, "events.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const eventOf = (type: string, id: string, since = 0) =>
  events().find((event) => event.type === type && event.id?.startsWith(id) && event.at >= since);
const web = async (slot: number) => {
  const found = (await status()).services[0]?.instances.find((instance) => instance.slot === slot);
  if (!found) throw new Error(`no web.${slot}`);
  return found;
};
const pidOf = (process: string) => {
  const started = events().findLast(({ type, id }) => id === process && ["started", "restarted", "adopted"].includes(type));
  return Number(/pid (\d+)/.exec(started?.text ?? "")?.[1]);
};
function hang(pid: number | undefined): void {
  process.kill(pid as number, "SIGSTOP");
  stopped.add(pid as number);
}
const WITHIN = { timeout: 60_000, interval: 200 };

beforeAll(async () => {
  const file = join(app, "landfall.config.ts");
  const health = 'health: { path: "/", interval: "200ms", timeout: "500ms", startupTimeout: "2s", steadyFor: "500ms", replaceAfter: "1s" }';
  change(
    app,
    "landfall.config.ts",
    readFileSync(file, "utf8")
      .replace("instances: 2", "instances: 3")
      .replace(/health: \{ path.*\}/, health)
      .replace('timeout: "3s" },\n    },', 'timeout: "1s" },\n    },'),
  );
  await report("commission", "local");
  await report("deploy", "local");
});
afterAll(async () => {
  for (const pid of stopped) {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It was replaced.
    }
  }
  await sandbox.dispose();
});

describe("an instance that hangs", () => {
  it("is replaced in its place, with an event for each thing that was done", async () => {
    const before = await web(1);
    hang(before.pid);
    await expect.poll(() => eventOf("resumed", "web.1"), WITHIN).toBeDefined();
    expect(eventOf("hung", "web.1")?.text).toMatch(/^has failed its check for .*: it is replaced$/);
    expect(eventOf("killed", "web.1")?.text).toBe("did not end 1000 ms after SIGTERM and was killed");
    expect(eventOf("restarted", "web.1")).toBeDefined();
    expect(eventOf("crashed", "web.1")).toBeUndefined();
    const after = await web(1);
    expect(after.id).toBe(before.id);
    expect(after.pid).not.toBe(before.pid);
    await expect.poll(async () => (await status()).services[0]?.healthy, WITHIN).toBe(3);
  });

  it("is left alone when most fail together; deploy says so, and resume replaces what hangs", { timeout: 180_000 }, async () => {
    const since = Date.now();
    const [second, third] = [await web(2), await web(3)];
    hang(second.pid);
    hang(third.pid);
    await expect.poll(() => eventOf("not-replaced", "web", since), WITHIN).toBeDefined();
    expect(eventOf("not-replaced", "web", since)?.text).toBe(
      "2 of 3 instances fail their check together: none is replaced, since it is not the instance",
    );
    const { stdout } = await landfall("deploy", "local");
    expect(stdout).toMatch(/is what serves already, but web\.2\.\S+, web\.3\.\S+ are not healthy/);
    expect(stdout).toContain("landfall resume local");
    expect((await status()).services[0]?.healthy).toBe(1);
    expect(eventOf("hung", "web", since)).toBeUndefined();
    const resumed = await landfall("resume", "local");
    expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
    expect(resumed.stdout).toContain("What stood before stands again.");
    expect(resumed.stdout).toContain("3 of 3 healthy");
    expect((await web(2)).pid).not.toBe(second.pid);
  });
});

describe("a balancer that hangs", () => {
  it("is named by status, and killed and started again while connections wait", async () => {
    const { address } = await status();
    const since = Date.now();
    hang(pidOf("balancer"));
    const waiting = fetch(address as string).then(({ status: code }) => code);
    const seen = await status();
    expect(seen.balancer).toMatch(/^runs \(pid \d+\) and does not answer$/);
    expect(seen.services[0]?.instances.map(({ state }) => state)).toEqual(["unknown", "unknown", "unknown"]);
    expect(await waiting).toBe(200);
    expect(eventOf("hung", "balancer", since)?.text).toBe("said nothing for 10s: it is killed and started again");
  });
});

describe("a supervisor that hangs", () => {
  const identity = () => JSON.parse(readFileSync(join(folder, "supervisor/supervisor.json"), "utf8")) as ProcessIdentity;

  it("is named by status, which sees the instances all the same, and replaced by the next command", { timeout: 180_000 }, async () => {
    const before = await web(1);
    const supervisor = identity();
    const since = Date.now();
    hang(supervisor.pid);
    const from = performance.now();
    expect(await status()).toMatchObject({ supervisor: "silent", services: [{ healthy: 3, wanted: 3 }, { healthy: 1 }] });
    expect(performance.now() - from).toBeLessThan(30_000);
    const scaled = await landfall("scale", "local", "web=4");
    expect(scaled, scaled.stderr).toMatchObject({ code: 0 });
    expect(isRunning(supervisor)).toBe(false);
    expect(eventOf("killed", "supervisor", since)?.text).toBe("said nothing for 10s and was killed: another takes its place");
    expect((await web(1)).pid).toBe(before.pid);
  });

  it("that was killed leaves a status of what runs", async () => {
    // It would start another at once.
    hang(pidOf("caretaker"));
    process.kill(identity().pid, "SIGKILL");
    expect(await status()).toMatchObject({ supervisor: "stopped", services: [{ healthy: 4, wanted: 4 }, { healthy: 1 }] });
  });
});
