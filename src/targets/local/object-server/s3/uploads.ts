// Objects that come in parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
import { createHash } from "node:crypto";
import { checkedChecksum, type ReceivedChecksum } from "../protocol/body.ts";
import { type Algorithm, isAlgorithm, makeChecksum } from "../protocol/checksums.ts";
import { ServiceError } from "../protocol/service-error.ts";
import type { Element } from "../protocol/xml.ts";
import { malformed } from "../protocol/xml.ts";
import type { Part, StoredObject, Upload } from "./bucket.ts";
import { type Call, isoDate, quote } from "./call.ts";
import { checkWriting, readConditions } from "./conditions.ts";
import type { ContentFile } from "./contents.ts";
import { checksumElement, checksumHeaders } from "./description.ts";
import { checkKey, describe, findSource, receive, wrongRange } from "./objects.ts";

const PARTS_MAX = 10_000;
const PART_BYTES_MIN = 5 * 2 ** 20;
const LISTED_MAX = 1000;

export async function beginUpload(call: Call): Promise<void> {
  checkKey(call.key);
  const algorithm = call.header("x-amz-checksum-algorithm")?.toLowerCase();
  // What S3 takes when nothing is said: whole for the one that is made for it.
  const isWhole = (call.header("x-amz-checksum-type") ?? (algorithm === "crc64nvme" ? "FULL_OBJECT" : "COMPOSITE")).toUpperCase() === "FULL_OBJECT";
  const id = await call.bucket.beginUpload({ ...describe(call), key: call.key, at: Date.now(), algorithm, isWhole });
  const told = algorithm ? { "x-amz-checksum-algorithm": algorithm.toUpperCase(), "x-amz-checksum-type": isWhole ? "FULL_OBJECT" : "COMPOSITE" } : {};
  call.answerXml("InitiateMultipartUploadResult", { Bucket: call.bucketName, Key: call.key, UploadId: id }, { headers: told });
}

const idOf = (call: Call): string => call.query.get("uploadId") ?? "";

function numberOf(call: Call): number {
  const number = call.number("partNumber", { fallback: 0 });
  if (number >= 1 && number <= PARTS_MAX) return number;
  throw new ServiceError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", 400, { ArgumentName: "partNumber" });
}

export async function putPart(call: Call): Promise<void> {
  const { bucket } = call;
  const [id, number] = [idOf(call), numberOf(call)];
  bucket.upload(id, call.key);
  const { content, stored } = await receive(bucket, call, { inlineBytesMax: -1 });
  await bucket.storePart({ id, number }, { ...stored, files: filesIn(content) });
  call.answer(200, { etag: quote(stored.etag), "x-amz-server-side-encryption": "AES256", ...checksumHeaders(stored.checksum) });
}

const filesIn = (content: Buffer | ContentFile[]): ContentFile[] => (Buffer.isBuffer(content) ? [] : content);

