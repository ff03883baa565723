// A queue and its dead letters, in the object server.
import { type ResourceOf, variableOf } from "../../../resources/index.ts";
import { assertNotLost } from "../data/data-record.ts";
import { ACCOUNT, REGION } from "../object-server/protocol/names.ts";
import type { Paths } from "../paths.ts";
import type { LocalPlace, LocalResource } from "./local-resource.ts";
import { demand, OBJECT_SERVER, objectSocketOf, QUEUES_FOLDER } from "./object-server.ts";
import { type PreparedResource, resourceFailed } from "./resource.ts";

export const queue: LocalResource<ResourceOf<"queue">> = { isServed: true, prepare: prepareQueue };

async function prepareQueue(name: string, resource: ResourceOf<"queue">, { context, server }: LocalPlace): Promise<PreparedResource> {
  const { endpoint, socket, spec, variablesFor, ready } = await server();
  const { env, secretEnv } = variablesFor("SQS", (part) => variableOf(name, part));
  const queue = `${context.deployment.app}-${name}`;
  const deadLetters = `${queue}-dead-letter`;
  return {
    name,
    type: "queue",
    spec,
    address: urlOf(endpoint, queue),
    ready: () => ready({ name, type: "queue" }),
    establish: async () => {
      const place = { resource: name, endpoint, socket };
      const refuse = (queue: string) => assertNotLost(context.paths, name, `no queue "${queue}" in its server`);
      const deadLettersMade = await ensureQueue(place, { queue: deadLetters, attributes: KEPT }, refuse);
      const queueMade = await ensureQueue(place, { queue, attributes: attributesOf(resource, deadLetters) }, refuse);
      return { created: [...(deadLettersMade ? [`queue "${deadLetters}"`] : []), ...(queueMade ? [`queue "${queue}"`] : [])] };
    },
    data: { kind: "queue", path: QUEUES_FOLDER, usedBy: OBJECT_SERVER },
    variables: {
      env: {
        ...env,
        [variableOf(name, "QUEUE_URL")]: urlOf(endpoint, queue),
        [variableOf(name, "DEAD_LETTER_URL")]: urlOf(endpoint, deadLetters),
      },
      secretEnv,
    },
  };
}

const urlOf = (endpoint: string, queue: string): string => `${endpoint}/${ACCOUNT}/${queue}`;

/** As on AWS: the longest that SQS keeps a message. */
const KEPT = { MessageRetentionPeriod: String(14 * 86_400) };

function attributesOf(resource: ResourceOf<"queue">, deadLetters: string): Record<string, string> {
  return {
    ...KEPT,
    // SQS counts whole seconds; a part of one is rounded up, because too early means delivered twice.
    VisibilityTimeout: String(Math.ceil(resource.visibilityTimeout / 1000)),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: `arn:aws:sqs:${REGION}:${ACCOUNT}:${deadLetters}`,
      maxReceiveCount: resource.maxReceiveCount,
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
export async function observeQueue(paths: Pick<Paths, "objectSocket">, resource: string, address: string): Promise<QueueCounts> {
  const name = new URL(address).pathname.split("/").at(-1);
  return JSON.parse(await demand(resource, objectSocketOf(paths), { method: "GET", path: `/_landfall/queues/${name}` }));
}

/** The resource that the queue is made for, and the server that it is made in. */
interface QueuePlace {
  resource: string;
  endpoint: string;
  socket: string;
}

interface WantedQueue {
  queue: string;
  attributes: Record<string, string>;
}

/** True when it was not there, which `refuse` may not allow. Attributes that have changed since are set anew. */
async function ensureQueue(place: QueuePlace, { queue, attributes }: WantedQueue, refuse: (queue: string) => void): Promise<boolean> {
  const { endpoint } = place;
  const listed: { QueueUrls?: string[] } = await call(place, "ListQueues", { QueueNamePrefix: queue });
  if (!listed.QueueUrls?.includes(urlOf(endpoint, queue))) {
    refuse(queue);
    const { QueueUrl }: { QueueUrl: string } = await call(place, "CreateQueue", { QueueName: queue, Attributes: attributes });
    if (QueueUrl === urlOf(endpoint, queue)) return true;
    throw resourceFailed({
      what: `the queue "${queue}" has another address than its instances are told`,
      where: endpoint,
      why: `It is ${QueueUrl}; ${urlOf(endpoint, queue)} was expected.`,
    });
  }
  if (Object.keys(attributes).length > 0) await call(place, "SetQueueAttributes", { QueueUrl: urlOf(endpoint, queue), Attributes: attributes });
  return false;
}

/** One action of the SQS JSON protocol. */
async function call<Output extends object>({ resource, socket }: QueuePlace, action: string, input: object): Promise<Output> {
  const text = await demand(resource, socket, {
    method: "POST",
    path: "/",
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
    body: JSON.stringify(input),
  });
  // What sets something is answered with nothing at all.
  return JSON.parse(text || "{}");
}
