import { afterEach, expect, it } from "vitest";
import { makeEnvironment, program, type TestEnvironment } from "./environment.ts";

let environment: TestEnvironment;
afterEach(() => environment.remove());

it("attaches nothing when no balancer could confirm it", async () => {
  environment = await makeEnvironment();
  const supervisor = await environment.supervisor();
  await supervisor.start(program("web.1", "setInterval(() => {}, 1000)", { port: "free" }));
  await expect(supervisor.attach({ id: "web.1" })).rejects.toMatchObject({
    code: "BALANCER_UNREACHABLE",
    exitCode: 1,
    parts: {
      what: `the balancer of "${environment.places.environment}" does not answer`,
      why: "no balancer has been started",
      standing: "The instances run on. The change is kept and takes effect when the balancer answers.",
    },
  });
  expect(await environment.record("web.1")).toMatchObject({ state: "running", traffic: "none" });
});
