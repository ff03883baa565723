// What is said of instances that could not start, by the step at which the first of them gave up.
import { expect, it } from "vitest";
import { wordsOf } from "../../../../src/targets/aws/releases/boot-report.ts";

it.each([
  ["health", [], "HEALTH_NEVER_PASSED", "did not become healthy"],
  ["balancer", ["1 time from 0.0 s to 0.0 s: unhealthy Target.Timeout"], "HEALTH_NEVER_PASSED", "did not become healthy"],
  ["steady", [], "INSTANCE_CRASHED", "did not stay healthy"],
  ["steady", ["1 time from 0.0 s to 0.0 s: 500"], "HEALTH_LOST", "did not stay healthy"],
  ["service", [], "INSTANCE_CRASHED", "did not become healthy"],
])("at step %s with answers %j: %s", (step, answered, code, what) => {
  expect(wordsOf({ step, answered, tail: [] }, "the new instances")).toEqual({ code, what: `the new instances ${what}` });
});
