// What an emulator cannot show of errands: AWS knows of things some seconds late.
import { describe, expect, it } from "vitest";
import type { Context } from "../../../../src/targets/aws/context.ts";
import { runErrand } from "../../../../src/targets/aws/releases/errand.ts";
import { production, SMALL } from "../stacks/apps.ts";

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
      return { Body: { transformToString: async () => JSON.stringify({ ok: true, tail: ["done"] }) } };
    },
  };
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const context = { app: production(SMALL), clients: { ec2: async () => ec2, s3: async () => s3 }, clock, emit: () => {} } as unknown as Context;
  return { context, ended, waitedMs: () => now };
}

const INPUT = {
  kind: "build" as const,
  about: "x",
  step: "release",
  bucket: "artifacts",
  machine: {
    image: "ami-1",
    type: "t4g.small",
    profile: { Name: "builder" },
    subnet: "subnet-1",
    securityGroups: ["sg-1"],
    publicAddress: false,
    diskGib: 8,
  },
  script: () => "#!/bin/bash\n",
  timeoutMs: 60_000,
  tags: {},
};

describe("an errand", () => {
  it("waits for a machine that EC2 does not know of yet, and ends it once its report was used", async () => {
    const { context, ended } = contextOf({ knownAfter: 3, reportAfter: 5 });
    expect(await runErrand(context, INPUT, async ({ ok, tail }) => ({ ok, tail, ended: [...ended] }))).toEqual({
      ok: true,
      tail: ["done"],
      ended: [],
    });
    expect(ended).toEqual(["i-1"]);
  });

  it("is lost when nothing of its machine is known after a minute, and not before", async () => {
    const { context, ended, waitedMs } = contextOf({});
    await expect(runErrand(context, INPUT, async () => {})).rejects.toMatchObject({ code: "ERRAND_LOST" });
    expect(waitedMs()).toBeGreaterThan(60_000);
    expect(waitedMs()).toBeLessThan(90_000);
    expect(ended).toEqual(["i-1"]);
  });

  it("is lost when its machine says nothing for as long as it may take", async () => {
    const { context, ended } = contextOf({ knownAfter: 0 });
    await expect(runErrand(context, INPUT, async () => {})).rejects.toMatchObject({
      code: "ERRAND_LOST",
      parts: { why: expect.stringContaining("11m") },
    });
    expect(ended).toEqual(["i-1"]);
  });

  it("tries again when EC2 does not know its role yet", async () => {
    const { context } = contextOf({ knownAfter: 0, reportAfter: 1, profileAfter: 2 });
    expect(await runErrand(context, INPUT, async ({ ok }) => ok)).toBe(true);
  });
});
