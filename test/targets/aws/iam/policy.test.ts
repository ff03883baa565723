// What whoever runs the commands must be allowed: complete for every type in the templates, within IAM's limits, and as narrow as can be.
import { describe, expect, test } from "vitest";
import type { PolicyStatement } from "../../../../src/reports.ts";
import { listPermissions } from "../../../../src/targets/aws/iam/list.ts";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { CONTAINERS, FULL, production, runningIn, SMALL } from "../templates/apps.ts";
import { makeCases } from "../templates/generated.ts";

const full = listPermissions(production(FULL));
const small = listPermissions(production(SMALL));

const statementsFor = (report: typeof full, command: string): PolicyStatement[] =>
  (report.permissions.find(({ commands }) => commands.includes(command))?.policies ?? []).flatMap(({ Statement }) => Statement);
const actionsFor = (report: typeof full, command: string) => statementsFor(report, command).flatMap(({ Action }) => Action);
const statementOf = (report: typeof full, command: string, action: string) =>
  statementsFor(report, command).find(({ Action }) => Action.includes(action)) as PolicyStatement;

test("every type in the templates, of the examples and of generated environments, has its calls", () => {
  const types = makeCases().flatMap(({ deployment, running }) =>
    makeStacks(deployment, running).flatMap(({ body }) =>
      Object.values(JSON.parse(body).Resources as Record<string, { Type: string }>).map(({ Type }) => Type),
    ),
  );
  expect([...new Set(types)].filter((type) => !RESOURCE_TYPES[type])).toEqual([]);
  expect(Object.keys(RESOURCE_TYPES).filter((type) => !types.includes(type))).toEqual([]);
});

