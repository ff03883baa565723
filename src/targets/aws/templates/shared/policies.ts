// Policies that several stacks need.
import type { aws_iam as iam, Stack } from "aws-cdk-lib";
import { acknowledge, cdk } from "./cdk.ts";

export interface Statement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Principal?: unknown;
  Action: string | string[];
  Resource?: string | string[];
  Condition?: unknown;
}

export const document = (...Statement: Statement[]) => ({ Version: "2012-10-17", Statement });

export const allow = (Sid: string, Action: string[], Resource: string | string[]): Statement => ({ Sid, Effect: "Allow", Action, Resource });

interface RoleOptions {
  policyName: string;
  /** The service of AWS that takes it on; EC2 for its machines when left out. */
  principal?: string;
  statements: Statement[];
  /** Why resources of a statement, by its Sid, are not named one by one. */
  wildcards: Record<string, string>;
}

/** A role that machines, or what `principal` names, take on. Each wildcard in it has its reason, or the checkers find it. */
export function addRole(stack: Stack, id: string, { policyName, principal = "ec2.amazonaws.com", statements, wildcards }: RoleOptions): iam.CfnRole {
  const role = new cdk.aws_iam.CfnRole(stack, id, {
    assumeRolePolicyDocument: document({ Effect: "Allow", Principal: { Service: principal }, Action: "sts:AssumeRole" }),
    policies: [{ policyName, policyDocument: document(...statements) }],
  });
  for (const { Sid, Resource } of statements) {
    const reason = wildcards[Sid ?? ""];
    if (reason === undefined) continue;
    for (const resource of [Resource ?? []].flat()) acknowledge(role, { [`IAM5[Resource::${flat(stack.resolve(resource))}]`]: reason });
  }
  return role;
}

/** How the checker writes a resource: `<Bucket.Arn>/releases/*`. */
function flat(value: string | { Ref?: string; "Fn::GetAtt"?: string[]; "Fn::Join"?: [string, (typeof value)[]] }): string {
  if (typeof value === "string") return value;
  if (value["Fn::Join"]) return value["Fn::Join"][1].map(flat).join("");
  return `<${value.Ref ?? value["Fn::GetAtt"]?.join(".")}>`;
}

/** Refuses whoever does not come over TLS. */
export const tlsOnly = (action: string, resource: string | string[]): Statement => ({
  Sid: "TlsOnly",
  Effect: "Deny",
  Principal: "*",
  Action: action,
  Resource: resource,
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});

/** `arn("s3", "bucket/*")`: in the stack's own account and region. */
export const arn = (service: string, resource: string) => `arn:${cdk.Aws.PARTITION}:${service}:${cdk.Aws.REGION}:${cdk.Aws.ACCOUNT_ID}:${resource}`;

export const SESSION_MANAGER = "What the agent of Session Manager calls cannot be narrowed to a resource.";

/** The same for containers, whose agent ECS brings. */
export const containerShell = (): Statement => allow("SessionManager", CHANNELS, "*");

const CHANNELS = [
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
];

/** What the agent of Session Manager calls, so that a shell needs no open port. */
export const sessionManager = (): Statement => allow("SessionManager", ["ssm:UpdateInstanceInformation", ...CHANNELS], "*");
