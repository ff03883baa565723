// A disk that refuses to keep the records: nothing new is started without one, and what runs is looked after all the same.
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { isRunning } from "../../../../src/system/processes.ts";
import { makeEnvironment, program, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
afterEach(() => environment.remove());

const SLEEP = "setInterval(() => {}, 1000)";

test("a supervisor outlives it, stops what it is asked to, and goes on when there is room", async () => {
  environment = await makeEnvironment();
  const supervisor = await environment.supervisor();
  const { pid } = await supervisor.start(program("web.1", SLEEP));
  const { group } = await supervisor.start(program("web.2", SLEEP));
  const { supervisor: identity } = await supervisor.observe();
  // Folders in the places of files: what root, too, cannot write to.
  const changes = join(environment.paths.supervisor, "processes.changes.jsonl");
  const blocks = [changes, join(environment.paths.supervisor, `processes.json.${identity.pid}.new`)];
  await until(() => !existsSync(changes));
  for (const block of blocks) mkdirSync(block);

  await expect(supervisor.start(program("web.3", SLEEP))).rejects.toThrow();
  await supervisor.stop({ id: "web.2" });
  expect(isRunning(group ?? { pid: 0, startedAt: "" })).toBe(false);
  process.kill(pid as number, "SIGKILL");
  await environment.event(({ type, text }) => type === "crashed" && text.includes("could not be started again"));
  expect((await supervisor.observe()).processes.map(({ spec, state }) => `${spec.id} ${state}`)).toEqual(["web.1 restarting"]);

  for (const block of blocks) rmdirSync(block);
  await environment.event(({ type }) => type === "restarted");
  expect(isRunning(identity)).toBe(true);
  await environment.crashSupervisor();
  await until(async () => (await environment.record("web.1")).state === "running");
  expect((await (await environment.supervisor()).observe()).processes).toHaveLength(1);
});
