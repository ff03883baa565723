// Keeps what fauxqs holds on disk: it has SQS and S3 in memory only. Objects, queues and messages are written before the answer
// goes out, so that what an app was told is stored outlives a kill -9. Not kept: unfinished multipart uploads, receipt handles
// (a message in hand at a restart is delivered again), FIFO deduplication of the last five minutes, SNS topics.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { buildApp } from "fauxqs";
import { loadJson, writeJson, writeWhole } from "../../../system/files.ts";

type Stores = NonNullable<NonNullable<Parameters<typeof buildApp>[0]>["stores"]>;
type Queue = ReturnType<Stores["sqsStore"]["createQueue"]>;
type Message = Parameters<Queue["enqueue"]>[0];
type StoredObject = ReturnType<Stores["s3Store"]["putObject"]>;

/** The parts of fauxqs that its package does not export. Its version is pinned, and the tests would show a change. */
async function loadInternals() {
  const folder = dirname(fileURLToPath(import.meta.resolve("fauxqs")));
  const load = (file: string) => import(pathToFileURL(join(folder, file)).href);
  return {
    ...((await load("s3/s3Store.js")) as { S3Store: new () => Stores["s3Store"] }),
    ...((await load("sqs/sqsStore.js")) as { SqsStore: new () => Stores["sqsStore"] }),
    ...((await load("sns/snsStore.js")) as { SnsStore: new () => Stores["snsStore"] }),
    ...((await load("common/errors.js")) as { S3Error: new (code: string, message: string, status: number) => Error }),
  };
}

/** Stores for fauxqs that hold what `folder` holds and keep it there. `port` goes into the queues' URLs. */
export async function openStores(folder: string, port: number): Promise<Stores> {
  const { S3Store, SqsStore, SnsStore, S3Error } = await loadInternals();
  const refuse = (code: string, message: string) => new S3Error(code, message, 400);
  return {
    s3Store: keepBuckets(new S3Store(), join(folder, "buckets"), refuse),
    sqsStore: keepQueues(new SqsStore(), folder, port),
    snsStore: new SnsStore(),
  };
}

// ---- Buckets: a folder each; per object one file that describes it and names the one with its content.

interface ObjectRecord {
  key: string;
  /** File name of the content, a new one each time, so that a reader never sees half of one object and half of another. */
  body: string;
  contentType: string;
  contentLength: number;
  etag: string;
  lastModified: string;
  metadata: Record<string, string>;
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 40);

function keepBuckets(store: Stores["s3Store"], folder: string, refuse: (code: string, message: string) => Error): Stores["s3Store"] {
  const { buckets } = store as unknown as { buckets: Map<string, Map<string, StoredObject>> };
  const original = bind(store, ["createBucket", "deleteBucket", "putObject", "deleteObject", "completeMultipartUpload", "emptyBucket"]);
  const recordFile = (bucket: string, key: string) => join(folder, bucket, `${digest(key)}.json`);

  const keep = (bucket: string, object: StoredObject): StoredObject => {
    const before = loadJson<ObjectRecord>(recordFile(bucket, object.key));
    const { key, contentType, contentLength, etag, metadata } = object;
    const record: ObjectRecord = {
      key,
      body: `${digest(key)}.${randomUUID()}.body`,
      contentType,
      contentLength,
      etag,
      lastModified: object.lastModified.toISOString(),
      metadata,
    };
    writeWhole(join(folder, bucket, record.body), object.body);
    writeJson(recordFile(bucket, key), record);
    if (before) rmSync(join(folder, bucket, before.body), { force: true });
    const onDisk = objectOf(join(folder, bucket), record);
    buckets.get(bucket)?.set(key, onDisk);
    return onDisk;
  };
  const forget = (bucket: string, key: string) => {
    const record = loadJson<ObjectRecord>(recordFile(bucket, key));
    rmSync(recordFile(bucket, key), { force: true });
    if (record) rmSync(join(folder, bucket, record.body), { force: true });
  };

  store.createBucket = (bucket) => {
    // S3's own rule, and what makes the name safe as a folder's.
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw refuse("InvalidBucketName", "The specified bucket is not valid.");
    mkdirSync(join(folder, bucket), { recursive: true, mode: 0o700 });
    original.createBucket(bucket);
  };
  store.deleteBucket = (bucket) => {
    original.deleteBucket(bucket);
    rmSync(join(folder, bucket), { recursive: true, force: true });
  };
  store.putObject = (bucket, ...rest) => keep(bucket, original.putObject(bucket, ...rest));
  store.completeMultipartUpload = (uploadId, parts) => {
    const { multipartUploads } = store as unknown as { multipartUploads: Map<string, { bucket: string }> };
    const bucket = multipartUploads.get(uploadId)?.bucket;
    const object = original.completeMultipartUpload(uploadId, parts);
    return bucket === undefined ? object : keep(bucket, object);
  };
  store.deleteObject = (bucket, key) => {
    original.deleteObject(bucket, key);
    forget(bucket, key);
  };
  store.emptyBucket = (bucket) => {
    for (const key of buckets.get(bucket)?.keys() ?? []) forget(bucket, key);
    original.emptyBucket(bucket);
  };
  for (const bucket of foldersIn(folder)) {
    original.createBucket(bucket);
    for (const object of loadObjects(join(folder, bucket))) buckets.get(bucket)?.set(object.key, object);
  }
  return store;
}

