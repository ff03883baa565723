// Containers: services and their clusters, and the descriptions of tasks, of which AWS keeps every one that was ever made.
import type { ECS } from "@aws-sdk/client-ecs";
import { pages } from "../../pages.ts";
import { familiesOf } from "../../stacks/task.ts";
import { observeTasks, stopTasks } from "../../tasks.ts";
import type { Kind, Sighting, Survey } from "../thing.ts";
import { each } from "./look.ts";

const ecsOf = ({ context }: Survey): Promise<ECS> => context.clients.ecs();

/** `arn:…:service/cluster/name`. */
const clusterOf = (service: string): string => service.split("/").at(-2) ?? "";

const SERVICE: Kind = {
  name: "service of containers",
  arn: /^(arn:[^:]+:ecs:[^:]*:\d*:service\/.+)$/,
  type: "AWS::ECS::Service",
  look: async (survey, ids) => {
    const ecs = await ecsOf(survey);
    return each(ids, async (id) => {
      const { services = [] } = await ecs.describeServices({ cluster: clusterOf(id), services: [id] });
      const status = services[0]?.status;
      return status === undefined || status === "INACTIVE" ? undefined : { ...(status === "DRAINING" ? { leaving: true } : {}) };
    });
  },
  remove: async (survey, id) => (await ecsOf(survey)).deleteService({ cluster: clusterOf(id), service: id, force: true }),
};

const CLUSTER: Kind = {
  name: "cluster of containers",
  arn: /:ecs:[^:]*:\d*:cluster\/(.+)$/,
  type: "AWS::ECS::Cluster",
  look: async (survey, ids) => {
    const ecs = await ecsOf(survey);
    return each(ids, async (id) => {
      const { clusters = [] } = await ecs.describeClusters({ clusters: [id] });
      return clusters[0] && clusters[0].status !== "INACTIVE" ? {} : undefined;
    });
  },
  remove: async (survey, id) => {
    await stopTasks(survey.context, await observeTasks(survey.context, { cluster: id }), id);
    await (await ecsOf(survey)).deleteCluster({ cluster: id });
  },
};

/** CloudFormation takes those of old releases out of use, and leaves them. Found by their families' names; those of services that are not
 * configured any more are judged by their tags. */
const DESCRIPTION: Kind = {
  name: "description of a container",
  arn: /^(arn:[^:]+:ecs:[^:]*:\d*:task-definition\/.+)$/,
  type: "AWS::ECS::TaskDefinition",
  find: async (survey) => {
    const ecs = await ecsOf(survey);
    const own = new Set(Object.keys(survey.context.app.app.services).flatMap((service) => familiesOf(survey.context.app, service)));
    const families = await pages(async (nextToken) => {
      const page = await ecs.listTaskDefinitionFamilies({ familyPrefix: `${survey.app}-${survey.environment}-service-`, status: "ALL", nextToken });
      return { list: page.families, next: page.nextToken };
    });
    const found: Sighting[] = [];
    for (const familyPrefix of families)
      for (const status of ["ACTIVE", "INACTIVE"] as const) {
        const arns = await pages(async (nextToken) => {
          const page = await ecs.listTaskDefinitions({ familyPrefix, status, nextToken });
          return { list: page.taskDefinitionArns, next: page.nextToken };
        });
        for (const id of arns) {
          const { tags = [] } = await ecs.describeTaskDefinition({ taskDefinition: id, include: ["TAGS"] });
          found.push({
            id,
            ...(own.has(familyPrefix) ? { of: "environment" as const } : {}),
            tags: Object.fromEntries(tags.map(({ key = "", value = "" }) => [key, value])),
          });
        }
      }
    return found;
  },
  look: async (survey, ids) => {
    const ecs = await ecsOf(survey);
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
  remove: async (survey, id) => {
    const ecs = await ecsOf(survey);
    await ecs.deregisterTaskDefinition({ taskDefinition: id });
    await ecs.deleteTaskDefinitions({ taskDefinitions: [id] });
  },
};

export const CONTAINERS: readonly Kind[] = [SERVICE, CLUSTER, DESCRIPTION];
