import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeEndings, isGivenUp, pauseAfter } from "../../../../src/targets/local/supervisor/back-off.ts";
import { makeEnvironment, program, startBalancer, type TestEnvironment, until } from "./environment.ts";

test("the pauses grow fast up to a limit, and six tries outlast a database that is started again", () => {
  expect([1, 2, 3, 4, 5, 100].map((crashes) => pauseAfter("instance", crashes))).toEqual([100, 500, 2_500, 10_000, 10_000, 10_000]);
  expect([1, 2, 3, 4, 5].map((crashes) => pauseAfter("instance", crashes)).reduce((sum, pauseMs) => sum + pauseMs)).toBeGreaterThan(20_000);
  expect([1, 2, 3, 100].map((crashes) => pauseAfter("balancer", crashes))).toEqual([100, 500, 500, 500]);
  expect([1, 2, 3, 100].map((crashes) => pauseAfter("resource", crashes))).toEqual([100, 500, 1_000, 1_000]);
});

test("only instances are given up", () => {
  expect([5, 6].map((crashes) => isGivenUp("instance", crashes))).toEqual([false, true]);
  expect(isGivenUp("balancer", 1_000)).toBe(false);
  expect(isGivenUp("resource", 1_000)).toBe(false);
});

test("equal endings in a row are told once", () => {
  expect(describeEndings(["exit status 7", "exit status 7", "ended by SIGSEGV", "exit status 7"])).toBe(
    "exit status 7 (2 times), ended by SIGSEGV, exit status 7",
  );
});

describe("a process that crashes", () => {
  let environment: TestEnvironment;
  beforeEach(async () => {
    environment = await makeEnvironment();
  });
  afterEach(() => environment.remove());

  const crashesOf = async (id: string, count: number) => {
    await environment.supervisor();
    await until(() => environment.events().filter((event) => event.type === "crashed" && event.id === id).length >= count);
  };
  /** The supervisor's memory of earlier crashes, which would take a test half a minute. */
  const pretendCrashes = async (crashes: number) => {
    await environment.crashSupervisor();
    environment.editRecords((record) => {
      record.crashes = crashes;
      record.endings = Array(crashes).fill("ended by SIGSEGV");
    });
    await environment.supervisor();
  };

  test("too often in a row fails with a diagnosis, and starts afresh when it is asked for", async () => {
    const go = join(environment.paths.environment, "go");
    const code = `if (!require("fs").existsSync(${JSON.stringify(go)})) { console.error("no such table"); process.exit(7) }
      require("http").createServer((_, answer) => answer.end()).listen(process.env.PORT, "127.0.0.1")`;
    const supervisor = await environment.supervisor();
    const balancer = await startBalancer(environment);
    const spec = program("web.1", code, { port: "free" });
    await supervisor.start(spec);
    await supervisor.attach({ id: "web.1" });
    await crashesOf("web.1", 1);
    await pretendCrashes(5);
    const { text } = await environment.event(({ type }) => type === "gave-up");
    expect(text).toBe('not started any more after 6 crashes in a row: ended by SIGSEGV (5 times), exit status 7; its last lines: "no such table"');
    const failed = await environment.record("web.1");
    expect(failed).toMatchObject({ state: "failed", traffic: "attached", lastExit: { code: 7, lastLines: ["no such table"] } });

    // The next supervisor leaves it alone as well.
    await environment.crashSupervisor();
    expect(await environment.record("web.1")).toMatchObject({ state: "failed", restarts: failed.restarts });
    expect(existsSync(join(environment.paths.supervisor, "runs", "web.1"))).toBe(false);

    writeFileSync(go, "");
    expect(await supervisor.start(spec)).toMatchObject({ state: "running", traffic: "attached" });
    await environment.event(({ type }) => type === "resumed");
    await until(() => balancer.upstreams().includes("web.1 attached"));
    balancer.close();
  });

  test("after a steady run has had its first crash, however many there were before", async () => {
    const supervisor = await environment.supervisor();
    await supervisor.start(program("web.1", "setInterval(() => {}, 1000)"));
    await environment.crashSupervisor();
    environment.editRecords((record) => {
      record.crashes = 5;
      record.since -= 31_000;
    });
    process.kill((await environment.record("web.1")).pid as number, "SIGKILL");
    await environment.event(({ type }) => type === "restarted");
    expect(environment.events().some(({ type }) => type === "gave-up")).toBe(false);
    await environment.crashSupervisor();
    let crashes = 0;
    environment.editRecords((record) => {
      crashes = record.crashes;
    });
    expect(crashes).toBe(1);
  });

  test("is tried for ever when it is the balancer", async () => {
    const supervisor = await environment.supervisor();
    await supervisor.start(program("balancer", "process.exit(1)", { kind: "balancer" }));
    await crashesOf("balancer", 1);
    await pretendCrashes(50);
    await crashesOf("balancer", 2);
    expect(await environment.record("balancer")).toMatchObject({ state: "restarting" });
  });
});
