// The calls of each command itself, and the types of resources for which CloudFormation calls more in its name. A test compares the first with
// what the commands call on an emulator, in both directions.
import type { HandlerPermissions } from "../resource-types/entry/cloudformation-permissions.ts";
import type { StackTemplate } from "../templates/index.ts";

const call = (service: string, text: string): string[] => text.split(" ").map((word) => `${service}:${word}`);

const PRICING = "pricing:GetProducts";
const QUOTAS = "servicequotas:GetServiceQuota";
const DRIFT = "cloudformation:DescribeStackResourceDrifts";
const DETECT = call("cloudformation", "DetectStackDrift DetectStackResourceDrift DescribeStackDriftDetectionStatus");
const LOOK = call("cloudformation", "DescribeStacks GetTemplate");

// Without the right to list a bucket, S3 says of an object that is not there that it is not allowed: a new environment's lease, for one.
const STATUS = [
  "cloudformation:DescribeStacks",
  DRIFT,
  ...call("s3", "GetObject ListBucket"),
  "ec2:DescribeInstances",
  "autoscaling:DescribeAutoScalingGroups",
];

/** With the record of the release that serves. */
const PLAN = [...LOOK, DRIFT, PRICING, QUOTAS, "ssm:DescribeParameters", ...call("s3", "GetObject ListBucket")];

/** Of a network that does not stand yet. */
const ZONES = "ec2:DescribeAvailabilityZones";

/** Under the lease; with what keeps a stack from going. */
const REMOVE = [
  ...LOOK,
  ...call("cloudformation", "DescribeStackEvents DescribeStackResources DeleteChangeSet CancelUpdateStack DeleteStack"),
  ...call("s3", "GetObject PutObject ListBucket ListBucketVersions DeleteObject DeleteObjectVersion"),
  ...call("ec2", "DescribeNetworkInterfaces DeleteNetworkInterface"),
];

/** By change sets, and back again when one fails. */
const CHANGE = [
  ...REMOVE,
  ...call("cloudformation", "TagResource CreateChangeSet DescribeChangeSet DescribeEvents ExecuteChangeSet ContinueUpdateRollback RollbackStack"),
];

/** Machines that make an image or run a phase, images, and what tells how a rollout goes. */
const RELEASE = [
  ...call("ec2", "RunInstances CreateTags DescribeInstances GetConsoleOutput StopInstances TerminateInstances"),
  ...call("ec2", "CreateImage DescribeImages DeregisterImage"),
  ...call("autoscaling", "DescribeAutoScalingGroups DescribeScalingActivities"),
  ...call("cloudwatch", "DescribeAlarms GetMetricData"),
  ...call("ssm", "GetParameter DescribeParameters SendCommand GetCommandInvocation"),
  "elasticloadbalancing:DescribeTargetHealth",
  "iam:PassRole",
];

/** The account, listed by tag and by what no template lists; and what the types of the templates do not have among their own calls. */
const CENSUS = [
  "tag:GetResources",
  ...call("cloudformation", "ListStacks ListStackResources ListChangeSets"),
  ...call("ec2", "DescribeTags CreateTags DescribeImages DeregisterImage DescribeSnapshots DeleteSnapshot DescribeVolumes DeleteVolume"),
  ...call("rds", "ModifyDBInstance DescribeDBSnapshots CreateDBSnapshot AddTagsToResource DescribeDBInstanceAutomatedBackups"),
  "rds:DeleteDBInstanceAutomatedBackup",
  "elasticache:DescribeSnapshots",
  ...call("ecs", "ListTaskDefinitionFamilies ListTaskDefinitions DeleteTaskDefinitions"),
  ...call("cloudwatch", "GetDashboard DeleteDashboards"),
  ...call("acm", "ListCertificates"),
  ...call("route53", "ListHostedZonesByName ListResourceRecordSets"),
  ...call("secretsmanager", "ListSecrets"),
  ...call("ssm", "DescribeParameters DeleteParameter"),
];

const TASKS = [...call("ecs", "ListTasks DescribeTasks DescribeServices"), "elasticloadbalancing:DescribeTargetHealth"];

