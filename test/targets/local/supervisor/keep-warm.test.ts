import { afterEach, beforeEach, expect, test } from "vitest";
import { makeEnvironment, program, type TestEnvironment } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
});
afterEach(() => environment.remove());

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

test("what is started again at the end of its warm time stays, whichever came first", async () => {
  const supervisor = await environment.supervisor();
  const ids = ["web.1.old", "web.2.old"];
  for (const id of [...ids, "web.3.old"]) await supervisor.start(program(id, SLEEP));
  const until = Date.now() + 500;
  for (const id of [...ids, "web.3.old"]) await supervisor.keepWarm({ id, until, drainMs: 1_000 });
  await supervisor.start(program("web.1.old", SLEEP));
  // The last one is stopped in the same round in which the others would be.
  const stopped = environment.event(({ type, id }) => type === "stopped" && id === "web.3.old");
  await supervisor.start(program("web.2.old", SLEEP));
  await stopped;
  const { processes } = await supervisor.observe();
  expect(processes.map(({ spec, state }) => [spec.id, state])).toEqual(ids.map((id) => [id, "running"]));
});
