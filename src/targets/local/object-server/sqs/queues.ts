// The queues of an environment and their messages, kept in one log.
import { createHash, randomUUID } from "node:crypto";
import { hasIdentity } from "../../data/data-record.ts";
import { Records } from "../disk/records.ts";
import { Turns } from "../disk/turns.ts";
import { ACCOUNT, REGION } from "../protocol/names.ts";
import { ServiceError } from "../protocol/service-error.ts";
import { checkAttributes, parseRedrivePolicy, secondsOf } from "./attributes.ts";
import type { MessageContent, MessageRecord } from "./message.ts";
import { Queue } from "./queue.ts";
import { type Item, type Message, messageKey, type QueueRecord, queueKey, receiptKey, type SentRecord, type Store } from "./records.ts";

const ARN = `arn:aws:sqs:${REGION}:${ACCOUNT}:`;
export const arnOf = (name: string): string => `${ARN}${name}`;
export const nameOfArn = (arn: string): string => (arn.startsWith(ARN) ? arn.slice(ARN.length) : "");

const NAME = /^(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?$/;
/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html */
const DEDUPLICATION_MS = 5 * 60_000;
const SWEEP_MS = 60_000;

export interface Sending {
  content: MessageContent;
  delaySeconds?: number;
  group?: string;
  deduplication?: string;
}

export class Queues {
  readonly store: Store;
  readonly #queues = new Map<string, Queue>();
  readonly #turns = new Turns();
  #lastOrder = 0;
  #sweeping: NodeJS.Timeout;

  private constructor(store: Store) {
    this.store = store;
    this.#sweeping = setInterval(() => void this.#sweep().catch((error) => console.error("expired messages stay:", error)), SWEEP_MS);
  }

  /** In a folder that is there already: after a restart of the machine without its disk an empty one would pass for the queues. */
  static async open(folder: string): Promise<Queues> {
    const queues = new Queues(await Records.open<Item>({ folder, isThere: () => hasIdentity(folder) }));
    await queues.#load();
    return queues;
  }

  async #load(): Promise<void> {
    const items = [...this.store.entries()];
    for (const [, item] of items) if ("queue" in item) this.#open(item.queue);
    for (const [key, item] of items) {
      if ("message" in item) await this.#place(key, item.message);
      if ("sent" in item) this.#lastOrder = Math.max(this.#lastOrder, item.sent.order);
      if ("receipt" in item && !this.store.get(messageKey(key.slice(2)))) await this.store.delete(key, { flush: false });
    }
  }

  async #place(key: string, message: MessageRecord): Promise<void> {
    this.#lastOrder = Math.max(this.#lastOrder, message.order);
    const item = this.store.get(receiptKey(message.id));
    const queue = this.#queues.get(message.queue);
    if (queue) queue.add(message, item && "receipt" in item ? item.receipt : undefined);
    // Its queue was deleted, and a crash came before it was.
    else await this.store.delete(key);
  }

  list(): Queue[] {
    return [...this.#queues.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws QueueDoesNotExist. */
  get(name: string): Queue {
    const queue = this.#queues.get(name);
    if (!queue) throw new ServiceError("QueueDoesNotExist", "The specified queue does not exist.");
    return queue;
  }

  find(name: string): Queue | undefined {
    return this.#queues.get(name);
  }

  create(name: string, attributes: Record<string, string>, tags: Record<string, string>): Promise<Queue> {
    return this.#turns.take(name, async () => {
      if (!NAME.test(name))
        throw new ServiceError("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
      const isFifo = name.endsWith(".fifo");
      if (isFifo !== (attributes.FifoQueue === "true"))
        throw new ServiceError(
          "InvalidParameterValue",
          "The name of a FIFO queue can only end with the .fifo suffix, and its attribute FifoQueue is true.",
        );
      checkAttributes(attributes, { isFifo });
      const standing = this.#queues.get(name);
      if (standing) return sameQueue(standing, attributes);
      const now = Date.now();
      const record = { name, createdAt: now, changedAt: now, attributes, tags };
      await this.store.put(queueKey(name), { queue: record });
      return this.#open(record);
    });
  }

  change(queue: Queue, change: Partial<Pick<QueueRecord, "attributes" | "tags">>): Promise<void> {
    return this.#turns.take(queue.name, async () => {
      const record = { ...this.get(queue.name).record, ...change, changedAt: Date.now() };
      await this.store.put(queueKey(queue.name), { queue: record });
      queue.record = record;
    });
  }

  remove(queue: Queue): Promise<void> {
    return this.#turns.take(queue.name, async () => {
      await this.store.delete(queueKey(queue.name));
      this.#queues.delete(queue.name);
      queue.close();
      await queue.purge();
    });
  }

  /** Resolves when the message is stored. One that was sent already under its deduplication id is not sent again. */
  async send(queue: Queue, { content, delaySeconds, group, deduplication }: Sending): Promise<MessageRecord> {
    const scope = queue.record.attributes.DeduplicationScope === "messageGroup" ? group : "";
    const id =
      deduplication === undefined
        ? undefined
        : createHash("sha256")
            .update(JSON.stringify([queue.name, scope, deduplication]))
            .digest("hex");
    if (id === undefined) return this.#store(queue, { content, delaySeconds, group });
    return this.#turns.take(id, async () => {
      const item = this.store.get(`d/${id}`);
      const sent = item && "sent" in item && item.sent.at > Date.now() - DEDUPLICATION_MS ? item.sent : undefined;
      if (sent) return { queue: queue.name, id: sent.messageId, order: sent.order, sentAt: sent.at };
      // The message first: should a crash come between, it is sent once more rather than not at all.
      const record = await this.#store(queue, { content, delaySeconds, group, deduplication });
      const note: SentRecord = { queue: queue.name, at: record.sentAt, messageId: record.id, order: record.order };
      await this.store.put(`d/${id}`, { sent: note });
      return record;
    });
  }

  async #store(queue: Queue, { content, delaySeconds, group, deduplication }: Sending): Promise<MessageRecord> {
    const now = Date.now();
    const delayMs = (delaySeconds ?? secondsOf(queue.record, "DelaySeconds")) * 1000;
    const record: MessageRecord = { queue: queue.name, id: randomUUID(), order: this.#nextOrder(), sentAt: now, group, deduplication };
    if (delayMs > 0) record.delayedUntil = now + delayMs;
    await this.store.put(messageKey(record.id), { message: record }, { content: Buffer.from(JSON.stringify(content)) });
    queue.add(record);
    return record;
  }

  /** Sends a dead letter to another queue as a message of its own, and removes it. False when it was deleted meanwhile. */
  async move(message: Message, from: Queue, to: Queue): Promise<boolean> {
    const content = await this.store.content(messageKey(message.record.id));
    if (!content) return false;
    const { group } = message.record;
    const record: MessageRecord = { queue: to.name, id: randomUUID(), order: this.#nextOrder(), sentAt: Date.now(), group };
    await this.store.put(messageKey(record.id), { message: record }, { content });
    to.add(record);
    await from.delete(message);
    return true;
  }

  #open(record: QueueRecord): Queue {
    const queue = new Queue(record, this.store, (message) => this.#bury(queue, message));
    this.#queues.set(record.name, queue);
    return queue;
  }

  /** As one record that says of another queue: it is never in both, and never in none. */
  async #bury(queue: Queue, message: Message): Promise<boolean> {
    const { RedrivePolicy } = queue.record.attributes;
    const target = RedrivePolicy ? this.#queues.get(nameOfArn(parseRedrivePolicy(RedrivePolicy).deadLetterTargetArn)) : undefined;
    const content = await this.store.content(messageKey(message.record.id));
    if (!target || !content) return false;
    const record: MessageRecord = { ...message.record, queue: target.name, source: queue.name, delayedUntil: undefined };
    await this.store.put(messageKey(record.id), { message: record }, { content });
    // It is nobody's any more.
    await this.store.delete(receiptKey(record.id), { flush: false });
    queue.forget(message);
    target.add(record);
    return true;
  }

  /** Greater than all before, also after a restart. */
  #nextOrder(): number {
    this.#lastOrder = Math.max(this.#lastOrder + 1, Date.now() * 1000);
    return this.#lastOrder;
  }

  async #sweep(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.expire();
    const before = Date.now() - DEDUPLICATION_MS;
    for (const [key, item] of [...this.store.entries()]) if ("sent" in item && item.sent.at < before) await this.store.delete(key, { flush: false });
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeping);
    for (const queue of this.#queues.values()) queue.close();
    await this.store.close();
  }
}

function sameQueue(queue: Queue, attributes: Record<string, string>): Queue {
  const differs = Object.entries(attributes).some(
    ([name, value]) => name !== "FifoQueue" && String(queue.record.attributes[name] ?? defaultOf(queue, name)) !== value,
  );
  if (differs) throw new ServiceError("QueueNameExists", "A queue already exists with the same name and a different value for attribute(s).");
  return queue;
}

const defaultOf = (queue: Queue, name: string): string => {
  const seconds = secondsOf(queue.record, name);
  return Number.isNaN(seconds) ? "" : String(seconds);
};
