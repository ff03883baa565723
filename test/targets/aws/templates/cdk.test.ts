// What stands in for the CDK writes what the CDK itself would write, for the examples and the generated environments.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { cdk } from "../../../../src/targets/aws/templates/shared/cdk.ts";
import * as real from "./cdk.ts";
import { makeCases } from "./generated.ts";

vi.doMock("../../../../src/targets/aws/templates/shared/cdk.ts", () => real);
vi.resetModules();
const { buildStacks } = await import("../../../../src/targets/aws/templates/index.ts");

/** The CDK puts tags in an order of its own, which means nothing. */
const parse = (body: string): unknown =>
  JSON.parse(body, (key, value) => (key === "Tags" && Array.isArray(value) ? value.sort((one, other) => (one.Key < other.Key ? -1 : 1)) : value));

test.each(makeCases())("$name", ({ deployment, running }) => {
  const folder = mkdtempSync(join(tmpdir(), "landfall-cdk-"));
  try {
    const cdkApp = real.makeCdkApp(folder);
    const names = buildStacks({ ...deployment, running, cdkApp }).map(({ name }) => name);
    const written = cdkApp.synth();
    const stacks = makeStacks(deployment, running);
    expect(stacks.map(({ name }) => name)).toEqual(names);
    for (const { name, body } of stacks) expect(parse(body), name).toEqual(parse(JSON.stringify(written.getStackByName(name).template)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe("refuses, as the CDK does,", () => {
  const stack = () => new cdk.Stack(new cdk.App(), "Stack");

  test("two elements of one name", () => {
    const same = stack();
    new cdk.aws_sqs.CfnQueue(same, "Queue");
    expect(() => new cdk.aws_sqs.CfnQueue(same, "Queue")).toThrow('two elements "Queue"');
  });

  test("two elements whose names differ only in what a logical name cannot hold", () => {
    const same = stack();
    new cdk.aws_sqs.CfnQueue(same, "Que-ue");
    new cdk.aws_sqs.CfnQueue(same, "Queue");
    expect(() => (same as unknown as { _toCloudFormation(): unknown })._toCloudFormation()).toThrow('two elements of the logical name "Queue"');
  });
});
