// What is kept of queues and messages, by which keys.
import type { Records } from "../disk/records.ts";
import type { MessageRecord, ReceiptRecord } from "./message.ts";

export interface QueueRecord {
  name: string;
  createdAt: number;
  changedAt: number;
  attributes: Record<string, string>;
  tags: Record<string, string>;
}

export interface MoveRecord {
  source: string;
  destination?: string;
  perSecond?: number;
  startedAt: number;
  status: "RUNNING" | "COMPLETED" | "CANCELLING" | "CANCELLED" | "FAILED";
  moved: number;
  toMove: number;
  failure?: string;
}

/** What was sent under a deduplication id in the last five minutes. */
export interface SentRecord {
  queue: string;
  at: number;
  messageId: string;
  order: number;
}

export type Item = { queue: QueueRecord } | { message: MessageRecord } | { receipt: ReceiptRecord } | { sent: SentRecord } | { move: MoveRecord };
export type Store = Records<Item>;

export const messageKey = (id: string): string => `m/${id}`;
export const receiptKey = (id: string): string => `r/${id}`;
export const queueKey = (name: string): string => `q/${name}`;

export type State = "waiting" | "delayed" | "inHand" | "gone";

export interface Message {
  record: MessageRecord;
  receipt?: ReceiptRecord;
  state: State;
}
