// Objects: stored, read, copied, described and removed.
import { ServiceError } from "../protocol/service-error.ts";
import { malformed, type XmlValue } from "../protocol/xml.ts";
import { type Bucket, type Content, type Description, noSuchKey, type Stored, type StoredObject } from "./bucket.ts";
import { type Call, isoDate, quote } from "./call.ts";
import { checkWriting, judgeReading, preconditionFailed, readConditions } from "./conditions.ts";
import type { Range } from "./contents.ts";
import { checksumElement, checksumHeaders, headersOf, readDescription, readTags, toHeaderValue } from "./description.ts";

const KEY_BYTES_MAX = 1024;
const DELETE_MAX = 1000;
const PARTS_LISTED_MAX = 1000;
/** What a presigned URL may have an answer say instead. */
const OVERRIDES = ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

export const findObject = ({ bucket, key }: Pick<Call, "bucket" | "key">): StoredObject => bucket.find(key) ?? refuseKey(key);
const refuseKey = (key: string): never => {
  throw noSuchKey(key);
};

export function checkKey(key: string): void {
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) throw new ServiceError("KeyTooLongError", "Your key is too long", 400, { MaxSizeAllowed: "1024" });
}

export async function putObject(call: Call): Promise<void> {
  const { bucket, key } = call;
  checkKey(key);
  const description = describe(call);
  const check = checkWriting(
    key,
    readConditions((name) => call.header(name)),
  );
  // Refused early, where nothing needs to be read for it; what counts is asked again when it is stored.
  check(bucket.find(key));
  const { content, stored } = await receive(bucket, call);
  await bucket.store(key, { object: { ...stored, ...description }, content }, check);
  call.answer(200, { etag: quote(stored.etag), "x-amz-server-side-encryption": "AES256", ...checksumHeaders(stored.checksum) });
}

export const describe = (call: Call): Description => readDescription(Object.keys(call.request.headers), (name) => call.header(name));

/** Takes in the body of a request. */
export async function receive(bucket: Bucket, call: Call, options?: { inlineBytesMax: number }): Promise<{ content: Content; stored: Stored }> {
  if (call.header("content-length") === undefined && call.header("transfer-encoding") === undefined)
    throw new ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411);
  const body = call.body();
  const content = await bucket.receive(body.pieces, options);
  const { bytes, md5, checksum } = body.received();
  return { content, stored: { etag: md5.toString("hex"), bytes, at: Date.now(), checksum } };
}

/** GET and HEAD. */
export async function getObject(call: Call): Promise<void> {
  const { bucket, key, query } = call;
  const object = findObject(call);
  const judgement = judgeReading(
    object,
    readConditions((name) => call.header(name)),
  );
  if (judgement === "failed") throw preconditionFailed("If-Match or If-Unmodified-Since");
  const overrides = OVERRIDES.flatMap((name): [string, string][] => {
    const value = query.get(`response-${name}`);
    return value === null ? [] : [[name, toHeaderValue(value)]];
  });
  const told = { ...object, parts: query.has("partNumber") ? object.parts : undefined };
  // Nor the checksum of what is not sent: clients would look for the content that it is of.
  const checksum = judgement === "not modified" ? undefined : checksumTold(call, object);
  const headers = { ...headersOf({ ...told, checksum }), ...Object.fromEntries(overrides) };
  if (judgement === "not modified") return call.answer(304, headers);
  const range = rangeOf(call, object);
  const length = range ? range.end - range.start + 1 : object.bytes;
  const sized = { ...headers, "content-length": length, "content-range": range && `bytes ${range.start}-${range.end}/${object.bytes}` };
  const status = range ? 206 : 200;
  if (call.request.method === "HEAD" || length === 0) return call.answer(status, sized);
  const { pieces, release } = bucket.read(key, object, range ?? { start: 0, end: object.bytes - 1 });
  await call.answerPieces(status, sized, pieces).finally(release);
}

/** Of what is asked for: the object, or one of its parts. */
function checksumTold(call: Call, { checksum, parts, partSums }: StoredObject): StoredObject["checksum"] {
  if (call.header("x-amz-checksum-mode")?.toUpperCase() !== "ENABLED" || !checksum) return undefined;
  if (!call.query.has("partNumber") || !parts) return call.header("range") === undefined ? checksum : undefined;
  const value = partSums?.[call.number("partNumber", { fallback: 1 }) - 1];
  return value === undefined ? undefined : { ...checksum, value };
}

