// On which resources a call may be made: as narrow as names and tags allow. CloudFormation names most things after their stack; what it names
// otherwise is known by its tags; and for what has neither when it is made, it is said why.
import type { EnvironmentApp } from "../../../config/app.ts";
import { hasContainers } from "../stacks/running.ts";

export interface Scope {
  resources: string[];
  condition?: Record<string, Record<string, string | string[]>>;
  /** Why it is not narrower; absent when names or tags say all. */
  reason?: string;
}

export interface Site {
  app: string;
  environment: string;
  account: string;
  region: string;
  partition: string;
  /** Whose records are made: the names of the domain, those that prove them, and those of resources. */
  names: string[];
  /** Whether services run as containers. */
  containers: boolean;
}

export function siteOf({ name, app, environment }: EnvironmentApp): Site {
  const { account = "*", region = "*", domain } = environment;
  const partition = region.startsWith("cn-") ? "aws-cn" : region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
  const hosts = domain ? [domain.name, ...domain.aliases] : [];
  const names = [`*.${name}.${app.name}.internal`, ...hosts.flatMap((one) => [one, `_*.${one}`])];
  return { app: app.name, environment: name, account, region, partition, names, containers: hasContainers(app) };
}

/** CloudFormation cuts long names of stacks in the names that it gives; so much of them is always there. */
const PREFIX_MAX = 20;

type Narrow = (site: Site, action: string) => Scope;

/** Images and snapshots belong to no account by their names. */
const ownerless =
  (kind: "image" | "snapshot"): Narrow =>
  ({ app, partition, region }) => ({
    resources: [`arn:${partition}:ec2:${region}::${kind}/*`],
    condition: { StringEquals: { "aws:ResourceTag/landfall:app": app } },
  });

