// SQS's actions. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
import { createHash } from "node:crypto";
import { ACCOUNT } from "../protocol/names.ts";
import { ServiceError } from "../protocol/service-error.ts";
import { checkAttributes, describeAttributes, secondsOf } from "./attributes.ts";
import type { Input } from "./input.ts";
import { chooseAttributes, handleOf, md5Of, md5OfAttributes, parseHandle, readContent } from "./message.ts";
import { type Moves, sourcesOf } from "./moves.ts";
import type { Delivery, Queue } from "./queue.ts";
import { arnOf, type Queues } from "./queues.ts";

/** What an action works with. */
export interface Desk {
  queues: Queues;
  moves: Moves;
  endpoint: string;
}

export type Output = Record<string, unknown>;
type Action = (desk: Desk, input: Input, signal: AbortSignal) => Promise<Output> | Output;

const BATCH_MAX = 10;
const BATCH_BYTES_MAX = 1_048_576;
const LISTED_MAX = 1000;

export const ACTIONS: Record<string, Action> = {
  CreateQueue: async (desk, input) => ({
    QueueUrl: urlOf(desk, await desk.queues.create(input.text("QueueName"), input.texts("Attributes"), input.texts("tags"))),
  }),
  DeleteQueue: async (desk, input) => (await desk.queues.remove(queueOf(desk, input)), {}),
  GetQueueUrl: (desk, input) => ({ QueueUrl: urlOf(desk, desk.queues.get(input.text("QueueName"))) }),
  ListQueues: (desk, input) => {
    const prefix = input.find("QueueNamePrefix") ?? "";
    const { page, NextToken } = paged(
      desk.queues.list().filter(({ name }) => name.startsWith(prefix)),
      input,
    );
    return { QueueUrls: page.map((queue) => urlOf(desk, queue)), NextToken };
  },
  ListDeadLetterSourceQueues: (desk, input) => {
    const { page, NextToken } = paged(sourcesOf(desk.queues, queueOf(desk, input)), input);
    return { queueUrls: page.map((queue) => urlOf(desk, queue)), NextToken };
  },
  GetQueueAttributes: (desk, input) => {
    const queue = queueOf(desk, input);
    const { waiting, delayed, inHand } = queue.counts;
    const all: Record<string, string> = {
      ...describeAttributes(queue.record, arnOf(queue.name)),
      ApproximateNumberOfMessages: String(waiting),
      ApproximateNumberOfMessagesDelayed: String(delayed),
      ApproximateNumberOfMessagesNotVisible: String(inHand),
    };
    const wanted = input.list("AttributeNames");
    return { Attributes: Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name) || wanted.includes("All"))) };
  },
  SetQueueAttributes: async (desk, input) => {
    const queue = queueOf(desk, input);
    const attributes = input.texts("Attributes");
    checkAttributes(attributes, queue);
    await desk.queues.change(queue, { attributes: { ...queue.record.attributes, ...attributes } });
    return {};
  },
  PurgeQueue: async (desk, input) => (await queueOf(desk, input).purge(), {}),
  SendMessage: (desk, input) => send(desk, queueOf(desk, input), input),
  SendMessageBatch: async (desk, input) => {
    const queue = queueOf(desk, input);
    const entries = batchOf(input);
    const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.find("MessageBody") ?? ""), 0);
    if (bytes > BATCH_BYTES_MAX) throw new ServiceError("BatchRequestTooLong", `Batch requests cannot be longer than ${BATCH_BYTES_MAX} bytes.`);
    return forEach(entries, (entry) => send(desk, queue, entry));
  },
  ReceiveMessage: receive,
  DeleteMessage: async (desk, input) => (await remove(queueOf(desk, input), input), {}),
  DeleteMessageBatch: (desk, input) => {
    const queue = queueOf(desk, input);
    return forEach(batchOf(input), async (entry) => (await remove(queue, entry), {}));
  },
  ChangeMessageVisibility: async (desk, input) => (await changeVisibility(queueOf(desk, input), input), {}),
  ChangeMessageVisibilityBatch: (desk, input) => {
    const queue = queueOf(desk, input);
    return forEach(batchOf(input), async (entry) => (await changeVisibility(queue, entry), {}));
  },
  TagQueue: async (desk, input) => {
    const queue = queueOf(desk, input);
    await desk.queues.change(queue, { tags: { ...queue.record.tags, ...input.texts("Tags") } });
    return {};
  },
  UntagQueue: async (desk, input) => {
    const queue = queueOf(desk, input);
    const removed = input.list("TagKeys");
    await desk.queues.change(queue, { tags: Object.fromEntries(Object.entries(queue.record.tags).filter(([name]) => !removed.includes(name))) });
    return {};
  },
  ListQueueTags: (desk, input) => ({ Tags: queueOf(desk, input).record.tags }),
  StartMessageMoveTask: async ({ moves }, input) => ({
    TaskHandle: await moves.start(input.text("SourceArn"), {
      destination: input.find("DestinationArn"),
      perSecond: input.number("MaxNumberOfMessagesPerSecond", { least: 1, most: 500 }),
    }),
  }),
  ListMessageMoveTasks: ({ moves }, input) => ({
    Results: moves
      .list(input.text("SourceArn"))
      .slice(0, input.number("MaxResults", { least: 1, most: 10 }) ?? 1)
      .map(([handle, move]) => ({
        TaskHandle: move.status === "RUNNING" ? handle : undefined,
        Status: move.status,
        SourceArn: move.source,
        DestinationArn: move.destination,
        MaxNumberOfMessagesPerSecond: move.perSecond,
        ApproximateNumberOfMessagesMoved: move.moved,
        ApproximateNumberOfMessagesToMove: move.toMove,
        FailureReason: move.failure,
        StartedTimestamp: move.startedAt,
      })),
  }),
  CancelMessageMoveTask: async ({ moves }, input) => ({ ApproximateNumberOfMessagesMoved: await moves.cancel(input.text("TaskHandle")) }),
};

