// A runbook to go on without Landfall, with the environment's own names. Pure.
import type { Deployment } from "../../../config/deployment.ts";
import { isDatabase } from "../../../resources/index.ts";
import type { StackTemplate } from "../templates/index.ts";
import { logicalName, secretPath, stackName } from "../templates/shared/names.ts";
import { templateFile } from "./script.ts";

export function makeRunbook(deployment: Deployment, stacks: readonly StackTemplate[]): string {
  const title = `${deployment.app} ${deployment.environment}`;
  return [
    `# ${title}: the runbook`,
    "",
    ...introduction(deployment, stacks),
    ...section("Update it", [
      "Change a template and run `./deploy.sh`. Look first at what would happen:",
      "",
      "```sh",
      "aws cloudformation create-change-set --stack-name STACK --change-set-name look --capabilities CAPABILITY_IAM \\",
      "  --template-body file://templates/STACK.json --parameters ParameterKey=NAME,UsePreviousValue=true",
      "aws cloudformation describe-change-set --stack-name STACK --change-set-name look --query 'Changes[].ResourceChange.[LogicalResourceId,Action,Replacement]'",
      "```",
      "",
      "A `Replacement` of `True` makes a new, empty thing and removes the old one. Never execute that for a database, a cache, a queue or a bucket.",
    ]),
    ...section("Scale", scaling(deployment.app, deployment.environment, scalable(deployment.services))),
    ...section("Release", [
      "A service's instances start from its launch template: a machine image, and user data that names the release in the artifact bucket. A new",
      "release is a new archive under `releases/` in that bucket and a changed `LANDFALL_RELEASE` in the user data of the service's template.",
      "`./deploy.sh` then replaces the instances batch by batch, and goes back by itself when the new ones do not say that they are well.",
    ]),
    ...section("Roll back", [
      "Keep these files in a repository: the way back is the older template and `./deploy.sh`. A stack that is stuck after a failed update:",
      "",
      "```sh",
      "aws cloudformation describe-stack-events --stack-name STACK --query 'StackEvents[?contains(ResourceStatus, `FAILED`)].[LogicalResourceId,ResourceStatusReason]'",
      "aws cloudformation continue-update-rollback --stack-name STACK",
      "```",
    ]),
    ...section(
      "Secrets",
      secrets(
        deployment.app,
        deployment.environment,
        Object.values(deployment.services).flatMap((service) => service.secrets),
      ),
    ),
    ...restore(stackName(deployment, "data"), databases(deployment.resources)),
    ...section("Look", [
      `Logs are in the groups \`/landfall/${deployment.app}/${deployment.environment}/SERVICE\`; alarms reach the topic of stack \`${stackName(deployment, "alarms")}\`.`,
      "",
      "```sh",
      `aws logs tail /landfall/${deployment.app}/${deployment.environment}/${Object.keys(deployment.services)[0]} --follow`,
      `aws resourcegroupstaggingapi get-resources --tag-filters Key=landfall:app,Values=${deployment.app} Key=landfall:environment,Values=${deployment.environment}`,
      "```",
    ]),
    ...section("Remove it", removal(deployment.app, deployment.environment, stacks)),
  ].join("\n");
}

const introduction = ({ settings }: Deployment, stacks: readonly StackTemplate[]): string[] => [
  "Everything of this environment is plain CloudFormation. Nothing of Landfall runs in the account, and none of this needs it: only the `aws`",
  "command, version 2, and credentials.",
  "",
  "```sh",
  ...(settings.region ? [`export AWS_REGION=${settings.region}`] : ["export AWS_REGION=...   # where it stands"]),
  "```",
  "",
  "| file | what it is |",
  "|---|---|",
  "| `deploy.sh` | makes or updates all stacks, in order; takes values between stacks from their outputs |",
  "| `remove.sh` | deletes them in the opposite order |",
  "| `parameters.json` | which parameter of which stack comes from which output |",
  ...stacks.map((stack, index) => `| \`${templateFile(stack)}\` | ${index + 1}. ${aboutStack(stack)} |`),
  "",
];

const section = (title: string, lines: string[]): string[] => [`## ${title}`, "", ...lines, ""];

const ABOUT: Record<StackTemplate["role"], string> = {
  shared: "shared by all environments of the app in this region: artifacts, image registry, builder's role",
  network: "the network, or the ids of one that was there before; the bucket of AWS's own logs",
  alarms: "whom alarms reach",
  data: "databases, caches, queues, buckets, and their names",
  edge: "the balancer, its certificate and its names",
  service: "a service",
  routes: "which requests go to which service",
};

const aboutStack = ({ role, service }: StackTemplate) =>
  service === undefined ? ABOUT[role] : `service ${service}: its fleet, role, logs and alarms`;

/** The id that CloudFormation gave a resource, as a variable. */
const idOf = (variable: string, stack: string, id: string) =>
  `${variable}=$(aws cloudformation describe-stack-resource --stack-name ${stack} --logical-resource-id ${id} --query StackResourceDetail.PhysicalResourceId --output text)`;

