// Whose something is, what happens to it, and what is old: decided without an account.
import { describe, expect, it } from "vitest";
import { decideFate } from "../../../src/targets/aws/census/fate.ts";
import { KINDS } from "../../../src/targets/aws/census/kinds/index.ts";
import { chooseImages, chooseObjects, GRACE_MS, isAbandoned, usesOf } from "../../../src/targets/aws/census/old.ts";
import { isDatabaseName, isPart, judge, recognise, whose } from "../../../src/targets/aws/census/ours.ts";
import type { Kind, Known, Thing } from "../../../src/targets/aws/census/thing.ts";
import { makeStacks } from "../../../src/targets/aws/stacks/index.ts";
import { FULL, production, runningIn } from "./stacks/apps.ts";

const site = { app: "shop", environment: "production" };
const APP = "landfall:app";
const ENVIRONMENT = "landfall:environment";

describe("whose something is", () => {
  it.each([
    [{ [APP]: "shop", [ENVIRONMENT]: "production" }, "environment"],
    [{ [APP]: "shop" }, "app"],
    [{ [APP]: "shop", [ENVIRONMENT]: "staging" }, undefined],
    [{ [APP]: "shop-2", [ENVIRONMENT]: "production" }, undefined],
    [{ [ENVIRONMENT]: "production" }, undefined],
    [{}, undefined],
  ])("with the tags %j", (tags, of) => {
    expect(whose(tags, site)).toBe(of);
  });

  const vpc: Known = { id: "vpc-1", logicalId: "Vpc", type: "AWS::EC2::VPC", of: "environment", stack: "s", status: "", standing: false };
  const known = new Map([[vpc.id, vpc]]);

  it("is said by what it belongs to, unless it carries another app's tags", () => {
    expect(judge({ id: "eni-1", parents: ["vpc-1"] }, { ...site, known })).toBe("environment");
    expect(judge({ id: "eni-1", parents: ["vpc-2"] }, { ...site, known })).toBeUndefined();
    expect(judge({ id: "eni-1", parents: ["vpc-1"], tags: { [APP]: "other" } }, { ...site, known })).toBeUndefined();
    expect(judge({ id: "eni-1", parents: ["vpc-1"], tags: { Name: "mine" } }, { ...site, known })).toBe("environment");
    expect(judge({ id: "/landfall/shop/production/x", of: "environment" }, { ...site, known })).toBe("environment");
  });

  it.each([
    ["shop-production-data-databasedatabase-1a2b3c", true],
    ["shop-production-data-data-databasedatabase-1a2b3c", false],
    ["shop-production-database", false],
    ["shop-production-2-data-databasedatabase-1a2b3c", false],
    ["myshop-production-data-databasedatabase-1a2b3c", false],
  ])("is said by a database's name %s: %s", (name, ours) => {
    expect(isDatabaseName(name, site)).toBe(ours);
  });
});

describe("kinds", () => {
  it("have names of their own, and there are many", () => {
    expect(new Set(KINDS.map(({ name }) => name)).size).toBe(KINDS.length);
    expect(KINDS.length).toBeGreaterThanOrEqual(40);
  });

  /** Parts of others, that cost nothing and stand nowhere by themselves. */
  const PARTS =
    /Association|Attachment|Policy$|::Route$|SecurityGroup(In|E)gress|RecordSet|Subscription|Listener|ScalingPolicy|::Queue$|::WebACL$|::KMS::Key$/;

  it("cover every type in the templates that a stack could be told to leave", () => {
    const app = production(FULL);
    const types = makeStacks(app, runningIn(app)).flatMap(({ body }) =>
      Object.values(JSON.parse(body).Resources as Record<string, { Type: string }>).map(({ Type }) => Type),
    );
    expect([...new Set(types)].filter((type) => !PARTS.test(type) && !KINDS.some((kind) => kind.type === type))).toEqual([]);
  });

  it.each([
    ["arn:aws:rds:eu-central-1:123456789012:db:shop-db", "database", "shop-db"],
    ["arn:aws:rds:eu-central-1:123456789012:snapshot:shop-copy", "database snapshot", "shop-copy"],
    ["arn:aws:rds:eu-central-1:123456789012:subgrp:shop-subnets", "database subnet group", "shop-subnets"],
    ["arn:aws:s3:::shop-uploads", "bucket", "shop-uploads"],
    ["arn:aws:sqs:eu-central-1:123456789012:shop-jobs", "queue", "shop-jobs"],
    ["arn:aws:kms:eu-central-1:123456789012:key/1-2-3", "encryption key", "1-2-3"],
    ["arn:aws:logs:eu-central-1:123456789012:log-group:/landfall/shop/production/web", "log group", "/landfall/shop/production/web"],
    ["arn:aws:logs:eu-central-1:123456789012:log-group:/x:*", "log group", "/x"],
    ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-cpu", "alarm", "shop-cpu"],
    ["arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/Firewall-1/a-b", "firewall", "Firewall-1/a-b"],
    ["arn:aws:ssm:eu-central-1:123456789012:parameter/landfall/shop/production/secrets/KEY", "parameter", "/landfall/shop/production/secrets/KEY"],
    ["arn:aws:ecr:eu-central-1:123456789012:repository/shop-images", "registry", "shop-images"],
    ["arn:aws:elasticache:eu-central-1:123456789012:replicationgroup:shop", "cache", "shop"],
    ["arn:aws:route53:::hostedzone/Z123", "private zone", "Z123"],
  ])("are recognised by ARNs: %s", (arn, name, id) => {
    expect(recognise(KINDS, arn)).toMatchObject({ kind: { name }, id });
  });

  it.each([
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/shop/50dc",
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/50dc",
    "arn:aws:acm:eu-central-1:123456789012:certificate/1-2",
    "arn:aws:sns:eu-central-1:123456789012:shop-topic",
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:Login-abc",
  ])("are known by the whole of %s", (arn) => {
    expect(recognise(KINDS, arn)?.id).toBe(arn);
    expect(isPart(arn)).toBe(false);
  });

  it("are not made up for what is part of something", () => {
    for (const arn of [
      "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc/f2f7",
      "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-production-web/1",
    ]) {
      expect(recognise(KINDS, arn)).toBeUndefined();
      expect(isPart(arn)).toBe(true);
    }
  });
});

