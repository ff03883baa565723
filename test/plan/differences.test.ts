import { describe, expect, it } from "vitest";
import { findDifferences, wordsOf } from "../../src/plan/differences.ts";

describe("differences", () => {
  it("are found leaf by leaf, with what is new and what goes", () => {
    expect(findDifferences({ a: 1, b: { c: "x", d: true }, gone: 0 }, { a: 2, b: { c: "x", d: false }, made: [1] })).toEqual([
      { property: "a", before: "1", after: "2" },
      { property: "b.d", before: "true", after: "false" },
      { property: "gone", before: "0" },
      { property: "made", after: "[1]" },
    ]);
  });

  it("hold no password, also of a URL that is too long to be shown whole", () => {
    const url = (end: string) => `postgres://application-of-the-shop:p@ss-${"w0rd".repeat(20)}@db.example.com/${end}`;
    const [difference] = findDifferences({ url: url("a") }, { url: url("b") });
    expect(difference).toEqual({
      property: "url",
      before: "postgres://application-of-the-shop:***@db.example.com/a",
      after: "postgres://application-of-the-shop:***@db.example.com/b",
    });
  });

  it("of lists are found place by place, unless their lengths differ", () => {
    expect(findDifferences({ on: [{ port: 1 }, { port: 2 }] }, { on: [{ port: 1 }, { port: 3 }] })).toEqual([
      { property: "on.port", before: "2", after: "3" },
    ]);
    expect(findDifferences({ on: [1, 2] }, { on: [1] })).toEqual([{ property: "on", before: "[1,2]", after: "[1]" }]);
  });

  it("of tags are found by key, whatever their order", () => {
    const tags = (release: string) => [
      { Key: "app", Value: "shop" },
      { Key: "release", Value: release },
    ];
    expect(findDifferences({ Tags: tags("a") }, { Tags: tags("b").reverse() })).toEqual([{ property: "Tags.release", before: "a", after: "b" }]);
  });

  it("take what a template computes for one value", () => {
    expect(findDifferences({ at: { Ref: "A" } }, { at: { "Fn::GetAtt": ["B", "Arn"] } })).toEqual([
      { property: "at", before: '{"Ref":"A"}', after: '{"Fn::GetAtt":["B","Arn"]}' },
    ]);
  });

  it("cut long values", () => {
    const [found] = findDifferences({ script: "a".repeat(500) }, { script: "b" });
    expect(found?.before).toHaveLength(80);
  });
});

it("says properties in words", () => {
  expect(["LaunchTemplateData.InstanceType", "DBInstanceClass", "MultiAZ", "instances", "SslPolicy"].map(wordsOf)).toEqual([
    "instance type",
    "DB instance class",
    "multi AZ",
    "instances",
    "ssl policy",
  ]);
});
