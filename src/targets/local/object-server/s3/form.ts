// An upload from a page's form, with a policy that the app has signed. https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { Busboy } from "@fastify/busboy";
import { announcedAlgorithm, checkedChecksum } from "../protocol/body.ts";
import { makeChecksum } from "../protocol/checksums.ts";
import { type Credentials, verifyPolicy } from "../protocol/credentials.ts";
import { ServiceError } from "../protocol/service-error.ts";
import type { StoredObject } from "./bucket.ts";
import { type Call, quote } from "./call.ts";
import { readDescription, toHeaderValue } from "./description.ts";
import { checkKey } from "./objects.ts";

const FIELD_BYTES_MAX = 20 * 1024;

interface Form {
  /** By their names in small letters: what came before the file. */
  fields: Map<string, string>;
  file: Readable;
}

export async function postForm(call: Call, credentials: Credentials): Promise<void> {
  const { fields, file } = await readForm(call);
  verifyPolicy(fields, credentials);
  const { bucket } = call;
  const key = fields.get("key") ?? "";
  if (key === "") throw new ServiceError("InvalidArgument", "Bucket POST must contain a field named 'key'.", 400);
  checkKey(key);
  const { least, most } = checkPolicy(fields, bucket.name);
  const md5 = createHash("md5");
  const algorithm = announcedAlgorithm(fields.keys());
  const sum = algorithm && makeChecksum(algorithm);
  let bytes = 0;
  let checksum: StoredObject["checksum"];
  async function* counted() {
    for await (const piece of file) {
      for (const digest of [md5, sum]) digest?.update(piece);
      bytes += piece.length;
      if (bytes > most)
        throw new ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, { MaxSizeAllowed: String(most) });
      yield piece;
    }
    if (bytes < least) throw new ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400);
    checksum = algorithm && sum && checkedChecksum(algorithm, sum, fields.get(`x-amz-checksum-${algorithm}`));
  }
  const content = await bucket.receive(counted());
  const header = (name: string) => (fields.has(name) ? toHeaderValue(fields.get(name) ?? "") : undefined);
  const etag = md5.digest("hex");
  await bucket.store(key, { object: { ...readDescription(fields.keys(), header), etag, bytes, at: Date.now(), checksum }, content });
  answer(call, { fields, key, etag });
}

function answer(call: Call, { fields, key, etag }: { fields: Map<string, string>; key: string; etag: string }): void {
  const told = {
    etag: quote(etag),
    location: `http://${call.header("host")}/${call.bucketName}/${key.split("/").map(encodeURIComponent).join("/")}`,
  };
  const redirect = fields.get("success_action_redirect") ?? fields.get("redirect");
  if (redirect && URL.canParse(redirect)) {
    const url = new URL(redirect);
    for (const [name, value] of Object.entries({ bucket: call.bucketName, key, etag: quote(etag) })) url.searchParams.set(name, value);
    return call.answer(303, { ...told, location: url.href });
  }
  const status = fields.get("success_action_status");
  if (status === "201")
    return call.answerXml(
      "PostResponse",
      { Location: told.location, Bucket: call.bucketName, Key: key, ETag: told.etag },
      { headers: told, status: 201 },
    );
  call.answer(status === "200" ? 200 : 204, told);
}

/** Resolves when the file begins; what stands after it counts for nothing. */
function readForm({ request }: Call): Promise<Form> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    const refuse = (message: string) => reject(new ServiceError("MalformedPOSTRequest", message, 400));
    const contentType = request.headers["content-type"] ?? "";
    const form = new Busboy({
      headers: { ...request.headers, "content-type": contentType },
      limits: { fieldSize: FIELD_BYTES_MAX, files: 1 },
      // By its name alone: some clients give every field the name of a file, and some give the file none.
      isPartAFile: (name) => name?.toLowerCase() === "file",
    });
    form.on("field", (name, value) => void fields.set(name.toLowerCase(), value));
    form.on("file", (_, stream, filename = "") => {
      const key = fields.get("key");
      if (key) fields.set("key", key.replaceAll("${filename}", filename));
      resolve({ fields, file: stream });
    });
    form.on("error", () => refuse("The body of your POST request is not well-formed multipart/form-data."));
    form.on("finish", () => refuse("POST requires exactly one file upload per request."));
    request.once("error", reject);
    request.pipe(form);
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html */
function checkPolicy(fields: Map<string, string>, bucket: string): { least: number; most: number } {
  const { expiration, conditions } = parsePolicy(fields.get("policy") ?? "");
  const refuse = (why: string) => new ServiceError("AccessDenied", `Invalid according to Policy: ${why}`, 403);
  if (!(Date.parse(expiration) > Date.now())) throw refuse("Policy expired.");
  const named = new Set(["policy", "x-amz-signature", "file", "bucket"]);
  let [least, most] = [0, 5 * 2 ** 30];
  for (const condition of conditions) {
    if (condition[0] === "content-length-range") {
      [least, most] = [Number(condition[1]), Math.min(Number(condition[2]), most)];
      continue;
    }
    const [kind, name, wanted] = [condition[0], String(condition[1]).replace(/^\$/, "").toLowerCase(), String(condition[2])];
    const value = name === "bucket" ? bucket : (fields.get(name) ?? "");
    if (kind === "starts-with" ? !value.startsWith(wanted) : kind !== "eq" || value !== wanted)
      throw refuse(`Policy Condition failed: ${JSON.stringify(condition)}`);
    named.add(name);
  }
  const extra = [...fields.keys()].find((name) => !named.has(name) && !name.startsWith("x-ignore-"));
  if (extra !== undefined) throw refuse(`Extra input fields: ${extra}`);
  return { least, most };
}

/** Conditions of the form `{ name: value }` are told as `["eq", "$name", value]`. */
function parsePolicy(encoded: string): { expiration: string; conditions: unknown[][] } {
  try {
    const { expiration, conditions } = JSON.parse(Buffer.from(encoded, "base64").toString());
    const listed = (conditions as unknown[]).flatMap((condition): unknown[][] =>
      Array.isArray(condition) ? [condition] : Object.entries(condition as object).map(([name, value]) => ["eq", `$${name}`, value]),
    );
    return { expiration: String(expiration), conditions: listed };
  } catch {
    throw new ServiceError("InvalidPolicyDocument", "The content of the form does not meet the conditions specified in the policy document.", 400);
  }
}