const kindOf = (name: string): Kind => KINDS.find((kind) => kind.name === name) as Kind;
const thing = (name: string, more: Partial<Thing> = {}): Thing => ({ kind: kindOf(name), id: "x", of: "environment", tags: {}, ...more });
const NOTHING = { keepData: false, confirmed: [], last: true };

describe("what happens to a thing", () => {
  it("is that it goes, unless there is a reason", () => {
    expect(decideFate(thing("volume"), NOTHING)).toEqual({ goes: true });
    expect(decideFate(thing("bucket"), NOTHING)).toEqual({ goes: true });
    expect(decideFate(thing("bucket"), { ...NOTHING, keepData: true })).toMatchObject({ goes: false });
    expect(decideFate(thing("volume"), { ...NOTHING, keepData: true })).toEqual({ goes: true });
  });

  it("is nothing while other environments share it", () => {
    expect(decideFate(thing("machine image", { of: "app" }), { ...NOTHING, last: false })).toBeUndefined();
    expect(decideFate(thing("machine image", { of: "app" }), NOTHING)).toEqual({ goes: true });
  });

  it("is for a snapshot that it stays, until it is named", () => {
    expect(decideFate(thing("database snapshot"), NOTHING)).toEqual({
      goes: false,
      why: "it holds data, and its storage is paid by the GiB and month; it goes with --confirm-remove x",
    });
    expect(decideFate(thing("database snapshot"), { ...NOTHING, confirmed: ["x"] })).toEqual({ goes: true });
  });

  it("is for a key its day", () => {
    expect(decideFate(thing("encryption key", { until: Date.UTC(2026, 10, 28) }), { ...NOTHING, confirmed: ["x"] })).toEqual({
      goes: false,
      why: "AWS removes it by itself on 2026-11-28; it costs nothing",
    });
  });
});

describe("what is old", () => {
  const now = 100 * GRACE_MS;

  it("is whatever the environment itself has left, and of others what nobody can work with any more", () => {
    expect(isAbandoned({ of: "environment", at: now }, now)).toBe(true);
    expect(isAbandoned({ of: "app", at: now - GRACE_MS }, now)).toBe(false);
    expect(isAbandoned({ of: "app", at: now - GRACE_MS - 1 }, now)).toBe(true);
    expect(isAbandoned({ of: "app" }, now)).toBe(false);
  });

  it("is every image but the three newest, the young ones, and those that are named", () => {
    const images = [1, 2, 3, 4, 5, 6].map((age) => ({ id: `ami-${age}`, of: "app" as const, at: now - age * GRACE_MS * 2 }));
    expect(chooseImages(images, ['{"ImageId":"ami-5"}'], now).map(({ id }) => id)).toEqual(["ami-4", "ami-6"]);
    const young = images.map((image) => ({ ...image, at: now - 1 }));
    expect(chooseImages(young, [], now)).toEqual([]);
    expect(
      chooseImages(
        images.map(({ id, of }) => ({ id, of })),
        [],
        now,
      ),
    ).toEqual([]);
  });

  it("is what no environment uses, and what was of use for an hour", () => {
    const record = usesOf(JSON.stringify({ rolledOut: ["r1", "r2", "r3", "r4"], rollout: { to: "r5" } }));
    expect(record).not.toContain("r1");
    const keys = [
      "releases/r1.tar",
      "releases/r2.tar",
      "releases/r5/files",
      "releases/r6.tar",
      "recipes/a",
      "leases/gone.json",
      "leases/here.json",
      "else/r1",
    ];
    const uses = { texts: [record, "LANDFALL_RELEASE='r6'"], environments: ["here"], now };
    const old = keys.map((key) => ({ key, at: 0 }));
    expect(chooseObjects(old, uses)).toEqual(["releases/r1.tar", "recipes/a", "leases/gone.json"]);
    expect(
      chooseObjects(
        old.map((one) => ({ ...one, at: now })),
        uses,
      ),
    ).toEqual([]);
  });
});