const urlOf = ({ endpoint }: Desk, { name }: Queue): string => `${endpoint}/${ACCOUNT}/${name}`;

/** By the last part of its URL: a client may know this machine by another name. */
const queueOf = ({ queues }: Desk, input: Input): Queue => queues.get(input.text("QueueUrl").split("/").at(-1) ?? "");

function paged<T>(all: T[], input: Input): { page: T[]; NextToken?: string } {
  const limit = input.number("MaxResults", { least: 1, most: LISTED_MAX }) ?? LISTED_MAX;
  const from = Number(Buffer.from(input.find("NextToken") ?? "", "base64url").toString() || 0);
  const page = all.slice(from, from + limit);
  return { page, NextToken: from + limit < all.length ? Buffer.from(String(from + limit)).toString("base64url") : undefined };
}

async function send(desk: Desk, queue: Queue, input: Input): Promise<Output> {
  const content = readContent(input, secondsOf(queue.record, "MaximumMessageSize"));
  const delaySeconds = input.number("DelaySeconds", { least: 0, most: 900 });
  const group = input.find("MessageGroupId");
  const record = await desk.queues.send(queue, { content, delaySeconds, group, deduplication: deduplicationOf(queue, input, content.body) });
  return {
    MessageId: record.id,
    MD5OfMessageBody: md5Of(content.body),
    MD5OfMessageAttributes: md5OfAttributes(content.attributes),
    MD5OfMessageSystemAttributes: content.trace && md5OfAttributes({ AWSTraceHeader: { DataType: "String", StringValue: content.trace } }),
    SequenceNumber: queue.isFifo ? sequenceOf(record.order) : undefined,
  };
}

const sequenceOf = (order: number): string => String(order).padStart(20, "0");

/** Throws where a FIFO queue is not told all that it needs, or a standard one what it cannot keep. */
function deduplicationOf(queue: Queue, input: Input, body: string): string | undefined {
  const given = input.find("MessageDeduplicationId");
  if (!queue.isFifo) {
    if (given === undefined) return undefined;
    throw new ServiceError(
      "InvalidParameterValue",
      "The request includes a parameter that is not valid for this queue type: MessageDeduplicationId.",
    );
  }
  if (!input.has("MessageGroupId")) throw new ServiceError("MissingParameter", "The request must contain the parameter MessageGroupId.");
  if (input.has("DelaySeconds") && input.find("DelaySeconds") !== "0")
    throw new ServiceError("InvalidParameterValue", "The request include parameter that is not valid for this queue type: DelaySeconds.");
  if (given !== undefined) return given;
  if (queue.record.attributes.ContentBasedDeduplication === "true") return createHash("sha256").update(body).digest("hex");
  throw new ServiceError(
    "InvalidParameterValue",
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
  );
}