const arn = ({ partition, region, account }: Site, service: string, resource: string) =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`;
const prefixes = ({ app, environment }: Site): string[] =>
  [`${app}-${environment}-`, `${app}-foundation-`].map((prefix) => prefix.slice(0, PREFIX_MAX));

/** Named after their stack: `queue` for `arn:…:queue-name`, `role/` for `arn:…:role/name`. */
const named =
  (service: string, ...kinds: string[]): Narrow =>
  (site) => ({ resources: kinds.flatMap((kind) => prefixes(site).map((prefix) => arn(site, service, `${kind}${prefix}*`))) });

/** IAM has no regions. */
const identity =
  (...kinds: string[]): Narrow =>
  (site) => ({ resources: kinds.flatMap((kind) => prefixes(site).map((prefix) => `arn:${site.partition}:iam::${site.account}:${kind}/${prefix}*`)) });

const inRegion = ({ region }: Site): Pick<Scope, "condition"> =>
  region === "*" ? {} : { condition: { StringEquals: { "aws:RequestedRegion": region } } };

const anywhere =
  (reason: string): Narrow =>
  (site) => ({ resources: ["*"], ...inRegion(site), reason });

/** For services without regions, whose calls are all made in one. */
const everywhere =
  (reason: string): Narrow =>
  () => ({ resources: ["*"], reason });

/** Carries the app's tag, which CloudFormation puts on everything in a stack. */
const tagged =
  (service: string, ...kinds: string[]): Narrow =>
  (site) => ({
    resources: kinds.map((kind) => arn(site, service, kind)),
    condition: { StringEquals: { "aws:ResourceTag/landfall:app": site.app } },
  });

const LISTS = "AWS knows no resources for calls that describe and list.";
const NOT_YET = "What is made has no name or tags yet that could be asked for; only the region is.";

/** Clusters are named after their stack, and what is in one after its cluster; families of tasks by the configuration. */
const containers: Narrow = (site, action) => ({
  resources: [
    ...named("ecs", "cluster/", "service/", "task/", "service-deployment/")(site, action).resources,
    arn(site, "ecs", `task-definition/${site.app}-${site.environment}-*`),
  ],
});

const READS = /^(Describe|List)/;

/** By service; a call's own entry comes before the service's. */
const SERVICES: Readonly<Record<string, Narrow>> = {
  acm: (site, action) => (action === "RequestCertificate" ? anywhere(NOT_YET)(site, action) : tagged("acm", "certificate/*")(site, action)),
  autoscaling: named("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"),
  "application-autoscaling": (site, action) =>
    /^(Delete|Deregister)/.test(action)
      ? tagged("application-autoscaling", "scalable-target/*")(site, action)
      : anywhere(READS.test(action) ? LISTS : NOT_YET)(site, action),
  cloudformation: (site) => ({
    resources: [`${site.app}-${site.environment}-*`, `${site.app}-foundation`].flatMap((stack) => [arn(site, "cloudformation", `stack/${stack}/*`)]),
  }),
  cloudwatch: (site, action) =>
    action === "GetMetricData"
      ? anywhere("Metrics are no resources.")(site, action)
      : // Scaling policies make alarms of their own, with names of their own.
        { resources: [...named("cloudwatch", "alarm:")(site, action).resources, arn(site, "cloudwatch", "alarm:TargetTracking-*")] },
  ec2: (site, action) =>
    /^(Delete|Deregister|Release|Terminate|Stop|Detach|Disassociate|Revoke|GetConsole)/.test(action)
      ? tagged("ec2", "*")(site, action)
      : anywhere(NOT_YET)(site, action),
  ecr: named("ecr", "repository/"),
  ecs: (site, action) => (/^(Describe|List)/.test(action) ? anywhere(LISTS)(site, action) : containers(site, action)),
  elasticache: (site, action) =>
    /^(Create|AddTags)/.test(action)
      ? {
          resources: ["replicationgroup", "cluster", "parametergroup", "subnetgroup"].map((kind) => arn(site, "elasticache", `${kind}:*`)),
          reason: "CloudFormation gives caches names that do not tell whose they are, and they have no tags before they are made.",
        }
      : tagged("elasticache", "*")(site, action),
  elasticloadbalancing: (site, action) =>
    /^(Create|AddTags|SetWebACL|GetLoadBalancerWebACL)/.test(action)
      ? anywhere(NOT_YET)(site, action)
      : tagged("elasticloadbalancing", "*")(site, action),
  iam: identity("role", "instance-profile"),
  kms: (site, action) => (action === "CreateKey" ? anywhere(NOT_YET)(site, action) : tagged("kms", "key/*")(site, action)),
  logs: (site) => ({ resources: [arn(site, "logs", `log-group:/landfall/${site.app}/${site.environment}/*`)] }),
  pricing: everywhere("Prices are no resources."),
  rds: named("rds", "db:", "pg:", "subgrp:", "snapshot:"),
  route53: ({ partition }) => ({
    resources: ["hostedzone/*", "change/*"].map((kind) => `arn:${partition}:route53:::${kind}`),
    reason: "The private zone gets its id when it is made, and zones take no conditions by tag.",
  }),
  s3: (site) => ({
    resources: prefixes(site).flatMap((prefix) => [`arn:${site.partition}:s3:::${prefix}*`, `arn:${site.partition}:s3:::${prefix}*/*`]),
  }),
  scheduler: named("scheduler", "schedule/default/"),
  secretsmanager: (site, action) =>
    /^(CreateSecret|TagResource)$/.test(action)
      ? { resources: [arn(site, "secretsmanager", "secret:*Login*")], reason: NOT_YET }
      : tagged("secretsmanager", "secret:*Login*")(site, action),
  sns: named("sns", ""),
  sqs: named("sqs", ""),
  ssm: (site) => ({ resources: [arn(site, "ssm", `parameter/landfall/${site.app}/${site.environment}/*`)] }),
  wafv2: (site) => ({
    resources: [
      arn(site, "wafv2", "regional/webacl/*"),
      arn(site, "wafv2", "regional/managedruleset/*"),
      arn(site, "elasticloadbalancing", "loadbalancer/app/*"),
    ],
    reason: "CloudFormation gives firewalls and balancers names that do not tell whose they are.",
  }),
};

const SERVICE_ROLES = ["autoscaling", "ecs", "ecs.application-autoscaling", "elasticloadbalancing", "rds", "elasticache"].map(
  (service) => `${service}.amazonaws.com`,
);

/** What takes on roles where services run as containers. */
const ROLE_TAKERS = ["ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"];

