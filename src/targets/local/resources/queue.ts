// A queue and its dead letters, in the object server.
import type { Resource } from "../../../config/schema.ts";
import { isGiven, prepareGiven } from "./given.ts";
import { ACCOUNT, demand, type ObjectServer, REGION } from "./object-server.ts";
import { type PreparedResource, type ResourceContext, type ResourceOf, resourceFailed, variablePrefix } from "./resource.ts";

export function prepareQueue(
  name: string,
  resource: ResourceOf<"queue">,
  context: ResourceContext,
  server: ObjectServer | undefined,
): PreparedResource {
  const prefix = variablePrefix(name);
  if (isGiven(resource)) return prepareGiven(name, resource, `${prefix}_QUEUE_URL`, context);
  const { endpoint, spec, envFor, ready } = server as ObjectServer;
  const queue = `${context.app.name}-${name}`;
  const deadLetters = `${queue}-dead-letter`;
  return {
    name,
    type: "queue",
    spec,
    address: urlOf(endpoint, queue),
    ready: () => ready({ name, type: "queue" }),
    establish: async () => {
      const deadLettersMade = await ensureQueue(name, endpoint, deadLetters, {});
      const queueMade = await ensureQueue(name, endpoint, queue, attributesOf(resource, deadLetters));
      return { created: [...(deadLettersMade ? [`queue "${deadLetters}"`] : []), ...(queueMade ? [`queue "${queue}"`] : [])] };
    },
    variables: {
      env: { ...envFor("SQS"), [`${prefix}_QUEUE_URL`]: urlOf(endpoint, queue), [`${prefix}_DEAD_LETTER_URL`]: urlOf(endpoint, deadLetters) },
      secretEnv: {},
    },
  };
}

const urlOf = (endpoint: string, queue: string): string => `${endpoint}/${ACCOUNT}/${queue}`;

function attributesOf(resource: Extract<Resource, { type: "queue" }>, deadLetters: string): Record<string, string> {
  return {
    // SQS counts whole seconds; a part of one is rounded up, because too early means delivered twice.
    VisibilityTimeout: String(Math.ceil(resource.visibilityTimeout / 1000)),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: `arn:aws:sqs:${REGION}:${ACCOUNT}:${deadLetters}`,
      maxReceiveCount: resource.deadLetterAfter,
    }),
  };
}

export interface QueueCounts {
  /** Messages that can be taken, and messages that were taken and not deleted yet. */
  waiting: number;
  inHand: number;
  /** Messages that were deleted since the queue's server was started. */
  deleted: number;
}

/** How a queue of ours stands. `address` is where it is, as its report says. */
export async function observeQueue(resource: string, address: string): Promise<QueueCounts> {
  const { origin, pathname } = new URL(address);
  return JSON.parse(await demand(resource, origin, "GET", `/_landfall/queues/${pathname.split("/").at(-1)}`)) as QueueCounts;
}

/** True when it was not there. Attributes that have changed since are set anew. */
async function ensureQueue(resource: string, endpoint: string, queue: string, attributes: Record<string, string>): Promise<boolean> {
  const listed = JSON.parse(await call(resource, endpoint, "ListQueues", { QueueNamePrefix: queue })) as { QueueUrls?: string[] };
  if (!listed.QueueUrls?.includes(urlOf(endpoint, queue))) {
    const { QueueUrl } = JSON.parse(await call(resource, endpoint, "CreateQueue", { QueueName: queue, Attributes: attributes })) as {
      QueueUrl: string;
    };
    if (QueueUrl === urlOf(endpoint, queue)) return true;
    throw resourceFailed({
      what: `the queue "${queue}" has another address than its instances are told`,
      where: endpoint,
      why: `It is ${QueueUrl}; ${urlOf(endpoint, queue)} was expected.`,
    });
  }
  if (Object.keys(attributes).length > 0)
    await call(resource, endpoint, "SetQueueAttributes", { QueueUrl: urlOf(endpoint, queue), Attributes: attributes });
  return false;
}

/** One action of the SQS JSON protocol. */
const call = (resource: string, endpoint: string, action: string, input: unknown): Promise<string> =>
  demand(resource, endpoint, "POST", "/", {
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
    body: JSON.stringify(input),
  });
