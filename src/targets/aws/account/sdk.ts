// The SDK's clients, each loaded when it is first asked for, since together they cost a second. This file imports nothing else: in the package
// it stands with the SDK's code beside it (scripts/prepack.mjs), 5 MB of it instead of 105.
export interface Settings {
  region?: string;
  retryMode: "standard";
  maxAttempts?: number;
  requestHandler: { connectionTimeout: number; requestTimeout: number; throwOnRequestTimeout: boolean };
}

/** AWS's files of settings and keys, read as the SDK's own chain of credentials reads them. What cannot be read has nothing in it. */
export const loadSettingsFiles = async (files: { configFilepath: string; filepath: string }) =>
  (await import("@smithy/core/config")).loadSharedConfigFiles(files);

/** One line a client: its aggregated class, so that a call is `(await clients.cloudFormation()).describeStacks({})`. */
export const LOADERS = {
  acm: async (settings: Settings) => new (await import("@aws-sdk/client-acm")).ACM(settings),
  // All certificates of CloudFront are in one region, whichever one the environment is in.
  acmOfCloudFront: async (settings: Settings) => new (await import("@aws-sdk/client-acm")).ACM({ ...settings, region: "us-east-1" }),
  autoScaling: async (settings: Settings) => new (await import("@aws-sdk/client-auto-scaling")).AutoScaling(settings),
  balancing: async (settings: Settings) => new (await import("@aws-sdk/client-elastic-load-balancing-v2")).ElasticLoadBalancingV2(settings),
  cloudFormation: async (settings: Settings) => new (await import("@aws-sdk/client-cloudformation")).CloudFormation(settings),
  ec2: async (settings: Settings) => new (await import("@aws-sdk/client-ec2")).EC2(settings),
  ecr: async (settings: Settings) => new (await import("@aws-sdk/client-ecr")).ECR(settings),
  ecs: async (settings: Settings) => new (await import("@aws-sdk/client-ecs")).ECS(settings),
  elastiCache: async (settings: Settings) => new (await import("@aws-sdk/client-elasticache")).ElastiCache(settings),
  firewalls: async (settings: Settings) => new (await import("@aws-sdk/client-wafv2")).WAFV2(settings),
  iam: async (settings: Settings) => new (await import("@aws-sdk/client-iam")).IAM(settings),
  kms: async (settings: Settings) => new (await import("@aws-sdk/client-kms")).KMS(settings),
  logs: async (settings: Settings) => new (await import("@aws-sdk/client-cloudwatch-logs")).CloudWatchLogs(settings),
  // Its endpoints are in a few regions only, and each has the prices of all. It is there for comfort, so it is asked once and not for long.
  pricing: async (settings: Settings) => new (await import("@aws-sdk/client-pricing")).Pricing({ ...settings, region: "us-east-1", maxAttempts: 1 }),
  rds: async (settings: Settings) => new (await import("@aws-sdk/client-rds")).RDS(settings),
  route53: async (settings: Settings) => new (await import("@aws-sdk/client-route-53")).Route53(settings),
  s3: async (settings: Settings) => new (await import("@aws-sdk/client-s3")).S3(settings),
  secretsManager: async (settings: Settings) => new (await import("@aws-sdk/client-secrets-manager")).SecretsManager(settings),
  serviceQuotas: async (settings: Settings) => new (await import("@aws-sdk/client-service-quotas")).ServiceQuotas({ ...settings, maxAttempts: 1 }),
  sns: async (settings: Settings) => new (await import("@aws-sdk/client-sns")).SNS(settings),
  sqs: async (settings: Settings) => new (await import("@aws-sdk/client-sqs")).SQS(settings),
  cloudWatch: async (settings: Settings) => new (await import("@aws-sdk/client-cloudwatch")).CloudWatch(settings),
  ssm: async (settings: Settings) => new (await import("@aws-sdk/client-ssm")).SSM(settings),
  sts: async (settings: Settings) => new (await import("@aws-sdk/client-sts")).STS(settings),
  tagging: async (settings: Settings) => new (await import("@aws-sdk/client-resource-groups-tagging-api")).ResourceGroupsTaggingAPI(settings),
};
