// What an emulator cannot show of one-off tasks: AWS knows of things some seconds late.
import { describe, expect, it } from "vitest";
import { objectsIn } from "../../../../src/targets/aws/account/objects.ts";
import type { Context } from "../../../../src/targets/aws/context.ts";
import type { EnvironmentOutputs } from "../../../../src/targets/aws/environment-outputs.ts";
import { builderInstances } from "../../../../src/targets/aws/releases/account/builder-instances.ts";
import type { OneOffTask, ReleaseContext } from "../../../../src/targets/aws/releases/driver.ts";
import { runOneOffTask } from "../../../../src/targets/aws/releases/one-off-task.ts";
import { production, SMALL } from "../templates/apps.ts";

const named = (name: string, message = name) => Object.assign(new Error(message), { name });

interface Late {
  /** Looks until EC2 knows the machine; never, without it. */
  knownAfter?: number;
  /** Looks until the report is there; never, without it. */
  reportAfter?: number;
  /** Attempts that fail because the profile is not known yet. */
  profileAfter?: number;
}

function contextOf({ knownAfter, reportAfter, profileAfter = 0 }: Late) {
  let now = 0;
  let looks = 0;
  let attempts = 0;
  const ended: string[] = [];
  const ec2 = {
    async describeInstances({ InstanceIds }: { InstanceIds?: string[] }) {
      if (!InstanceIds) return { Reservations: [] };
      looks++;
      if (knownAfter === undefined || looks <= knownAfter) throw named("InvalidInstanceID.NotFound");
      return { Reservations: [{ Instances: [{ InstanceId: "i-1", State: { Name: "running" } }] }] };
    },
    async runInstances() {
      if (++attempts <= profileAfter)
        throw named("InvalidParameterValue", "Value (x) for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile name");
      return { Instances: [{ InstanceId: "i-1" }] };
    },
    async terminateInstances({ InstanceIds }: { InstanceIds: string[] }) {
      ended.push(...InstanceIds);
      return {};
    },
    async getConsoleOutput() {
      return {};
    },
  };
  const s3 = {
    async getObject({ Key }: { Key: string }) {
      if (!Key.endsWith("result.json") || reportAfter === undefined || looks < reportAfter) throw named("NoSuchKey");
      return { Body: { transformToByteArray: async () => Buffer.from(JSON.stringify({ ok: true, tail: ["done"] })) } };
    },
  };
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const context = {
    deployment: production(SMALL),
    clients: { ec2: async () => ec2, s3: async () => s3 },
    clock,
    emit: () => {},
  } as unknown as Context;
  const outputs = { find: () => undefined, get: (...address: string[]) => address.join("-") } as unknown as EnvironmentOutputs;
  const driver = { bucket: "artifacts", region: "eu-central-1", objects: objectsIn(context, "artifacts"), tasks: builderInstances(context, outputs) };
  return { context: { ...context, driver } as unknown as ReleaseContext, ended, waitedMs: () => now };
}

const TASK: OneOffTask = {
  work: { kind: "build", archive: { key: "sources/x", sha256: "0".repeat(64) }, release: "x", steps: ["true"], variables: {} },
  about: "x",
  step: "release",
  timeoutMs: 60_000,
  architecture: "arm64",
  image: { id: "ami-1", gib: 8 },
};

describe("a one-off task", () => {
  it("waits for a machine that EC2 does not know of yet, and ends it once its report was used", async () => {
    const { context, ended } = contextOf({ knownAfter: 3, reportAfter: 5 });
    expect(await runOneOffTask(context, TASK, async ({ ok, tail }) => ({ ok, tail, ended: [...ended] }))).toEqual({
      ok: true,
      tail: ["done"],
      ended: [],
    });
    expect(ended).toEqual(["i-1"]);
  });

  it("is lost when nothing of its machine is known after a minute, and not before", async () => {
    const { context, ended, waitedMs } = contextOf({});
    await expect(runOneOffTask(context, TASK, async () => {})).rejects.toMatchObject({ code: "TASK_LOST" });
    expect(waitedMs()).toBeGreaterThan(60_000);
    expect(waitedMs()).toBeLessThan(90_000);
    expect(ended).toEqual(["i-1"]);
  });

  it("is lost when its machine says nothing for as long as it may take", async () => {
    const { context, ended } = contextOf({ knownAfter: 0 });
    await expect(runOneOffTask(context, TASK, async () => {})).rejects.toMatchObject({
      code: "TASK_LOST",
      parts: { why: expect.stringContaining("11m") },
    });
    expect(ended).toEqual(["i-1"]);
  });

  it("tries again when EC2 does not know its role yet", async () => {
    const { context } = contextOf({ knownAfter: 0, reportAfter: 1, profileAfter: 2 });
    expect(await runOneOffTask(context, TASK, async ({ ok }) => ok)).toBe(true);
  });
});
