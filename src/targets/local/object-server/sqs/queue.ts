// One queue: its messages as they wait, are delayed or are in hand. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-basic-architecture.html
import { randomUUID } from "node:crypto";
import { ServiceError } from "../protocol/service-error.ts";
import { secondsOf } from "./attributes.ts";
import type { MessageContent, MessageRecord, ReceiptRecord } from "./message.ts";
import { FifoOrder, Heap, type Order, StandardOrder } from "./order.ts";
import { type Message, messageKey, type QueueRecord, receiptKey, type State, type Store } from "./records.ts";

export interface Delivery {
  message: Message;
  receipt: ReceiptRecord;
  content: MessageContent;
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html */
const IN_HAND_MAX = 120_000;
/** The longest that a timer of Node's can wait. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export interface Taking {
  most: number;
  visibilityMs: number;
  waitMs: number;
  signal: AbortSignal;
}

export class Queue {
  record: QueueRecord;
  deleted = 0;
  readonly #store: Store;
  readonly #messages = new Map<string, Message>();
  readonly #counts = { waiting: 0, delayed: 0, inHand: 0, gone: 0 };
  readonly #inHandOfGroup = new Map<string, number>();
  readonly #order: Order;
  /** Delayed and taken messages, by when they wait again; some have been taken anew or deleted since. */
  readonly #asleep = new Heap<{ message: Message; at: number }>(({ at }) => at);
  readonly #bury: (message: Message) => Promise<boolean>;
  #receivers = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  /** `bury` moves a message that was taken too often to the dead letters; false when there are none. */
  constructor(record: QueueRecord, store: Store, bury: (message: Message) => Promise<boolean>) {
    this.record = record;
    this.#store = store;
    this.#bury = bury;
    this.#order = this.isFifo ? new FifoOrder((group) => this.#inHandOfGroup.get(group) ?? 0) : new StandardOrder();
  }

  get name(): string {
    return this.record.name;
  }

  get isFifo(): boolean {
    return this.name.endsWith(".fifo");
  }

  get counts(): { waiting: number; delayed: number; inHand: number } {
    this.#wakeDue();
    return this.#counts;
  }

  /** A message that is stored. */
  add(record: MessageRecord, receipt?: ReceiptRecord): void {
    const message: Message = { record, receipt, state: "gone" };
    this.#messages.set(record.id, message);
    const now = Date.now();
    if (receipt && receipt.visibleAt > now) this.#sleep(message, "inHand", receipt.visibleAt);
    else if (record.delayedUntil !== undefined && record.delayedUntil > now) this.#sleep(message, "delayed", record.delayedUntil);
    else this.#offer(message);
  }

  /** Takes messages, and waits for one if there is none. Who has gone away gets none. */
  async receive({ most, visibilityMs, waitMs, signal }: Taking): Promise<Delivery[]> {
    const until = Date.now() + waitMs;
    for (;;) {
      const deliveries = await this.#take(most, visibilityMs);
      const left = until - Date.now();
      if (deliveries.length > 0 || left <= 0 || signal.aborted) return deliveries;
      await this.#nextMessage(left, signal);
      if (signal.aborted) return [];
    }
  }

  /** The message that a receipt is of, unless it was taken anew since. */
  find({ id, receipt }: { id: string; receipt: string }): Message | undefined {
    const message = this.#messages.get(id);
    return message?.receipt?.receipt === receipt ? message : undefined;
  }

  async delete(message: Message): Promise<void> {
    if (message.state === "gone") return;
    this.forget(message);
    this.deleted += 1;
    await this.#erase(message.record.id);
  }

  /** Takes it out of here; it may be stored as another queue's by now. */
  forget(message: Message): void {
    this.#messages.delete(message.record.id);
    this.#become(message, "gone");
    // Those behind it in its group may be free now.
    this.#tellReceivers();
  }