/** Reads the content when it is asked for: a bucket may be larger than the memory. */
function objectOf(bucketFolder: string, { body, lastModified, ...record }: ObjectRecord): StoredObject {
  return {
    ...record,
    lastModified: new Date(lastModified),
    get body() {
      return readFileSync(join(bucketFolder, body));
    },
  };
}

/** A crash between the two files of an object leaves a content that nothing names: it is removed here. */
function loadObjects(bucketFolder: string): StoredObject[] {
  const files = readdirSync(bucketFolder);
  const records = files.filter((file) => file.endsWith(".json")).flatMap((file) => loadJson<ObjectRecord>(join(bucketFolder, file)) ?? []);
  const named = new Set(records.map(({ body }) => body));
  for (const file of files) if (!file.endsWith(".json") && !named.has(file)) rmSync(join(bucketFolder, file), { force: true });
  return records.filter(({ body }) => existsSync(join(bucketFolder, body))).map((record) => objectOf(bucketFolder, record));
}

// ---- Queues: a file each, and one for every message, which names its queue. Moving to the dead letters is one rename.

interface QueueRecord {
  name: string;
  arn: string;
  attributes: Record<string, string>;
  tags: Record<string, string>;
  createdTimestamp: number;
  sequenceCounter: number;
}

interface MessageRecord {
  queue: string;
  message: Message;
}

