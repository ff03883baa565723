// A queue and its dead letters on SQS: encrypted, TLS only.
import type { aws_sqs as sqs } from "aws-cdk-lib";
import type { Resource } from "../../../config/schema.ts";
import { cdk } from "./cdk.ts";
import type { DataSite } from "./data.ts";
import { count, drawAlarm, secondsOf } from "./metrics.ts";
import { logicalName } from "./names.ts";
import { document, tlsOnly } from "./policies.ts";

/** The longest that SQS keeps a message. */
const RETENTION_S = 14 * 86_400;

export function drawQueue({ blueprint, site, alarms }: DataSite, name: string, queue: Extract<Resource, { type: "queue" }>): void {
  const { stack } = blueprint;
  const prefix = logicalName(name);
  const shared = { sqsManagedSseEnabled: true, messageRetentionPeriod: RETENTION_S };
  const deadLetters = new cdk.aws_sqs.CfnQueue(stack, `${prefix}DeadLetters`, shared);
  const main = new cdk.aws_sqs.CfnQueue(stack, `${prefix}Queue`, {
    ...shared,
    // SQS counts whole seconds; a part of one is rounded up, because too early means delivered twice.
    visibilityTimeout: Math.ceil(queue.visibilityTimeout / 1000),
    redrivePolicy: { deadLetterTargetArn: deadLetters.attrArn, maxReceiveCount: queue.deadLetterAfter },
  });
  for (const [id, one] of [
    [`${prefix}DeadLettersPolicy`, deadLetters],
    [`${prefix}QueuePolicy`, main],
  ] as [string, sqs.CfnQueue][])
    new cdk.aws_sqs.CfnQueuePolicy(stack, id, { queues: [one.ref], policyDocument: document(tlsOnly("sqs:*", one.attrArn)) });

  blueprint.give(`${prefix}QueueUrl`, main.ref);
  blueprint.give(`${prefix}QueueArn`, main.attrArn);
  blueprint.give(`${prefix}QueueName`, main.attrQueueName);
  blueprint.give(`${prefix}DeadLettersUrl`, deadLetters.ref);
  blueprint.give(`${prefix}DeadLettersArn`, deadLetters.attrArn);

  const { queueAge } = site.environment.alarms;
  const topic = blueprint.takeText(alarms, "Topic");
  drawAlarm(stack, `${prefix}AgeAlarm`, {
    about: `${site.app.name}, ${site.name}: the oldest message of queue ${name} has waited for more than ${queueAge / 1000} seconds`,
    topic,
    dimensions: { QueueName: main.attrQueueName },
    metric: "queueAge",
    above: secondsOf(queueAge),
    minutes: 3,
  });
  drawAlarm(stack, `${prefix}DeadLettersAlarm`, {
    about: `${site.app.name}, ${site.name}: a message of queue ${name} was given up after ${queue.deadLetterAfter} deliveries`,
    topic,
    dimensions: { QueueName: deadLetters.attrQueueName },
    metric: "queueVisible",
    above: count(0),
    minutes: 1,
  });
}
