// What is in a bucket, a page at a time. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
import { encode } from "../protocol/credentials.ts";
import { ServiceError } from "../protocol/service-error.ts";
import type { XmlValue } from "../protocol/xml.ts";
import { type Call, isoDate, quote } from "./call.ts";
import type { Listed } from "./keys.ts";

const KEYS_MAX = 1000;
const BUCKETS_MAX = 10_000;
const OWNER = { ID: "landfall", DisplayName: "landfall" };

/** Names in answers, encoded when that is asked for: XML cannot hold all that a key may. */
function namesOf(call: Call): (name: string) => string {
  const encoding = call.query.get("encoding-type");
  if (encoding !== null && encoding !== "url") throw new ServiceError("InvalidArgument", "Invalid Encoding Method specified in Request", 400);
  return encoding === null ? (name) => name : (name) => encode(name).replaceAll("%2F", "/");
}

export const listObjects = (call: Call): void => (call.query.get("list-type") === "2" ? listNew(call) : listOld(call));

function listNew(call: Call): void {
  const { query } = call;
  const token = query.get("continuation-token");
  if (token === "") throw new ServiceError("InvalidArgument", "The continuation token provided is incorrect", 400);
  const after = token === null ? (query.get("start-after") ?? "") : Buffer.from(token, "base64url").toString();
  const { listed, common } = list(call, after);
  const name = namesOf(call);
  call.answerXml("ListBucketResult", {
    ...common,
    KeyCount: listed.keys.length + listed.prefixes.length,
    ContinuationToken: token ?? undefined,
    NextContinuationToken: listed.isTruncated ? Buffer.from(listed.last ?? "").toString("base64url") : undefined,
    StartAfter: query.has("start-after") ? name(query.get("start-after") ?? "") : undefined,
    ...contentsOf(call, listed, { withOwner: query.get("fetch-owner") === "true" }),
  });
}

function listOld(call: Call): void {
  const marker = call.query.get("marker") ?? "";
  const { listed, common } = list(call, marker);
  const name = namesOf(call);
  call.answerXml("ListBucketResult", {
    ...common,
    Marker: name(marker),
    // Without a delimiter the last key says it.
    NextMarker: listed.isTruncated && call.query.get("delimiter") ? name(listed.last ?? "") : undefined,
    ...contentsOf(call, listed, { withOwner: true }),
  });
}

/** Without versions each object is the one version of itself, named "null". https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html */
export function listVersions(call: Call): void {
  const marker = call.query.get("key-marker") ?? "";
  const { listed, common } = list(call, marker);
  const { Contents, CommonPrefixes } = contentsOf(call, listed, { withOwner: true });
  const name = namesOf(call);
  call.answerXml("ListVersionsResult", {
    ...common,
    ...{ KeyMarker: name(marker), VersionIdMarker: call.query.get("version-id-marker") ?? "" },
    ...(listed.isTruncated ? { NextKeyMarker: name(listed.last ?? ""), NextVersionIdMarker: "null" } : {}),
    Version: Contents.map((version) => ({ ...version, VersionId: "null", IsLatest: true })),
    CommonPrefixes,
  });
}

function list(call: Call, after: string): { listed: Listed; common: Record<string, XmlValue> } {
  const { bucket, query } = call;
  const [prefix, delimiter] = [query.get("prefix") ?? "", query.get("delimiter") ?? ""];
  const limit = call.number("max-keys", { fallback: KEYS_MAX, most: KEYS_MAX });
  const listed = bucket.keys.list({ prefix, delimiter, after, limit });
  const name = namesOf(call);
  const common = {
    ...{ Name: bucket.name, Prefix: name(prefix), Delimiter: delimiter ? name(delimiter) : undefined, MaxKeys: limit },
    ...{ IsTruncated: listed.isTruncated, EncodingType: query.get("encoding-type") ?? undefined },
  };
  return { listed, common };
}

function contentsOf(call: Call, { keys, prefixes }: Listed, { withOwner }: { withOwner: boolean }) {
  const name = namesOf(call);
  const Contents = keys.flatMap((key): Record<string, XmlValue>[] => {
    const object = call.bucket.find(key);
    if (!object) return [];
    const { at, etag, bytes, checksum } = object;
    const kinds = checksum && {
      ChecksumAlgorithm: checksum.algorithm.toUpperCase(),
      ChecksumType: checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT",
    };
    const owner = withOwner ? { Owner: OWNER } : {};
    return [{ Key: name(key), LastModified: isoDate(at), ETag: quote(etag), ...kinds, Size: bytes, ...owner, StorageClass: "STANDARD" }];
  });
  return { Contents, CommonPrefixes: prefixes.map((prefix) => ({ Prefix: name(prefix) })) };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html */
export function listBuckets(call: Call): void {
  const prefix = call.query.get("prefix") ?? undefined;
  const after = Buffer.from(call.query.get("continuation-token") ?? "", "base64url").toString();
  const limit = call.number("max-buckets", { fallback: BUCKETS_MAX, most: BUCKETS_MAX });
  const later = call.buckets.list().filter(({ name }) => name.startsWith(prefix ?? "") && name > after);
  const listed = later.slice(0, limit);
  call.answerXml("ListAllMyBucketsResult", {
    Owner: OWNER,
    Buckets: { Bucket: listed.map(({ name, settings }) => ({ Name: name, CreationDate: isoDate(settings.createdAt) })) },
    ContinuationToken: listed.length < later.length ? Buffer.from(listed.at(-1)?.name ?? "").toString("base64url") : undefined,
    Prefix: prefix,
  });
}
