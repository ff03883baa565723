import { describe, expect, it } from "vitest";
import type { Context } from "../../../../src/targets/aws/context.ts";
import { judge, spreadOutcomes } from "../../../../src/targets/aws/releases/judge.ts";
import { production, SMALL } from "../stacks/apps.ts";

const QUANTILES = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

describe("a minute of a fleet", () => {
  it("stands for as many requests, failures and times as were counted", () => {
    const outcomes = spreadOutcomes("green", { requests: 1000, failures: 37, quantilesMs: QUANTILES });
    expect(outcomes).toHaveLength(1000);
    expect(outcomes.filter(({ failed }) => failed)).toHaveLength(37);
    expect(outcomes.filter(({ ms }) => ms === 50)).toHaveLength(100);
    expect(spreadOutcomes("green", { requests: 0, failures: 0, quantilesMs: QUANTILES })).toEqual([]);
  });

  it("of two fleets that fail alike puts failures where chance would, so that neither is the worse one", () => {
    const of = (slot: "green" | "baseline") =>
      spreadOutcomes(slot, { requests: 2000, failures: 400, quantilesMs: QUANTILES }).map(({ failed }) => failed);
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
}

/** CloudWatch as the balancer fills it: the same each minute. A clock that a sleep moves. */
function contextOf(canary: Minute, baseline: Minute) {
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
    stack("hello-foundation", { ArtifactsBucket: "artifacts" }),
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
      const { requests, failures = 0, ms = 40 } = target === "targetgroup/green/1" ? canary : baseline;
      const values: Record<string, number> = { requests, failures, broken: 0 };
      return {
        MetricDataResults: input.MetricDataQueries.map((query) => {
          const { Id } = query as unknown as { Id: string };
          return { Id, Values: [values[Id] ?? (ms * (0.5 + Number(Id.slice(1)) / 100)) / 1000] };
        }),
      };
    },
  };
  const clients = { cloudFormation: async () => ({ describeStacks: async () => ({ Stacks }) }), cloudWatch: async () => cloudWatch };
  const context = {
    app: production({ ...SMALL, rollout: { strategy: "canary", canary: { step: "2m", samples: 200, timeout: "10m" } } }),
    clients,
    clock: {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    },
    emit: () => {},
  } as unknown as Context;
  return { context, asked };
}

const TRIAL = [{ service: "web", canary: "green", baseline: "baseline" }] as const;

describe("a canary on aws", () => {
  it("goes on when it is as good as its baseline, after whole minutes that are settled", async () => {
    const { context, asked } = contextOf({ requests: 300, failures: 3 }, { requests: 300, failures: 3 });
    expect(await judge(context, [...TRIAL])).toContain("nothing shows that it is worse");
    expect(asked.every(({ StartTime }) => StartTime.getTime() % 60_000 === 0)).toBe(true);
    expect(asked.length).toBeLessThanOrEqual(6);
  });

  it("is refused when it fails more often", async () => {
    const { context } = contextOf({ requests: 300, failures: 30 }, { requests: 300, failures: 1 });
    await expect(judge(context, [...TRIAL])).rejects.toMatchObject({
      code: "CANARY_WORSE",
      parts: { evidence: expect.arrayContaining([["canary", expect.stringContaining("30 failed")]]) },
    });
  });

  it("is unknown when it gets too few requests", async () => {
    const { context } = contextOf({ requests: 3 }, { requests: 3 });
    await expect(judge(context, [...TRIAL])).rejects.toMatchObject({ code: "CANARY_UNKNOWN" });
  });
});
