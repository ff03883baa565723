// Policies that several stacks need.
import { cdk } from "./cdk.ts";

export interface Statement {
  Sid?: string;
  Effect: "Allow" | "Deny";
  Principal?: unknown;
  Action: string | string[];
  Resource?: string | string[];
  Condition?: unknown;
}

export const document = (...Statement: Statement[]) => ({ Version: "2012-10-17", Statement });

export const allow = (Sid: string, Action: string[], Resource: string | string[], Condition?: unknown): Statement => ({
  Sid,
  Effect: "Allow",
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});

/** Refuses whoever does not come over TLS. */
export const tlsOnly = (action: string, resource: string | string[]): Statement => ({
  Sid: "TlsOnly",
  Effect: "Deny",
  Principal: "*",
  Action: action,
  Resource: resource,
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});

export const assumedBy = (service: string) => document({ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" });

/** `arn("s3", "bucket/*")`: in the stack's own account and region. */
export const arn = (service: string, resource: string) => `arn:${cdk.Aws.PARTITION}:${service}:${cdk.Aws.REGION}:${cdk.Aws.ACCOUNT_ID}:${resource}`;

/** What the agent of Session Manager calls, so that a shell needs no open port. None of these can be narrowed to a resource. */
export const sessionManager = (): Statement =>
  allow(
    "SessionManager",
    [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
    "*",
  );
