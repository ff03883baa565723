// The attributes of queues. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
import { ServiceError } from "../protocol/service-error.ts";
import type { QueueRecord } from "./records.ts";

interface Numeric {
  least: number;
  most: number;
  fallback: number;
}

const NUMBERS: Record<string, Numeric> = {
  DelaySeconds: { least: 0, most: 900, fallback: 0 },
  MaximumMessageSize: { least: 1024, most: 1_048_576, fallback: 1_048_576 },
  MessageRetentionPeriod: { least: 60, most: 1_209_600, fallback: 345_600 },
  ReceiveMessageWaitTimeSeconds: { least: 0, most: 20, fallback: 0 },
  VisibilityTimeout: { least: 0, most: 43_200, fallback: 30 },
  KmsDataKeyReusePeriodSeconds: { least: 60, most: 86_400, fallback: 300 },
};
const OTHERS = ["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "SqsManagedSseEnabled"];
const OF_FIFO = ["FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];

/** A number of seconds or bytes, or the one that SQS takes when nothing is said. */
export const secondsOf = ({ attributes }: QueueRecord, name: string): number => Number(attributes[name] ?? NUMBERS[name]?.fallback);

/** Throws InvalidAttributeName, InvalidAttributeValue. */
export function checkAttributes(attributes: Record<string, string>, { isFifo }: { isFifo: boolean }): void {
  for (const [name, value] of Object.entries(attributes)) {
    const number = NUMBERS[name];
    if (!number && !OTHERS.includes(name) && !(isFifo && OF_FIFO.includes(name)))
      throw new ServiceError("InvalidAttributeName", `Unknown Attribute ${name}.`);
    if (number && !(/^\d+$/.test(value) && Number(value) >= number.least && Number(value) <= number.most)) throw wrongValue(name);
    if (name === "RedrivePolicy" && value !== "") parseRedrivePolicy(value);
  }
}

export interface RedrivePolicy {
  deadLetterTargetArn: string;
  maxReceiveCount: number;
}

export function parseRedrivePolicy(text: string): RedrivePolicy {
  try {
    const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(text);
    if (/^arn:aws:sqs:/.test(deadLetterTargetArn) && Number(maxReceiveCount) >= 1 && Number(maxReceiveCount) <= 1000)
      return { deadLetterTargetArn, maxReceiveCount: Number(maxReceiveCount) };
  } catch {
    // Told below.
  }
  throw wrongValue("RedrivePolicy");
}

const wrongValue = (name: string): ServiceError => new ServiceError("InvalidAttributeValue", `Invalid value for the parameter ${name}.`);

/** What is told of a queue that is not told in numbers of messages. */
export function describeAttributes({ name, attributes, createdAt, changedAt }: QueueRecord, arn: string): Record<string, string> {
  const { KmsDataKeyReusePeriodSeconds: _, ...numbers } = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, { fallback }]) => [name, String(fallback)]),
  );
  const told = Object.entries({ SqsManagedSseEnabled: "true", ...numbers, ...attributes }).filter(([, value]) => value !== "");
  const fifo: Record<string, string> = name.endsWith(".fifo")
    ? { ContentBasedDeduplication: "false", DeduplicationScope: "queue", FifoThroughputLimit: "perQueue" }
    : {};
  return {
    QueueArn: arn,
    ...fifo,
    ...Object.fromEntries(told),
    CreatedTimestamp: String(Math.floor(createdAt / 1000)),
    LastModifiedTimestamp: String(Math.floor(changedAt / 1000)),
  };
}