export async function copyPart(call: Call): Promise<void> {
  const { bucket } = call;
  const [id, number] = [idOf(call), numberOf(call)];
  const { algorithm } = bucket.upload(id, call.key);
  const { bucket: from, key, object } = findSource(call);
  const wanted = call.header("x-amz-copy-source-range");
  const [, start = "0", end = String(object.bytes - 1)] = /^bytes=(\d+)-(\d+)$/.exec(wanted ?? "") ?? [];
  if (wanted !== undefined && !/^bytes=\d+-\d+$/.test(wanted))
    throw new ServiceError("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last", 400);
  if (Number(end) >= Math.max(object.bytes, 1)) throw wrongRange(object.bytes);
  const { pieces, release } = from.read(key, object, { start: Number(start), end: Number(end) });
  const md5 = createHash("md5");
  const checksum = algorithm && isAlgorithm(algorithm) ? { algorithm, made: makeChecksum(algorithm) } : undefined;
  let bytes = 0;
  async function* counted() {
    for await (const piece of pieces) {
      md5.update(piece);
      checksum?.made.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  const content = await bucket.receive(counted(), { inlineBytesMax: -1 }).finally(release);
  const value = checksum && { algorithm: checksum.algorithm, value: checksum.made.base64() };
  const part: Part = { etag: md5.digest("hex"), bytes, at: Date.now(), checksum: value, files: filesIn(content) };
  await bucket.storePart({ id, number }, part);
  call.answerXml("CopyPartResult", { LastModified: isoDate(part.at), ETag: quote(part.etag), ...checksumElement(part.checksum) });
}

export async function completeUpload(call: Call): Promise<void> {
  const { bucket, key } = call;
  const id = idOf(call);
  const request = await call.documentOfUpload("CompleteMultipartUpload");
  const done = bucket.find(key);
  // Asked again by a client that did not get the answer.
  if (done?.uploadId === id) return answerCompleted(call, done);
  const upload = bucket.upload(id, key);
  const chosen = choose(request, new Map(bucket.parts(id)));
  const content = chosen.flatMap(({ files }) => files);
  const checksum =
    upload.algorithm && isAlgorithm(upload.algorithm) ? await checksumOfAll(call, upload, { algorithm: upload.algorithm, chosen }) : undefined;
  const md5 = createHash("md5");
  for (const { etag } of chosen) md5.update(Buffer.from(etag, "hex"));
  const { headers, metadata, tags } = upload;
  const parts = chosen.map(({ bytes }) => bytes);
  const sums = chosen.flatMap((part) => part.checksum?.value ?? []);
  const partSums = checksum && sums.length === parts.length ? sums : undefined;
  const object: StoredObject = {
    ...{ headers, metadata, tags, parts, partSums, checksum, uploadId: id },
    etag: `${md5.digest("hex")}-${chosen.length}`,
    bytes: parts.reduce((sum, bytes) => sum + bytes, 0),
    at: Date.now(),
  };
  const conditions = checkWriting(
    key,
    readConditions((name) => call.header(name)),
  );
  // The parts stay when a condition refuses: the upload stands, and may be completed later.
  await bucket.storeUpload(id, { key, object, files: content }, conditions);
  answerCompleted(call, object);
}

function answerCompleted(call: Call, { etag, checksum }: StoredObject): void {
  const location = `http://${call.header("host")}/${call.bucketName}/${call.key.split("/").map(encodeURIComponent).join("/")}`;
  call.answerXml("CompleteMultipartUploadResult", {
    ...{ Location: location, Bucket: call.bucketName, Key: call.key, ETag: quote(etag) },
    ...checksumElement(checksum),
    ChecksumType: checksum && (checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT"),
  });
}

/** The parts that a client names, which must be as it says. */
function choose(request: Element, parts: ReadonlyMap<number, Part>): Part[] {
  const named = request.all("Part").map((part) => ({ number: Number(part.text("PartNumber")), etag: part.text("ETag") ?? "", part }));
  if (named.length === 0) malformed();
  if (named.some(({ number }, index) => number <= (named[index - 1]?.number ?? 0)))
    throw new ServiceError("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", 400);
  return named.map(({ number, etag, part: element }, index) => {
    const part = parts.get(number);
    const isRight = part?.etag === etag.replace(/^"(.*)"$/, "$1") && isSameChecksum(element, part.checksum);
    if (!part || !isRight) {
      const message =
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
      throw new ServiceError("InvalidPart", message, 400, { PartNumber: String(number) });
    }
    if (part.bytes < PART_BYTES_MIN && index < named.length - 1)
      throw new ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400, { PartNumber: String(number) });
    return part;
  });
}

function isSameChecksum(element: Element, checksum: ReceivedChecksum | undefined): boolean {
  const named = checksum && element.text(`Checksum${checksum.algorithm.toUpperCase()}`);
  return named === undefined || named === checksum?.value;
}

/** Of the parts' checksums, or of all their content. https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
async function checksumOfAll(
  call: Call,
  { isWhole }: Upload,
  { algorithm, chosen }: { algorithm: Algorithm; chosen: Part[] },
): Promise<StoredObject["checksum"]> {
  if (!isWhole) {
    const values = chosen.map(({ checksum }) => Buffer.from(checksum?.value ?? "", "base64"));
    const made = makeChecksum(algorithm);
    made.update(Buffer.concat(values));
    const { value } = checkedChecksum(algorithm, made, call.header(`x-amz-checksum-${algorithm}`)?.replace(/-\d+$/, ""));
    return { algorithm, value: `${value}-${chosen.length}`, isComposite: true };
  }
  const made = makeChecksum(algorithm);
  const files = chosen.flatMap((part) => part.files);
  const release = call.bucket.contents.hold(files);
  try {
    for await (const piece of call.bucket.contents.read(files, { start: 0, end: Number.MAX_SAFE_INTEGER })) made.update(piece);
  } finally {
    release();
  }
  return checkedChecksum(algorithm, made, call.header(`x-amz-checksum-${algorithm}`));
}

export async function abortUpload(call: Call): Promise<void> {
  call.bucket.upload(idOf(call), call.key);
  await call.bucket.abort(idOf(call));
  call.answer(204);
}

export function listParts(call: Call): void {
  const id = idOf(call);
  const { algorithm } = call.bucket.upload(id, call.key);
  const after = call.number("part-number-marker", { fallback: 0 });
  const limit = call.number("max-parts", { fallback: LISTED_MAX, most: LISTED_MAX });
  const later = call.bucket.parts(id).filter(([number]) => number > after);
  const listed = later.slice(0, limit);
  call.answerXml("ListPartsResult", {
    ...{ Bucket: call.bucketName, Key: call.key, UploadId: id, PartNumberMarker: after, NextPartNumberMarker: listed.at(-1)?.[0] ?? after },
    ...{ MaxParts: limit, IsTruncated: listed.length < later.length, StorageClass: "STANDARD", ChecksumAlgorithm: algorithm?.toUpperCase() },
    Part: listed.map(([number, part]) => ({
      ...{ PartNumber: number, LastModified: isoDate(part.at), ETag: quote(part.etag), Size: part.bytes },
      ...checksumElement(part.checksum),
    })),
  });
}

/** In the order of their keys, those of one key in the order they were begun. */
export function listUploads(call: Call): void {
  const read = (name: string) => call.query.get(name) ?? "";
  const [prefix, after, afterId] = [read("prefix"), read("key-marker"), read("upload-id-marker")];
  const limit = call.number("max-uploads", { fallback: LISTED_MAX, most: LISTED_MAX });
  const all = call.bucket
    .uploads()
    .filter(([, { key }]) => key.startsWith(prefix))
    .sort(([, a], [, b]) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.at - b.at);
  const marker = all.findIndex(([id, { key }]) => key === after && id === afterId);
  const later = marker >= 0 ? all.slice(marker + 1) : all.filter(([, { key }]) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
  const listed = later.slice(0, limit);
  const last = listed.at(-1);
  const isTruncated = listed.length < later.length;
  call.answerXml("ListMultipartUploadsResult", {
    ...{ Bucket: call.bucketName, KeyMarker: after, UploadIdMarker: afterId, Prefix: prefix, MaxUploads: limit, IsTruncated: isTruncated },
    ...(isTruncated ? { NextKeyMarker: last?.[1].key, NextUploadIdMarker: last?.[0] } : {}),
    Upload: listed.map(([id, { key, at }]) => ({ Key: key, UploadId: id, Initiated: isoDate(at), StorageClass: "STANDARD" })),
  });
}
