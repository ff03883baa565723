// Releases that are healthy at first and do not stay so: through the built command, with the default of `health.steadyFor`.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { DeployReport, RecordedEvent, Status } from "../../src/index.ts";
import { codeOf } from "./faulty-stage.ts";
import { change, makeSandbox } from "./sandbox.ts";

const sandbox = makeSandbox();
afterAll(() => sandbox.dispose());

interface App {
  web?: number;
  worker?: number;
  /** Of the web service. */
  steadyFor?: string;
  rollout?: Record<string, unknown>;
}

/** An environment in which a release without a fault serves. */
async function makeStage(name: string, { web = 0, worker = 0, steadyFor, rollout = {} }: App) {
  const folder = sandbox.copyApp("test/fixtures/apps/unsteady", name);
  const services = {
    ...(web ? { web: { command: "exec node web.js", port: 8080, instances: web, health: { path: "/health", interval: "200ms", steadyFor } } } : {}),
    ...(worker ? { worker: { command: "exec node worker.js", instances: worker } } : {}),
  };
  writeFileSync(
    join(folder, "landfall.config.ts"),
    `import { defineApp } from "landfall";\n\nexport default defineApp(${JSON.stringify({ name, services, rollout })});\n`,
  );
  const release = (mode: { web?: string; worker?: string }) => change(folder, "mode.json", JSON.stringify({ number: Math.random(), ...mode }));
  const report = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await sandbox.run(folder, ...args, "--json");
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as T;
  };
  release({});
  await report("commission", "local");
  const { release: good } = await report<DeployReport>("deploy", "local");
  return {
    good,
    data: join(sandbox.home, "apps", name, "environments", "local", "data", "services"),
    deploy: (mode: { web?: string; worker?: string }) => {
      release(mode);
      return sandbox.run(folder, "deploy", "local");
    },
    status: () => report<Status>("status", "local"),
    /** The instances of the good release that were stopped since its deploy. */
    stopped: async () => (await report<RecordedEvent[]>("events", "local")).filter(({ type, id }) => type === "stopped" && id?.endsWith(good)),
    /** When the first instance of another release crashed. */
    diedAt: async () => {
      const crash = (await report<RecordedEvent[]>("events", "local")).find(({ type, id }) => type === "crashed" && !id?.endsWith(good));
      if (!crash) throw new Error("none crashed");
      return crash.at;
    },
    rollback: () => report<DeployReport>("rollback", "local"),
  };
}

describe.concurrent("a release that does not stay healthy", () => {
  it.each(["rolling", "blueGreen"])("is found out before a second old instance is stopped (%s)", async (strategy) => {
    const stage = await makeStage(`dies-${strategy.toLowerCase()}`, { web: 4, rollout: { strategy } });
    const outcome = await stage.deploy({ web: "dies" });
    expect(codeOf(outcome), outcome.stderr).toBe("INSTANCE_CRASHED");
    expect(outcome.stderr).toContain("crashed soon after it was healthy");
    expect(outcome.stderr).toContain("ended with status 3");
    expect(outcome.stderr).toContain("the license has expired");
    expect((await stage.stopped()).length).toBeLessThanOrEqual(1);
    expect(await stage.status()).toMatchObject({ release: stage.good, services: [{ name: "web", healthy: 4 }] });
  });

  it("is found out when it dies after its window, before one more old instance is stopped", async () => {
    // As many as cannot all be replaced between the window's end and the death, 1.5 s later.
    const stage = await makeStage("dies-later", { web: 20 });
    const outcome = await stage.deploy({ web: "diesLater" });
    expect(codeOf(outcome), outcome.stderr).toBe("INSTANCE_CRASHED");
    const diedAt = await stage.diedAt();
    const stopped = await stage.stopped();
    expect(stopped.length).toBeLessThan(20);
    expect(stopped.filter(({ at }) => at > diedAt).length).toBeLessThanOrEqual(1);
    expect(await stage.status()).toMatchObject({ release: stage.good, services: [{ name: "web", healthy: 20 }] });
  });

  it("is found out when its checks fail after they passed", async () => {
    const stage = await makeStage("sickens", { web: 2 });
    const outcome = await stage.deploy({ web: "sickens" });
    expect(codeOf(outcome), outcome.stderr).toBe("HEALTH_LOST");
    expect(outcome.stderr).toContain("the pool is exhausted");
    expect((await stage.stopped()).length).toBeLessThanOrEqual(1);
    expect(await stage.status()).toMatchObject({ release: stage.good, services: [{ name: "web", healthy: 2 }] });
  });

  it.each([
    { mode: "ends", code: "INSTANCE_ENDED", status: "ended with status 0", line: "no more work" },
    { mode: "dies", code: "INSTANCE_CRASHED", status: "ended with status 7", line: "the queue is not mine" },
  ])("is found out by its worker that $mode", async ({ mode, code, status, line }) => {
    const stage = await makeStage(`worker-${mode}`, { worker: 2 });
    const outcome = await stage.deploy({ worker: mode });
    expect(codeOf(outcome), outcome.stderr).toBe(code);
    expect(outcome.stderr).toContain(status);
    expect(outcome.stderr).toContain(line);
    expect((await stage.stopped()).length).toBeLessThanOrEqual(1);
    expect(await stage.status()).toMatchObject({ release: stage.good, services: [{ name: "worker", healthy: 2 }] });
  });

  it("is told that it went to the background", async () => {
    const stage = await makeStage("leaves", { web: 1 });
    const outcome = await stage.deploy({ web: "leaves" });
    expect(codeOf(outcome), outcome.stderr).toBe("INSTANCE_IN_BACKGROUND");
    expect(outcome.stderr).toMatch(/left +pid \d+ \(.+\), outside of its process group; it was ended/);
    expect(await stage.status()).toMatchObject({ release: stage.good, services: [{ name: "web", healthy: 1 }] });
  });

  it("but one that is gone back to has proved itself already", async () => {
    const stage = await makeStage("back", { web: 11, worker: 1, steadyFor: "30s", rollout: { batch: "100%" } });
    const { code, stderr } = await stage.deploy({});
    expect({ code, warns: stderr.includes("Warning") }).toEqual({ code: 0, warns: false });
    const { durationMs } = await stage.rollback();
    expect(durationMs).toBeLessThan(30_000);
  });
});

it("a worker that crashes again and again is not called healthy", async () => {
  const stage = await makeStage("ailing", { worker: 1 });
  const file = join(stage.data, "worker", "ailing");
  writeFileSync(file, "");
  const before = await stage.status();
  process.kill(before.services[0]?.instances[0]?.pid as number, "SIGKILL");
  const states: string[] = [];
  while (!states.includes("failed") && states.length < 60) {
    const { services } = await stage.status();
    // The end of a process is noticed a moment after it.
    if (services[0]?.instances[0]?.restarts || services[0]?.instances[0]?.state !== "healthy") {
      states.push(services[0]?.instances[0]?.state ?? "gone");
      expect(services[0]?.healthy).toBe(0);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  expect(new Set(states.filter((state) => state !== "failed"))).toEqual(new Set(["restarting"]));
  rmSync(file);
});
