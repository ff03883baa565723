// What CloudFormation calls in a person's name, against AWS's own schemas of resource types, which cfn-lint brings: in both directions, and
// each difference with its reason.
import { beforeAll, expect, test } from "vitest";
import { RESOURCE_TYPES } from "../../../../src/targets/aws/resource-types/index.ts";
import { requires } from "../../../skips.ts";
import { handlerActions, hasPython } from "../templates/cfn-lint.ts";

/** In our table and in no schema of the type. */
const BEYOND: Record<string, Record<string, string>> = {
  "AWS::AutoScaling::AutoScalingGroup": {
    "autoscaling:TerminateInstanceInAutoScalingGroup": "CloudFormation's rolling update replaces instances itself",
    "ec2:CreateTags": "a group tries its launch template, which tags what it starts, with the caller's permissions",
  },
  "AWS::AutoScaling::ScalingPolicy": {
    "cloudwatch:PutMetricAlarm": "a policy that follows a target has alarms of its own",
    "cloudwatch:DeleteAlarms": "a policy that follows a target has alarms of its own",
  },
  "AWS::EC2::Instance": { "ssm:GetParameters": "the launch template names its image by a parameter" },
  "AWS::EC2::LaunchTemplate": {
    "ec2:DescribeLaunchTemplateVersions": "asked for the number of the latest version, which fleets refer to",
    "ec2:ModifyLaunchTemplate": "a change of the default version",
  },
  "AWS::EC2::SecurityGroup": { "ec2:DescribeSecurityGroupRules": "drift of rules is looked for by rule" },
  "AWS::ElastiCache::ReplicationGroup": { "secretsmanager:GetSecretValue": "its password is a reference to a secret, resolved for the caller" },
  "AWS::ElasticLoadBalancingV2::LoadBalancer": { "iam:CreateServiceLinkedRole": "the first balancer of an account makes the service's role" },
  "AWS::RDS::DBInstance": {
    "rds:ListTagsForResource": "drift of tags",
    "secretsmanager:GetSecretValue": "its password is a reference to a secret, resolved for the caller",
  },
};

