// Elastic Container Service: services and their clusters, and task definitions, of which AWS keeps every one that was ever made.

import type { ECS } from "@aws-sdk/client-ecs";
import { rowsOf } from "../account/pages.ts";
import { observeTasks, stopTasks } from "../account/tasks.ts";
import { familiesOf } from "../templates/compute/task.ts";
import { stackName } from "../templates/shared/names.ts";
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { ALL_MONTH, type Bill, byUse, type Charge, hourly, hours, once, type PricedResource } from "./entry/price.ts";
import type { PriceKey } from "./entry/prices.ts";
import type { Candidate, Discovery, Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, arn, type Narrow, named } from "./entry/scope.ts";

const ecsOf = ({ context }: Discovery): Promise<ECS> => context.clients.ecs();

/** `arn:…:service/cluster/name`. */
const clusterOf = (service: string): string => service.split("/").at(-2) ?? "";

const SERVICE: Inventory = {
  removal: "containers",
  arn: /^(arn:[^:]+:ecs:[^:]*:\d*:service\/.+)$/,
  look: async (discovery, ids) => {
    const ecs = await ecsOf(discovery);
    return each(ids, async (id) => {
      const { services = [] } = await ecs.describeServices({ cluster: clusterOf(id), services: [id] });
      const status = services[0]?.status;
      return status === undefined || status === "INACTIVE" ? undefined : { ...(status === "DRAINING" ? { leaving: true } : {}) };
    });
  },
  remove: async (discovery, id) => (await ecsOf(discovery)).deleteService({ cluster: clusterOf(id), service: id, force: true }),
};

const CLUSTER: Inventory = {
  removal: "containers",
  arn: /:ecs:[^:]*:\d*:cluster\/(.+)$/,
  look: async (discovery, ids) => {
    const ecs = await ecsOf(discovery);
    return each(ids, async (id) => {
      const { clusters = [] } = await ecs.describeClusters({ clusters: [id] });
      return clusters[0] && clusters[0].status !== "INACTIVE" ? {} : undefined;
    });
  },
  remove: async (discovery, id) => {
    await stopTasks(discovery.context, await observeTasks(discovery.context, { cluster: id }), id);
    await (await ecsOf(discovery)).deleteCluster({ cluster: id });
  },
};

/** CloudFormation takes those of old releases out of use, and leaves them. Found by their families' names; those of services that are not
 * configured any more are judged by their tags. */
const TASK_DEFINITION: Inventory = {
  removal: "containers",
  arn: /^(arn:[^:]+:ecs:[^:]*:\d*:task-definition\/.+)$/,
  find: async (discovery) => {
    const ecs = await ecsOf(discovery);
    const ownFamilies = new Set(
      Object.keys(discovery.context.deployment.services).flatMap((service) => familiesOf(discovery.context.deployment, service)),
    );
    const families = await rowsOf(
      ecs.paginateListTaskDefinitionFamilies({
        familyPrefix: stackName(discovery, "service", ""),
        status: "ALL",
      }),
      (page) => page.families,
    );
    const candidates: Candidate[] = [];
    for (const familyPrefix of families)
      for (const status of ["ACTIVE", "INACTIVE"] as const) {
        const arns = await rowsOf(ecs.paginateListTaskDefinitions({ familyPrefix, status }), (page) => page.taskDefinitionArns);
        for (const id of arns) {
          const { tags = [] } = await ecs.describeTaskDefinition({ taskDefinition: id, include: ["TAGS"] });
          candidates.push({
            id,
            ...(ownFamilies.has(familyPrefix) ? { owner: "environment" as const } : {}),
            tags: Object.fromEntries(tags.map(({ key = "", value = "" }) => [key, value])),
          });
        }
      }
    return candidates;
  },
  look: async (discovery, ids) => {
    const ecs = await ecsOf(discovery);
    return each(ids, async (id) => {
      const { taskDefinition } = await ecs.describeTaskDefinition({ taskDefinition: id }).catch((error: unknown) => {
        // Its word for one that is gone.
        if (error instanceof Error && error.name === "ClientException") return { taskDefinition: undefined };
        throw error;
      });
      // One that is being deleted is AWS's own matter: nobody can use it, and it costs nothing.
      return taskDefinition && taskDefinition.status !== "DELETE_IN_PROGRESS" ? {} : undefined;
    });
  },
  remove: async (discovery, id) => {
    const ecs = await ecsOf(discovery);
    const { taskDefinition } = await ecs.describeTaskDefinition({ taskDefinition: id });
    // What CloudFormation has taken out of use already is not taken out of use twice.
    if (taskDefinition?.status === "ACTIVE") await ecs.deregisterTaskDefinition({ taskDefinition: id });
    const { failures: [failure] = [] } = await ecs.deleteTaskDefinitions({ taskDefinitions: [id] });
    if (failure) throw new Error(`ECS did not delete ${id}: ${failure.reason} ${failure.detail ?? ""}`);
  },
};

const ROLLS = "its tasks are replaced, batch by batch";

interface ServiceProperties {
  NetworkConfiguration?: { AwsvpcConfiguration?: { AssignPublicIp?: string } };
}

