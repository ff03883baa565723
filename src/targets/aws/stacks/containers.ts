// A service as containers on ECS Fargate: its cluster and roles, and in each slot an ECS service; for a job a schedule that starts tasks.
import type { CfnResource, aws_cloudwatch as cloudwatch, aws_ecs as ecs, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import type { Container, Service } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import type { Blueprint, Site } from "./blueprint.ts";
import { acknowledge, cdk } from "./cdk.ts";
import { eventBridgeCron } from "./cron.ts";
import { drawTooFewAlarm } from "./metrics.ts";
import { logicalName } from "./names.ts";
import { executionStatementsOf, taskStatementsOf, WILDCARDS } from "./permissions.ts";
import { allow, arn, drawRole } from "./policies.ts";
import type { Fleet, Slot } from "./running.ts";
import { drawTaskScaling } from "./scaling.ts";
import { CONTAINER, describeTask } from "./task.ts";

export interface TaskFrame {
  cluster: ecs.CfnCluster;
  /** ARNs. */
  executionRole: string;
  taskRole: string;
}

interface FrameInput {
  site: Site;
  service: string;
  blueprint: Blueprint;
  foundation: Blueprint;
  data: Blueprint | undefined;
}

/** Stands without a release, too: the release phase of the first one runs in it. */
export function drawTaskFrame(input: FrameInput): TaskFrame {
  const { stack } = input.blueprint;
  const principal = "ecs-tasks.amazonaws.com";
  const execution = { policyName: "execution", principal, statements: executionStatementsOf(input), wildcards: WILDCARDS };
  const task = { policyName: "task", principal, statements: taskStatementsOf(input), wildcards: WILDCARDS };
  return {
    cluster: new cdk.aws_ecs.CfnCluster(stack, "Cluster", {
      capacityProviders: ["FARGATE", "FARGATE_SPOT"],
      // The number of tasks that run is measured by nothing else.
      clusterSettings: [{ name: "containerInsights", value: "enabled" }],
    }),
    executionRole: drawRole(stack, "ExecutionRole", execution).attrArn,
    taskRole: drawRole(stack, "TaskRole", task).attrArn,
  };
}

export interface TaskFleetInput extends FrameInput {
  slot: Slot;
  fleet: Fleet;
  frame: TaskFrame;
  network: Blueprint;
  topic: () => string;
  securityGroups: string[];
  target?: { group: elb.CfnTargetGroup; balancer: string; attached: CfnResource; alarms: cloudwatch.CfnAlarm[] };
  queueName?: string;
}

/** Returns the name of the ECS service; a job has none. Errors: STACK_REPLACEMENT_REFUSED when what runs are machines. */
export function drawTaskFleet(input: TaskFleetInput): string | undefined {
  const { site, service, slot, blueprint } = input;
  const settings = site.app.services[service] as Service;
  const task = drawTask(input);
  if (settings.schedule !== undefined) drawSchedule(input, settings.schedule, task);
  const drawn = settings.schedule === undefined ? drawEcsService(input, settings, task) : undefined;
  if (drawn) blueprint.give(`${logicalName(service)}${logicalName(slot)}Tasks`, drawn.attrName);
  return drawn?.attrName;
}

function drawTask({ site, service, slot, fleet, blueprint, data, frame }: TaskFleetInput): ecs.CfnTaskDefinition {
  const { task } = fleet;
  if (!task) throw changedKind(site.name, service, "machines", "containers");
  const definition = new cdk.aws_ecs.CfnTaskDefinition(
    blueprint.stack,
    `${logicalName(slot)}Task`,
    describeTask({
      site,
      service,
      fleet: { ...fleet, task },
      region: cdk.Aws.REGION,
      executionRole: frame.executionRole,
      taskRole: frame.taskRole,
      parameterArn: (path) => arn("ssm", `parameter${path}`),
      take: (output) => blueprint.takeText(data as Blueprint, output),
    }),
  );
  acknowledge(definition, { ECS2: "What stands there is no secret: secrets come from SSM and Secrets Manager, by reference." });
  return definition;
}

/** Two kinds of fleet cannot take turns in one target group. */
export const changedKind = (environment: string, service: string, from: string, to: string) =>
  new LandfallError({
    code: "STACK_REPLACEMENT_REFUSED",
    what: `service "${service}" of environment "${environment}" runs as ${from}, and is to run as ${to}`,
    why: "Its instances would all go before the first new one could be started.",
    standing: "Nothing was changed.",
    next: `add a second service of another name that runs as ${to}, send it the requests, and then remove this one`,
  });

const networkOf = ({ site, blueprint, network, securityGroups }: TaskFleetInput) => ({
  awsvpcConfiguration: {
    subnets: blueprint.takeList(network, "InstanceSubnets"),
    securityGroups,
    assignPublicIp: site.environment.network.nat === "none" ? "ENABLED" : "DISABLED",
  },
});

const capacityOf = ({ spot }: Container) => [{ capacityProvider: spot ? "FARGATE_SPOT" : "FARGATE", weight: 1 }];

function drawEcsService(input: TaskFleetInput, settings: Service, task: ecs.CfnTaskDefinition): ecs.CfnService {
  const { site, service, slot, fleet, blueprint, frame, target } = input;
  const { stack } = blueprint;
  const id = logicalName(slot);
  const container = settings.container as Container;
  const size = fleet.instances ?? settings.instances;
  const drawn = new cdk.aws_ecs.CfnService(stack, `${id}Service`, {
    cluster: frame.cluster.ref,
    taskDefinition: task.ref,
    // With scaling by load the number is not the template's to say.
    desiredCount: settings.scaling ? undefined : size.min,
    capacityProviderStrategy: capacityOf(container),
    platformVersion: "LATEST",
    deploymentConfiguration: {
      ...percentages(container, site.app.rollout.surge, size.min),
      deploymentCircuitBreaker: { enable: true, rollback: true },
      ...(target ? { alarms: { alarmNames: target.alarms.map(({ ref }) => ref), enable: true, rollback: true } } : {}),
    },
    networkConfiguration: networkOf(input),
    loadBalancers: target && [{ containerName: CONTAINER, containerPort: settings.port, targetGroupArn: target.group.ref }],
    healthCheckGracePeriodSeconds: target && Math.ceil(settings.health.deadline / 1000),
    enableExecuteCommand: true,
    enableEcsManagedTags: true,
    propagateTags: "SERVICE",
    tags: Object.entries({ ...blueprint.tags(), "landfall:release": fleet.release, "landfall:fleet": slot }).map(([key, value]) => ({ key, value })),
  });
  // ECS takes a target group only once a balancer has it.
  if (target) drawn.addResourceDependency(target.attached);
  const dimensions = { ClusterName: frame.cluster.ref, ServiceName: drawn.attrName };
  if (settings.scaling)
    drawTaskScaling({
      stack,
      slot: id,
      name: `${blueprint.name}-${slot}`,
      dimensions,
      size,
      scaling: settings.scaling,
      queueName: input.queueName,
      requestLabel: target && { label: `${target.balancer}/${target.group.attrTargetGroupFullName}`, attached: target.attached },
    });
  drawTooFewAlarm(stack, {
    id,
    label: `${site.app.name}, ${site.name}: service ${service}`,
    least: size.min,
    topic: input.topic,
    dimensions,
    metric: "tasksRunning",
  });
  return drawn;
}

/** ECS rounds the least up and the most down: of few tasks none could go and none could come, and the rollout would stand still. */
export function percentages({ healthy }: Pick<Container, "healthy">, surge: boolean, tasks: number) {
  const number = Math.max(1, tasks);
  const most = surge ? healthy.most : 100;
  const stuck = Math.floor((number * most) / 100) <= Math.ceil((number * healthy.least) / 100);
  return {
    minimumHealthyPercent: stuck && !surge ? Math.floor((100 * (number - 1)) / number) : healthy.least,
    maximumPercent: stuck && surge ? Math.ceil((100 * (number + 1)) / number) : most,
  };
}

/** A start that fails is tried again only for so long that the run after it is not met. */
const RETRY_S = 60;
const RETRIES = 3;

function drawSchedule(input: TaskFleetInput, schedule: string, task: ecs.CfnTaskDefinition): void {
  const { site, service, slot, blueprint, frame } = input;
  const container = site.app.services[service]?.container as Container;
  const id = logicalName(slot);
  const role = drawRole(blueprint.stack, `${id}ScheduleRole`, {
    policyName: "schedule",
    principal: "scheduler.amazonaws.com",
    statements: [
      allow("Run", ["ecs:RunTask"], task.ref, { ArnEquals: { "ecs:cluster": frame.cluster.attrArn } }),
      allow("Roles", ["iam:PassRole"], [frame.executionRole, frame.taskRole], { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } }),
    ],
    wildcards: {},
  });
  new cdk.aws_scheduler.CfnSchedule(blueprint.stack, `${id}Schedule`, {
    description: `${site.app.name}, ${site.name}: service ${service}`,
    scheduleExpression: `cron(${eventBridgeCron(schedule)})`,
    scheduleExpressionTimezone: "UTC",
    flexibleTimeWindow: { mode: "OFF" },
    target: {
      arn: frame.cluster.attrArn,
      roleArn: role.attrArn,
      ecsParameters: {
        taskDefinitionArn: task.ref,
        taskCount: 1,
        capacityProviderStrategy: capacityOf(container),
        platformVersion: "LATEST",
        networkConfiguration: networkOf(input),
        enableExecuteCommand: true,
      },
      retryPolicy: { maximumEventAgeInSeconds: RETRY_S, maximumRetryAttempts: RETRIES },
    },
  });
}
