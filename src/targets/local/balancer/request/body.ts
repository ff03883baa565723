// The request's body on its way to the upstream: a small one is held so that it can be sent again, a larger one streams.
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

export const HELD_BYTES_MAX = 65_536;

export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/** Says whether a request has a body at all; undefined is "yes, of unknown length". */
export function bodyLength(request: IncomingMessage): number | undefined {
  if (request.headers["transfer-encoding"] !== undefined) return undefined;
  return Number(request.headers["content-length"] ?? 0);
}

/** Reads a small body whole. Undefined when the client went away before its end. */
export function holdBody(request: IncomingMessage, bytes: number, take: (body: Buffer | undefined) => void): void {
  const held = Buffer.allocUnsafe(bytes);
  let filled = 0;
  request.on("data", (chunk: Buffer) => {
    filled += chunk.copy(held, filled);
  });
  request.once("end", () => take(held));
  request.once("error", () => take(undefined));
}

/**
 * A body that reads nothing from the client until something is asked of it: while `started` is false
 * it may be given to another upstream. Destroying it leaves the client's connection alone, so that an answer can be written.
 */
export class StreamedBody extends Readable {
  started = false;
  readonly #request: IncomingMessage;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(request: IncomingMessage, bytesMax: number) {
    super({ highWaterMark: HELD_BYTES_MAX });
    this.#request = request;
    this.#bytesMax = bytesMax;
  }

  override _read(): void {
    if (!this.started) this.#start();
    this.#request.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // What is left is read to nowhere: the connection can be used again, or is closed with the answer.
    this.#request.off("data", this.#onData);
    this.#request.resume();
    callback(error);
  }

  #start(): void {
    this.started = true;
    this.#request.on("data", this.#onData);
    this.#request.once("end", () => this.push(null));
    this.#request.once("error", (error) => this.destroy(error));
  }

  #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#bytesMax) this.destroy(new BodyTooLarge());
    else if (!this.push(chunk)) this.#request.pause();
  };
}

/** How long what a client still says is read after its answer. */
export const REST_MS = 5_000;

/**
 * An answer may come before the end of a body. A connection that is closed then, with bytes in it that nobody reads, is reset, and the answer
 * is lost on its way. So the rest is read to nowhere first, and cut off when that takes too long.
 */
export function readRest(request: IncomingMessage): void {
  const { socket } = request;
  if (request.complete) return;
  const closeSoon = socket.destroySoon;
  let closes = false;
  // Node calls it behind an answer that says the connection will be closed.
  socket.destroySoon = () => {
    closes = true;
    socket.end();
  };
  const cut = setTimeout(() => socket.destroy(), REST_MS);
  socket.once("close", () => clearTimeout(cut));
  request.once("end", () => {
    clearTimeout(cut);
    socket.destroySoon = closeSoon;
    if (closes) socket.destroySoon();
  });
  request.resume();
}