/** Images, and the tasks of release phases. */
const CONTAINERS = [
  ...TASKS,
  ...call("ecr", "GetAuthorizationToken DescribeImages BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer"),
  ...call("ecr", "InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage"),
  ...call("ecs", "RegisterTaskDefinition DeregisterTaskDefinition DeleteTaskDefinitions TagResource RunTask StopTask"),
  "logs:GetLogEvents",
];

/** A network that is there already, looked at. */
const NETWORK = call("ec2", "DescribeVpcs DescribeVpcAttribute DescribeSubnets DescribeRouteTables");

interface CommandFacts {
  /** The commands that the policy is for. `resume` and `abort` need that of the operation they finish or undo. */
  commands: string[];
  /** What Landfall calls itself. */
  own: string[];
  /** What it calls besides for services that run as containers. */
  containers?: string[];
  /** What it calls besides where the network is not the environment's own. */
  network?: string[];
  /** Which of the calls of each resource type; none when CloudFormation is only read. */
  handlers: (keyof HandlerPermissions)[];
  /** The types of which stacks: of those roles; of all that are configured, if nothing is said; or all that Landfall ever makes. */
  of?: StackTemplate["role"][] | "all";
}

export const COMMANDS: readonly CommandFacts[] = [
  { commands: ["plan", "export --standing"], own: PLAN, network: NETWORK, handlers: [] },
  {
    commands: ["preflight"],
    own: [
      ...LOOK,
      ...call("cloudformation", "TagResource CreateChangeSet DescribeChangeSet DescribeEvents DeleteChangeSet DeleteStack"),
      ...call("iam", "GetRole SimulatePrincipalPolicy"),
      ...call("ec2", "RunInstances CreateTags DescribeImages"),
      ZONES,
      "ssm:GetParameter",
      QUOTAS,
      // Of templates that are too large to be sent as they are.
      "s3:PutObject",
    ],
    network: NETWORK,
    handlers: [],
  },
  {
    commands: ["plan --drift"],
    own: [...PLAN, ...DETECT],
    network: NETWORK,
    handlers: ["read"],
  },
  { commands: ["status", "hosts", "events"], own: [...STATUS, "cloudformation:DescribeStackEvents"], containers: TASKS, handlers: [] },
  {
    commands: ["logs"],
    own: ["cloudformation:DescribeStacks", "ec2:DescribeInstances", "logs:FilterLogEvents", ...call("s3", "GetObject ListBucket")],
    containers: TASKS,
    handlers: [],
  },
  {
    commands: ["exec", "shell"],
    own: [...STATUS, ...call("ssm", "SendCommand GetCommandInvocation CancelCommand StartSession"), ...call("s3", "PutObject DeleteObject")],
    containers: [...TASKS, "ecs:ExecuteCommand"],
    handlers: [],
  },
  {
    commands: ["secrets"],
    own: [
      ...call("cloudformation", "DescribeStacks GetTemplate"),
      ...call("ssm", "PutParameter AddTagsToResource DeleteParameter DescribeParameters"),
    ],
    handlers: [],
  },
  // A change can replace, and one that fails is undone: so whoever may make may also remove.
  {
    commands: ["commission", "resume", "abort"],
    own: [...CHANGE, ...STATUS, PRICING, ZONES],
    containers: TASKS,
    network: NETWORK,
    handlers: ["create", "read", "update", "remove"],
  },
  {
    commands: ["commission --revert-drift"],
    own: [...CHANGE, ...STATUS, PRICING, ...DETECT, "cloudformation:ListStackResources"],
    containers: TASKS,
    network: NETWORK,
    handlers: ["create", "read", "update", "remove"],
  },
  {
    commands: ["deploy", "rollback", "scale", "resume", "abort"],
    own: [...CHANGE, ...STATUS, ...RELEASE, PRICING],
    containers: CONTAINERS,
    handlers: ["create", "read", "update", "remove"],
    of: ["service", "routes"],
  },
  // What is left may be of an older configuration.
  {
    commands: ["decommission", "clean", "resume"],
    own: [...REMOVE, ...STATUS, ...CENSUS],
    containers: [...TASKS, "ecs:StopTask"],
    network: NETWORK,
    handlers: ["read", "remove"],
    of: "all",
  },
];

/** What Landfall itself calls for a command, without what CloudFormation calls for it. */
export const ownCalls = (command: string): readonly string[] => COMMANDS.find(({ commands }) => commands.includes(command))?.own ?? [];