function keepQueues(store: Stores["sqsStore"], folder: string, port: number): Stores["sqsStore"] {
  const [queuesFolder, messagesFolder] = [join(folder, "queues"), join(folder, "messages")];
  for (const path of [queuesFolder, messagesFolder]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const original = bind(store, ["createQueue", "deleteQueue"]);
  // One URL however the server was called: instances are told it before the queue is made.
  const urlOf = (name: string) => `http://127.0.0.1:${port}/000000000000/${name}`;
  store.buildQueueUrl = urlOf;
  const queueFile = (queue: Queue) => join(queuesFolder, `${digest(queue.arn)}.json`);
  const saveQueue = (queue: Queue) => {
    const { name, arn, attributes, createdTimestamp, sequenceCounter } = queue;
    writeJson(queueFile(queue), {
      name,
      arn,
      attributes,
      tags: Object.fromEntries(queue.tags),
      createdTimestamp,
      sequenceCounter,
    } satisfies QueueRecord);
  };

  store.createQueue = (...input) => {
    const queue = keepMessages(original.createQueue(...input), messagesFolder, saveQueue);
    saveQueue(queue);
    return queue;
  };
  store.deleteQueue = (url) => {
    const queue = store.getQueue(url);
    if (!queue) return false;
    queue.purge();
    rmSync(queueFile(queue), { force: true });
    return original.deleteQueue(url);
  };
  const messages = loadMessages(messagesFolder);
  for (const file of readdirSync(queuesFolder).filter((name) => name.endsWith(".json"))) {
    const record = loadJson<QueueRecord>(join(queuesFolder, file)) as QueueRecord;
    const queue = original.createQueue(record.name, urlOf(record.name), record.arn, record.attributes, record.tags);
    Object.assign(queue, { createdTimestamp: record.createdTimestamp, sequenceCounter: record.sequenceCounter });
    for (const { message } of messages.filter((one) => one.queue === record.arn)) queue.enqueue(message);
    keepMessages(queue, messagesFolder, saveQueue);
  }
  return store;
}

/** SQS has this number in CloudWatch only. */
const deletedFrom = new WeakMap<Queue, number>();

/** How many messages of the queue wait, are in hand, and were deleted since this process began. */
export function countMessages(store: Stores["sqsStore"], name: string): { waiting: number; inHand: number; deleted: number } | undefined {
  const queue = store.getQueueByName(name);
  if (!queue) return undefined;
  queue.processTimers();
  return {
    waiting: Number(queue.getAttribute("ApproximateNumberOfMessages")),
    inHand: queue.inflightMessages.size,
    deleted: deletedFrom.get(queue) ?? 0,
  };
}

function keepMessages(queue: Queue, folder: string, saveQueue: (queue: Queue) => void): Queue {
  const original = bind(queue, ["enqueue", "dequeue", "deleteMessage", "purge", "setAttributes", "nextSequenceNumber"]);
  const fileOf = (message: Message) => join(folder, `${message.messageId}.json`);
  const save = (message: Message) => {
    // Not flushed to the disk itself, which would cost milliseconds a message: this outlives the process, not a power cut a moment later.
    const beside = `${fileOf(message)}.new`;
    writeFileSync(beside, JSON.stringify({ queue: queue.arn, message } satisfies MessageRecord), { mode: 0o600 });
    renameSync(beside, fileOf(message));
  };
  const messageInHand = (receipt: string) => queue.inflightMessages.get(receipt)?.message;

  queue.enqueue = (message) => {
    save(message);
    original.enqueue(message);
  };
  queue.dequeue = (...input) => {
    const received = original.dequeue(...input);
    // The number of deliveries decides when a message goes to the dead letters, so it is kept as well.
    for (const { ReceiptHandle } of received) save(messageInHand(ReceiptHandle) as Message);
    return received;
  };
  queue.deleteMessage = (receipt) => {
    const message = messageInHand(receipt);
    if (message) {
      rmSync(fileOf(message), { force: true });
      deletedFrom.set(queue, (deletedFrom.get(queue) ?? 0) + 1);
    }
    return original.deleteMessage(receipt);
  };
  queue.purge = () => {
    const { ready, delayed, inflight } = queue.inspectMessages();
    for (const message of [...ready, ...delayed, ...inflight.map((entry) => entry.message)]) rmSync(fileOf(message), { force: true });
    original.purge();
  };
  queue.setAttributes = (attributes) => {
    original.setAttributes(attributes);
    saveQueue(queue);
  };
  queue.nextSequenceNumber = () => {
    const number = original.nextSequenceNumber();
    saveQueue(queue);
    return number;
  };
  return queue;
}

/** In the order they were sent. A file that a power cut left half written is passed over. */
function loadMessages(folder: string): MessageRecord[] {
  const records = readdirSync(folder).flatMap((file) => {
    try {
      return file.endsWith(".json") ? (loadJson<MessageRecord>(join(folder, file)) ?? []) : [];
    } catch {
      return [];
    }
  });
  const orderOf = ({ message }: MessageRecord) => message.sequenceNumber ?? "";
  return records.sort((a, b) => a.message.sentTimestamp - b.message.sentTimestamp || (orderOf(a) < orderOf(b) ? -1 : 1));
}

const foldersIn = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
    : [];

/** The methods as they are now, so that they can be called after they have been replaced. */
function bind<T extends object, K extends keyof T>(object: T, names: K[]): Pick<T, K> {
  return Object.fromEntries(names.map((name) => [name, (object[name] as (...input: unknown[]) => unknown).bind(object)])) as Pick<T, K>;
}
