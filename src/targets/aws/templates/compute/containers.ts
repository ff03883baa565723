// A service as containers on ECS Fargate: its cluster and roles, and in each slot an ECS service; for a job a schedule that starts tasks.
import type { CfnResource, aws_cloudwatch as cloudwatch, aws_ecs as ecs, aws_elasticloadbalancingv2 as elb } from "aws-cdk-lib";
import type { Container, Service } from "../../../../config/schema.ts";
import { havePublicAddresses } from "../network/existing.ts";
import { acknowledge, cdk } from "../shared/cdk.ts";
import type { DrawnFleet } from "../shared/drawn.ts";
import { addTooFewAlarm } from "../shared/metrics.ts";
import { logicalName } from "../shared/names.ts";
import { addRole, allow, arn } from "../shared/policies.ts";
import type { Slot } from "../shared/running.ts";
import { eventBridgeCron } from "./cron.ts";
import { executionStatementsOf, taskStatementsOf, WILDCARDS } from "./permissions.ts";
import { addTaskScaling } from "./scaling.ts";
import { labelOf, type ServicePlace, takeData, topicOf } from "./service-place.ts";
import { CONTAINER, containerOf, describeTask } from "./task.ts";

export interface TaskFrame {
  cluster: ecs.CfnCluster;
  /** ARNs. */
  executionRole: string;
  taskRole: string;
}

/** Stands without a release, too: the release phase of the first one runs in it. */
export function addTaskFrame(place: ServicePlace): TaskFrame {
  const { stack } = place.builder;
  const principal = "ecs-tasks.amazonaws.com";
  const execution = { policyName: "execution", principal, statements: executionStatementsOf(place), wildcards: WILDCARDS };
  const task = { policyName: "task", principal, statements: taskStatementsOf(place), wildcards: WILDCARDS };
  return {
    cluster: new cdk.aws_ecs.CfnCluster(stack, "Cluster", {
      capacityProviders: ["FARGATE", "FARGATE_SPOT"],
      // The number of tasks that run is measured by nothing else.
      clusterSettings: [{ name: "containerInsights", value: "enabled" }],
    }),
    executionRole: addRole(stack, "ExecutionRole", execution).attrArn,
    taskRole: addRole(stack, "TaskRole", task).attrArn,
  };
}

export interface TaskFleetInput extends ServicePlace {
  slot: Slot;
  fleet: DrawnFleet;
  frame: TaskFrame;
  securityGroups: string[];
  target?: { group: elb.CfnTargetGroup; balancer: string; attached: CfnResource; alarms: cloudwatch.CfnAlarm[] };
  queueName?: string;
}

/** Returns the name of the ECS service; a job has none. */
export function addTaskFleet(input: TaskFleetInput): string | undefined {
  const { slot, builder, fleet } = input;
  const { settings } = fleet;
  const task = addTask(input);
  if (settings.schedule !== undefined) addSchedule(input, settings.schedule, task);
  const ecsService = settings.schedule === undefined ? addEcsService(input, settings, task) : undefined;
  if (ecsService) builder.output(ecsService.attrName, slot, "Tasks");
  return ecsService?.attrName;
}

function addTask(input: TaskFleetInput): ecs.CfnTaskDefinition {
  const { site, service, slot, fleet, builder, frame } = input;
  const definition = new cdk.aws_ecs.CfnTaskDefinition(
    builder.stack,
    `${logicalName(slot)}Task`,
    describeTask({
      site,
      service,
      fleet,
      region: cdk.Aws.REGION,
      executionRole: frame.executionRole,
      taskRole: frame.taskRole,
      parameterArn: (path) => arn("ssm", `parameter${path}`),
      take: takeData(input),
    }),
  );
  acknowledge(definition, { ECS2: "What stands there is no secret: secrets come from SSM and Secrets Manager, by reference." });
  return definition;
}

const networkOf = ({ site, builder, network, securityGroups }: TaskFleetInput) => ({
  awsvpcConfiguration: {
    subnets: builder.parameterList(network, "InstanceSubnets"),
    securityGroups,
    assignPublicIp: havePublicAddresses(site.settings.network) ? "ENABLED" : "DISABLED",
  },
});

