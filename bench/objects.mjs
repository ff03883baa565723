// Messages and objects a second, by the server of buckets and queues and, beside it in the same run, by other servers of the same protocols:
//   node bench/objects.mjs [name=endpoint ...]      their key is "landfall", as is their secret
// The folder lies in the system's temporary folder: give TMPDIR on the disk that is meant, since a flush of a tmpfs costs nothing.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const ROUNDS = 3;
const ROUND_MS = 4_000;
const login = { accessKeyId: "landfall", secretAccessKey: "landfall" };
const folder = mkdtempSync(join(tmpdir(), "landfall-objects-"));
const program = new URL("../dist/targets/local/object-server/main.js", import.meta.url).pathname;

const port = await freePort();
mkdirSync(join(folder, "queues"));
writeFileSync(join(folder, "queues", ".landfall-identity"), "bench\n");
const server = spawn(process.execPath, [program, folder, String(port), join(folder, "objects.sock")], {
  env: { ...process.env, LANDFALL_ACCESS_KEY_ID: login.accessKeyId, LANDFALL_SECRET_ACCESS_KEY: login.secretAccessKey },
  stdio: ["ignore", "pipe", "inherit"],
});
await new Promise((resolve) => server.stdout.once("data", resolve));

try {
  const endpoints = [["ours", `http://127.0.0.1:${port}`], ...process.argv.slice(2).map((argument) => argument.split(/=(.*)/s))];
  const servers = await Promise.all(endpoints.map(([name, endpoint]) => prepare(name, endpoint)));
  for (const [what, callers] of [
    ["message", 1],
    ["message", 32],
    ["object of 4 KB", 1],
    ["object of 4 KB", 32],
    ["object of 8 MB", 2],
  ])
    for (const { name, acts } of await alternate(servers, what, callers))
      console.log(`${name.padEnd(10)} ${what.padEnd(15)} ${String(callers).padStart(2)} callers  ${acts}`);
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}

async function prepare(name, endpoint) {
  const settings = { endpoint, region: "us-east-2", credentials: login };
  const [s3, sqs] = [new S3Client({ ...settings, forcePathStyle: true }), new SQSClient(settings)];
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: `bench-${process.pid}` }));
  const Bucket = `bench-${process.pid}`;
  await s3.send(new CreateBucketCommand({ Bucket }));
  const roundTrip = (Body) => async (caller) => {
    const Key = `object-${caller}`;
    await s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray();
  };
  const acts = {
    message: async () => {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "x".repeat(500) }));
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      for (const { ReceiptHandle } of Messages) await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    },
    "object of 4 KB": roundTrip(Buffer.alloc(4096, "x")),
    "object of 8 MB": roundTrip(Buffer.alloc(8 * 2 ** 20, "x")),
  };
  return { name, acts };
}

/** Each in turn, several times, so that what else the machine does hits all; the median a second. */
async function alternate(servers, what, callers) {
  const rates = new Map(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) for (const { name, acts } of servers) rates.get(name).push(await measure(acts[what], callers));
  return [...rates].map(([name, all]) => {
    const sorted = all.sort((a, b) => a - b);
    return { name, acts: `${sorted[Math.floor(ROUNDS / 2)].toFixed(1)} a second (${sorted[0].toFixed(1)} to ${sorted.at(-1).toFixed(1)})` };
  });
}

async function measure(act, callers) {
  let done = 0;
  const began = performance.now();
  const call = async (_, caller) => {
    while (performance.now() - began < ROUND_MS) {
      await act(caller);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return (1000 * done) / (performance.now() - began);
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
