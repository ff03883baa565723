// Whom alarms reach: a topic and its subscribers. The alarms themselves stand beside what they watch, in the other stacks.

import { cdk } from "./cdk.ts";
import { document, type Statement, tlsOnly } from "./policies.ts";
import { type Site, StackBuilder } from "./stack-builder.ts";

export function addAlarms(site: Site): StackBuilder<"alarms"> {
  const builder = new StackBuilder(site, { role: "alarms" });
  const { stack } = builder;
  // Alarms may not use AWS's own key of SNS, whose policy nobody can change; so the topic has a key of its own.
  const key = new cdk.aws_kms.CfnKey(stack, "Key", {
    description: `Alarms of ${site.app}, ${site.environment}`,
    enableKeyRotation: true,
    pendingWindowInDays: 7,
    keyPolicy: document(
      {
        Sid: "Owner",
        Effect: "Allow",
        Principal: { AWS: `arn:${cdk.Aws.PARTITION}:iam::${cdk.Aws.ACCOUNT_ID}:root` },
        Action: "kms:*",
        Resource: "*",
      },
      // Without a condition: whether a call to the key has one's account in it, AWS does not say, and an alarm must not get lost.
      {
        Sid: "Alarms",
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
        Resource: "*",
      },
    ),
  });
  const topic = new cdk.aws_sns.CfnTopic(stack, "Topic", { kmsMasterKeyId: key.ref, displayName: `${site.app} ${site.environment}` });
  new cdk.aws_sns.CfnTopicPolicy(stack, "TopicPolicy", {
    topics: [topic.ref],
    policyDocument: document({ ...fromAlarms(["sns:Publish"]), Resource: topic.ref }, tlsOnly("sns:Publish", topic.ref)),
  });
  for (const [index, address] of site.settings.notify.entries())
    new cdk.aws_sns.CfnSubscription(stack, `Subscriber${index + 1}`, { topicArn: topic.ref, ...subscriber(address) });
  builder.output(topic.ref, "Topic");
  return builder;
}

const fromAlarms = (Action: string[]): Statement => ({
  Sid: "Alarms",
  Effect: "Allow",
  Principal: { Service: "cloudwatch.amazonaws.com" },
  Action,
  Condition: { StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID } },
});

const subscriber = (address: string) =>
  address.startsWith("mailto:") ? { protocol: "email", endpoint: address.slice("mailto:".length) } : { protocol: "https", endpoint: address };
