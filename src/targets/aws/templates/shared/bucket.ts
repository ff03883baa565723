// Buckets, all alike: encrypted, closed to the public, TLS only.
import type { Stack, aws_s3 as s3 } from "aws-cdk-lib";
import { acknowledge, cdk } from "./cdk.ts";
import { document, type Statement, tlsOnly } from "./policies.ts";

interface BucketOptions {
  versioned?: boolean;
  /** Stays when its stack goes: for what people put in it. */
  kept?: boolean;
  lifecycle: s3.CfnBucket.RuleProperty[];
  /** Where its access log goes, and under which prefix; or why it has none. */
  accessLog: { bucket: string; prefix: string } | { none: string };
  statements?: (arn: string) => Statement[];
}

interface Bucket {
  bucket: s3.CfnBucket;
  policy: s3.CfnBucketPolicy;
}

export function addBucket(stack: Stack, id: string, options: BucketOptions): Bucket {
  const { versioned, kept, lifecycle, accessLog, statements } = options;
  const bucket = new cdk.aws_s3.CfnBucket(stack, id, {
    bucketEncryption: { serverSideEncryptionConfiguration: [{ serverSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] },
    publicAccessBlockConfiguration: { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true },
    ownershipControls: { rules: [{ objectOwnership: "BucketOwnerEnforced" }] },
    versioningConfiguration: versioned ? { status: "Enabled" } : undefined,
    lifecycleConfiguration: {
      rules: [{ id: "unfinished-uploads", status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: 7 } }, ...lifecycle],
    },
    loggingConfiguration: "bucket" in accessLog ? { destinationBucketName: accessLog.bucket, logFilePrefix: accessLog.prefix } : undefined,
  });
  bucket.applyRemovalPolicy(kept ? cdk.RemovalPolicy.RETAIN : cdk.RemovalPolicy.DESTROY);
  if ("none" in accessLog) acknowledge(bucket, { S1: accessLog.none });
  const policy = new cdk.aws_s3.CfnBucketPolicy(stack, `${id}Policy`, {
    bucket: bucket.ref,
    policyDocument: document(tlsOnly("s3:*", [bucket.attrArn, `${bucket.attrArn}/*`]), ...(statements?.(bucket.attrArn) ?? [])),
  });
  return { bucket, policy };
}

export const bucketArn = (name: string) => `arn:${cdk.Aws.PARTITION}:s3:::${name}`;
