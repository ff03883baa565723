// A queue and its dead letters on SQS: encrypted, TLS only.
import type { ResourceOf } from "../../../resources/index.ts";
import { cdk } from "../templates/shared/cdk.ts";
import type { DataPlace } from "../templates/shared/data-place.ts";
import { addAlarm, count, secondsOf } from "../templates/shared/metrics.ts";
import { logicalName } from "../templates/shared/names.ts";
import { allow, document, tlsOnly } from "../templates/shared/policies.ts";
import type { AwsResource } from "./resource.ts";

/** The longest that SQS keeps a message. */
const RETENTION_S = 14 * 86_400;

const CALLS = [
  "sqs:SendMessage",
  "sqs:ReceiveMessage",
  "sqs:DeleteMessage",
  "sqs:ChangeMessageVisibility",
  "sqs:GetQueueAttributes",
  "sqs:GetQueueUrl",
];

export const queue: AwsResource<ResourceOf<"queue">> = {
  address: "QueueUrl",
  add: addQueue,
  variables: (_, outputs) => ({ QUEUE_URL: { plain: outputs("QueueUrl") }, DEAD_LETTER_URL: { plain: outputs("DeadLettersUrl") } }),
  logins: () => [],
  statements: (queues) => {
    const arns = queues.flatMap((outputs) => [outputs("QueueArn"), outputs("DeadLettersArn")]);
    return [allow("Queues", CALLS, arns)];
  },
};

function addQueue({ builder, site, alarms }: DataPlace, name: string, { visibilityTimeout, maxReceiveCount }: ResourceOf<"queue">): undefined {
  const { stack } = builder;
  const prefix = logicalName(name);
  const settings = { sqsManagedSseEnabled: true, messageRetentionPeriod: RETENTION_S };
  const deadLetters = new cdk.aws_sqs.CfnQueue(stack, `${prefix}DeadLetters`, settings);
  const main = new cdk.aws_sqs.CfnQueue(stack, `${prefix}Queue`, {
    ...settings,
    // SQS counts whole seconds; a part of one is rounded up, because too early means delivered twice.
    visibilityTimeout: Math.ceil(visibilityTimeout / 1000),
    redrivePolicy: { deadLetterTargetArn: deadLetters.attrArn, maxReceiveCount: maxReceiveCount },
  });
  for (const [part, { ref, attrArn }] of Object.entries({ DeadLetters: deadLetters, Queue: main }))
    new cdk.aws_sqs.CfnQueuePolicy(stack, `${prefix}${part}Policy`, { queues: [ref], policyDocument: document(tlsOnly("sqs:*", attrArn)) });

  builder.output(main.ref, name, "QueueUrl");
  builder.output(main.attrArn, name, "QueueArn");
  builder.output(main.attrQueueName, name, "QueueName");
  builder.output(deadLetters.ref, name, "DeadLettersUrl");
  builder.output(deadLetters.attrArn, name, "DeadLettersArn");

  const { queueAge } = site.settings.alarms;
  const topic = builder.parameter(alarms, "Topic");
  addAlarm(stack, `${prefix}AgeAlarm`, {
    about: `${site.app}, ${site.environment}: the oldest message of queue ${name} has waited for more than ${queueAge / 1000} seconds`,
    topic,
    dimensions: { QueueName: main.attrQueueName },
    metric: "queueAge",
    above: secondsOf(queueAge),
    minutes: 3,
  });
  addAlarm(stack, `${prefix}DeadLettersAlarm`, {
    about: `${site.app}, ${site.environment}: a message of queue ${name} was given up after ${maxReceiveCount} deliveries`,
    topic,
    dimensions: { QueueName: deadLetters.attrQueueName },
    metric: "queueVisible",
    above: count(0),
    minutes: 1,
  });
}