/** In a schema and not in our table, by reason. A star stands for any rest. */
const LEFT_OUT: Record<string, string[]> = {
  "services that the templates do not use": [
    ...["managed-fleets", "vpc-lattice", "vpce", "acm-pca", "amplify", "apigateway", "apprunner", "appsync", "bedrock-agentcore"].map(
      (service) => `${service}:*`,
    ),
    ...["cognito-idp", "firehose", "payments", "s3tables"].map((service) => `${service}:*`),
    "ec2:*VerifiedAccess*",
    "wafv2:*PermissionPolicy",
  ],
  "scheduled changes of ranges, and ranges of other things than containers": [
    "application-autoscaling:*ScheduledAction",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:DeleteAlarms",
    "lambda:*",
  ],
  "settings of the account": ["ecs:PutAccountSetting*"],
  "old balancers, traffic sources, notifications and refreshes of groups": [
    "autoscaling:*LoadBalancers",
    "autoscaling:*TrafficSources",
    "autoscaling:*NotificationConfiguration",
    "autoscaling:*InstanceRefresh",
  ],
  "reads that a group's schema allows by the dozen, of which the table names those in use": ["ec2:Get*"],
  "associations, keys, volumes and profiles that no instance here has": [
    "ec2:*IamInstanceProfile*",
    "ec2:*Volume",
    "ec2:DescribeKeyPairs",
    "ec2:ModifyInstance*",
    "ec2:ModifyPrivateDnsNameOptions",
    "ec2:*onitorInstances",
    "ec2:St*Instances",
    "ssm:*Association*",
  ],
  "addresses of version 6, second addresses, private gateways, transfers": [
    "ec2:*PrivateNatGatewayAddress",
    "ec2:*ssociateNatGatewayAddress",
    "ec2:*SubnetCidrBlock",
    "ec2:AcceptAddressTransfer",
    "ec2:DescribeIpamPools",
    "elasticloadbalancing:ModifyIpPools",
  ],
  "gateways to private networks, tenancy and encryption of networks": [
    "ec2:*tachVpnGateway",
    "ec2:ModifyVpcTenancy",
    "ec2:CreateVpcEncryptionControl",
  ],
  "roles that nothing here hands on, but for a fleet's": ["iam:PassRole", "iam:GetRole", "iam:ListRoles"],
  "managed policies and boundaries of roles": ["iam:*tachRolePolicy", "iam:*RolePermissionsBoundary", "iam:PutRolePolicy"],
  "logs go to a bucket, which takes no role": ["iam:CreateServiceLinkedRole"],
  "tags of a group, in the schema of a flow log": ["autoscaling:DescribeTags"],
  "alarms of a group come with its scaling policies": ["cloudwatch:PutMetricAlarm"],
  "keys of one's own for registries, caches and logs": [
    ...["CreateGrant", "RetireGrant", "DescribeKey", "Decrypt", "Encrypt", "GenerateDataKey"].map((call) => `kms:${call}`),
    "logs:*ssociateKmsKey",
  ],
  "policies of registries": ["ecr:*RepositoryPolicy", "ecr:DeleteLifecyclePolicy"],
  "single cache nodes, shards, copies from a bucket and logs of caches": [
    "elasticache:*CacheCluster",
    "elasticache:CreateSnapshot",
    "elasticache:ModifyReplicationGroupShardConfiguration",
    "s3:GetObject",
    "logs:*LogDeliver*",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ],
  "attributes of listeners, reserved capacity, targets that are named one by one": [
    "elasticloadbalancing:ModifyListenerAttributes",
    "elasticloadbalancing:ModifyCapacityReservation",
    "elasticloadbalancing:*egisterTargets",
  ],
  "a key is never disabled, and its rotation neither": ["kms:*ableKey", "kms:DisableKeyRotation"],
  "data protection, indexes, policies and protection of logs": [
    "logs:*DataProtectionPolicy",
    "logs:*IndexPolicy",
    "logs:*ResourcePolicy",
    "logs:PutBearerTokenAuthentication",
    "logs:PutLogGroupDeletionProtection",
    "s3:REST.PUT.OBJECT",
  ],
  "replicas, copies, roles of databases and passwords that RDS keeps itself": [
    "rds:*RoleToDBInstance",
    "rds:*RoleFromDBInstance",
    "rds:*ReadReplica",
    "rds:Restore*",
    "rds:*AutomatedBackupsReplication",
    "secretsmanager:*Secret",
    "secretsmanager:TagResource",
  ],
  "query logs, comments and features of zones": ["route53:*QueryLoggingConfig", "route53:UpdateHostedZone*"],
  "what buckets here have not: it is neither set nor taken away": [
    "s3:*MetadataTableConfiguration",
    "s3:UpdateBucketMetadata*",
    "s3:DeleteBucket*",
    "s3:DeleteObject",
    "s3:Put*Configuration",
    "s3:PutBucket*",
    "s3:PutObjectAcl",
  ],
  "subscribers and protection inside a topic": ["sns:PutDataProtectionPolicy", "sns:*ubscribe"],
  "a secret has no copies in other regions": ["secretsmanager:*Region*"],
};

const matches = (glob: string, action: string) => {
  const [before = "", ...after] = glob.split("*");
  if (after.length === 0) return glob === action;
  const last = after.at(-1) as string;
  return action.startsWith(before) && action.endsWith(last) && after.every((part) => action.includes(part));
};

requires("python3 with venv", hasPython())("the calls of each resource type", () => {
  const types = Object.keys(RESOURCE_TYPES);
  let schemas: Record<string, string[]> = {};
  beforeAll(() => {
    schemas = handlerActions(types);
  });
  const ours = (type: string) => Object.values(RESOURCE_TYPES[type]?.permissions ?? {}).flat();
  const globs = Object.values(LEFT_OUT).flat();

  test("are in AWS's schema of the type, or beyond it for a reason", () => {
    const beyond = types.flatMap((type) =>
      ours(type)
        .filter((action) => !schemas[type]?.some((one) => matches(one, action)))
        .map((action) => `${type} ${action}`),
    );
    expect([...new Set(beyond)].sort()).toEqual(
      Object.entries(BEYOND)
        .flatMap(([type, actions]) => Object.keys(actions).map((action) => `${type} ${action}`))
        .sort(),
    );
  });

  test("are all that AWS's schema has, but for what is left out for a reason", () => {
    const missing = types.flatMap((type) =>
      (schemas[type] ?? []).filter((action) => !ours(type).some((one) => matches(action, one))).map((action) => ({ type, action })),
    );
    expect(missing.filter(({ action }) => !globs.some((glob) => matches(glob, action)))).toEqual([]);
    expect(globs.filter((glob) => !missing.some(({ action }) => matches(glob, action)))).toEqual([]);
  });
});
