// Whose something is, what happens to it, and what is old: decided without an account.
import { describe, expect, it } from "vitest";
import type { AccountResource } from "../../../src/targets/aws/inventory/account-resource.ts";
import { decideDeletion } from "../../../src/targets/aws/inventory/deletion-policy.ts";
import { chooseImages, chooseObjects, GRACE_MS, isAbandoned, usesOf } from "../../../src/targets/aws/inventory/old.ts";
import { isChildArn, matchArn, ownerByTags, ownerOfCandidate } from "../../../src/targets/aws/inventory/ownership.ts";
import type { ResourceKind, StackResource } from "../../../src/targets/aws/resource-types/entry/resource-type.ts";
import { RESOURCE_KINDS } from "../../../src/targets/aws/resource-types/index.ts";
import { isDatabaseName } from "../../../src/targets/aws/resource-types/rds.ts";

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
    expect(ownerByTags(tags, site)).toBe(of);
  });

  const vpc: StackResource = { id: "vpc-1", logicalId: "Vpc", type: "AWS::EC2::VPC", owner: "environment", stack: "s", status: "", standing: false };
  const stackResources = new Map([[vpc.id, vpc]]);

  it("is said by what it belongs to, unless it carries another app's tags", () => {
    expect(ownerOfCandidate({ id: "eni-1", parents: ["vpc-1"] }, { ...site, stackResources })).toBe("environment");
    expect(ownerOfCandidate({ id: "eni-1", parents: ["vpc-2"] }, { ...site, stackResources })).toBeUndefined();
    expect(ownerOfCandidate({ id: "eni-1", parents: ["vpc-1"], tags: { [APP]: "other" } }, { ...site, stackResources })).toBeUndefined();
    expect(ownerOfCandidate({ id: "eni-1", parents: ["vpc-1"], tags: { Name: "mine" } }, { ...site, stackResources })).toBe("environment");
    expect(ownerOfCandidate({ id: "/landfall/shop/production/x", owner: "environment" }, { ...site, stackResources })).toBe("environment");
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
    expect(new Set(RESOURCE_KINDS.map(({ name }) => name)).size).toBe(RESOURCE_KINDS.length);
    expect(RESOURCE_KINDS.length).toBeGreaterThanOrEqual(40);
  });

  it.each([
    ["arn:aws:rds:eu-central-1:123456789012:db:shop-db", "database", "shop-db"],
    ["arn:aws:rds:eu-central-1:123456789012:snapshot:shop-copy", "DB snapshot", "shop-copy"],
    ["arn:aws:rds:eu-central-1:123456789012:subgrp:shop-subnets", "DB subnet group", "shop-subnets"],
    ["arn:aws:s3:::shop-uploads", "bucket", "shop-uploads"],
    ["arn:aws:sqs:eu-central-1:123456789012:shop-jobs", "queue", "shop-jobs"],
    ["arn:aws:kms:eu-central-1:123456789012:key/1-2-3", "KMS key", "1-2-3"],
    ["arn:aws:logs:eu-central-1:123456789012:log-group:/landfall/shop/production/web", "log group", "/landfall/shop/production/web"],
    ["arn:aws:logs:eu-central-1:123456789012:log-group:/x:*", "log group", "/x"],
    ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-cpu", "alarm", "shop-cpu"],
    ["arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/Firewall-1/a-b", "web ACL", "Firewall-1/a-b"],
    ["arn:aws:ssm:eu-central-1:123456789012:parameter/landfall/shop/production/secrets/KEY", "parameter", "/landfall/shop/production/secrets/KEY"],
    ["arn:aws:ecr:eu-central-1:123456789012:repository/shop-images", "repository", "shop-images"],
    ["arn:aws:elasticache:eu-central-1:123456789012:replicationgroup:shop", "cache", "shop"],
    ["arn:aws:route53:::hostedzone/Z123", "hosted zone", "Z123"],
  ])("are recognised by ARNs: %s", (arn, name, id) => {
    expect(matchArn(RESOURCE_KINDS, arn)).toMatchObject({ kind: { name }, id });
  });

  it.each([
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/shop/50dc",
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop/50dc",
    "arn:aws:acm:eu-central-1:123456789012:certificate/1-2",
    "arn:aws:sns:eu-central-1:123456789012:shop-topic",
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:Login-abc",
  ])("are known by the whole of %s", (arn) => {
    expect(matchArn(RESOURCE_KINDS, arn)?.id).toBe(arn);
    expect(isChildArn(arn)).toBe(false);
  });

  it("are not made up for what is part of something", () => {
    for (const arn of [
      "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc/f2f7",
      "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-production-web/1",
    ]) {
      expect(matchArn(RESOURCE_KINDS, arn)).toBeUndefined();
      expect(isChildArn(arn)).toBe(true);
    }
  });
});

