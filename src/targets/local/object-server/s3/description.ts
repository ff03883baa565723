// What is said of an object with it, and told again. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
import { ServiceError } from "../protocol/service-error.ts";
import type { Element } from "../protocol/xml.ts";
import { malformed } from "../protocol/xml.ts";
import type { Description, StoredObject } from "./bucket.ts";
import { quote } from "./call.ts";
import { notImplemented } from "./conditions.ts";

const KEPT = [
  "content-type",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "expires",
  "x-amz-website-redirect-location",
];
const METADATA = "x-amz-meta-";
const OBJECT_TAGS_MAX = 10;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html */
export const BUCKET_TAGS_MAX = 50;
const GRANT = "x-amz-grant-";
const METADATA_BYTES_MAX = 2048;
const DEFAULT_TYPE = "binary/octet-stream";

export type Headers = (name: string) => string | undefined;

/** From the headers of a request, or the fields of a form. Throws MetadataTooLarge, InvalidTag, and for what cannot be had here. */
export function readDescription(names: Iterable<string>, header: Headers): Description {
  const entries = KEPT.flatMap((name): [string, string][] => {
    const value = name === "content-encoding" ? withoutFraming(header(name)) : header(name);
    return value ? [[name, value]] : [];
  });
  const metadata = Object.fromEntries(
    [...names].filter((name) => name.startsWith(METADATA)).map((name) => [name.slice(METADATA.length), header(name) ?? ""]),
  );
  const bytes = Object.entries(metadata).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value, "latin1"), 0);
  if (bytes > METADATA_BYTES_MAX)
    throw new ServiceError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", 400, { MaxSizeAllowed: "2048" });
  if ([...names].some((name) => name.startsWith(GRANT))) throw aclRefused();
  refuseUnknown(header);
  return { headers: { "content-type": DEFAULT_TYPE, ...Object.fromEntries(entries) }, metadata, tags: parseTags(header("x-amz-tagging") ?? "") };
}

const aclRefused = () => new ServiceError("AccessControlListNotSupported", "The bucket does not allow ACLs", 400);

/** Who owns what is fixed, and what says so again changes nothing. https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html */
export function assertOwnersAcl(acl: string | undefined): void {
  if (acl !== "bucket-owner-full-control") throw aclRefused();
}

/** What a new bucket of the target aws would not be either. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html */
export function refuseBucket(names: Iterable<string>, header: Headers): void {
  if (!["private", undefined].includes(header("x-amz-acl")) || [...names].some((name) => name.startsWith(GRANT)))
    throw new ServiceError(
      "InvalidBucketAclWithObjectOwnership",
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
      400,
    );
  if (header("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true") throw notImplemented("x-amz-bucket-object-lock-enabled");
  const ownership = header("x-amz-object-ownership") ?? "BucketOwnerEnforced";
  if (ownership !== "BucketOwnerEnforced") throw notImplemented(`x-amz-object-ownership: ${ownership}`);
}

/** As a bucket of the target aws answers: it has no access lists, and its objects are encrypted with keys of S3's. */
function refuseUnknown(header: Headers): void {
  const acl = header("x-amz-acl");
  if (acl !== undefined) assertOwnersAcl(acl);
  const encryption = header("x-amz-server-side-encryption");
  if (encryption !== undefined && encryption !== "AES256") throw notImplemented(`x-amz-server-side-encryption: ${encryption}`);
  for (const name of ["x-amz-server-side-encryption-customer-algorithm", "x-amz-object-lock-mode", "x-amz-object-lock-legal-hold"])
    if (header(name) !== undefined) throw notImplemented(name);
}

/** `aws-chunked` is how the body came, and not of the object. */
const withoutFraming = (encoding: string | undefined): string | undefined =>
  encoding
    ?.split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "aws-chunked")
    .join(", ");

function parseTags(text: string): Record<string, string> {
  return checkedTags([...new URLSearchParams(text)]);
}

/** Of an object, or of a bucket, which may have more. */
export const readTags = (tagging: Element, most = OBJECT_TAGS_MAX): Record<string, string> =>
  checkedTags(
    (tagging.all("TagSet")[0] ?? malformed())
      .all("Tag")
      .map((tag): [string, string] => [tag.text("Key") ?? malformed(), tag.text("Value") ?? malformed()]),
    most,
  );

function checkedTags(tags: [string, string][], most = OBJECT_TAGS_MAX): Record<string, string> {
  if (tags.length > most)
    throw new ServiceError("BadRequest", `${most === OBJECT_TAGS_MAX ? "Object" : "Bucket"} tags cannot be greater than ${most}`, 400);
  if (new Set(tags.map(([name]) => name)).size < tags.length)
    throw new ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key", 400);
  for (const [name, value] of tags)
    if (name === "" || name.length > 128 || value.length > 256)
      throw new ServiceError("InvalidTag", "The TagKey or TagValue you have provided is invalid", 400);
  return Object.fromEntries(tags);
}

/** What is told of an object beside its content. */
export function headersOf({ headers, metadata, tags, etag, at, checksum, parts }: StoredObject): Record<string, string | number | undefined> {
  const tagCount = Object.keys(tags).length;
  return {
    ...headers,
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`${METADATA}${name}`, value])),
    etag: quote(etag),
    "last-modified": new Date(at).toUTCString(),
    "accept-ranges": "bytes",
    "x-amz-tagging-count": tagCount || undefined,
    "x-amz-mp-parts-count": parts?.length,
    ...checksumHeaders(checksum),
  };
}

export const checksumHeaders = (checksum: StoredObject["checksum"]): Record<string, string> =>
  checksum
    ? { [`x-amz-checksum-${checksum.algorithm}`]: checksum.value, "x-amz-checksum-type": checksum.isComposite ? "COMPOSITE" : "FULL_OBJECT" }
    : {};

/** Text from a URL or a form, as the bytes of a header. */
export function toHeaderValue(text: string): string {
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(text)) throw new ServiceError("InvalidArgument", "Header value cannot be represented.", 400);
  return Buffer.from(text).toString("latin1");
}

/** As an element of an answer: `{ ChecksumCRC32: "…" }`. */
export const checksumElement = (checksum: StoredObject["checksum"]): Record<string, string> =>
  checksum ? { [`Checksum${checksum.algorithm.toUpperCase()}`]: checksum.value } : {};