interface TaskProperties {
  Cpu?: string;
  Memory?: string;
  RuntimePlatform?: { CpuArchitecture?: string };
}

function billService(resource: PricedResource): Bill {
  const { properties } = resource;
  const { Cpu, Memory, RuntimePlatform }: TaskProperties = resource.referred(properties.TaskDefinition, "AWS::ECS::TaskDefinition") ?? {};
  const scalable = resource.referring("AWS::ApplicationAutoScaling::ScalableTarget", "ResourceId");
  const count = scalable ? { min: Number(scalable.MinCapacity), max: Number(scalable.MaxCapacity) } : once(Number(properties.DesiredCount ?? 1));
  const { NetworkConfiguration: network }: ServiceProperties = properties;
  const spot = JSON.stringify(properties.CapacityProviderStrategy ?? "").includes("FARGATE_SPOT");
  const doubts = [
    ...(RuntimePlatform?.CpuArchitecture === "ARM64" ? ["the price of x86; ARM costs a fifth less"] : []),
    ...(spot ? ["the price on demand; spare capacity costs less"] : []),
  ];
  const assumption = scalable ? `${ALL_MONTH}, at the least and at the most that scaling allows` : ALL_MONTH;
  const charge = (key: PriceKey, what: string, units: number): Charge => ({
    key,
    what,
    units: hours({ min: count.min * units, max: count.max * units }),
    unit: "hour",
    assumption,
    ...(doubts.length === 0 ? {} : { doubt: doubts.join("; ") }),
  });
  return {
    charges: [
      charge("fargate:vCPU", "Fargate vCPUs", Number(Cpu ?? 256) / 1024),
      charge("fargate:GB", "GB of Fargate memory", Number(Memory ?? 512) / 1024),
      ...(network?.AwsvpcConfiguration?.AssignPublicIp === "ENABLED" ? [hourly("address:hour", "public IPv4 addresses", { count, assumption })] : []),
    ],
  };
}

/** Clusters are named after their stack, and what is in one after its cluster; families of tasks by the configuration. */
const containers: Narrow = (site, action) => ({
  resources: kindsOf(action).flatMap((kind) =>
    kind === "task-definition/"
      ? [arn(site, "ecs", `task-definition/${site.app}-${site.environment}-*`)]
      : named("ecs", kind)(site, action).resources,
  ),
});

/** What a call of ECS is about, by its name. */
function kindsOf(action: string): string[] {
  if (/TaskDefinition|^RunTask$/.test(action)) return ["task-definition/"];
  if (action === "StopTask") return ["task/"];
  if (action === "ExecuteCommand") return ["cluster/", "task/"];
  if (/ServiceDeployment/.test(action)) return ["service/", "service-deployment/"];
  if (/Service/.test(action)) return ["service/"];
  return /Cluster/.test(action) ? ["cluster/"] : ["cluster/", "service/", "task/", "task-definition/"];
}

export const ELASTIC_CONTAINER_SERVICE: Service = {
  types: {
    "AWS::ECS::Service": {
      label: "ECS service",
      replacedBy: ["Cluster"],
      effects: { TaskDefinition: ROLLS },
      permissions: permissions("ecs", {
        create: "CreateService TagResource iam:PassRole",
        read: "DescribeServices DescribeServiceDeployments ListServiceDeployments ListTagsForResource",
        update: "UpdateService StopServiceDeployment TagResource UntagResource",
        remove: "DeleteService",
      }),
      price: billService,
      inventory: SERVICE,
    },
    "AWS::ECS::Cluster": {
      label: "ECS cluster",
      replacedBy: [],
      unblock: async (context, { id }) => stopTasks(context, await observeTasks(context, { cluster: id }), id),
      permissions: permissions("ecs", {
        create: "CreateCluster TagResource iam:CreateServiceLinkedRole",
        read: "DescribeClusters ListTagsForResource",
        update: "UpdateCluster UpdateClusterSettings PutClusterCapacityProviders TagResource UntagResource",
        remove: "DeleteCluster",
      }),
      price: byUse({ key: "metric:custom", what: "metrics of containers, some dozens for each service", unit: "metric and month" }),
      inventory: CLUSTER,
    },
    "AWS::ECS::TaskDefinition": {
      label: "task definition",
      replacedBy: [
        "Family",
        "ContainerDefinitions",
        "Cpu",
        "ExecutionRoleArn",
        "Memory",
        "NetworkMode",
        "RequiresCompatibilities",
        "RuntimePlatform",
        "TaskRoleArn",
        "Volumes",
      ],
      permissions: permissions("ecs", {
        create: "RegisterTaskDefinition TagResource iam:PassRole iam:GetRole",
        read: "DescribeTaskDefinition ListTagsForResource",
        update: "TagResource UntagResource",
        remove: "DeregisterTaskDefinition",
      }),
      price: "free",
      inventory: TASK_DEFINITION,
    },
  },
  scopes: {
    ecs: {
      all: containers,
      calls: { DeregisterTaskDefinition: anywhere("AWS knows no resource for this call.") },
    },
  },
};
