// One request on S3, and how it is answered.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Body, openBody, readAll } from "../protocol/body.ts";
import type { Caller } from "../protocol/credentials.ts";
import { ServiceError } from "../protocol/service-error.ts";
import type { Target } from "../protocol/target.ts";
import { type Element, parseXml, toXml, type XmlValue } from "../protocol/xml.ts";
import type { Bucket } from "./bucket.ts";
import type { Buckets } from "./buckets.ts";

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";
/** Ten thousand parts, or a thousand keys of a kilobyte each, and their elements. */
const DOCUMENT_BYTES_MAX = 4 * 2 ** 20;

export class Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  readonly buckets: Buckets;
  readonly bucketName: string;
  readonly key: string;

  constructor(input: { request: IncomingMessage; response: ServerResponse; target: Target; caller: Caller; buckets: Buckets }) {
    this.request = input.request;
    this.response = input.response;
    this.query = input.target.query;
    this.caller = input.caller;
    this.buckets = input.buckets;
    const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(input.target.path) ?? [];
    this.bucketName = bucket;
    this.key = key;
  }

  get bucket(): Bucket {
    return this.buckets.get(this.bucketName);
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  }

  /** A number in the query or in a header; throws InvalidArgument. */
  number(name: string, { fallback, most = Number.MAX_SAFE_INTEGER }: { fallback: number; most?: number }): number {
    const text = this.query.get(name) ?? this.header(name) ?? "";
    if (text === "") return fallback;
    if (!/^\d+$/.test(text) || Number(text) > 2 ** 31 - 1)
      throw new ServiceError("InvalidArgument", `Provided ${name} not an integer or within integer range`, 400);
    return Math.min(Number(text), most);
  }

  body(): Body {
    return openBody(this.request, this.caller);
  }

  /** Of an upload that is completed, whose checksum is in headers, and not that of the document. */
  documentOfUpload(root: string): Promise<Element> {
    return this.#parse(root, openBody(this.request, this.caller, { ofBody: false }));
  }

  document(root: string): Promise<Element> {
    return this.#parse(root, this.body());
  }

  async #parse(root: string, { pieces }: Body): Promise<Element> {
    return parseXml((await readAll(pieces, DOCUMENT_BYTES_MAX)).toString(), root);
  }

  answer(status: number, headers: Record<string, string | number | undefined> = {}): void {
    this.#begin(status, headers);
    this.response.end();
  }

  answerXml(
    root: string,
    value: XmlValue,
    { headers = {}, status = 200 }: { headers?: Record<string, string | undefined>; status?: number } = {},
  ): void {
    const text = toXml(root, value, NAMESPACE);
    this.#begin(status, { ...headers, "content-type": "application/xml", "content-length": Buffer.byteLength(text) });
    this.response.end(text);
  }

  /** A client that goes away is no error. */
  async answerPieces(status: number, headers: Record<string, string | number | undefined>, pieces: AsyncIterable<Buffer>): Promise<void> {
    this.#begin(status, headers);
    await pipeline(Readable.from(pieces, { objectMode: false }), this.response).catch(() => this.response.destroy());
  }

  #begin(status: number, headers: Record<string, string | number | undefined>): void {
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) this.response.setHeader(name, value);
    this.response.writeHead(status);
  }
}

export const quote = (etag: string): string => `"${etag}"`;
export const isoDate = (at: number): string => new Date(at).toISOString();
