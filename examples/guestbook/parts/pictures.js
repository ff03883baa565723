import { randomUUID } from "node:crypto";
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

export const PICTURE_BYTES_MAX = 5_000_000;

// A server at an address of its own has no host name per bucket.
const client = new S3Client({ forcePathStyle: Boolean(process.env.AWS_ENDPOINT_URL) });
const Bucket = process.env.UPLOADS_BUCKET;

const KINDS = [
  { extension: "png", type: "image/png", begins: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], at: 0 },
  { extension: "jpg", type: "image/jpeg", begins: [0xff, 0xd8, 0xff], at: 0 },
  { extension: "gif", type: "image/gif", begins: [0x47, 0x49, 0x46, 0x38], at: 0 },
  { extension: "webp", type: "image/webp", begins: [0x57, 0x45, 0x42, 0x50], at: 8 },
];

export const PICTURE_NAME = /^[0-9a-f-]{36}\.(png|jpg|gif|webp)$/;

/**
 * Keeps a picture and returns its name, or undefined when the bytes are of no kind that is shown.
 * The kind is read from the bytes: what the browser claims could be a page with scripts.
 * @param {Uint8Array} bytes
 */
export async function keepPicture(bytes) {
  const kind = KINDS.find(({ begins, at }) => begins.every((byte, i) => bytes[at + i] === byte));
  if (!kind) return undefined;
  const name = `${randomUUID()}.${kind.extension}`;
  await client.send(new PutObjectCommand({ Bucket, Key: name, Body: bytes, ContentType: kind.type }));
  return name;
}

/**
 * The picture and its type, or undefined when there is none of that name.
 * @param {string} name
 */
export async function loadPicture(name) {
  const kind = KINDS.find(({ extension }) => name.endsWith(`.${extension}`));
  if (!PICTURE_NAME.test(name) || !kind) return undefined;
  try {
    const object = await client.send(new GetObjectCommand({ Bucket, Key: name }));
    const bytes = await object.Body?.transformToByteArray();
    return bytes && { bytes, type: kind.type };
  } catch (error) {
    if (/** @type {Error} */ (error).name === "NoSuchKey") return undefined;
    throw error;
  }
}

/** @param {string} name */
export const removePicture = (name) => client.send(new DeleteObjectCommand({ Bucket, Key: name }));

/** Every picture's name with the time it was kept. */
export async function* listPictures() {
  /** @type {string | undefined} */
  let token;
  do {
    /** @type {import("@aws-sdk/client-s3").ListObjectsV2CommandOutput} */
    const page = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken: token }));
    for (const object of page.Contents ?? []) yield { name: object.Key ?? "", keptAt: object.LastModified ?? new Date() };
    token = page.NextContinuationToken;
  } while (token);
}
