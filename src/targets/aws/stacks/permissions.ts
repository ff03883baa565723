// What instances of a service may do: read their release and their own secrets, use the environment's resources, write their own logs
// and metrics, and say how they are. Nothing else.
import { webServices } from "../routes.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { cdk } from "./cdk.ts";
import { ownResources } from "./data.ts";
import { logicalName, secretPath } from "./names.ts";
import { allow, arn, SESSION_MANAGER, type Statement, sessionManager } from "./policies.ts";
import { logGroupName, metricNamespace } from "./settings.ts";

interface Around {
  site: Site;
  service: string;
  blueprint: Blueprint;
  foundation: Blueprint;
  data: Blueprint | undefined;
}

export function statementsOf({ site, service, blueprint, foundation, data }: Around): Statement[] {
  const secrets = secretsOf(site, service).map((secret) => arn("ssm", `parameter${secretPath(site.app.name, site.name, secret)}`));
  const uses = ownResources(site).map(([name, resource]) => ({ prefix: logicalName(name), resource }));
  const taken = (types: string[], parts: string[]) =>
    uses
      .filter(({ resource }) => types.includes(resource.type))
      .flatMap(({ prefix, resource }) =>
        parts
          .filter((part) => part !== "LoginReadOnly" || ("readOnlyUser" in resource && resource.readOnlyUser))
          .map((part) => blueprint.takeText(data as Blueprint, `${prefix}${part}`)),
      );
  const passwords = [...taken(["postgres", "mysql"], ["Login", "LoginReadOnly"]), ...taken(["cache"], ["Login"])];
  const queues = taken(["queue"], ["QueueArn", "DeadLettersArn"]);
  const buckets = taken(["bucket"], ["Bucket"]).map((bucket) => bucketArn(bucket));
  const artifacts = blueprint.takeText(foundation, "ArtifactsBucket");
  const group = `autoScalingGroup:*:autoScalingGroupName/${blueprint.name}-*`;
  return [
    allow("Release", ["s3:GetObject"], `${bucketArn(artifacts)}/releases/*`),
    allow(
      "Reports",
      ["s3:PutObject"],
      reportsOf(site, service, blueprint.name).map((prefix) => `${bucketArn(artifacts)}/reports/${prefix}*`),
    ),
    ...(secrets.length ? [allow("Secrets", ["ssm:GetParameters", "ssm:GetParameter"], secrets)] : []),
    ...(passwords.length ? [allow("Passwords", ["secretsmanager:GetSecretValue"], passwords)] : []),
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
    allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", `log-group:${logGroupName(site, service)}:*`)),
    allow("Metrics", ["cloudwatch:PutMetricData"], "*", { StringEquals: { "cloudwatch:namespace": metricNamespace(site) } }),
    allow(
      "Lifecycle",
      ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat", "autoscaling:SetInstanceHealth"],
      arn("autoscaling", group),
    ),
    allow("Signal", ["cloudformation:SignalResource"], arn("cloudformation", `stack/${blueprint.name}/*`)),
    sessionManager(),
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

/** Why an instance could not start; and what a release phase said, which runs with the rights of the first web service. */
function reportsOf({ app, name }: Site, service: string, stack: string): string[] {
  const { expand, contract } = app.release;
  const runsPhases = (expand ?? contract) !== undefined && service === (webServices(app)[0] ?? Object.keys(app.services)[0]);
  return [`${stack}/`, ...(runsPhases ? [`phase-${name}-`] : [])];
}

/** Its own, those that hold a resource's URL, and passwords that its proxy asks for. */
function secretsOf({ app }: Site, service: string): string[] {
  const settings = app.services[service];
  const urls = Object.values(app.resources).flatMap(({ url }) => (typeof url === "object" ? [url.secret] : []));
  const passwords = settings?.port === undefined ? [] : app.routes.flatMap(({ basicAuth }) => (basicAuth ? [basicAuth.password] : []));
  return [...new Set([...(settings?.secrets ?? []), ...urls, ...passwords])];
}
