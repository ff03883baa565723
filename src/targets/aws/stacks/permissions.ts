// What instances of a service may do: read their release and their own secrets, use the environment's resources, write their own logs
// and metrics, and say how they are. Nothing else. Of containers ECS does half of it, with a role of its own.
import { phaseService } from "../routes.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { cdk } from "./cdk.ts";
import { ownResources } from "./data.ts";
import { logicalName, secretPath } from "./names.ts";
import { allow, arn, containerShell, SESSION_MANAGER, type Statement, sessionManager } from "./policies.ts";
import { logGroupName, metricNamespace } from "./settings.ts";

interface Around {
  site: Site;
  service: string;
  blueprint: Blueprint;
  foundation: Blueprint;
  data: Blueprint | undefined;
}

/** Of machines. */
export function statementsOf(around: Around): Statement[] {
  const { site, service, blueprint, foundation } = around;
  const { secrets, passwords } = readsOf(around, ["Login", "LoginReadOnly"]);
  const artifacts = bucketArn(blueprint.takeText(foundation, "ArtifactsBucket"));
  const group = `autoScalingGroup:*:autoScalingGroupName/${blueprint.name}-*`;
  return [
    allow("Release", ["s3:GetObject"], `${artifacts}/releases/*`),
    allow(
      "Reports",
      ["s3:PutObject"],
      reportsOf(site, service, blueprint.name).map((prefix) => `${artifacts}/reports/${prefix}*`),
    ),
    ...(secrets.length ? [allow("Secrets", ["ssm:GetParameters", "ssm:GetParameter"], secrets)] : []),
    ...(passwords.length ? [allow("Passwords", ["secretsmanager:GetSecretValue"], passwords)] : []),
    ...usesOf(around),
    allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", `log-group:${logGroupName(site, service)}:*`)),
    allow(
      "Lifecycle",
      ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat", "autoscaling:SetInstanceHealth"],
      arn("autoscaling", group),
    ),
    allow("Signal", ["cloudformation:SignalResource"], arn("cloudformation", `stack/${blueprint.name}/*`)),
    sessionManager(),
  ];
}

/** What the app in a container may do. Release and secrets are not its to read: ECS brings them. */
export const taskStatementsOf = (around: Around): Statement[] => [...usesOf(around), containerShell()];

/** What ECS itself does to start a container of the service. */
export function executionStatementsOf(around: Around): Statement[] {
  const { site, service, blueprint, foundation } = around;
  const { secrets, passwords } = readsOf(around, ["LoginUrl", "LoginReadOnlyUrl"]);
  return [
    allow("RegistryLogin", ["ecr:GetAuthorizationToken"], "*"),
    allow(
      "Image",
      ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
      blueprint.takeText(foundation, "ImagesArn"),
    ),
    ...(secrets.length ? [allow("Secrets", ["ssm:GetParameters"], secrets)] : []),
    ...(passwords.length ? [allow("Passwords", ["secretsmanager:GetSecretValue"], passwords)] : []),
    allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", `log-group:${logGroupName(site, service)}:*`)),
  ];
}

/** The app's own secrets, and the logins of its resources by the given `parts` of their names. */
function readsOf(around: Around, parts: string[]): { secrets: string[]; passwords: string[] } {
  const { site, service } = around;
  const secrets = secretsOf(site, service).map((secret) => arn("ssm", `parameter${secretPath(site.app.name, site.name, secret)}`));
  return { secrets, passwords: [...takenOf(around, ["postgres", "mysql"], parts), ...takenOf(around, ["cache"], parts.slice(0, 1))] };
}

function takenOf({ site, blueprint, data }: Around, types: string[], parts: string[]): string[] {
  return ownResources(site)
    .filter(([, { type }]) => types.includes(type))
    .flatMap(([name, resource]) =>
      parts
        .filter((part) => !part.includes("ReadOnly") || ("readOnlyUser" in resource && resource.readOnlyUser))
        .map((part) => blueprint.takeText(data as Blueprint, `${logicalName(name)}${part}`)),
    );
}

/** The app's own use of the environment, and its own metrics. */
function usesOf(around: Around): Statement[] {
  const queues = takenOf(around, ["queue"], ["QueueArn", "DeadLettersArn"]);
  const buckets = takenOf(around, ["bucket"], ["Bucket"]).map((bucket) => bucketArn(bucket));
  return [
    ...(queues.length ? [allow("Queues", QUEUE_CALLS, queues)] : []),
    ...(buckets.length
      ? [
          allow(
            "Objects",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            buckets.map((bucket) => `${bucket}/*`),
          ),
          allow("Buckets", ["s3:ListBucket"], buckets),
        ]
      : []),
    allow("Metrics", ["cloudwatch:PutMetricData"], "*", { StringEquals: { "cloudwatch:namespace": metricNamespace(around.site) } }),
  ];
}
/** Why resources are not named one by one. */
export const WILDCARDS = {
  Release: "Releases are added while instances run; each verifies its own by its digest.",
  Reports: "One for each instance that could not start, and one for each run of a release phase.",
  Objects: "The objects of a bucket are the app's to name.",
  Logs: "The streams of its own log group, one for each instance.",
  Metrics: "A metric is no resource; the condition keeps it to the environment's own namespace.",
  Lifecycle: "Groups of its own stack, whose names CloudFormation makes.",
  Signal: "Its own stack, whose id CloudFormation makes.",
  SessionManager: SESSION_MANAGER,
  RegistryLogin: "A login is to a registry as a whole; what may be pulled is said next to it.",
};

const QUEUE_CALLS = [
  "sqs:SendMessage",
  "sqs:ReceiveMessage",
  "sqs:DeleteMessage",
  "sqs:ChangeMessageVisibility",
  "sqs:GetQueueAttributes",
  "sqs:GetQueueUrl",
];

const bucketArn = (name: string) => `arn:${cdk.Aws.PARTITION}:s3:::${name}`;

/** Why an instance could not start; and what a release phase said, which runs with the rights of one service. */
function reportsOf({ app, name }: Site, service: string, stack: string): string[] {
  const { expand, contract } = app.release;
  const runsPhases = (expand ?? contract) !== undefined && service === phaseService(app);
  return [`${stack}/`, ...(runsPhases ? [`phase-${name}-`] : [])];
}

/** Its own, those that hold a resource's URL, and passwords that its proxy asks for. */
function secretsOf({ app }: Site, service: string): string[] {
  const settings = app.services[service];
  const urls = Object.values(app.resources).flatMap(({ url }) => (typeof url === "object" ? [url.secret] : []));
  const passwords = settings?.port === undefined ? [] : app.routes.flatMap(({ basicAuth }) => (basicAuth ? [basicAuth.password] : []));
  return [...new Set([...(settings?.secrets ?? []), ...urls, ...passwords])];
}
