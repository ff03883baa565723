// The permissions of a service's instances: read their release and their own secrets, use the environment's resources, write their own logs
// and metrics, and say how they are. Nothing else. Of containers ECS does half of it, with a role of its own.

import { isAlone } from "../../../../config/deployment.ts";
import { leaseKey } from "../../../../machine/lease.ts";
import { phaseService, proxyOf } from "../../../../routing/placement.ts";
import { awsTypeOf, ownResources, RESOURCE_WILDCARDS, resourceStatements } from "../../resources/index.ts";
import { bucketArn } from "../shared/bucket.ts";
import type { Shape } from "../shared/drawn.ts";
import { logGroupName, metricNamespace, secretPath } from "../shared/names.ts";
import type { ResourceOutput } from "../shared/outputs.ts";
import { allow, arn, containerShell, SESSION_MANAGER, type Statement, sessionManager } from "../shared/policies.ts";
import type { Site } from "../shared/stack-builder.ts";
import { type ServicePlace, takeData } from "./service-place.ts";

/** Of machines. */
export function statementsOf(place: ServicePlace): Statement[] {
  const { site, service, builder, shared } = place;
  const { secrets, passwords } = readsOf(place, (login) => login);
  const artifacts = bucketArn(builder.parameter(shared, "ArtifactsBucket"));
  const group = `autoScalingGroup:*:autoScalingGroupName/${builder.name}-*`;
  return [
    allow("Release", ["s3:GetObject"], `${artifacts}/releases/*`),
    allow(
      "Reports",
      ["s3:PutObject"],
      reportsOf(site, service, builder.name).map((prefix) => `${artifacts}/reports/${prefix}*`),
    ),
    ...(hasLease(site, service) ? [allow("Lease", ["s3:GetObject", "s3:PutObject"], `${artifacts}/${leaseKey(site.environment, service)}`)] : []),
    ...(secrets.length ? [allow("Secrets", ["ssm:GetParameters", "ssm:GetParameter"], secrets)] : []),
    ...(passwords.length ? [allow("Passwords", ["secretsmanager:GetSecretValue"], passwords)] : []),
    ...usesOf(place),
    allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", `log-group:${logGroupName(site, service)}:*`)),
    allow(
      "Lifecycle",
      ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat", "autoscaling:SetInstanceHealth"],
      arn("autoscaling", group),
    ),
    allow("Standing", ["autoscaling:DescribeAutoScalingInstances", "elasticloadbalancing:DescribeTargetHealth"], "*"),
    allow("Signal", ["cloudformation:SignalResource"], arn("cloudformation", `stack/${builder.name}/*`)),
    sessionManager(),
  ];
}

/** What the app in a container may do. Release and secrets are not its to read: ECS brings them. */
export const taskStatementsOf = (place: ServicePlace): Statement[] => [...usesOf(place), containerShell()];

/** What ECS itself does to start a container of the service. */
export function executionStatementsOf(place: ServicePlace): Statement[] {
  const { site, service, builder, shared } = place;
  const { secrets, passwords } = readsOf(place, (login) => `${login}Url`);
  return [
    allow("RegistryLogin", ["ecr:GetAuthorizationToken"], "*"),
    allow("Image", ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"], builder.parameter(shared, "ImagesArn")),
    ...(secrets.length ? [allow("Secrets", ["ssm:GetParameters"], secrets)] : []),
    ...(passwords.length ? [allow("Passwords", ["secretsmanager:GetSecretValue"], passwords)] : []),
    allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arn("logs", `log-group:${logGroupName(site, service)}:*`)),
  ];
}

/** The app's own secrets, and those of its resources that `output` names for each login. */
function readsOf(place: ServicePlace, output: (login: "Login" | "LoginReadOnly") => ResourceOutput): { secrets: string[]; passwords: string[] } {
  const { site, service } = place;
  const take = takeData(place);
  const secrets = secretsOf(site, service).map((secret) => arn("ssm", `parameter${secretPath(site.app, site.environment, secret)}`));
  const passwords = ownResources(site).flatMap(([name, resource]) =>
    awsTypeOf(resource)
      .logins(resource)
      .map((login) => take(name, output(login))),
  );
  return { secrets, passwords };
}

/** The app's own use of the environment, and its own metrics. */
const usesOf = (place: ServicePlace): Statement[] => [
  ...resourceStatements(place.site, takeData(place)),
  {
    ...allow("Metrics", ["cloudwatch:PutMetricData"], "*"),
    Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace(place.site) } },
  },
];

/** Why resources are not named one by one. */
export const WILDCARDS = {
  ...RESOURCE_WILDCARDS,
  Release: "Releases are added while instances run; each verifies its own by its digest.",
  Reports: "One for each instance that could not start, and one for each run of a release phase.",
  Logs: "The streams of its own log group, one for each instance.",
  Metrics: "A metric is no resource; the condition keeps it to the environment's own namespace.",
  Lifecycle: "Groups of its own stack, whose names CloudFormation makes.",
  Standing: "Where an instance stands in its group, and what the balancer finds of it. AWS knows no resource for either question.",
  Signal: "Its own stack, whose id CloudFormation makes.",
  SessionManager: SESSION_MANAGER,
  RegistryLogin: "A login is to a registry as a whole; what may be pulled is said next to it.",
};

/** Why an instance could not start; and what a release phase said, which runs with the rights of one service. */
function reportsOf({ configured, environment }: Site, service: string, stack: string): string[] {
  const { expand, contract } = configured.release;
  const runsPhases = (expand ?? contract) !== undefined && service === phaseService(configured);
  return [`${stack}/`, ...(runsPhases ? [`phase-${environment}-`] : [])];
}

/** That of the configuration, and those of what runs. */
const shapesOf = ({ configured, running }: Pick<Site, "configured" | "running">, service: string): Partial<Shape>[] => [
  { settings: configured.services[service], proxy: proxyOf(configured, service) },
  ...Object.values(running[service] ?? {}),
];

const hasLease = (site: Site, service: string): boolean => shapesOf(site, service).some(({ settings }) => settings && isAlone(settings));

/**
 * Those of the configuration and of what runs: its own, those that hold a resource's URL, and passwords that its proxy asks for. A release phase
 * runs with them before its release does.
 */
function secretsOf({ resources, configured, running }: Site, service: string): string[] {
  const urls = Object.values(resources).flatMap(({ url }) => (typeof url === "object" ? [url.secret] : []));
  const shapes = shapesOf({ configured, running }, service);
  const own = shapes.flatMap(({ settings }) => settings?.secrets ?? []);
  return [...new Set([...own, ...urls, ...shapes.flatMap(({ proxy }) => proxy?.passwords ?? [])])];
}
