// Every statement of every policy that is printed, and of every role in the templates, against AWS's service authorization reference: the
// action exists, the resources are of kinds that it is about, and the condition keys are there when it is decided.
import { describe, expect, test } from "vitest";
import { listPermissions } from "../../../../src/targets/aws/iam/list.ts";
import { makeStacks } from "../../../../src/targets/aws/templates/index.ts";
import { makeCases } from "../templates/generated.ts";
import { canMeet, findVoid, type Stated } from "./reference.ts";

interface Role {
  Type: string;
  Properties: { Policies?: { PolicyDocument: { Statement: { Action: string | string[]; Resource: unknown; Condition?: Stated["Condition"] }[] } }[] };
}

/** What only CloudFormation knows stands for anything. */
function flat(value: unknown): string {
  if (typeof value === "string") return value;
  const [[key, inner] = []] = Object.entries(value as Record<string, unknown>);
  if (key === "Fn::Join") return (inner as [string, unknown[]])[1].map(flat).join("");
  return inner === "AWS::Partition" ? "aws" : "${any}";
}

const rolesIn = (body: string): [string, Stated[]][] =>
  Object.entries((JSON.parse(body) as { Resources: Record<string, Role> }).Resources)
    .filter(([, { Type }]) => Type === "AWS::IAM::Role")
    .map(([id, { Properties }]) => [
      id,
      (Properties.Policies ?? []).flatMap(({ PolicyDocument }) =>
        PolicyDocument.Statement.map(({ Action, Resource, Condition }) => ({
          Action: [Action].flat(),
          Resource: [Resource].flat().map(flat),
          ...(Condition ? { Condition } : {}),
        })),
      ),
    ]);

describe("by AWS's service authorization reference", () => {
  // The examples, and as many generated ones as differ enough.
  const cases = makeCases().slice(0, 14);

  test("every statement of a command's policy can allow what it names", async () => {
    const seen = new Set<string>();
    for (const { deployment } of cases)
      for (const { commands, policies } of listPermissions(deployment).permissions)
        for (const one of await findVoid(policies.flatMap(({ Statement }) => Statement)))
          seen.add(`${commands[0]}: ${one.replaceAll(deployment.app, "shop")}`);
    expect([...seen]).toEqual([]);
  });

  test("every statement of a role in a template can allow what it names", async () => {
    const seen = new Set<string>();
    let roles = 0;
    for (const { deployment, running } of cases)
      for (const { role, body } of makeStacks(deployment, running))
        for (const [id, statements] of rolesIn(body)) {
          roles++;
          for (const one of await findVoid(statements)) seen.add(`${role} ${id}: ${one}`);
        }
    expect(roles).toBeGreaterThan(20);
    expect([...seen]).toEqual([]);
  });
});

describe("the check itself", () => {
  const found = (Action: string, Resource: string, Condition?: Stated["Condition"]) =>
    findVoid([{ Action: [Action], Resource: [Resource], ...(Condition ? { Condition } : {}) }]);

  test("finds what is no action, what knows no resource, a resource of another kind and a key that is never there", async () => {
    expect(await found("ec2:MakeVpc", "*")).toEqual(["ec2:MakeVpc is no action"]);
    expect(await found("ecs:DeregisterTaskDefinition", "arn:aws:ecs:*:*:task-definition/x")).toEqual([
      "ecs:DeregisterTaskDefinition, which is about no thing, is never allowed on arn:aws:ecs:*:*:task-definition/x {}",
      "nothing of ecs:DeregisterTaskDefinition is about arn:aws:ecs:*:*:task-definition/x",
    ]);
    expect(await found("sqs:CreateQueue", "arn:aws:sns:eu-central-1:123456789012:x")).toHaveLength(2);
    expect(await found("iam:GetRole", "*", { StringEquals: { "iam:PassedToService": "ec2.amazonaws.com" } })).toHaveLength(1);
    expect(await found("ecs:ExecuteCommand", "arn:aws:ecs:*:*:task/x/*")).toEqual([
      "ecs:ExecuteCommand needs a cluster, and no statement allows one",
    ]);
    expect(await found("ec2:DeleteVpc", "arn:aws:ec2:*:*:*", { StringEquals: { "aws:ResourceTag/a": "b" } })).toEqual([]);
  });

  test("knows which patterns have a text in common", () => {
    const key = "arn:${Partition}:kms:${Region}:${Account}:key/${KeyId}";
    expect([canMeet("arn:aws:kms:*:*:*", key), canMeet("arn:aws:kms:*:*:key/a*b", key), canMeet("arn:aws:kms:*:*:*/1", key)]).toEqual([
      true,
      true,
      true,
    ]);
    expect([canMeet("arn:aws:kms:*:*:alias/*", key), canMeet("arn:aws:*:key/*", key), canMeet("arn:aws:sns:*:*:*", key)]).toEqual([
      false,
      false,
      false,
    ]);
  });
});