/** Of a scheduler and of a job there may never be two. */
const scalable = (services: Deployment["services"]): string[] =>
  Object.entries(services).flatMap(([name, { kind, singleton }]) => (singleton || kind === "job" ? [] : [name]));

const scaling = (app: string, environment: string, services: string[]) => [
  "For good, change `MinSize` and `MaxSize` of the group in the service's template. For now:",
  "",
  "```sh",
  ...services.flatMap((service) => [
    idOf("group", stackName({ app, environment }, "service", service), "BlueGroup"),
    'aws autoscaling update-auto-scaling-group --auto-scaling-group-name "$group" --min-size 2 --max-size 4',
  ]),
  "```",
];

function secrets(app: string, environment: string, names: string[]): string[] {
  const secretNames = [...new Set(names)];
  if (secretNames.length === 0) return ["No service asks for one. Passwords of databases and caches are in Secrets Manager, made by their stack."];
  return [
    "Instances read them when they start.",
    "",
    "```sh",
    ...secretNames.map(
      (secret) => `aws ssm put-parameter --type SecureString --overwrite --name ${secretPath(app, environment, secret)} --value "$(cat FILE)"`,
    ),
    "```",
  ];
}

const databases = (resources: Deployment["resources"]): string[] =>
  Object.entries(resources).flatMap(([name, resource]) => (resource.url === undefined && isDatabase(resource) ? [name] : []));

function restore(stack: string, names: string[]): string[] {
  if (names.length === 0) return [];
  return section("Restore a database", [
    "To any second within the days of its backups, as a new database beside the old one:",
    "",
    "```sh",
    ...names.flatMap((name) => [
      idOf("database", stack, `${logicalName(name)}Database`),
      'aws rds restore-db-instance-to-point-in-time --source-db-instance-identifier "$database" --target-db-instance-identifier "$database-restored" \\',
      "  --restore-time 2026-01-31T12:00:00Z --no-publicly-accessible \\",
      `  --db-subnet-group-name "$(aws rds describe-db-instances --db-instance-identifier "$database" --query 'DBInstances[0].DBSubnetGroup.DBSubnetGroupName' --output text)" \\`,
      `  --vpc-security-group-ids "$(aws rds describe-db-instances --db-instance-identifier "$database" --query 'DBInstances[0].VpcSecurityGroups[0].VpcSecurityGroupId' --output text)"`,
    ]),
    "```",
    "",
    "Copy back what was lost from it, or point the app at it. The restored one is outside the stack: delete it by hand when it is not needed any more.",
  ]);
}

interface Held {
  stack: string;
  id: string;
  type: string;
  policy: string | undefined;
  protected: boolean;
}

function removal(app: string, environment: string, stacks: readonly StackTemplate[]): string[] {
  const held = stacks.filter(({ role }) => role !== "shared").flatMap(resourcesOf);
  const protectedOnes = held.filter((database) => database.protected);
  const full = held.filter(({ type, policy }) => type === "AWS::S3::Bucket" && policy !== "Retain");
  const kept = held.filter(({ type, policy }) => policy === "Retain" || (policy === "Snapshot" && type === "AWS::RDS::DBInstance"));
  return [
    ...(protectedOnes.length > 0
      ? [
          "Databases refuse to be deleted until you allow it:",
          "",
          ...shell(
            protectedOnes.flatMap(({ stack, id }) => [
              idOf("database", stack, id),
              'aws rds modify-db-instance --db-instance-identifier "$database" --no-deletion-protection --apply-immediately',
            ]),
          ),
        ]
      : []),
    ...(full.length > 0
      ? ["Buckets must be empty:", "", ...shell(full.flatMap(({ stack, id }) => [idOf("bucket", stack, id), 'aws s3 rm "s3://$bucket" --recursive']))]
      : []),
    "Then `./remove.sh`. What stays, and may cost something:",
    "",
    ...kept.map(
      ({ id, stack, policy, type }) =>
        `- ${policy === "Retain" ? `\`${id}\` of \`${stack}\` (${type}) itself, with what is in it` : `a final snapshot of \`${id}\``}`,
    ),
    "- the key of the alarms' topic, for the seven days until it is deleted",
    `- secrets under \`/landfall/${app}/${environment}/\` in Parameter Store`,
    `- \`${stackName({ app, environment }, "shared")}\`, which other environments of the app may use: delete it when there are none`,
  ];
}

const shell = (lines: string[]) => ["```sh", ...lines, "```", ""];

/** What is looked at, of all that a template has. */
interface Template {
  Resources: Record<string, { Type: string; DeletionPolicy?: string; Properties?: { DeletionProtection?: boolean } }>;
}

function resourcesOf({ name, body }: StackTemplate): Held[] {
  const { Resources }: Template = JSON.parse(body);
  return Object.entries(Resources).map(([id, { Type, DeletionPolicy, Properties }]) => ({
    stack: name,
    id,
    type: Type,
    policy: DeletionPolicy,
    protected: Properties?.DeletionProtection === true,
  }));
}