const capacityOf = ({ spot }: Container) => [{ capacityProvider: spot ? "FARGATE_SPOT" : "FARGATE", weight: 1 }];

function addEcsService(input: TaskFleetInput, settings: Service, task: ecs.CfnTaskDefinition): ecs.CfnService {
  const { site, slot, fleet, builder, frame, target } = input;
  const { stack } = builder;
  const id = logicalName(slot);
  const container = containerOf(settings);
  const size = fleet.instances ?? settings.instances;
  const ecsService = new cdk.aws_ecs.CfnService(stack, `${id}Service`, {
    cluster: frame.cluster.ref,
    taskDefinition: task.ref,
    // With scaling by load the number is not the template's to say.
    desiredCount: settings.scaling ? undefined : size.min,
    capacityProviderStrategy: capacityOf(container),
    platformVersion: "LATEST",
    deploymentConfiguration: {
      ...percentages(container, site.rollout.surge, size.min),
      deploymentCircuitBreaker: { enable: true, rollback: true },
      ...(target ? { alarms: { alarmNames: target.alarms.map(({ ref }) => ref), enable: true, rollback: true } } : {}),
    },
    networkConfiguration: networkOf(input),
    loadBalancers: target && [{ containerName: CONTAINER, containerPort: settings.port, targetGroupArn: target.group.ref }],
    healthCheckGracePeriodSeconds: target && Math.ceil(settings.health.startupTimeout / 1000),
    enableExecuteCommand: true,
    enableEcsManagedTags: true,
    propagateTags: "SERVICE",
    tags: Object.entries({ ...builder.tags(), "landfall:release": fleet.release, "landfall:fleet": slot }).map(([key, value]) => ({ key, value })),
  });
  // ECS takes a target group only once a balancer has it.
  if (target) ecsService.addResourceDependency(target.attached);
  const dimensions = { ClusterName: frame.cluster.ref, ServiceName: ecsService.attrName };
  if (settings.scaling)
    addTaskScaling({
      stack,
      slot: id,
      name: `${builder.name}-${slot}`,
      dimensions,
      size,
      scaling: settings.scaling,
      queueName: input.queueName,
      requestLabel: target && { label: `${target.balancer}/${target.group.attrTargetGroupFullName}`, attached: target.attached },
    });
  addTooFewAlarm(stack, {
    id,
    label: labelOf(input),
    least: size.min,
    topic: () => topicOf(input),
    dimensions,
    metric: "tasksRunning",
  });
  return ecsService;
}

/** ECS rounds the least up and the most down: of few tasks none could go and none could come, and the rollout would stand still. */
export function percentages({ minHealthy, maxHealthy }: Pick<Container, "minHealthy" | "maxHealthy">, surge: boolean, tasks: number) {
  const number = Math.max(1, tasks);
  const most = surge ? maxHealthy : 100;
  const stuck = Math.floor((number * most) / 100) <= Math.ceil((number * minHealthy) / 100);
  return {
    minimumHealthyPercent: stuck && !surge ? Math.floor((100 * (number - 1)) / number) : minHealthy,
    maximumPercent: stuck && surge ? Math.ceil((100 * (number + 1)) / number) : most,
  };
}

/** A start that fails is tried again only for so long that the run after it is not met. */
const RETRY_S = 60;
const RETRIES = 3;

function addSchedule(input: TaskFleetInput, schedule: string, task: ecs.CfnTaskDefinition): void {
  const { slot, builder, frame, fleet } = input;
  const container = containerOf(fleet.settings);
  const id = logicalName(slot);
  const role = addRole(builder.stack, `${id}ScheduleRole`, {
    policyName: "schedule",
    principal: "scheduler.amazonaws.com",
    statements: [
      { ...allow("Run", ["ecs:RunTask"], task.ref), Condition: { ArnEquals: { "ecs:cluster": frame.cluster.attrArn } } },
      {
        ...allow("Roles", ["iam:PassRole"], [frame.executionRole, frame.taskRole]),
        Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      },
    ],
    wildcards: {},
  });
  new cdk.aws_scheduler.CfnSchedule(builder.stack, `${id}Schedule`, {
    description: labelOf(input),
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