const debianImages: Narrow = ({ partition, region }) => ({ resources: [`arn:${partition}:ssm:${region}::parameter/aws/service/debian/*`] });
const dashboards: Narrow = ({ partition, account, app, environment }) => ({
  resources: [`arn:${partition}:cloudwatch::${account}:dashboard/landfall_${app}_${environment}`],
});

const CALLS: Readonly<Record<string, Narrow>> = {
  "cloudformation:DescribeStacks": anywhere("The environment's stacks are found among all of the region, by their tags."),
  "cloudformation:DescribeStackDriftDetectionStatus": anywhere(LISTS),
  "ec2:CreateTags": anywhere("Tags are put on what has none yet."),
  "ecr:GetAuthorizationToken": anywhere("A login is to a registry as a whole."),
  "cloudwatch:DeleteDashboards": dashboards,
  "cloudwatch:GetDashboard": dashboards,
  "ec2:DeleteSnapshot": ownerless("snapshot"),
  "ec2:DeleteTags": tagged("ec2", "*"),
  "ec2:DeregisterImage": ownerless("image"),
  "iam:CreateServiceLinkedRole": ({ partition, account }) => ({
    resources: [`arn:${partition}:iam::${account}:role/aws-service-role/*`],
    condition: { StringEquals: { "iam:AWSServiceName": SERVICE_ROLES } },
    reason: "The first use of a service in an account makes the role that the service itself works with.",
  }),
  "iam:PassRole": (site, action) => ({
    ...identity("role")(site, action),
    condition: { StringEquals: { "iam:PassedToService": site.containers ? ["ec2.amazonaws.com", ...ROLE_TAKERS] : "ec2.amazonaws.com" } },
  }),
  "ec2:DeleteNetworkInterface": anywhere("Those that AWS's own services leave behind have no tags."),
  "kms:CreateGrant": (site) => ({
    resources: [arn(site, "kms", "key/*")],
    condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
    reason: "Databases are encrypted with the account's own key of RDS, which has no tags of ours.",
  }),
  "kms:DescribeKey": anywhere("Among others it is asked for the account's own key of RDS, which has no tags of ours."),
  "logs:CreateLogDelivery": anywhere(LISTS),
  "logs:DeleteLogDelivery": anywhere(LISTS),
  "route53:ChangeResourceRecordSets": ({ partition, names }) => ({
    resources: [`arn:${partition}:route53:::hostedzone/*`],
    condition: { "ForAllValues:StringLike": { "route53:ChangeResourceRecordSetsNormalizedRecordNames": names } },
  }),
  "rds:DeleteDBInstanceAutomatedBackup": (site) => ({
    resources: [arn(site, "rds", "auto-backup:*")],
    reason: "Automated backups have ids of AWS's own, and their tags are those of a database that is gone.",
  }),
  "rds:DescribeDBInstanceAutomatedBackups": anywhere(LISTS),
  "route53:CreateHostedZone": everywhere(NOT_YET),
  "route53:ListHostedZones": everywhere(LISTS),
  "route53:ListQueryLoggingConfigs": everywhere(LISTS),
  "secretsmanager:GetRandomPassword": anywhere("A password that belongs to nothing yet."),
  "ssm:GetCommandInvocation": anywhere("A command that was sent is known by its number alone."),
  "ssm:GetParameter": debianImages,
  "ssm:GetParameters": debianImages,
  "tag:GetResources": anywhere(LISTS),
};

/** Services whose own calls to describe and list can be narrowed. */
const NARROW_READS = ["cloudformation", "s3", "iam", "sns", "sqs", "route53", "ecr"];

/** Several for a call that is about things of different kinds, each under its own condition. */
export function scopesOf(action: string, site: Site): Scope[] {
  if (action === "ssm:SendCommand")
    return [tagged("ec2", "instance/*")(site, action), { resources: [`arn:${site.partition}:ssm:${site.region}::document/AWS-RunShellScript`] }];
  return [scopeOf(action, site)];
}

function scopeOf(action: string, site: Site): Scope {
  const [service = "", call = ""] = action.split(":");
  const own = CALLS[action];
  if (own) return own(site, call);
  if (READS.test(call) && !NARROW_READS.includes(service)) return anywhere(LISTS)(site, call);
  const narrow = SERVICES[service];
  if (!narrow) throw new TypeError(`nothing says on what "${action}" may be called`);
  return narrow(site, call);
}