  async purge(): Promise<void> {
    const messages = [...this.#messages.values()];
    for (const message of messages) this.forget(message);
    await Promise.all(messages.map(({ record }) => this.#erase(record.id)));
  }

  async changeVisibility(message: Message, visibilityMs: number): Promise<void> {
    const { receipt } = message;
    this.#wakeDue();
    if (message.state !== "inHand" || !receipt) throw new ServiceError("MessageNotInflight", "The specified message isn't in flight.");
    const visibleAt = Date.now() + visibilityMs;
    message.receipt = { ...receipt, visibleAt };
    if (visibilityMs > 0) this.#sleep(message, "inHand", visibleAt);
    else this.#offer(message);
    await this.#keepReceipt(message.record.id, message.receipt);
  }

  /** Takes the oldest message that waits, for another queue; nobody else has it then. */
  takeForMove(): Message | undefined {
    this.#wakeDue();
    return this.#order.take([]);
  }

  offerAgain(message: Message): void {
    if (message.state === "waiting") this.#order.add(message);
  }

  /** Removes what has been kept for longer than messages are. */
  async expire(): Promise<void> {
    const before = Date.now() - secondsOf(this.record, "MessageRetentionPeriod") * 1000;
    const expired = [...this.#messages.values()].filter(({ record }) => record.sentAt < before);
    for (const message of expired) this.forget(message);
    await Promise.all(expired.map(({ record }) => this.#erase(record.id)));
  }

  oldest(): number | undefined {
    let oldest: number | undefined;
    for (const { record } of this.#messages.values()) oldest = Math.min(oldest ?? record.sentAt, record.sentAt);
    return oldest;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#tellReceivers();
  }

  async #take(most: number, visibilityMs: number): Promise<Delivery[]> {
    this.#wakeDue();
    const taken: Message[] = [];
    while (taken.length < most) {
      const message = this.#order.take(taken);
      if (!message) break;
      if (this.#counts.inHand >= IN_HAND_MAX) {
        this.#order.add(message);
        if (taken.length > 0) break;
        throw new ServiceError("OverLimit", "The maximum number of in flight messages is reached.", 403);
      }
      if (this.#isDead(message) && (await this.#buried(message))) continue;
      if (message.state === "gone") continue;
      const now = Date.now();
      const { count = 0, firstAt = now } = message.receipt ?? {};
      message.receipt = { count: count + 1, firstAt, receipt: randomUUID(), visibleAt: now + visibilityMs };
      this.#sleep(message, "inHand", message.receipt.visibleAt);
      taken.push(message);
    }
    const deliveries = await Promise.all(taken.map((message) => this.#deliver(message)));
    return deliveries.flatMap((delivery) => delivery ?? []);
  }

  async #buried(message: Message): Promise<boolean> {
    this.#become(message, "inHand");
    const isBuried = await this.#bury(message).catch((error) => {
      this.#offer(message);
      throw error;
    });
    if (!isBuried) this.#become(message, "waiting");
    return isBuried;
  }

  /** Undefined when it was deleted meanwhile. */
  async #deliver(message: Message): Promise<Delivery | undefined> {
    const { receipt, record } = message;
    const [content] = await Promise.all([this.#store.content(messageKey(record.id)), receipt && this.#keepReceipt(record.id, receipt)]);
    return content && receipt && { message, receipt, content: JSON.parse(content.toString()) };
  }

  /** Not flushed: what a power cut takes of it makes a message be delivered once more, which may happen with SQS at any time. */
  #keepReceipt(id: string, receipt: ReceiptRecord): Promise<void> {
    return this.#store.put(receiptKey(id), { receipt }, { flush: false });
  }

  #isDead({ receipt }: Message): boolean {
    const { RedrivePolicy } = this.record.attributes;
    return RedrivePolicy !== undefined && (receipt?.count ?? 0) >= Number(JSON.parse(RedrivePolicy).maxReceiveCount);
  }

  async #erase(id: string): Promise<void> {
    // Without its message nobody asks for a receipt, so only one of the two is waited for.
    await Promise.all([this.#store.delete(receiptKey(id), { flush: false }), this.#store.delete(messageKey(id))]);
  }

  #become(message: Message, state: State): void {
    const group = message.record.group ?? "";
    const change = Number(state === "inHand") - Number(message.state === "inHand");
    const inHand = (this.#inHandOfGroup.get(group) ?? 0) + change;
    if (inHand > 0) this.#inHandOfGroup.set(group, inHand);
    else this.#inHandOfGroup.delete(group);
    this.#counts[message.state] -= 1;
    this.#counts[state] += 1;
    message.state = state;
  }

  #offer(message: Message): void {
    this.#become(message, "waiting");
    this.#order.add(message);
    this.#tellReceivers();
  }

  #sleep(message: Message, state: "delayed" | "inHand", at: number): void {
    this.#become(message, state);
    const isFirst = at < (this.#asleep.first?.at ?? Number.POSITIVE_INFINITY);
    this.#asleep.add({ message, at });
    if (isFirst) this.#setTimer();
  }

  #wakeDue(): void {
    const now = Date.now();
    for (let first = this.#asleep.first; first && first.at <= now; first = this.#asleep.first) {
      this.#asleep.take();
      const { message, at } = first;
      const dueAt = message.state === "inHand" ? message.receipt?.visibleAt : message.state === "delayed" ? message.record.delayedUntil : undefined;
      if (dueAt === at) this.#offer(message);
    }
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const { first } = this.#asleep;
    if (!first) return;
    this.#timer = setTimeout(() => (this.#wakeDue(), this.#setTimer()), Math.min(Math.max(first.at - Date.now(), 0), TIMER_MAX_MS));
  }

  #tellReceivers(): void {
    const receivers = this.#receivers;
    this.#receivers = new Set();
    for (const tell of receivers) tell();
  }

  #nextMessage(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#receivers.delete(end);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      this.#receivers.add(end);
      signal.addEventListener("abort", end);
    });
  }
}