describe("policies", () => {
  test("are one set for each group of commands", () => {
    expect(full.permissions.map(({ commands }) => commands[0])).toEqual([
      "plan",
      "preflight",
      "plan --drift",
      "status",
      "logs",
      "exec",
      "secrets",
      "commission",
      "commission --revert-drift",
      "deploy",
      "decommission",
    ]);
    expect([full.account, full.region]).toEqual(["123456789012", "eu-central-1"]);
  });

  test("are documents that IAM takes", () => {
    for (const { commands, policies } of [...full.permissions, ...small.permissions]) {
      expect(policies.length, commands[0]).toBeLessThanOrEqual(10);
      for (const policy of policies) expect(JSON.stringify(policy).length, commands[0]).toBeLessThanOrEqual(6144);
      const ids = policies.flatMap(({ Statement }) => Statement.map(({ Sid }) => Sid));
      expect(ids.filter((id) => !/^[A-Za-z0-9]+$/.test(id))).toEqual([]);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  test("name every call once, in full", () => {
    for (const { commands } of full.permissions) {
      // Of a machine and of a document, or on what is ours and on what is to be: each under a condition of its own.
      const twice = ["ssm:SendCommand", "ssm:StartSession", "kms:TagResource", "acm:AddTagsToCertificate"];
      const actions = actionsFor(full, commands[0] as string).filter((action) => !twice.includes(action));
      expect(actions.filter((action) => !/^[a-z0-9-]+:[A-Z][A-Za-z0-9]+$/.test(action))).toEqual([]);
      expect(new Set(actions).size, commands[0]).toBe(actions.length);
    }
  });

  test("are for what this configuration has, and for nothing else", () => {
    expect(actionsFor(full, "commission")).toEqual(expect.arrayContaining(["rds:CreateDBInstance", "wafv2:CreateWebACL", "ec2:CreateNatGateway"]));
    const services = new Set(actionsFor(small, "commission").map((action) => action.split(":")[0]));
    for (const service of ["rds", "elasticache", "sqs", "wafv2", "acm", "secretsmanager"]) expect(services, service).not.toContain(service);
    expect(actionsFor(small, "commission")).not.toContain("ec2:CreateNatGateway");
  });

  test("let readers change nothing", () => {
    for (const command of ["plan", "status", "plan --drift", "logs"])
      expect(
        actionsFor(full, command).filter((action) => !/:(Describe|Get|List|Detect|Filter)/.test(action)),
        command,
      ).toEqual([]);
  });

  test("let a deploy touch neither databases nor the network", () => {
    const actions = actionsFor(full, "deploy");
    expect(actions).toContain("autoscaling:CreateAutoScalingGroup");
    expect(actions.filter((action) => /^(rds|elasticache|sqs|route53|kms|acm):/.test(action) || /Vpc$|Subnet$|NatGateway/.test(action))).toEqual([]);
  });
});

describe("scopes", () => {
  test("limit stacks, queues and roles to names of this app and environment", () => {
    expect(statementOf(full, "commission", "cloudformation:ExecuteChangeSet").Resource).toEqual([
      "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-production-*/*",
      "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-shared/*",
    ]);
    expect(statementOf(full, "commission", "sqs:CreateQueue").Resource).toEqual([
      "arn:aws:sqs:eu-central-1:123456789012:shop-production-*",
      "arn:aws:sqs:eu-central-1:123456789012:shop-shared-*",
    ]);
  });

  test("allow what destroys only where the app's tag or name is", () => {
    const wide = statementsFor(full, "decommission").filter(
      ({ Resource, Condition }) =>
        Resource.some((one) => one === "*" || one.endsWith(":*")) && !JSON.stringify(Condition ?? {}).includes("aws:ResourceTag/landfall:app"),
    );
    expect(wide.flatMap(({ Action }) => Action).filter((action) => /:(Delete|Terminate|Release|Schedule|Remove)/.test(action))).toEqual([
      "ec2:DeleteNetworkInterface",
      "logs:DeleteLogDelivery",
      "rds:DeleteDBInstanceAutomatedBackup",
    ]);
    expect(statementOf(full, "decommission", "ec2:DeleteVpc").Condition).toEqual({ StringEquals: { "aws:ResourceTag/landfall:app": "shop" } });
  });

  test("hand on roles to machines only, and only the environment's own", () => {
    expect(statementOf(full, "commission", "iam:PassRole")).toMatchObject({
      Resource: ["arn:aws:iam::123456789012:role/shop-production-*", "arn:aws:iam::123456789012:role/shop-shared-*"],
      Condition: { StringEquals: { "iam:PassedToService": "ec2.amazonaws.com" } },
    });
    // And to containers and what starts them, where there are some.
    expect(statementOf(listPermissions(production(CONTAINERS)), "deploy", "iam:PassRole").Condition).toEqual({
      StringEquals: { "iam:PassedToService": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"] },
    });
  });

  test("limit records to the names of the configuration", () => {
    expect(statementOf(full, "commission", "route53:ChangeResourceRecordSets").Condition).toEqual({
      "ForAllValues:StringLike": {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
          "*.production.shop.internal",
          "www.example.com",
          "_*.www.example.com",
          "api.example.com",
          "_*.api.example.com",
        ],
      },
    });
  });

  test("give a reason for every statement on everything", () => {
    for (const { commands, policies, reasons } of full.permissions) {
      const explained = reasons.flatMap(({ actions }) => actions);
      const wide = policies.flatMap(({ Statement }) => Statement.filter(({ Resource }) => Resource.includes("*")).flatMap(({ Action }) => Action));
      expect(
        wide.filter((action) => !explained.includes(action)),
        commands[0],
      ).toEqual([]);
    }
  });

  test("are of any account and region when the configuration names none", () => {
    expect(statementOf(small, "commission", "cloudformation:ExecuteChangeSet").Resource[0]).toBe(
      "arn:aws:cloudformation:*:*:stack/hello-production-*/*",
    );
  });
});

test("running environments need no type that a new one would not", () => {
  const deployment = production(FULL);
  const types = makeStacks(deployment, runningIn(deployment)).flatMap(({ body }) =>
    Object.values(JSON.parse(body).Resources as Record<string, { Type: string }>),
  );
  for (const { Type } of types)
    for (const action of RESOURCE_TYPES[Type]?.permissions.create ?? []) expect(actionsFor(full, "commission")).toContain(action);
});