async function receive(desk: Desk, input: Input, signal: AbortSignal): Promise<Output> {
  const queue = queueOf(desk, input);
  const read = (name: string, fallback: string, limits: { least: number; most: number }) =>
    input.number(name, limits) ?? secondsOf(queue.record, fallback);
  const deliveries = await queue.receive({
    most: input.number("MaxNumberOfMessages", { least: 1, most: 10 }) ?? 1,
    visibilityMs: read("VisibilityTimeout", "VisibilityTimeout", { least: 0, most: 43_200 }) * 1000,
    waitMs: read("WaitTimeSeconds", "ReceiveMessageWaitTimeSeconds", { least: 0, most: 20 }) * 1000,
    signal,
  });
  const wanted = [...input.list("AttributeNames"), ...input.list("MessageSystemAttributeNames")];
  const attributeNames = input.list("MessageAttributeNames");
  return { Messages: deliveries.length === 0 ? undefined : deliveries.map((delivery) => describe(delivery, { wanted, attributeNames })) };
}

function describe(
  { message: { record }, receipt, content }: Delivery,
  { wanted, attributeNames }: { wanted: string[]; attributeNames: string[] },
): Output {
  const all: Record<string, string | undefined> = {
    SenderId: "landfall",
    SentTimestamp: String(record.sentAt),
    ApproximateReceiveCount: String(receipt.count),
    ApproximateFirstReceiveTimestamp: String(receipt.firstAt),
    SequenceNumber: record.queue.endsWith(".fifo") ? sequenceOf(record.order) : undefined,
    MessageDeduplicationId: record.deduplication,
    MessageGroupId: record.group,
    AWSTraceHeader: content.trace,
    DeadLetterQueueSourceArn: record.source && arnOf(record.source),
  };
  const told = Object.entries(all).filter(([name, value]) => value !== undefined && (wanted.includes(name) || wanted.includes("All")));
  const attributes = chooseAttributes(content.attributes, attributeNames);
  const some = (value: object) => Object.keys(value).length > 0;
  return {
    MessageId: record.id,
    ReceiptHandle: handleOf(record.id, receipt.receipt),
    MD5OfBody: md5Of(content.body),
    Body: content.body,
    Attributes: told.length > 0 ? Object.fromEntries(told) : undefined,
    MD5OfMessageAttributes: md5OfAttributes(attributes),
    MessageAttributes: some(attributes) ? attributes : undefined,
  };
}

/** A receipt that is not the last one of its message is taken, and deletes nothing, as with SQS. */
async function remove(queue: Queue, input: Input): Promise<void> {
  const message = queue.find(parseHandle(input.text("ReceiptHandle")));
  if (message) await queue.delete(message);
}

async function changeVisibility(queue: Queue, input: Input): Promise<void> {
  const handle = parseHandle(input.text("ReceiptHandle"));
  const seconds = input.number("VisibilityTimeout", { least: 0, most: 43_200 });
  if (seconds === undefined) throw new ServiceError("MissingParameter", "The request must contain the parameter VisibilityTimeout.");
  const message = queue.find(handle);
  if (!message)
    throw new ServiceError(
      "InvalidParameterValue",
      "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
    );
  await queue.changeVisibility(message, seconds * 1000);
}

/** Throws where the batch as a whole is wrong. */
function batchOf(input: Input): Input[] {
  const entries = input.entries("Entries");
  if (entries.length === 0) throw new ServiceError("EmptyBatchRequest", "There should be at least one entry in the request.");
  if (entries.length > BATCH_MAX)
    throw new ServiceError(
      "TooManyEntriesInBatchRequest",
      `Maximum number of entries per request are ${BATCH_MAX}. You have sent ${entries.length}.`,
    );
  const ids = entries.map((entry) => entry.text("Id"));
  const wrong = ids.find((id) => !/^[\w-]{1,80}$/.test(id));
  if (wrong !== undefined)
    throw new ServiceError(
      "InvalidBatchEntryId",
      "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
    );
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new ServiceError("BatchEntryIdsNotDistinct", `Id ${twice} repeated.`);
  return entries;
}

/** All at once, so that they share a flush; each fails by itself. */
async function forEach(entries: Input[], act: (entry: Input) => Promise<Output>): Promise<Output> {
  const ended = await Promise.allSettled(entries.map(act));
  const Successful: Output[] = [];
  const Failed: Output[] = [];
  for (const [index, end] of ended.entries()) {
    const Id = entries[index]?.text("Id");
    if (end.status === "fulfilled") Successful.push({ Id, ...end.value });
    else if (end.reason instanceof ServiceError) Failed.push({ Id, SenderFault: true, Code: end.reason.code, Message: end.reason.message });
    else throw end.reason;
  }
  return { Successful, Failed };
}
