// Simple Queue Service.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import { byUse } from "./entry/price.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { named } from "./entry/scope.ts";

const QUEUE: Inventory = {
  removal: "data",
  // CloudFormation calls a queue by its URL.
  idOf: (url) => url.split("/").at(-1) ?? url,
  arn: /:sqs:[^:]*:\d*:(.+)$/,
  look: async ({ context }, ids) => {
    const sqs = await context.clients.sqs();
    return each(ids, async (id) => ((await sqs.getQueueUrl({ QueueName: id })).QueueUrl ? {} : undefined));
  },
  remove: async ({ context }, id) => {
    const sqs = await context.clients.sqs();
    await sqs.deleteQueue({ QueueUrl: (await sqs.getQueueUrl({ QueueName: id })).QueueUrl });
  },
};

export const SQS: Service = {
  types: {
    "AWS::SQS::Queue": {
      label: "queue",
      replacedBy: [],
      holdsData: true,
      permissions: permissions("sqs", {
        create: "CreateQueue TagQueue",
        read: "GetQueueUrl GetQueueAttributes ListQueueTags",
        update: "SetQueueAttributes TagQueue UntagQueue",
        remove: "DeleteQueue",
      }),
      price: byUse({ key: "queue:million", what: "queue requests; an idle worker makes 0.13 million a month", unit: "million" }),
      inventory: QUEUE,
    },
    "AWS::SQS::QueuePolicy": {
      label: "queue policy",
      replacedBy: [],
      permissions: permissions("sqs", { create: "SetQueueAttributes", update: "SetQueueAttributes", remove: "SetQueueAttributes" }),
      price: "free",
      inventory: { partOf: "AWS::SQS::Queue" },
    },
  },
  scopes: {
    sqs: { all: named("sqs", ""), narrowReads: true },
  },
};
