// S3 and SQS for machines: the object server of the local target, at the names and with the addresses that AWS gives.
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { Answerer, AwsAnswer, AwsCall } from "./endpoints.ts";
import { REGION } from "./endpoints.ts";

/** Where SQS is, as machines are told it. */
export const QUEUE_ENDPOINT = `https://sqs.${REGION}.amazonaws.com`;
/** What is of a connection or of a way to send a body, and not of the call. */
const HEADERS_OF_TRANSPORT = [
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "expect",
  "x-amz-trailer",
  "x-amz-decoded-content-length",
  "x-amz-content-sha256",
];

export interface Bucket {
  name: string;
  put(key: string, bytes: Buffer): Promise<void>;
  /** Undefined when there is no such object. */
  get(key: string): Promise<Buffer | undefined>;
}

/** The object server of an environment here, where it listens for apps and where for Landfall itself. */
export interface ObjectServerPlace {
  endpoint: string;
  socket: string;
}

/** Answers S3's and SQS's calls by the server at `endpoint` (`http://127.0.0.1:20100`), asked as its owner: machines sign for AWS. */
export const objectServer =
  ({ endpoint, socket }: ObjectServerPlace): Answerer =>
  async (call) => {
    if (call.service !== "s3" && call.service !== "sqs") return undefined;
    const { status, headers, body } = await send(socket, {
      ...call,
      body: call.service === "sqs" ? rename(call.body, QUEUE_ENDPOINT, endpoint) : call.body,
    });
    return { status, headers, body: call.service === "sqs" ? rename(body, endpoint, QUEUE_ENDPOINT) : body };
  };

export function openBucket({ socket }: ObjectServerPlace, name: string): Bucket {
  const ask = (method: string, key: string, body: Buffer) =>
    send(socket, { method, path: `/${name}/${key.split("/").map(encodeURIComponent).join("/")}`, headers: {}, body });
  return {
    name,
    async put(key, bytes) {
      const { status, body } = await ask("PUT", key, bytes);
      if (status !== 200) throw new Error(`the object server answered ${status} to an object: ${body.toString()}`);
    },
    async get(key) {
      const { status, body } = await ask("GET", key, Buffer.alloc(0));
      return status === 200 ? body : undefined;
    },
  };
}

/** The addresses of queues, in calls and answers; not what messages hold. */
function rename(body: Buffer, from: string, to: string): Buffer {
  const text = body.toString("latin1");
  const renamed = text.replace(/("QueueUrls?":\s*\[?)("[^\]}]*")/g, (_, key: string, urls: string) => key + urls.replaceAll(`"${from}/`, `"${to}/`));
  return Buffer.from(renamed, "latin1");
}

function send(
  socketPath: string,
  { method, path, headers, body }: Pick<AwsCall, "method" | "path" | "headers" | "body">,
): Promise<Required<AwsAnswer> & { body: Buffer }> {
  return new Promise((resolve, reject) => {
    const metadata: IncomingHttpHeaders = Object.fromEntries(Object.entries(headers).filter(([name]) => !HEADERS_OF_TRANSPORT.includes(name)));
    const encoding = metadata["content-encoding"]?.replace(/\s*aws-chunked\s*,?/, "");
    const kept = { ...metadata, "content-encoding": encoding, "content-length": String(body.length) };
    const sent = request({ socketPath, path, method, agent: false, headers: withoutEmpty(kept) }, (answer) => {
      readAll(answer).then((read) => {
        const { connection: _, "transfer-encoding": __, "keep-alive": ___, ...kept } = answer.headers;
        resolve({ status: answer.statusCode ?? 502, headers: kept, body: read });
      }, reject);
    });
    sent.once("error", reject).end(body);
  });
}

const withoutEmpty = (headers: IncomingHttpHeaders): IncomingHttpHeaders => Object.fromEntries(Object.entries(headers).filter(([, value]) => value));

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
