// The small decisions: ranges, names, sizes, units, places in an order.
import { describe, expect, test } from "vitest";
import { nodeFor } from "../../../../src/targets/aws/resources/cache.ts";
import { connectionsOf, memoryGib } from "../../../../src/targets/aws/resources/database.ts";
import { attachmentPriority, retentionDays } from "../../../../src/targets/aws/templates/compute/service.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { sixteenth, wholeRange } from "../../../../src/targets/aws/templates/network/subnets.ts";
import { METRICS, type MetricName } from "../../../../src/targets/aws/templates/shared/metrics.ts";
import { logicalName } from "../../../../src/targets/aws/templates/shared/names.ts";
import { FULL, production, runningIn } from "./apps.ts";

describe("addresses", () => {
  test.each([
    ["10.0.0.0/16", 0, "10.0.0.0/20"],
    ["10.0.0.0/16", 15, "10.0.240.0/20"],
    ["172.16.5.0/20", 0, "172.16.0.0/24"],
    ["172.16.5.0/20", 9, "172.16.9.0/24"],
    ["192.168.128.0/22", 10, "192.168.130.128/26"],
  ])("part of %s, number %i: %s", (cidr, part, expected) => expect(sixteenth(cidr, part)).toBe(expected));
  test("the range itself begins where its own bits end", () => expect(wholeRange("172.16.5.0/20")).toBe("172.16.0.0/20"));
});

test("logical names keep names apart", () => {
  expect(["web", "read-model", "x1"].map(logicalName)).toEqual(["Web", "ReadModel", "X1"]);
  expect(logicalName("x-1")).toMatch(/^X1[0-9a-f]{6}$/);
  expect(new Set(["a-1", "a1", "a--1", "a1-"].map(logicalName)).size).toBe(4);
});

test("a cache gets the smallest node that holds it", () => {
  expect([64e6, 0.5 * 2 ** 30, 0.6 * 2 ** 30, 3 * 2 ** 30, 1e15].map(nodeFor)).toEqual([
    "cache.t4g.micro",
    "cache.t4g.micro",
    "cache.t4g.small",
    "cache.t4g.medium",
    "cache.r7g.16xlarge",
  ]);
});

test("an instance class tells its memory", () => {
  const classes = ["db.t4g.micro", "db.t3.small", "db.t4g.medium", "db.m7g.large", "db.r7g.2xlarge", "db.m6i.16xlarge", "db.t4g.2xlarge"];
  expect(classes.map(memoryGib)).toEqual([1, 2, 4, 8, 64, 256, 32]);
});

/** What `show max_connections` said, and AWS's formula does not: it counts memory that RDS has taken for itself already.
 * https://gist.github.com/guizmaii/1cacffef793c2ba9645083c3e18b3d8c */
test.each([
  ["db.t2.small", 198],
  ["db.t2.medium", 413],
  ["db.m4.large", 856],
])("a %s has not fewer connections than its alarm believes, and hardly more", (machine, reported) => {
  const believed = connectionsOf({ machine, bytesEach: 9_531_392, most: 5000 });
  expect(believed).toBeLessThanOrEqual(reported);
  expect(believed).toBeGreaterThan(0.95 * reported);
});

test("logs are kept for as many days as CloudWatch has, rounded up", () => {
  expect([3_600_000, 86_400_000, 2 * 86_400_000, 45 * 86_400_000, 1e13].map(retentionDays)).toEqual([1, 1, 3, 60, 3653]);
});

test("a service's place among rules depends on no other service", () => {
  const site = production(FULL) as Parameters<typeof attachmentPriority>[0];
  const alone = { ...site, services: { api: site.services.api } } as typeof site;
  expect(attachmentPriority(site, "api")).toBe(attachmentPriority(alone, "api"));
  expect(attachmentPriority(site, "web")).not.toBe(attachmentPriority(site, "api"));
  expect(attachmentPriority(site, "web")).toBeGreaterThanOrEqual(10_000);
  expect(attachmentPriority(site, "web")).toBeLessThanOrEqual(50_000);
});

describe("alarms", () => {
  /** As AWS publishes them, written down apart from the source. */
  const UNITS: Record<MetricName, string> = {
    requests: "Count",
    ownErrors: "Count",
    serverErrors: "Count",
    clientErrors: "Count",
    latency: "Seconds",
    unhealthyHosts: "Count",
    instancesInService: "Count",
    tasksRunning: "Count",
    queueAge: "Seconds",
    queueVisible: "Count",
    queueDeleted: "Count",
    databaseCpu: "Percent",
    databaseFreeDisk: "Bytes",
    databaseConnections: "Count",
  };
  test("have the units of their metrics", () => {
    expect(Object.fromEntries(Object.entries(METRICS).map(([name, { unit }]) => [name, unit]))).toEqual(UNITS);
  });

  interface Alarm {
    Type: string;
    Properties: { Threshold: number; ComparisonOperator: string; MetricName?: string; AlarmActions: unknown[]; Metrics?: { Expression?: string }[] };
  }
  const deployment = production(FULL);
  const alarms = makeStacks(deployment, runningIn(deployment)).flatMap(({ body }) =>
    Object.entries((JSON.parse(body) as { Resources: Record<string, Alarm> }).Resources).filter(([, { Type }]) => Type === "AWS::CloudWatch::Alarm"),
  );
  const thresholdOf = (id: string) => {
    const [, alarm] = alarms.find(([name]) => name === id) ?? [];
    return alarm && [alarm.Properties.ComparisonOperator.replace("ThanThreshold", ""), alarm.Properties.Threshold];
  };

  test("ring at what the configuration says, in the metric's unit", () => {
    const expected = {
      ServerErrorsAlarm: ["Greater", 1],
      ClientErrorsAlarm: ["Greater", 25],
      // 800 ms
      BlueLatencyAlarm: ["Greater", 0.8],
      BlueUnhealthyAlarm: ["Greater", 0],
      // 15 minutes
      JobsAgeAlarm: ["Greater", 900],
      DatabaseCpuAlarm: ["Greater", 85],
      // A tenth of 100 GiB, in bytes
      DatabaseDiskAlarm: ["Less", 10_737_418_240],
      // 80 % of 855, of the 856 that 8 GiB were seen to allow
      DatabaseConnectionsAlarm: ["Greater", 684],
      BlueInstancesAlarm: ["Less", 3],
    };
    expect(Object.fromEntries(Object.keys(expected).map((id) => [id, thresholdOf(id)]))).toEqual(expected);
  });

  test("all reach the topic", () => {
    expect(alarms.length).toBeGreaterThan(20);
    expect(alarms.filter(([, { Properties }]) => !JSON.stringify(Properties.AlarmActions).includes("TopicParameter"))).toEqual([]);
  });
});
