// A power cut, on a disk of its own: what the block device has at that moment, and nothing that the kernel only meant to write.
// SIGKILL is none, because the kernel goes on writing.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageBatchCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { run } from "../../../python.ts";
import { requires } from "../../../skips.ts";
import { makeEnvironment, type TestEnvironment } from "../resources/environment.ts";

const resources = { jobs: { type: "queue" }, files: { type: "bucket" } } as const;
const MEBIBYTE = 2 ** 20;

function hasLoopDevices(): boolean {
  try {
    return process.platform === "linux" && process.getuid?.() === 0 && run("losetup", ["--find"]) !== "" && run("mkfs.ext4", ["-V"]) === "";
  } catch {
    return false;
  }
}

requires("root, loop devices and mkfs.ext4", hasLoopDevices())("a power cut", () => {
  const disks = mkdtempSync(join(tmpdir(), "landfall-disks-"));
  const disk = join(disks, "disk");
  let environment: TestEnvironment;
  let folder: string;
  let isMounted = false;

  const mount = (image: string) => {
    run("mount", ["-o", "loop", image, folder]);
    isMounted = true;
  };
  const unmount = () => {
    if (isMounted) run("umount", [folder]);
    isMounted = false;
  };

  beforeAll(() => {
    environment = makeEnvironment();
    folder = join(environment.paths.data, "objects");
    mkdirSync(folder, { recursive: true });
    writeFileSync(disk, "");
    truncateSync(disk, 96 * MEBIBYTE);
    run("mkfs.ext4", ["-q", "-F", disk]);
    mount(disk);
  });
  afterAll(async () => {
    await environment.stop("resource.objects");
    unmount();
    await environment.remove();
    rmSync(disks, { recursive: true, force: true });
  });

  async function bringUp() {
    const [jobs, files] = (await environment.bringUp(resources)).resources;
    if (!jobs || !files) throw new Error("both were asked for");
    const variable = (name: string) => environment.variable(name.startsWith("FILES") ? files : jobs, name);
    const login = { accessKeyId: variable("AWS_ACCESS_KEY_ID"), secretAccessKey: variable("AWS_SECRET_ACCESS_KEY") };
    const settings = { endpoint: variable("AWS_ENDPOINT_URL"), region: "us-east-2", credentials: login };
    return { sqs: new SQSClient(settings), s3: new S3Client(settings), QueueUrl: variable("JOBS_QUEUE_URL"), Bucket: variable("FILES_BUCKET") };
  }

  /** The server goes, and comes back with the disk as it was at `cut`. */
  async function cutPower(cut: string): Promise<void> {
    copyFileSync(disk, cut);
    await environment.stop("resource.objects", "SIGKILL");
    unmount();
    mount(cut);
  }

  it("takes nothing that an app was told is stored, and brings back nothing that it was told is gone", async () => {
    const { sqs, s3, QueueUrl, Bucket } = await bringUp();
    const put = (Key: string, Body: string | Buffer) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    await Promise.all(Array.from({ length: 30 }, (_, index) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: `single ${index}` }))));
    const Entries = Array.from({ length: 10 }, (_, index) => ({ Id: String(index), MessageBody: `batch ${index}` }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    await Promise.all(Array.from({ length: 10 }, (_, index) => put(`small ${index}`, `content ${index}`)));
    await put("replaced", Buffer.alloc(MEBIBYTE, "a"));
    await put("replaced", Buffer.alloc(2 * MEBIBYTE, "b"));
    await put("removed", "x");
    await s3.send(new DeleteObjectCommand({ Bucket, Key: "removed" }));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "parts" }));
    const part = { Bucket, Key: "parts", UploadId, PartNumber: 1 };
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: Buffer.alloc(MEBIBYTE, "c") }));
    await s3.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }));

    await cutPower(join(disks, "cut"));

    const after = await bringUp();
    const read = async (Key: string) => (await after.s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
    const { Contents = [] } = await after.s3.send(new ListObjectsV2Command({ Bucket }));
    const small = Array.from({ length: 10 }, (_, index) => `small ${index}`);
    expect(Contents.map(({ Key }) => Key).sort()).toEqual([...small, "parts", "replaced"].sort());
    expect(await Promise.all(small.map(read))).toEqual(small.map((key) => key.replace("small", "content")));
    expect(await read("replaced")).toBe("b".repeat(2 * MEBIBYTE));
    expect(await read("parts")).toBe("c".repeat(MEBIBYTE));
    const bodies: (string | undefined)[] = [];
    for (;;) {
      const received = await after.sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (!received.Messages) break;
      bodies.push(...received.Messages.map(({ Body }) => Body));
    }
    const sent = [...Array.from({ length: 30 }, (_, index) => `single ${index}`), ...Entries.map(({ MessageBody }) => MessageBody)];
    const deleted = Messages.map(({ Body }) => Body);
    expect(bodies.sort()).toEqual(sent.filter((body) => !deleted.includes(body)).sort());
  });
});
