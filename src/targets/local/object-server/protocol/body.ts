// What a request brings, piece by piece: taken out of AWS's own framing, and refused at its end when it is not what the request says.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Algorithm, type Checksum, isAlgorithm, makeChecksum } from "./checksums.ts";
import { type Caller, type ChunkSigner, isEqual, signChunk, signTrailer } from "./credentials.ts";
import { ServiceError } from "./service-error.ts";

const MD5_BYTES = 16;
const LINE_BYTES_MAX = 16_384;

export interface ReceivedChecksum {
  algorithm: Algorithm;
  value: string;
}

export interface Received {
  bytes: number;
  md5: Buffer;
  checksum?: ReceivedChecksum;
}

export interface Body {
  pieces: AsyncIterable<Buffer>;
  /** Of all pieces, once they have been read. */
  received(): Received;
}

/** `ofBody`: what headers say of a checksum is of this body. */
export function openBody(request: IncomingMessage, caller: Caller, { ofBody = true } = {}): Body {
  const { headers } = request;
  const trailers = new Map<string, string>();
  const source = isFramed(headers) ? unframe(piecesOf(request), caller.chunks, trailers) : piecesOf(request);
  const md5 = createHash("md5");
  const sha256 = caller.bodyHash === undefined ? undefined : createHash("sha256");
  const algorithm = ofBody ? algorithmOf(headers) : undefined;
  const checksum = algorithm && makeChecksum(algorithm);
  const wantedMd5 = headers["content-md5"]?.toString();
  if (wantedMd5 !== undefined && Buffer.from(wantedMd5, "base64").length !== MD5_BYTES)
    throw new ServiceError("InvalidDigest", "The Content-MD5 you specified is not valid.", 400);
  let result: Received | undefined;

  async function* pieces(): AsyncIterable<Buffer> {
    let bytes = 0;
    for await (const piece of source) {
      for (const digest of [md5, sha256, checksum]) digest?.update(piece);
      bytes += piece.length;
      yield piece;
    }
    const decoded = headers["x-amz-decoded-content-length"];
    if (decoded !== undefined && Number(decoded) !== bytes) throw incomplete();
    if (sha256 && sha256.digest("hex") !== caller.bodyHash)
      throw new ServiceError("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400);
    const digest = md5.digest();
    if (wantedMd5 !== undefined && wantedMd5 !== digest.toString("base64"))
      throw new ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.", 400);
    const name = `x-amz-checksum-${algorithm}`;
    const wanted = trailers.get(name) ?? headers[name]?.toString();
    result = { bytes, md5: digest, checksum: algorithm && checksum && checkedChecksum(algorithm, checksum, wanted) };
  }

  return {
    pieces: pieces(),
    received() {
      if (!result) throw new Error("the body has not been read to its end");
      return result;
    },
  };
}

/** As they come. Who stops in the middle can still answer. */
export const piecesOf = (request: IncomingMessage): AsyncIterable<Buffer> => ({
  [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }),
});

/** Reads a small body as a whole. */
export async function readAll(pieces: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer> {
  const read: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > bytesMax) throw new ServiceError("EntityTooLarge", `The body is longer than ${bytesMax} bytes.`, 413);
    read.push(piece);
  }
  return Buffer.concat(read);
}

const isFramed = (headers: IncomingHttpHeaders): boolean =>
  String(headers["x-amz-content-sha256"]).startsWith("STREAMING-") ||
  // That encoding alone is also what a client has copied from an object that bears it.
  (/\baws-chunked\b/.test(headers["content-encoding"] ?? "") && headers["x-amz-decoded-content-length"] !== undefined);

/** The one whose value stands in a header, or is to stand after the body. */
const algorithmOf = (headers: IncomingHttpHeaders): Algorithm | undefined =>
  announcedAlgorithm([...Object.keys(headers), String(headers["x-amz-trailer"])]) ??
  [String(headers["x-amz-sdk-checksum-algorithm"]).toLowerCase()].find(isAlgorithm);

/** Of a checksum that is among these headers or fields. */
export const announcedAlgorithm = (names: Iterable<string>): Algorithm | undefined =>
  [...names].flatMap((name) => /^x-amz-checksum-(\w+)$/.exec(name.trim())?.[1] ?? []).find(isAlgorithm);

/** Throws BadDigest unless it is what was said, if anything was. */
export function checkedChecksum(algorithm: Algorithm, checksum: Checksum, wanted: string | undefined): ReceivedChecksum {
  const value = checksum.base64();
  if (wanted !== undefined && wanted !== value)
    throw new ServiceError("BadDigest", `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`, 400);
  return { algorithm, value };
}

async function* unframe(source: AsyncIterable<Buffer>, signer: ChunkSigner | undefined, trailers: Map<string, string>): AsyncIterable<Buffer> {
  const reader = new Reader(source);
  let previous = signer?.seed ?? "";
  for (;;) {
    const [size = "", extension = ""] = (await reader.line()).split(";");
    if (!/^[0-9a-f]{1,12}$/i.test(size)) throw new ServiceError("InvalidRequest", "The body is not framed as aws-chunked says.", 400);
    const hash = createHash("sha256");
    let left = Number.parseInt(size, 16);
    const isLast = left === 0;
    while (left > 0) {
      const piece = await reader.some(left);
      if (signer) hash.update(piece);
      left -= piece.length;
      yield piece;
    }
    if (signer) {
      const expected = signChunk(signer, previous, hash.digest("hex"));
      if (!isEqual(expected, extension.replace(/^chunk-signature=/, ""))) throw wrongChunk();
      previous = expected;
    }
    if (isLast) break;
    await reader.line();
  }
  await readTrailers(reader, trailers, signer && { signer, previous });
}

async function readTrailers(reader: Reader, trailers: Map<string, string>, signed?: { signer: ChunkSigner; previous: string }): Promise<void> {
  for (;;) {
    const line = await reader.line({ orEnd: true });
    if (line === "") break;
    const at = line.indexOf(":");
    trailers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  const signature = trailers.get("x-amz-trailer-signature");
  trailers.delete("x-amz-trailer-signature");
  if (!signed || trailers.size === 0) return;
  const text = [...trailers].map(([name, value]) => `${name}:${value}\n`).join("");
  if (!isEqual(signTrailer(signed.signer, signed.previous, text), signature ?? "")) throw wrongChunk();
}

/** Takes lines and counted bytes from pieces of any size. */
class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** One byte or more, and no more than `most`. */
  async some(most: number): Promise<Buffer> {
    if (this.#rest.length === 0 && !(await this.#more())) throw incomplete();
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  async line({ orEnd = false } = {}): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf("\n");
      if (at >= 0) {
        const line = this.#rest.toString("latin1", 0, at).replace(/\r$/, "");
        this.#rest = this.#rest.subarray(at + 1);
        return line;
      }
      if (this.#rest.length > LINE_BYTES_MAX) throw new ServiceError("InvalidRequest", "The body is not framed as aws-chunked says.", 400);
      if (!(await this.#more())) {
        if (orEnd) return "";
        throw incomplete();
      }
    }
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (!done) this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    return !done;
  }
}

const incomplete = (): ServiceError =>
  new ServiceError("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.", 400);
const wrongChunk = (): ServiceError =>
  new ServiceError("SignatureDoesNotMatch", "The signature of a part of the body is not the one that was computed.", 403);
