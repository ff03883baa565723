// Elastic Container Registry.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { byUse } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { anywhere, named } from "./entry/scope.ts";

const REPOSITORY: Inventory = {
  removal: "containers",
  arn: /:ecr:[^:]*:\d*:repository\/(.+)$/,
  look: async ({ context }, ids) => {
    const ecr = await context.clients.ecr();
    return each(ids, async (id) => ((await ecr.describeRepositories({ repositoryNames: [id] })).repositories?.[0] ? {} : undefined));
  },
  remove: async ({ context }, id) => (await context.clients.ecr()).deleteRepository({ repositoryName: id, force: true }),
};

export const ECR: Service = {
  types: {
    "AWS::ECR::Repository": {
      label: "repository",
      replacedBy: ["EncryptionConfiguration"],
      permissions: permissions("ecr", {
        create: "CreateRepository PutLifecyclePolicy TagResource",
        read: "DescribeRepositories GetLifecyclePolicy GetRepositoryPolicy ListTagsForResource",
        update: "PutLifecyclePolicy PutImageScanningConfiguration PutImageTagMutability TagResource UntagResource",
        remove: "DeleteRepository",
      }),
      price: byUse({ key: "registry:GB", what: "container images", unit: "GB and month" }),
      inventory: REPOSITORY,
    },
  },
  scopes: {
    ecr: { all: named("ecr", "repository/"), narrowReads: true, calls: { GetAuthorizationToken: anywhere("A login is to a registry as a whole.") } },
  },
};
