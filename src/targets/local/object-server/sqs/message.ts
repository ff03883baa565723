// Messages: what is known of them, what they hold, and what clients compare of it.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
import { createHash } from "node:crypto";
import { ServiceError } from "../protocol/service-error.ts";
import { type Input, isRecord } from "./input.ts";

/** Known of a message as long as it is there. */
export interface MessageRecord {
  queue: string;
  id: string;
  /** Its place among all messages. */
  order: number;
  sentAt: number;
  /** When it was delayed, until when. */
  delayedUntil?: number;
  group?: string;
  deduplication?: string;
  /** Of a dead letter, the queue that it was in. */
  source?: string;
}

/** Known of a message that was taken. */
export interface ReceiptRecord {
  count: number;
  firstAt: number;
  /** What tells the last receipt from those before. */
  receipt: string;
  visibleAt: number;
}

export interface Attribute {
  DataType: string;
  StringValue?: string;
  /** In base64. */
  BinaryValue?: string;
}

/** What lies on the disk alone. */
export interface MessageContent {
  body: string;
  attributes: Record<string, Attribute>;
  trace?: string;
}

export const md5Of = (text: string | Uint8Array): string => createHash("md5").update(text).digest("hex");

/** XML's characters, which SQS takes alone. */
const TEXT = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.|\.)[\w.-]{1,256}(?<!\.)$/i;
const DATA_TYPE = /^(String|Number|Binary)(\..{1,249})?$/;

/** Throws InvalidMessageContents, InvalidParameterValue, MissingParameter. */
export function readContent(input: Input, bytesMax: number): MessageContent {
  const body = input.text("MessageBody");
  if (body === "") throw new ServiceError("MissingParameter", "The request must contain the parameter MessageBody.");
  if (!TEXT.test(body)) throw new ServiceError("InvalidMessageContents", "Invalid characters found in the message body.");
  const attributes = readAttributes(input);
  const trace = input.named("MessageSystemAttributes").find(([name]) => name === "AWSTraceHeader")?.[1];
  const content = { body, attributes, trace: isRecord(trace) ? String(trace.StringValue) : undefined };
  if (bytesOf(content) > bytesMax)
    throw new ServiceError("InvalidParameterValue", `One or more parameters are invalid. Reason: Message must be shorter than ${bytesMax} bytes.`);
  return content;
}

export const bytesOf = ({ body, attributes }: MessageContent): number =>
  Object.entries(attributes).reduce((sum, [name, { DataType, StringValue = "", BinaryValue = "" }]) => {
    return sum + Buffer.byteLength(name + DataType + StringValue) + Buffer.byteLength(BinaryValue, "base64");
  }, Buffer.byteLength(body));

function readAttributes(input: Input): Record<string, Attribute> {
  const named = input.named("MessageAttributes");
  if (named.length > 10)
    throw new ServiceError("InvalidParameterValue", `Number of message attributes [${named.length}] exceeds the allowed maximum [10].`);
  return Object.fromEntries(named.map(([name, value]) => [name, readAttribute(name, value)]));
}

function readAttribute(name: string, value: unknown): Attribute {
  const refuse = (why: string) => new ServiceError("InvalidParameterValue", `The message attribute '${name}' ${why}`);
  if (!ATTRIBUTE_NAME.test(name)) throw refuse("has an invalid name.");
  const { DataType = "", StringValue, BinaryValue } = isRecord(value) ? value : {};
  const type = DATA_TYPE.exec(String(DataType))?.[1];
  if (type === undefined) throw refuse("has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.");
  const isBinary = type === "Binary";
  const text = isBinary ? BinaryValue : StringValue;
  if (typeof text !== "string" || text === "") throw refuse(`must contain a non-empty message attribute value for message attribute type '${type}'.`);
  if (type === "Number" && !Number.isFinite(Number(text))) throw refuse("holds no number.");
  return { DataType: String(DataType), ...(isBinary ? { BinaryValue: text } : { StringValue: text }) };
}

/** Undefined when there are none. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
export function md5OfAttributes(attributes: Record<string, Attribute>): string | undefined {
  const parts = Object.entries(attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { DataType, StringValue, BinaryValue }]) => {
      const value = StringValue === undefined ? Buffer.from(BinaryValue ?? "", "base64") : Buffer.from(StringValue);
      return [sized(Buffer.from(name)), sized(Buffer.from(DataType)), Buffer.from([StringValue === undefined ? 2 : 1]), sized(value)];
    });
  return parts.length === 0 ? undefined : md5Of(Buffer.concat(parts));
}

function sized(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Those that a receiver asks for: by name, `All`, or `begin.*`. */
export function chooseAttributes(attributes: Record<string, Attribute>, wanted: string[]): Record<string, Attribute> {
  const isWanted = (name: string) =>
    wanted.some((pattern) => pattern === "All" || pattern === name || (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -2))));
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isWanted(name)));
}

/** Names a message and which of its deliveries. */
export const handleOf = (id: string, receipt: string): string => Buffer.from(`${id} ${receipt}`).toString("base64url");

/** Throws ReceiptHandleIsInvalid. */
export function parseHandle(handle: string): { id: string; receipt: string } {
  const [, id, receipt] = /^([0-9a-f-]{36}) ([0-9a-f-]{36})$/.exec(Buffer.from(handle, "base64url").toString("latin1")) ?? [];
  if (id === undefined || receipt === undefined) throw new ServiceError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", 404);
  return { id, receipt };
}
