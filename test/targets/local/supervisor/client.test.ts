// A client goes on when the supervisor is killed under it: a new one is started, and gives what the first would have given.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectSupervisor } from "../../../../src/targets/local/supervisor/start.ts";
import { isGroupAlive } from "../../../groups.ts";
import { linesOf, makeEnvironment, program, startBalancer, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
});
afterEach(() => environment.remove());

const SLEEP = "setInterval(() => {}, 1000)";

test("a stop that was cut off is finished by the next supervisor", async () => {
  const supervisor = await environment.supervisor();
  const { group } = await supervisor.start(program("web.1", `process.on("SIGTERM", () => console.log("no")); console.log("up"); ${SLEEP}`));
  await until(() => linesOf(environment.paths, "web.1").includes("up"));
  const stopped = supervisor.stop({ id: "web.1", stop: { signal: "SIGTERM", timeoutMs: 1_000 } });
  await until(() => linesOf(environment.paths, "web.1").includes("no"));
  await environment.crashSupervisor();
  expect(await stopped).toMatchObject({ ignored: true, exit: { signal: "SIGKILL" } });
  expect(isGroupAlive(group?.pid as number)).toBe(false);
  expect((await supervisor.observe()).processes).toEqual([]);
});

test("a drain that was cut off is asked again", async () => {
  const supervisor = await environment.supervisor();
  const balancer = await startBalancer(environment);
  const { pid } = await supervisor.start(program("web.1", SLEEP, { port: "free" }));
  await supervisor.attach({ id: "web.1" });
  const drained = supervisor.drain({ id: "web.1", timeoutMs: 1_000 });
  await environment.event(({ type }) => type === "draining");
  await environment.crashSupervisor();
  expect(await drained).toEqual({ inHand: 2 });
  expect(balancer.upstreams()).toEqual(["web.1 draining"]);
  expect(await environment.record("web.1")).toMatchObject({ pid, restarts: 0 });
  balancer.close();
});

test("a start that is cut off at any moment starts one process, which counts as never crashed", async () => {
  const supervisor = await environment.supervisor();
  for (let time = 0; time < 8; time++) {
    const id = `web.${time}`;
    const { supervisor: identity } = await supervisor.observe();
    const started = supervisor.start(program(id, `console.log("up"); ${SLEEP}`));
    await new Promise((resolve) => setTimeout(resolve, time * 3));
    process.kill(identity.pid, "SIGKILL");
    const { pid } = await started;
    // It may have been killed after it had answered.
    await environment.supervisor();
    await until(() => linesOf(environment.paths, id).length > 0);
    expect(linesOf(environment.paths, id)).toEqual(["up"]);
    const record = await environment.record(id);
    expect(record).toMatchObject({ pid, state: "running", restarts: 0 });
    expect(record.lastExit).toBeUndefined();
  }
});

test("a supervisor that was shut down is not brought back by a call that comes too late", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.shutdown();
  await expect(supervisor.observe()).rejects.toMatchObject({ code: "SUPERVISOR_UNREACHABLE" });
  await expect(supervisor.shutdown()).rejects.toMatchObject({ code: "SUPERVISOR_UNREACHABLE" });
  await expect(connectSupervisor(environment.paths)).rejects.toMatchObject({ code: "SUPERVISOR_UNREACHABLE" });
  expect(existsSync(join(environment.paths.supervisor, "supervisor.json"))).toBe(false);
});

test("an id that is not there: nothing to stop or forget, and an error for the rest", async () => {
  const supervisor = await environment.supervisor();
  expect(await supervisor.stop({ id: "web.9" })).toEqual({ ignored: false });
  await supervisor.forget({ id: "web.9" });
  for (const call of [
    () => supervisor.attach({ id: "web.9" }),
    () => supervisor.drain({ id: "web.9", timeoutMs: 0 }),
    () => supervisor.keepWarm({ id: "web.9", until: 0, drainMs: 0 }),
  ])
    await expect(call()).rejects.toMatchObject({
      code: "PROCESS_UNKNOWN",
      parts: {
        what: 'there is no process "web.9" in this environment',
        why: "it was never started here, or was stopped since",
        standing: "Nothing was changed.",
      },
    });
});