/** Undefined for the whole object. What is no single range is passed over, as S3 does. */
function rangeOf(call: Call, { bytes, parts }: StoredObject): Range | undefined {
  if (call.query.has("partNumber")) return rangeOfPart(call.number("partNumber", { fallback: 1 }), bytes, parts ?? [bytes]);
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(call.header("range")?.replaceAll(" ", "") ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(bytes - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  if (start >= bytes || (first === "" && Number(last) === 0)) throw wrongRange(bytes);
  return { start, end };
}

function rangeOfPart(number: number, bytes: number, parts: number[]): Range | undefined {
  const size = parts[number - 1];
  if (size === undefined) throw new ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416);
  const start = parts.slice(0, number - 1).reduce((sum, part) => sum + part, 0);
  return bytes === 0 ? undefined : { start, end: start + size - 1 };
}

export const wrongRange = (bytes: number): ServiceError =>
  new ServiceError("InvalidRange", "The requested range is not satisfiable", 416, { ActualObjectSize: String(bytes) });

export async function removeObject(call: Call): Promise<void> {
  const ifMatch = call.header("if-match");
  await call.bucket.remove(call.key, ifMatch === undefined ? undefined : checkWriting(call.key, { ifMatch }));
  call.answer(204);
}

export async function removeObjects(call: Call): Promise<void> {
  const { bucket } = call;
  const request = await call.document("Delete");
  const wanted = request.all("Object").map((object) => ({ key: object.text("Key") ?? "", ifMatch: object.text("ETag") }));
  if (wanted.length === 0 || wanted.length > DELETE_MAX) malformed();
  const ended = await Promise.allSettled(
    wanted.map(({ key, ifMatch }) => bucket.remove(key, ifMatch === undefined ? undefined : checkWriting(key, { ifMatch }))),
  );
  const Deleted: XmlValue[] = [];
  const Errors: XmlValue[] = [];
  for (const [index, end] of ended.entries()) {
    const Key = wanted[index]?.key;
    if (end.status === "fulfilled") Deleted.push({ Key });
    else if (end.reason instanceof ServiceError) Errors.push({ Key, Code: end.reason.code, Message: end.reason.message });
    else throw end.reason;
  }
  call.answerXml("DeleteResult", { Deleted: request.text("Quiet") === "true" ? [] : Deleted, Error: Errors });
}

export interface Source {
  bucket: Bucket;
  key: string;
  object: StoredObject;
}

/** What `x-amz-copy-source` names; throws when it is not there or its conditions do not hold. */
export function findSource(call: Call): Source {
  const text = call.header("x-amz-copy-source") ?? "";
  const [, name = "", key = ""] = /^\/?([^/]+)\/(.+)$/s.exec(decodeURIComponent(text.replace(/\?versionId=.*$/, ""))) ?? [];
  const bucket = call.buckets.get(name);
  const object = findObject({ bucket, key });
  const judgement = judgeReading(
    object,
    readConditions((name) => call.header(name), "x-amz-copy-source-"),
  );
  if (judgement !== "as it is") throw preconditionFailed("x-amz-copy-source-If-…");
  return { bucket, key, object };
}

export async function copyObject(call: Call): Promise<void> {
  const { bucket, key } = call;
  checkKey(key);
  const source = findSource(call);
  const replaces = call.header("x-amz-metadata-directive")?.toUpperCase() === "REPLACE";
  if (source.bucket === bucket && source.key === key && !replaces)
    throw new ServiceError(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      400,
    );
  const described = describe(call);
  const { headers, metadata } = replaces ? described : source.object;
  const { tags } = call.header("x-amz-tagging-directive")?.toUpperCase() === "REPLACE" ? described : source.object;
  const content = await copyContent(source, bucket);
  const { files: _, uploadId: __, parts: ___, partSums: ____, ...object } = { ...source.object, headers, metadata, tags, at: Date.now() };
  await bucket.store(
    key,
    { object, content },
    checkWriting(
      key,
      readConditions((name) => call.header(name)),
    ),
  );
  call.answerXml("CopyObjectResult", { LastModified: isoDate(object.at), ETag: quote(object.etag), ...checksumElement(object.checksum) });
}

async function copyContent({ bucket, key, object }: Source, to: Bucket): Promise<Content> {
  const { pieces, release } = bucket.read(key, object, { start: 0, end: object.bytes - 1 });
  try {
    if (object.files) return await bucket.contents.copy(object.files, to.contents);
    return await to.receive(pieces);
  } finally {
    release();
  }
}

export function getTags(call: Call): void {
  const { tags } = findObject(call);
  call.answerXml("Tagging", { TagSet: { Tag: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) } });
}

export async function putTags(call: Call): Promise<void> {
  const tags = readTags(await call.document("Tagging"));
  await call.bucket.change(call.key, (object) => ({ ...object, tags }));
  call.answer(200);
}

export async function removeTags(call: Call): Promise<void> {
  await call.bucket.change(call.key, (object) => ({ ...object, tags: {} }));
  call.answer(204);
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html */
export function getAttributes(call: Call): void {
  const object = findObject(call);
  const wanted = (call.header("x-amz-object-attributes") ?? "").split(",").map((name) => name.trim());
  const attributes = {
    ETag: object.etag,
    Checksum: object.checksum && { ...checksumElement(object.checksum), ChecksumType: object.checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT" },
    ObjectParts: object.parts && describeParts(call, object.parts, object),
    StorageClass: "STANDARD",
    ObjectSize: object.bytes,
  };
  const told = Object.fromEntries(Object.entries(attributes).filter(([name]) => wanted.includes(name)));
  call.answerXml("GetObjectAttributesResponse", told, { headers: { "last-modified": new Date(object.at).toUTCString() } });
}

/** As S3 does, of parts without a checksum nothing but their number. */
function describeParts(call: Call, parts: number[], { partSums, checksum }: StoredObject): XmlValue {
  const after = call.number("x-amz-part-number-marker", { fallback: 0 });
  const limit = call.number("x-amz-max-parts", { fallback: PARTS_LISTED_MAX, most: PARTS_LISTED_MAX });
  const listed = parts.slice(after, after + limit);
  const end = after + listed.length;
  return {
    ...{ IsTruncated: end < parts.length, MaxParts: limit, NextPartNumberMarker: end, PartNumberMarker: after, PartsCount: parts.length },
    Part: listed.flatMap((Size, index) => {
      const value = partSums?.[after + index];
      return value === undefined ? [] : [{ ...checksumElement(checksum && { ...checksum, value }), PartNumber: after + index + 1, Size }];
    }),
  };
}
