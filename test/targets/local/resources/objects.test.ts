import { readFileSync, statSync } from "node:fs";
import { Readable } from "node:stream";
import { CopyObjectCommand, DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PreparedResource } from "../../../../src/targets/local/resources/index.ts";
import { makeEnvironment, type TestEnvironment } from "./environment.ts";

const resources = {
  jobs: { type: "queue", visibilityTimeout: "45s", maxReceiveCount: 2 },
  "user-files": { type: "bucket" },
} as const;
const PROCESS = "resource.objects";
const MEBIBYTE = 2 ** 20;

const namesOf = ({ variables }: PreparedResource): string[] => Object.keys({ ...variables.env, ...variables.secretEnv });

describe("queue and bucket", () => {
  let environment: TestEnvironment;
  let jobs: PreparedResource;
  let files: PreparedResource;
  let created: string[];
  let sqs: SQSClient;
  let s3: S3Client;
  let QueueUrl: string;
  let deadLetters: string;
  let Bucket: string;

  beforeAll(async () => {
    environment = makeEnvironment();
    const up = await environment.bringUp(resources);
    [jobs, files] = up.resources as [PreparedResource, PreparedResource];
    created = up.created;
    QueueUrl = environment.variable(jobs, "JOBS_QUEUE_URL");
    deadLetters = environment.variable(jobs, "JOBS_DEAD_LETTER_URL");
    Bucket = environment.variable(files, "USER_FILES_BUCKET");
    // The clients get nothing but the variables, as an app's would.
    for (const resource of [jobs, files]) for (const name of namesOf(resource)) process.env[name] = environment.variable(resource, name);
    sqs = new SQSClient();
    s3 = new S3Client();
  });
  afterAll(() => environment.remove());
  beforeEach(() => Promise.all([QueueUrl, deadLetters].map((url) => sqs.send(new PurgeQueueCommand({ QueueUrl: url })))));

  const send = (MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  const receive = async (url = QueueUrl, VisibilityTimeout?: number) =>
    (await sqs.send(new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout }))).Messages ?? [];
  const remove = (url: string, ReceiptHandle?: string) => sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
  const read = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToByteArray();

  async function restart(signal?: NodeJS.Signals): Promise<string[]> {
    await environment.stop(PROCESS, signal);
    return (await environment.bringUp(resources)).created;
  }

  it("share one process and make what the configuration says", async () => {
    expect(jobs.spec).toEqual(files.spec);
    expect(created).toEqual(['queue "guest-book-jobs-dead-letter"', 'queue "guest-book-jobs"', 'bucket "guest-book-user-files"']);
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
    expect(Attributes?.VisibilityTimeout).toBe("45");
    expect(JSON.parse(Attributes?.RedrivePolicy ?? "{}")).toEqual({
      deadLetterTargetArn: "arn:aws:sqs:us-east-2:000000000000:guest-book-jobs-dead-letter",
      maxReceiveCount: 2,
    });
    expect((await environment.bringUp(resources)).created).toEqual([]);
  });

  it("delivers a message, and moves one that nobody deletes to the dead letters", async () => {
    await send("hello");
    expect((await receive(QueueUrl, 0)).map(({ Body }) => Body)).toEqual(["hello"]);
    expect(await receive(QueueUrl, 0)).toHaveLength(1);
    expect(await receive(QueueUrl, 0)).toEqual([]);
    expect((await receive(deadLetters)).map(({ Body }) => Body)).toEqual(["hello"]);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("keeps messages, their order and their number of deliveries over %s", async (signal) => {
    for (const body of ["done", "twice", "waiting"]) await send(body);
    const { Messages: [done] = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 1 }));
    await remove(QueueUrl, done?.ReceiptHandle);
    expect((await receive(QueueUrl, 0)).map(({ Body }) => Body)).toEqual(["twice", "waiting"]);
    expect(await restart(signal)).toEqual([]);
    // This is their second delivery, and the next goes to the dead letters.
    expect((await receive(QueueUrl, 0)).map(({ Body }) => Body)).toEqual(["twice", "waiting"]);
    expect(await receive()).toEqual([]);
    await restart(signal);
    expect((await receive(deadLetters)).map(({ Body }) => Body)).toEqual(["twice", "waiting"]);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("leaves a message with who has it in hand over %s, whose receipt goes on to count", async (signal) => {
    await send("in hand");
    const [message] = await receive();
    await restart(signal);
    expect(await receive()).toEqual([]);
    await remove(QueueUrl, message?.ReceiptHandle);
    const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] }));
    expect(Attributes).toEqual({ ApproximateNumberOfMessages: "0", ApproximateNumberOfMessagesNotVisible: "0" });
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("keeps objects over %s", async (signal) => {
    const content = Buffer.alloc(12 * 1024 * 1024, signal);
    const Key = `folder/${"long/".repeat(40)}ünïcode & more.bin`;
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: "before" }));
    const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: content, ContentType: "image/png", Metadata: { author: "ann" } }));
    await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource: encodeURI(`${Bucket}/${Key}`).replace("&", "%26") }));
    await s3.send(new PutObjectCommand({ Bucket, Key: "gone", Body: "x" }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "gone" }));
    expect(await restart(signal)).toEqual([]);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(got).toMatchObject({ ContentType: "image/png", Metadata: { author: "ann" }, ETag: put.ETag, ContentLength: content.length });
    expect(content.equals((await got.Body?.transformToByteArray()) as Uint8Array)).toBe(true);
    expect(await read("copy")).toHaveLength(content.length);
    expect((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents?.map((object) => object.Key)).toEqual(["copy", Key]);
  });

  it.each([
    ["lists buckets", "GET", "/"],
    ["reads an object", "GET", "/guest-book-user-files/copy"],
    ["stores one", "PUT", "/guest-book-user-files/copy"],
    ["removes one", "DELETE", "/guest-book-user-files/copy"],
    ["sends a message", "POST", "/?Action=SendMessage&MessageBody=x"],
  ])("refuses whoever has not its credentials and %s", async (_, method, path) => {
    const unsigned = await fetch(new URL(path, jobs.address), { method });
    expect([unsigned.status, await unsigned.text()]).toEqual([403, expect.stringContaining("<Code>AccessDenied</Code>")]);
    const scope = "AKIAIOSFODNN7EXAMPLE/20261129/us-east-2/s3/aws4_request";
    const authorization = `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host;x-amz-date, Signature=${"0".repeat(64)}`;
    const date = `${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
    const foreign = await fetch(new URL(path, jobs.address), {
      method,
      headers: { authorization: authorization.replace("20261129", date.slice(0, 8)), "x-amz-date": date },
    });
    expect(foreign.status).toBe(403);
  });

  it("lets only its own user ask without credentials", () => {
    expect(statSync(environment.paths.objectSocket).mode & 0o077).toBe(0);
  });

  it("shows its secret to nobody who looks at processes or files", () => {
    const secret = environment.variable(files, "AWS_SECRET_ACCESS_KEY");
    expect(JSON.stringify([files.spec, files.variables])).not.toContain(secret);
    expect(environment.output()).not.toContain(secret);
  });

  it("stores 200 MiB in little memory", async () => {
    const piece = Buffer.alloc(MEBIBYTE, "x");
    const Body = Readable.from(Array.from({ length: 200 }, () => piece));
    await s3.send(new PutObjectCommand({ Bucket, Key: "large", Body, ContentLength: 200 * MEBIBYTE }));
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: "large" }));
    let bytes = 0;
    for await (const part of got.Body as Readable) bytes += part.length;
    expect(bytes).toBe(200 * MEBIBYTE);
    const peakKib = Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${environment.process(PROCESS).pid}/status`, "utf8"))?.[1]);
    expect(peakKib).toBeLessThan(220 * 1024);
  });
});

describe("a queue or bucket given by URL", () => {
  it("leaves the app its own region and credentials", async () => {
    const environment = makeEnvironment();
    try {
      const [jobs, files] = (await environment.prepare({ jobs: { type: "queue" }, files: { type: "bucket", url: "s3://uploads" } })) as [
        PreparedResource,
        PreparedResource,
      ];
      expect(Object.keys(jobs.variables.env).sort()).toEqual([
        "AWS_ENDPOINT_URL_SQS",
        "JOBS_ACCESS_KEY_ID",
        "JOBS_DEAD_LETTER_URL",
        "JOBS_QUEUE_URL",
      ]);
      expect(Object.keys(jobs.variables.secretEnv)).toEqual(["JOBS_SECRET_ACCESS_KEY"]);
      expect(files.variables).toEqual({ env: { FILES_BUCKET: "uploads" }, secretEnv: {} });
      await files.ready();
    } finally {
      await environment.remove();
    }
  });
});
