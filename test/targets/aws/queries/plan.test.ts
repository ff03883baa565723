// The plan of an environment on AWS, from what an account answers. The account is a few functions: what it says is what CloudFormation's
// answers look like, and nothing else is asked.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AppInput } from "../../../../src/config/schema.ts";
import { systemClock } from "../../../../src/system/clock.ts";
import type { Context } from "../../../../src/targets/aws/context.ts";
import { holdToBudget, planAws } from "../../../../src/targets/aws/queries/plan.ts";
import { makeStacks, type StackTemplate } from "../../../../src/targets/aws/templates/index.ts";
import { production, runningIn, SMALL } from "../templates/apps.ts";

const small = production({ ...SMALL, environments: { production: { target: "aws", region: "eu-central-1", network: { nat: "none" } } } });

interface Account {
  stacks: StackTemplate[];
  drifts?: Record<string, unknown[]>;
  asked: string[];
}

function contextOf(deployment: typeof small, { stacks, drifts = {}, asked }: Account): Context {
  const cloudFormation = {
    config: { region: async () => "eu-central-1" },
    async *paginateDescribeStacks() {
      asked.push("DescribeStacks");
      const Stacks = stacks.map(({ name, tags }) => ({
        StackName: name,
        StackId: `id of ${name}`,
        StackStatus: "CREATE_COMPLETE",
        DriftInformation: name in drifts ? { StackDriftStatus: "DRIFTED", LastCheckTimestamp: new Date() } : { StackDriftStatus: "NOT_CHECKED" },
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      }));
      yield { Stacks: [...Stacks, { StackName: "somebody-elses", StackStatus: "CREATE_COMPLETE", Tags: [] }] };
    },
    async getTemplate({ StackName }: { StackName: string }) {
      return { TemplateBody: stacks.find(({ name }) => `id of ${name}` === StackName)?.body };
    },
    async *paginateDescribeStackResourceDrifts({ StackName }: { StackName: string }) {
      yield { StackResourceDrifts: drifts[StackName] ?? [] };
    },
  };
  const sts = {
    config: { region: async () => "eu-central-1" },
    getCallerIdentity: async () => ({ Account: "123456789012", Arn: "arn:aws:iam::123456789012:user/ada" }),
  };
  const ssm = {
    async *paginateDescribeParameters() {
      yield { Parameters: [] };
    },
  };
  const clients = { cloudFormation: async () => cloudFormation, sts: async () => sts, ssm: async () => ssm } as unknown as Context["clients"];
  return { deployment, folder: "/nowhere", clients, clock: systemClock, emit: () => {} };
}

const kept = { ...process.env };
beforeEach(() => {
  // As with an emulator: no Pricing API. And no credentials file is looked at.
  Object.assign(process.env, { AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_ACCESS_KEY_ID: "test" });
});
afterEach(() => {
  process.env = { ...kept };
});

describe("the plan of an environment on aws", () => {
  it("that stands as configured has nothing to change, and says whose account it is and what it costs", async () => {
    const plan = await planAws(contextOf(small, { stacks: makeStacks(small, runningIn(small)), asked: [] }));
    expect(plan).toMatchObject({
      exists: true,
      changes: [],
      drift: [],
      notes: expect.arrayContaining(["account 123456789012, region eu-central-1, as arn:aws:iam::123456789012:user/ada"]),
    });
    expect(plan.unchanged).toBeGreaterThan(40);
    expect(plan.cost?.before).toEqual(plan.cost?.after);
  });

  it("that does not stand is all new, fleets included", async () => {
    const plan = await planAws(contextOf(small, { stacks: [], asked: [] }));
    expect(plan).toMatchObject({ exists: false, unchanged: 0 });
    expect(new Set(plan.changes.map(({ action }) => action))).toEqual(new Set(["add"]));
    expect(plan.changes.map(({ kind }) => kind)).toContain("Auto Scaling group");
    expect(plan.cost?.before).toBeUndefined();
  });

  it("shows what was changed by hand, by its owner", async () => {
    const drifts = {
      "hello-production-edge": [
        {
          LogicalResourceId: "Http",
          ResourceType: "AWS::ElasticLoadBalancingV2::Listener",
          PropertyDifferences: [{ PropertyPath: "/Port", ExpectedValue: "80", ActualValue: "8080" }],
        },
        { LogicalResourceId: "ServerErrorsAlarm", ResourceType: "AWS::CloudWatch::Alarm" },
      ],
    };
    const { drift } = await planAws(contextOf(small, { stacks: makeStacks(small), drifts, asked: [] }));
    expect(drift).toEqual([
      { of: "balancer", kind: "listener", name: "Http", differences: [{ property: "Port", before: "80", after: "8080" }] },
      { of: "balancer", kind: "alarm", name: "ServerErrorsAlarm", differences: [] },
    ]);
  });

  it("as if nothing stood asks no account", async () => {
    const asked: string[] = [];
    const plan = await planAws(contextOf(small, { stacks: makeStacks(small), asked }), { fresh: true });
    expect([plan.exists, asked]).toEqual([false, []]);
  });

  it("without a region has no cost, and says why", async () => {
    const nowhere = production(SMALL as AppInput);
    const plan = await planAws(contextOf(nowhere, { stacks: [], asked: [] }), { fresh: true });
    expect(plan.cost).toBeUndefined();
    expect(plan.notes).toContain("no region is set, and prices are by region");
  });
});

describe("the budget", () => {
  const withBudget = (budget?: number) => ({ ...small, settings: { ...small.settings, budget } });

  it("asks nothing when there is none", async () => {
    const context = contextOf(withBudget(), { stacks: [], asked: [] });
    await holdToBudget({ ...context, clients: {} as Context["clients"] });
  });

  it("refuses before anything is changed", async () => {
    await expect(holdToBudget(contextOf(withBudget(10), { stacks: [], asked: [] }))).rejects.toMatchObject({
      code: "COST_ABOVE_BUDGET",
      exitCode: 3,
    });
    await holdToBudget(contextOf(withBudget(1000), { stacks: [], asked: [] }));
  });
});
