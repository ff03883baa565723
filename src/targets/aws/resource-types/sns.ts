// Simple Notification Service.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { each } from "./entry/lookup.ts";
import type { Inventory, Service } from "./entry/resource-type.ts";
import { BY_CLOUDFORMATION, type Narrow, named } from "./entry/scope.ts";

const TOPIC: Inventory = {
  removal: "monitoring",
  arn: /^(arn:[^:]*:sns:.+)$/,
  look: async ({ context }, ids) => {
    const sns = await context.clients.sns();
    return each(ids, async (id) => ((await sns.getTopicAttributes({ TopicArn: id })).Attributes ? {} : undefined));
  },
  remove: async ({ context }, id) => (await context.clients.sns()).deleteTopic({ TopicArn: id }),
};

const subscriptions: Narrow = () => ({
  resources: ["*"],
  condition: BY_CLOUDFORMATION,
  reason: "AWS decides calls about a subscription for the account as a whole.",
});

export const SNS: Service = {
  types: {
    "AWS::SNS::Topic": {
      label: "topic",
      replacedBy: [],
      permissions: permissions("sns", {
        create: "CreateTopic SetTopicAttributes TagResource",
        read: "GetTopicAttributes ListTagsForResource ListSubscriptionsByTopic GetDataProtectionPolicy",
        update: "SetTopicAttributes TagResource UntagResource",
        remove: "DeleteTopic",
      }),
      price: "free",
      inventory: TOPIC,
    },
    "AWS::SNS::TopicPolicy": {
      label: "topic policy",
      replacedBy: [],
      permissions: permissions("sns", { create: "SetTopicAttributes", update: "SetTopicAttributes", remove: "SetTopicAttributes" }),
      price: "free",
      inventory: { partOf: "AWS::SNS::Topic" },
    },
    "AWS::SNS::Subscription": {
      label: "subscription",
      replacedBy: ["Endpoint", "Protocol", "TopicArn"],
      permissions: permissions("sns", {
        create: "Subscribe",
        read: "GetSubscriptionAttributes",
        update: "SetSubscriptionAttributes",
        remove: "Unsubscribe",
      }),
      price: "free", // A thousand e-mails a month are free, and alarms do not come to more.
      inventory: { partOf: "AWS::SNS::Topic" },
    },
  },
  scopes: {
    sns: {
      all: named("sns", ""),
      narrowReads: true,
      calls: { GetSubscriptionAttributes: subscriptions, SetSubscriptionAttributes: subscriptions, Unsubscribe: subscriptions },
    },
  },
};