const kindOf = (name: string): ResourceKind => RESOURCE_KINDS.find((kind) => kind.name === name) as ResourceKind;
const thing = (name: string, more: Partial<AccountResource> = {}): AccountResource => ({
  kind: kindOf(name),
  id: "x",
  owner: "environment",
  tags: {},
  ...more,
});
const NOTHING = { keepData: false, confirmed: [], last: true };

describe("what happens to a thing", () => {
  it("is that it goes, unless there is a reason", () => {
    expect(decideDeletion(thing("volume"), NOTHING)).toEqual({ deleted: true });
    expect(decideDeletion(thing("bucket"), NOTHING)).toEqual({ deleted: true });
    expect(decideDeletion(thing("bucket"), { ...NOTHING, keepData: true })).toMatchObject({ deleted: false });
    expect(decideDeletion(thing("volume"), { ...NOTHING, keepData: true })).toEqual({ deleted: true });
  });

  it("is nothing while other environments share it", () => {
    expect(decideDeletion(thing("AMI", { owner: "app" }), { ...NOTHING, last: false })).toBeUndefined();
    expect(decideDeletion(thing("AMI", { owner: "app" }), NOTHING)).toEqual({ deleted: true });
  });

  it("is for a snapshot that it stays, until it is named", () => {
    expect(decideDeletion(thing("DB snapshot"), NOTHING)).toEqual({
      deleted: false,
      why: "it holds data, and its storage is paid by the GiB and month; it goes with --confirm-remove x",
    });
    expect(decideDeletion(thing("DB snapshot"), { ...NOTHING, confirmed: ["x"] })).toEqual({ deleted: true });
  });

  it("is for a key its day", () => {
    expect(decideDeletion(thing("KMS key", { until: Date.UTC(2026, 10, 28) }), { ...NOTHING, confirmed: ["x"] })).toEqual({
      deleted: false,
      why: "AWS removes it by itself on 2026-11-28; it costs nothing",
    });
  });
});

describe("what is old", () => {
  const now = 100 * GRACE_MS;

  it("is whatever the environment itself has left, and of others what nobody can work with any more", () => {
    expect(isAbandoned({ owner: "environment", at: now }, now)).toBe(true);
    expect(isAbandoned({ owner: "app", at: now - GRACE_MS }, now)).toBe(false);
    expect(isAbandoned({ owner: "app", at: now - GRACE_MS - 1 }, now)).toBe(true);
    expect(isAbandoned({ owner: "app" }, now)).toBe(false);
  });

  it("is every image but the three newest, the young ones, and those that are named", () => {
    const images = [1, 2, 3, 4, 5, 6].map((age) => ({ id: `ami-${age}`, owner: "app" as const, at: now - age * GRACE_MS * 2 }));
    expect(chooseImages(images, ['{"ImageId":"ami-5"}'], now).map(({ id }) => id)).toEqual(["ami-4", "ami-6"]);
    const young = images.map((image) => ({ ...image, at: now - 1 }));
    expect(chooseImages(young, [], now)).toEqual([]);
    expect(
      chooseImages(
        images.map(({ id, owner }) => ({ id, owner })),
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
      "singletons/gone/batch.json",
      "singletons/here/batch.json",
      "else/r1",
    ];
    const uses = { texts: [record, "LANDFALL_RELEASE='r6'"], environments: ["here"], now };
    const old = keys.map((key) => ({ key, at: 0 }));
    expect(chooseObjects(old, uses)).toEqual(["releases/r1.tar", "recipes/a", "leases/gone.json", "singletons/gone/batch.json"]);
    expect(
      chooseObjects(
        old.map((one) => ({ ...one, at: now })),
        uses,
      ),
    ).toEqual([]);
  });
});
