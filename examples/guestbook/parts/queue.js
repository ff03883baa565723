import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

/** @typedef {{ kind: "entry", id: number } | { kind: "digest", minute: string }} Job */

// A queue server at an address of its own is reached there, whatever host name it puts into its queues' URLs.
const client = new SQSClient({ useQueueUrlAsEndpoint: !process.env.AWS_ENDPOINT_URL });
/** Nobody waits longer than this for a queue that is away. */
const SEND_TIMEOUT_MS = 3_000;
const QueueUrl = process.env.JOBS_QUEUE_URL;

/** @param {Job} job */
export async function sendJob(job) {
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(job) }), { abortSignal: AbortSignal.timeout(SEND_TIMEOUT_MS) });
}

/**
 * Waits up to ten seconds for a job. Undefined when there was none.
 * @param {AbortSignal} signal
 * @returns {Promise<{ job: Job, done: () => Promise<unknown> } | undefined>}
 */
export async function receiveJob(signal) {
  const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 1, WaitTimeSeconds: 10 });
  const message = (await client.send(command, { abortSignal: signal })).Messages?.[0];
  if (!message) return undefined;
  return {
    job: JSON.parse(message.Body ?? "null"),
    done: () => client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle })),
  };
}
