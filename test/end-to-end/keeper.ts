// Data of each kind in one environment: put in once, and looked for again through the clients that an app would use.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import pg from "pg";
import { openSecrets } from "../../src/targets/local/data/secret-store.ts";
import type { Paths } from "../../src/targets/local/paths.ts";
import { loadVariables } from "./variables.ts";

/** Its resources are a postgres "database", a bucket "uploads" and a queue "jobs"; `service` keeps a file. */
export class Keeper {
  readonly #places: Paths;
  readonly #service: string;

  constructor(paths: Paths, service: string) {
    this.#places = paths;
    this.#service = service;
  }

  async query(sql: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: openSecrets(this.#places).reveal("resource/database/url"), connectionTimeoutMillis: 5_000 });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** A row, an object, a message, a secret and a file. */
  async fill(): Promise<void> {
    await this.query("CREATE TABLE IF NOT EXISTS guests (name text); TRUNCATE guests; INSERT INTO guests VALUES ('Ada')");
    await this.#s3().send(new PutObjectCommand({ Bucket: this.#variable("UPLOADS_BUCKET"), Key: "photo", Body: "of Ada" }));
    await this.#sqs().send(new SendMessageCommand({ QueueUrl: this.#variable("JOBS_QUEUE_URL"), MessageBody: "greet Ada" }));
    openSecrets(this.#places).set("API_KEY", "key of Ada");
    mkdirSync(join(this.#file(), ".."), { recursive: true });
    writeFileSync(this.#file(), "note of Ada");
  }

  /** What of that is not there any more. */
  async listLosses(): Promise<string[]> {
    const looks: [string, unknown, () => unknown][] = [
      ["row", "Ada", async () => ((await this.query("SELECT name FROM guests")) as { name: string }[]).map(({ name }) => name).join()],
      ["object", "of Ada", () => this.#object()],
      ["message", "1", () => this.#messages()],
      ["secret", "key of Ada", () => openSecrets(this.#places).reveal("API_KEY")],
      ["file", "note of Ada", () => readFileSync(this.#file(), "utf8")],
    ];
    const lost: string[] = [];
    for (const [what, expected, look] of looks) {
      const found = await Promise.resolve()
        .then(look)
        .catch((error: Error) => error.message);
      if (found !== expected) lost.push(`the ${what} is gone: ${found}`);
    }
    return lost;
  }

  async #object(): Promise<string | undefined> {
    const { Body } = await this.#s3().send(new GetObjectCommand({ Bucket: this.#variable("UPLOADS_BUCKET"), Key: "photo" }));
    return Body?.transformToString();
  }

  /** Their number: one that is received too often would go to the dead letters. */
  async #messages(): Promise<string | undefined> {
    const input = { QueueUrl: this.#variable("JOBS_QUEUE_URL"), AttributeNames: ["ApproximateNumberOfMessages" as const] };
    return (await this.#sqs().send(new GetQueueAttributesCommand(input))).Attributes?.ApproximateNumberOfMessages;
  }

  #file(): string {
    return join(this.#places.data, "services", this.#service, "note");
  }

  #variable(name: string): string {
    return loadVariables(this.#places)[name] ?? "";
  }

  #client = () => ({
    endpoint: this.#variable("AWS_ENDPOINT_URL"),
    region: this.#variable("AWS_REGION"),
    credentials: { accessKeyId: this.#variable("AWS_ACCESS_KEY_ID"), secretAccessKey: this.#variable("AWS_SECRET_ACCESS_KEY") },
    maxAttempts: 1,
  });
  #s3 = () => new S3Client({ ...this.#client(), forcePathStyle: true });
  #sqs = () => new SQSClient(this.#client());
}
