// SQS's two protocols: JSON, and the older one of forms and XML, which clients of years ago speak.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests.html
import { randomUUID } from "node:crypto";
import { ServiceError } from "../protocol/service-error.ts";
import { toXml, type XmlValue } from "../protocol/xml.ts";
import { Input, isRecord } from "./input.ts";

const NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/";

export interface Reply {
  status: number;
  headers: Record<string, string>;
  text: string;
}

export interface Asked {
  action: string;
  input: Input;
  reply(output: Record<string, unknown>): Reply;
  refuse(error: ServiceError): Reply;
}

/** `target` is the header X-Amz-Target; without it the body is a form. */
export const readAsked = (target: string | undefined, text: string): Asked =>
  target === undefined ? readForm(new URLSearchParams(text)) : readJson(target, text);

function readJson(target: string, text: string): Asked {
  return {
    action: target.replace(/^AmazonSQS\./, ""),
    input: new Input(parseJson(text)),
    reply: (output) => json(200, output),
    refuse: (error) => {
      const { code, message, status } = error;
      const body = { __type: `com.amazonaws.sqs#${code}`, message };
      const told = json(status >= 500 ? status : 400, body);
      return { ...told, headers: { ...told.headers, "x-amzn-query-error": `${oldCodeOf(code)};${status >= 500 ? "Receiver" : "Sender"}` } };
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text || "{}");
  } catch {
    throw new ServiceError("InvalidParameterValue", "The body is not JSON.");
  }
}

function json(status: number, value: object): Reply {
  return { status, headers: { "content-type": "application/x-amz-json-1.0", "x-amzn-requestid": randomUUID() }, text: JSON.stringify(value) };
}

/** Errors that the older protocol knows by another name. */
const OLD_CODES: Record<string, string> = {
  QueueDoesNotExist: "AWS.SimpleQueueService.NonExistentQueue",
  QueueNameExists: "QueueAlreadyExists",
  MessageNotInflight: "AWS.SimpleQueueService.MessageNotInflight",
  EmptyBatchRequest: "AWS.SimpleQueueService.EmptyBatchRequest",
  TooManyEntriesInBatchRequest: "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
  BatchEntryIdsNotDistinct: "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
  BatchRequestTooLong: "AWS.SimpleQueueService.BatchRequestTooLong",
  InvalidBatchEntryId: "AWS.SimpleQueueService.InvalidBatchEntryId",
  UnsupportedOperation: "AWS.SimpleQueueService.UnsupportedOperation",
};
const oldCodeOf = (code: string): string => OLD_CODES[code] ?? code;

/** By the name in a form, the name in JSON, and whether entries are a list of values or pairs of name and value. */
const LISTS: Record<string, { name: string; pairs?: "Name" | "Key" }> = {
  Attribute: { name: "Attributes", pairs: "Name" },
  AttributeName: { name: "AttributeNames" },
  MessageAttribute: { name: "MessageAttributes", pairs: "Name" },
  MessageSystemAttribute: { name: "MessageSystemAttributes", pairs: "Name" },
  MessageAttributeName: { name: "MessageAttributeNames" },
  MessageSystemAttributeName: { name: "MessageSystemAttributeNames" },
  SendMessageBatchRequestEntry: { name: "Entries" },
  DeleteMessageBatchRequestEntry: { name: "Entries" },
  ChangeMessageVisibilityBatchRequestEntry: { name: "Entries" },
  TagKey: { name: "TagKeys" },
  Tag: { name: "Tags", pairs: "Key" },
};

interface Tree {
  [name: string]: Tree | string;
}

function readForm(form: URLSearchParams): Asked {
  const action = form.get("Action") ?? "";
  const tree: Tree = Object.create(null);
  for (const [name, value] of form) plant(tree, name.split("."), value);
  const input = fromTree(tree);
  // CreateQueue alone has its tags under a name of its own.
  if (action === "CreateQueue") input.tags = input.Tags;
  return {
    action,
    input: new Input(input),
    reply: (output) => {
      const result = Object.keys(output).length === 0 ? {} : { [`${action}Result`]: toOld(action, output) };
      return xml(200, `${action}Response`, { ...result, ResponseMetadata: { RequestId: randomUUID() } });
    },
    refuse: ({ code, message, status }) => {
      const error = { Type: status >= 500 ? "Receiver" : "Sender", Code: oldCodeOf(code), Message: message, Detail: "" };
      return xml(status, "ErrorResponse", { Error: error, RequestId: randomUUID() });
    },
  };
}

function plant(tree: Tree, [name = "", ...rest]: string[], value: string): void {
  if (rest.length === 0) tree[name] = value;
  else {
    const below = tree[name];
    const next: Tree = typeof below === "object" ? below : Object.create(null);
    tree[name] = next;
    plant(next, rest, value);
  }
}

function fromTree(tree: Tree): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tree).map(([name, value]) => {
      const list = LISTS[name];
      if (!list || typeof value === "string") return [name, typeof value === "string" ? value : fromTree(value)];
      const entries = Object.keys(value)
        .sort((a, b) => Number(a) - Number(b))
        .map((index) => value[index])
        .map((entry) => (typeof entry === "object" ? fromTree(entry) : entry));
      const { pairs } = list;
      return [list.name, pairs ? Object.fromEntries(entries.filter(isRecord).map((entry) => [entry[pairs], entry.Value])) : entries];
    }),
  );
}

const xml = (status: number, root: string, value: XmlValue): Reply => ({
  status,
  headers: { "content-type": "text/xml", "x-amzn-requestid": randomUUID() },
  text: toXml(root, value, NAMESPACE),
});

const OLD_NAMES: Record<string, string> = {
  Messages: "Message",
  QueueUrls: "QueueUrl",
  queueUrls: "QueueUrl",
  Attributes: "Attribute",
  MessageAttributes: "MessageAttribute",
  Tags: "Tag",
  Failed: "BatchResultErrorEntry",
  Results: "Result",
};

/** Lists are told as repeated elements, and what has names of its own as pairs. */
function toOld(action: string, value: unknown): XmlValue {
  if (Array.isArray(value)) return value.map((entry) => toOld(action, entry));
  if (!isRecord(value)) return value === undefined || value === null ? undefined : String(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, child]): [string, XmlValue] => {
      const old = name === "Successful" ? `${action}ResultEntry` : (OLD_NAMES[name] ?? name);
      const key = { Attribute: "Name", MessageAttribute: "Name", Tag: "Key" }[old];
      const pairs =
        key !== undefined && isRecord(child)
          ? Object.entries(child).map(([name, entry]) => ({ [key]: name, Value: toOld(action, entry) }))
          : undefined;
      return [old, pairs ?? toOld(action, child)];
    }),
  );
}
