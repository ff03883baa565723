// Who calls: AWS's Signature Version 4, in headers or in the URL ("presigned").
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { ServiceError } from "./service-error.ts";
import type { Target } from "./target.ts";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

/** What the parts of a body are signed with, one after the other. */
export interface ChunkSigner {
  timestamp: string;
  scope: string;
  key: Buffer;
  /** The signature before the first part. */
  seed: string;
}

export interface Caller {
  /** What the body must hash to; undefined when it is not signed. */
  bodyHash?: string;
  /** The body comes in parts, whose signatures go on from here. */
  chunks?: ChunkSigner;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** AWS's own: the clocks of caller and server. */
const SKEW_MAX_MS = 15 * 60_000;
const PRESIGNED_SECONDS_MAX = 7 * 86_400;
const SHA256 = /^[0-9a-f]{64}$/;

interface Signed {
  accessKeyId: string;
  /** `20130524/us-east-1/s3/aws4_request` */
  scope: string;
  headers: string[];
  signature: string;
  timestamp: string;
  bodyHash: string;
}

/** The service that a request was signed for. */
export const serviceOf = ({ headers }: IncomingMessage, { query }: Target): string | undefined =>
  /\b\d{8}\/[^/,\s]+\/([^/,\s]+)\/aws4_request/.exec(query.get("X-Amz-Credential") ?? headers.authorization ?? "")?.[1];

export interface Claim {
  request: IncomingMessage;
  target: Target;
  /** Of a body that was read already: only S3's clients send it. */
  bodyHash?: string;
}

/** Throws AccessDenied, SignatureDoesNotMatch and their like. */
export function verify({ request, target, bodyHash }: Claim, { accessKeyId, secretAccessKey }: Credentials): Caller {
  const isPresigned = target.query.has("X-Amz-Signature") || target.query.has("X-Amz-Algorithm");
  if (target.query.has("AWSAccessKeyId")) throw wrongMechanism();
  const signed = { ...(isPresigned ? readQuery(target) : readHeaders(request)), ...(bodyHash === undefined ? {} : { bodyHash }) };
  if (signed.accessKeyId !== accessKeyId)
    throw new ServiceError("InvalidAccessKeyId", "The access key is not the one of this environment: AWS_ACCESS_KEY_ID in the app's variables.", 403);
  const key = signingKey(secretAccessKey, signed.scope);
  const text = [ALGORITHM, signed.timestamp, signed.scope, sha256(Buffer.from(canonicalRequest(request, target, signed), "latin1"))].join("\n");
  if (!isEqual(hmac(key, text).toString("hex"), signed.signature)) {
    const message =
      "The signature is not the one that the secret access key of this environment gives. Check the key, the method and what was signed.";
    throw new ServiceError("SignatureDoesNotMatch", message, 403);
  }
  if (SHA256.test(signed.bodyHash)) return { bodyHash: signed.bodyHash };
  if (!signed.bodyHash.startsWith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")) return {};
  return { chunks: { timestamp: signed.timestamp, scope: signed.scope, key, seed: signed.signature } };
}

function readHeaders({ headers }: IncomingMessage): Signed {
  const { authorization } = headers;
  if (!authorization) throw denied("The request is not signed.");
  if (!authorization.startsWith(ALGORITHM)) throw wrongMechanism();
  const { Credential = "", SignedHeaders = "", Signature = "" } = fieldsOf(authorization);
  const timestamp = textOf(headers["x-amz-date"]) ?? toTimestamp(headers.date);
  const at = parseTimestamp(timestamp);
  if (Math.abs(Date.now() - at) > SKEW_MAX_MS)
    throw new ServiceError("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403);
  return {
    ...splitCredential(Credential, timestamp),
    headers: SignedHeaders.split(";"),
    signature: Signature,
    timestamp,
    bodyHash: textOf(headers["x-amz-content-sha256"]) ?? "",
  };
}

function readQuery({ query }: Target): Signed {
  const read = (name: string) => query.get(name) ?? "";
  if (read("X-Amz-Algorithm") !== ALGORITHM)
    throw new ServiceError("AuthorizationQueryParametersError", `X-Amz-Algorithm only supports "${ALGORITHM}"`, 400);
  const timestamp = read("X-Amz-Date");
  const [at, seconds] = [parseTimestamp(timestamp), Number(read("X-Amz-Expires"))];
  if (!(seconds >= 1 && seconds <= PRESIGNED_SECONDS_MAX))
    throw new ServiceError("AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800 seconds", 400);
  if (Date.now() > at + seconds * 1000) throw denied("Request has expired");
  if (at - Date.now() > SKEW_MAX_MS) throw denied("Request is not valid yet");
  return {
    ...splitCredential(read("X-Amz-Credential"), timestamp),
    headers: read("X-Amz-SignedHeaders").split(";"),
    signature: read("X-Amz-Signature"),
    timestamp,
    bodyHash: query.get("X-Amz-Content-Sha256") ?? "UNSIGNED-PAYLOAD",
  };
}

/** Whether a form's policy was signed with this secret. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html */
export function verifyPolicy(fields: ReadonlyMap<string, string>, { accessKeyId, secretAccessKey }: Credentials): void {
  const read = (name: string) => fields.get(name) ?? "";
  if (!fields.has("policy")) throw denied("The form has no policy.");
  if (read("x-amz-algorithm") !== ALGORITHM) throw wrongMechanism();
  const { accessKeyId: id, scope } = splitCredential(read("x-amz-credential"), read("x-amz-date"));
  const expected = hmac(signingKey(secretAccessKey, scope), read("policy")).toString("hex");
  if (id !== accessKeyId || !isEqual(expected, read("x-amz-signature")))
    throw new ServiceError("SignatureDoesNotMatch", "The signature of the form's policy is not the one that the secret access key gives.", 403);
}

/** `Credential=…, SignedHeaders=…, Signature=…`, with or without spaces. */
const fieldsOf = (authorization: string): Record<string, string> =>
  Object.fromEntries([...authorization.matchAll(/(\w+)=([^,\s]+)/g)].map(([, name, value]) => [name, value]));

function splitCredential(credential: string, timestamp: string): Pick<Signed, "accessKeyId" | "scope"> {
  const [accessKeyId = "", ...scope] = credential.split("/");
  if (scope.length !== 4 || scope[3] !== "aws4_request" || scope[0] !== timestamp.slice(0, 8))
    throw new ServiceError(
      "AuthorizationHeaderMalformed",
      "The credential is not ID/date/region/service/aws4_request, of the day of the request.",
      400,
    );
  return { accessKeyId, scope: scope.join("/") };
}

/** All of it is ASCII but for the values of headers, which Node reads byte by byte. */
function canonicalRequest({ method, rawHeaders }: IncomingMessage, { path, query }: Target, signed: Signed): string {
  const names = [...signed.headers].sort();
  if (!names.includes("host")) throw denied("The header Host is not signed.");
  const lines = names.map((name) => `${name}:${valuesOf(name, rawHeaders)}`);
  return [method, encodePath(path), canonicalQuery(query), ...lines, "", names.join(";"), signed.bodyHash || EMPTY_HASH].join("\n");
}

/** A header that is there several times is signed with its values joined. */
const valuesOf = (name: string, raw: string[]): string =>
  raw
    .filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name)
    .map((value) => value.trim().replace(/ +/g, " "))
    .join(",");

function canonicalQuery(query: URLSearchParams): string {
  const parts = [...query].filter(([name]) => name !== "X-Amz-Signature").map(([name, value]) => [encode(name), encode(value)] as const);
  return parts
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** RFC 3986, as AWS means it. */
export const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const encodePath = (path: string): string => path.split("/").map(encode).join("/");

const signingKey = (secret: string, scope: string): Buffer =>
  scope.split("/").reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${secret}`));

const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const sha256 = (text: string | Uint8Array): string => createHash("sha256").update(text).digest("hex");
const EMPTY_HASH = sha256("");

/** The signature of the next part of a body. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
export const signChunk = ({ timestamp, scope, key }: ChunkSigner, previous: string, hash: string): string =>
  hmac(key, ["AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, previous, EMPTY_HASH, hash].join("\n")).toString("hex");

/** That of the headers after a body. */
export const signTrailer = ({ timestamp, scope, key }: ChunkSigner, previous: string, trailer: string): string =>
  hmac(key, ["AWS4-HMAC-SHA256-TRAILER", timestamp, scope, previous, sha256(trailer)].join("\n")).toString("hex");

export function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function parseTimestamp(text: string): number {
  const [, year, month, day, hours, minutes, seconds] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
  if (Number.isNaN(at)) throw denied("The request has no X-Amz-Date such as 20130524T000000Z.");
  return at;
}

/** Of the header Date, for clients that send no X-Amz-Date. */
function toTimestamp(date = ""): string {
  const at = new Date(date);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().replace(/[-:]|\.\d+/g, "");
}

/** In S3's words. */
const wrongMechanism = (): ServiceError =>
  new ServiceError("InvalidRequest", `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`, 400);

const textOf = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value.join(",") : value);
const denied = (message: string): ServiceError => new ServiceError("AccessDenied", message, 403);
