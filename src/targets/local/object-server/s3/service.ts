// Which request on S3 is which action. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
import type { Credentials } from "../protocol/credentials.ts";
import { REGION } from "../protocol/names.ts";
import { ServiceError } from "../protocol/service-error.ts";
import type { Call } from "./call.ts";
import { notImplemented } from "./conditions.ts";
import { assertOwnersAcl, BUCKET_TAGS_MAX, readTags, refuseBucket } from "./description.ts";
import { postForm } from "./form.ts";
import { listBuckets, listObjects, listVersions } from "./listing.ts";
import { copyObject, findObject, getAttributes, getObject, getTags, putObject, putTags, removeObject, removeObjects, removeTags } from "./objects.ts";
import { abortUpload, beginUpload, completeUpload, copyPart, listParts, listUploads, putPart } from "./uploads.ts";

type Action = (call: Call) => Promise<void> | void;

/** Parts of the query that ask for another thing than the object or the bucket itself. */
const SUBRESOURCES = (
  "accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory legal-hold lifecycle location logging metrics " +
  "notification object-lock ownershipControls policy policyStatus publicAccessBlock replication requestPayment restore retention select tagging " +
  "torrent uploadId uploads versioning versions website"
).split(" ");

const BUCKET: Record<string, Action> = {
  "GET ": listObjects,
  "HEAD ": (call) => (call.bucket, call.answer(200, { "x-amz-bucket-region": REGION })),
  "PUT ": async (call) => {
    refuseBucket(Object.keys(call.request.headers), (name) => call.header(name));
    await call.buckets.create(call.bucketName);
    call.answer(200, { location: `/${call.bucketName}` });
  },
  "DELETE ": async (call) => {
    await call.buckets.remove(call.bucketName);
    call.answer(204);
  },
  "POST delete": removeObjects,
  "GET uploads": listUploads,
  "GET versions": listVersions,
  "GET location": (call) => (call.bucket, call.answerXml("LocationConstraint", REGION)),
  "GET versioning": (call) => (call.bucket, call.answerXml("VersioningConfiguration", "")),
  "GET tagging": (call) => {
    const { tags } = call.bucket.settings;
    if (!tags) throw absent("NoSuchTagSet", "The TagSet does not exist");
    call.answerXml("Tagging", { TagSet: { Tag: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) } });
  },
  "PUT tagging": async (call) => {
    await call.bucket.setTags(readTags(await call.document("Tagging"), BUCKET_TAGS_MAX));
    call.answer(204);
  },
  "DELETE tagging": async (call) => {
    await call.bucket.setTags(undefined);
    call.answer(204);
  },
  "GET acl": (call) => (call.bucket, answerOwnerOnly(call)),
  "PUT acl": (call) => (call.bucket, putAcl(call)),
  "GET policy": absence("NoSuchBucketPolicy", "The bucket policy does not exist"),
  "GET cors": absence("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
  "GET lifecycle": absence("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
  "GET website": absence("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
  "GET object-lock": absence("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"),
  "GET replication": absence("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
  "GET logging": (call) => (call.bucket, call.answerXml("BucketLoggingStatus", "")),
  "GET notification": (call) => (call.bucket, call.answerXml("NotificationConfiguration", "")),
  "GET requestPayment": (call) => (call.bucket, call.answerXml("RequestPaymentConfiguration", { Payer: "BucketOwner" })),
};

const OBJECT: Record<string, Action> = {
  "GET ": getObject,
  "HEAD ": getObject,
  "PUT ": (call) => (call.header("x-amz-copy-source") === undefined ? putObject(call) : copyObject(call)),
  "DELETE ": removeObject,
  "POST uploads": beginUpload,
  "PUT uploadId": (call) => (call.header("x-amz-copy-source") === undefined ? putPart(call) : copyPart(call)),
  "POST uploadId": completeUpload,
  "DELETE uploadId": abortUpload,
  "GET uploadId": listParts,
  "GET tagging": getTags,
  "PUT tagging": putTags,
  "DELETE tagging": removeTags,
  "GET attributes": getAttributes,
  "GET acl": (call) => (findObject(call), answerOwnerOnly(call)),
  "PUT acl": (call) => (findObject(call), putAcl(call)),
};

/** Whether what authorizes the request is in its body: a form's policy. */
export const isForm = (call: Call): boolean =>
  call.request.method === "POST" && call.key === "" && (call.header("content-type") ?? "").startsWith("multipart/form-data");

export async function answerS3(call: Call, credentials: Credentials): Promise<void> {
  const { request, query, bucketName, key } = call;
  if (isForm(call)) return postForm(call, credentials);
  const versionId = query.get("versionId");
  if (versionId !== null && versionId !== "null")
    throw new ServiceError("NoSuchVersion", "The specified version does not exist.", 404, { Key: key, VersionId: versionId });
  const subresource = SUBRESOURCES.find((name) => query.has(name)) ?? "";
  const name = `${request.method} ${subresource}`;
  if (bucketName === "" && name === "GET ") return listBuckets(call);
  const action = bucketName === "" ? undefined : (key === "" ? BUCKET : OBJECT)[name];
  if (action) return action(call);
  // Whatever it is, it is not of a bucket that is not there.
  if (bucketName !== "") call.bucket;
  throw subresource === ""
    ? new ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    : notImplemented(`${request.method} ?${subresource}`);
}

function absence(code: string, message: string): Action {
  return (call) => {
    call.bucket;
    throw absent(code, message);
  };
}

const absent = (code: string, message: string): ServiceError => new ServiceError(code, message, 404);

const CANONICAL_USER = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"';

function putAcl(call: Call): void {
  assertOwnersAcl(call.header("x-amz-acl"));
  call.answer(200);
}

/** Access lists are not in use: everything is its owner's. */
function answerOwnerOnly(call: Call): void {
  const owner = { ID: "landfall", DisplayName: "landfall" };
  call.answerXml("AccessControlPolicy", {
    Owner: owner,
    AccessControlList: { Grant: [{ Grantee: { "@": CANONICAL_USER, ...owner }, Permission: "FULL_CONTROL" }] },
  });
}
