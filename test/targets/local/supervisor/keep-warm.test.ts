import { afterEach, beforeEach, expect, test } from "vitest";
import { makeEnvironment, program, type TestEnvironment } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
}, 60_000);
afterEach(() => environment.remove(), 30_000);

const SLEEP = "setInterval(() => {}, 1000)";

test("what was kept warm is stopped when its time has come, and nothing else", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("web.1.old", SLEEP));
  await supervisor.start(program("web.2.old", SLEEP));
  await supervisor.start(program("web.1.new", SLEEP));
  await supervisor.keepWarm({ id: "web.1.old", until: Date.now(), drainMs: 1_000 });
  await supervisor.keepWarm({ id: "web.2.old", until: Date.now() + 3_600_000, drainMs: 1_000 });
  await environment.event(({ type, id }) => type === "stopped" && id === "web.1.old");
  const { processes } = await supervisor.observe();
  expect(processes.map(({ spec }) => spec.id).sort()).toEqual(["web.1.new", "web.2.old"]);
});
