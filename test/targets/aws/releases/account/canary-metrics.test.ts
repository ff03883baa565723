import { describe, expect, it } from "vitest";
import type { Context } from "../../../../../src/targets/aws/context.ts";
import { QUANTILES, spreadOutcomes } from "../../../../../src/targets/aws/releases/account/canary-metrics.ts";
import { accountFleets } from "../../../../../src/targets/aws/releases/account/fleets.ts";
import { makeJudge } from "../../../../../src/targets/aws/rollout/canary.ts";
import { production, SMALL } from "../../templates/apps.ts";

const times = (ms: (share: number) => number) => QUANTILES.map((share) => ms(share));

describe("a minute of a fleet", () => {
  it("stands for as many requests, failures and times as were counted", () => {
    const outcomes = spreadOutcomes("green", { requests: 1000, failures: 37, quantilesMs: times((share) => share) });
    expect(outcomes).toHaveLength(1000);
    expect(outcomes.filter(({ failed }) => failed)).toHaveLength(37);
    expect(outcomes.filter(({ ms }) => ms === 45)).toHaveLength(100);
    expect(outcomes.filter(({ ms }) => ms === 99)).toHaveLength(20);
    expect(spreadOutcomes("green", { requests: 0, failures: 0, quantilesMs: times(() => 1) })).toEqual([]);
    // Few requests are spread over the whole of the distribution too.
    expect(spreadOutcomes("green", { requests: 10, failures: 0, quantilesMs: times((share) => share) }).map(({ ms }) => ms)).toContain(5);
  });

  it("of two fleets that fail alike puts failures where chance would, so that neither is the worse one", () => {
    const of = (slot: "green" | "baseline") =>
      spreadOutcomes(slot, { requests: 2000, failures: 400, quantilesMs: times(() => 1) }).map(({ failed }) => failed);
    const [canary, baseline] = [of("green"), of("baseline")];
    const both = canary.filter((failed, index) => failed && baseline[index]).length;
    // A fifth of a fifth, were the two independent.
    expect(both).toBeGreaterThan(50);
    expect(both).toBeLessThan(115);
  });
});

interface Minute {
  requests: number;
  failures?: number;
  ms?: number;
  /** The share that takes a second and a half. */
  slow?: number;
}

/** CloudWatch as the balancer fills it: the same each minute. A clock that a sleep moves. */
function contextOf(canary: Minute, baseline: Minute, undecided: "promote" | "refuse" = "promote") {
  const asked: { MetricDataQueries: { MetricStat: { Metric: { Dimensions: { Name: string; Value: string }[] } } }[]; StartTime: Date }[] = [];
  let now = 1_000_000_000_000;
  const stack = (name: string, outputs: Record<string, string>, service?: string) => ({
    StackName: name,
    StackId: name,
    StackStatus: "CREATE_COMPLETE",
    CreationTime: new Date(0),
    Outputs: Object.entries(outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue })),
    Tags: [
      { Key: "landfall:app", Value: "hello" },
      { Key: "landfall:environment", Value: "production" },
      ...(service ? [{ Key: "landfall:service", Value: service }] : []),
    ],
  });
  const Stacks = [
    stack("hello-shared", { ArtifactsBucket: "artifacts" }),
    stack("hello-production-network", {}),
    stack("hello-production-edge", { BalancerName: "app/hello/1" }),
    stack(
      "hello-production-service-web",
      {
        WebGreenTargetGroup: "arn:aws:elasticloadbalancing:r:1:targetgroup/green/1",
        WebBaselineTargetGroup: "arn:aws:elasticloadbalancing:r:1:targetgroup/baseline/2",
      },
      "web",
    ),
  ];
  const cloudWatch = {
    async getMetricData(input: (typeof asked)[number]) {
      asked.push(input);
      const target = input.MetricDataQueries[0]?.MetricStat.Metric.Dimensions.find(({ Name }) => Name === "TargetGroup")?.Value;
      const { requests, failures = 0, ms = 40, slow = 0 } = target === "targetgroup/green/1" ? canary : baseline;
      const values: Record<string, number> = { requests, failures, broken: 0 };
      return {
        MetricDataResults: input.MetricDataQueries.map((query) => {
          const { Id } = query as unknown as { Id: string };
          const share = Number(Id.slice(1)) / 100;
          return { Id, Values: [values[Id] ?? (share > 1 - slow ? 1_500 : ms * (0.5 + share)) / 1000] };
        }),
      };
    },
  };
  const clients = { cloudFormation: async () => ({ paginateDescribeStacks: () => [{ Stacks }] }), cloudWatch: async () => cloudWatch };
  const context = {
    deployment: production({ ...SMALL, rollout: { strategy: "canary", canary: { undecided } } }),
    clients,
    clock: {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    },
    emit: () => {},
  } as unknown as Context;
  return { context: { ...context, driver: { fleets: accountFleets(context) } }, asked };
}

const LAST = { release: "b", trials: [{ service: "web", canary: "green", baseline: "baseline" } as const], isLast: true };

describe("a canary on aws", () => {
  it("goes on when it is as good as its baseline, after whole minutes that are settled", async () => {
    const { context, asked } = contextOf({ requests: 300, failures: 3 }, { requests: 300, failures: 3 });
    expect(await makeJudge(context)({ ...LAST, isLast: false })).toContain("nothing shows that it is worse so far");
    expect(asked.every(({ StartTime }) => StartTime.getTime() % 60_000 === 0)).toBe(true);
    expect(asked.length).toBeLessThanOrEqual(6);
  });

  it("is promoted after as many minutes as would have shown that it is slower", async () => {
    const { context, asked } = contextOf({ requests: 300, failures: 3 }, { requests: 300, failures: 3 });
    const judge = makeJudge(context);
    await judge({ ...LAST, isLast: false });
    expect(await judge(LAST)).toContain("it does not fail");
    expect(asked.length / 2).toBeGreaterThanOrEqual(15);
    expect(asked.length / 2).toBeLessThanOrEqual(18);
  });

  it.each([
    ["half as slow again", { requests: 300, ms: 60 }],
    ["slow in one path of fifty", { requests: 300, slow: 0.02 }],
  ])("is refused when it is %s", async (_, canary) => {
    const { context } = contextOf(canary, { requests: 300 });
    await expect(makeJudge(context)(LAST)).rejects.toMatchObject({
      code: "CANARY_WORSE",
      parts: { why: expect.stringContaining("it is slower than its baseline") },
    });
  });

  it("is refused when it fails more often", async () => {
    const { context } = contextOf({ requests: 300, failures: 30 }, { requests: 300, failures: 1 });
    await expect(makeJudge(context)(LAST)).rejects.toMatchObject({
      code: "CANARY_WORSE",
      parts: {
        what: 'release b of "web" does worse than the release that serves',
        standing: "All requests go to the old release again.",
        evidence: expect.arrayContaining([["canary", expect.stringContaining("30 failed")]]),
      },
    });
  });

  it("goes on for its health when it gets too few requests, unless that is to be refused", async () => {
    const { context } = contextOf({ requests: 3 }, { requests: 3 });
    expect(await makeJudge(context)(LAST)).toContain("It is healthy, and goes on for that");
    await expect(makeJudge(contextOf({ requests: 3 }, { requests: 3 }, "refuse").context)(LAST)).rejects.toMatchObject({
      code: "CANARY_UNKNOWN",
      parts: { next: expect.stringContaining("rollout.canary.undecided") },
    });
  });
});
