// From a call of the SDK to the actions that IAM asks a policy for.
import type { Call } from "./proxy.ts";

/** As policies name a service, where that is not the name that its requests are signed for. */
const SERVICES: Record<string, string> = { tagging: "tag", monitoring: "cloudwatch" };

/** Calls that need more than the action of their name, or another, or none; by AWS's service authorization reference. */
const ACTIONS: Record<string, string[]> = {
  "sts:GetCallerIdentity": [],
  "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
  "s3:ListObjectVersions": ["s3:ListBucketVersions"],
  "s3:ListObjectsV2": ["s3:ListBucket"],
  "s3:ListObjects": ["s3:ListBucket"],
  "s3:GetBucket": ["s3:ListBucket"],
  "route53:GET /2013-04-01/hostedzonesbyname": ["route53:ListHostedZonesByName"],
  "s3:HeadBucket": ["s3:ListBucket"],
  "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
  // Ours have tags when they are new.
  "ssm:PutParameter": ["ssm:PutParameter", "ssm:AddTagsToResource"],
  // Ours always have tags.
  "cloudformation:CreateChangeSet": ["cloudformation:CreateChangeSet", "cloudformation:TagResource"],
  "cloudformation:DetectStackDrift": ["cloudformation:DetectStackDrift", "cloudformation:DetectStackResourceDrift"],
};

export function actionsOf({ service, action, status }: Call): string[] {
  const name = `${SERVICES[service] ?? service}:${action}`;
  // Without the right to list its bucket, an object that is not there is "forbidden" and not "not found".
  if (name === "s3:GetObject" && status === 404) return [name, "s3:ListBucket"];
  return ACTIONS[name] ?? [name];
}
