import { request } from "node:http";
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
  jobs: { type: "queue", visibilityTimeout: "45s", deadLetterAfter: 2 },
  "user-files": { type: "bucket" },
} as const;
const PROCESS = "resource.objects";

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
    Object.assign(process.env, jobs.variables.env, files.variables.env);
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
      deadLetterTargetArn: "arn:aws:sqs:us-east-1:000000000000:guest-book-jobs-dead-letter",
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
    const [done] = await receive();
    await remove(QueueUrl, done?.ReceiptHandle);
    expect(await restart(signal)).toEqual([]);
    // "twice" and "waiting" were in hand, so this is their second delivery, and the next goes to the dead letters.
    expect((await receive(QueueUrl, 0)).map(({ Body }) => Body)).toEqual(["twice", "waiting"]);
    expect(await receive()).toEqual([]);
    await restart(signal);
    expect((await receive(deadLetters)).map(({ Body }) => Body)).toEqual(["twice", "waiting"]);
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

  it("refuses a request for another host name, as a web page would send it", async () => {
    const status = await new Promise((resolve, reject) =>
      request(jobs.address, { headers: { host: "evil.example" } }, (answer) => resolve(answer.resume().statusCode))
        .once("error", reject)
        .end(),
    );
    expect(status).toBe(403);
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
      expect(Object.keys(jobs.variables.env).sort()).toEqual(["AWS_ENDPOINT_URL_SQS", "JOBS_DEAD_LETTER_URL", "JOBS_QUEUE_URL"]);
      expect(files.variables).toEqual({ env: { FILES_BUCKET: "uploads" }, secretEnv: {} });
      await files.ready();
    } finally {
      await environment.remove();
    }
  });
});
