// The WebSocket half of the load: held connections, each with numbered messages that must come back in order.
import { WebSocket } from "ws";

export interface Sockets {
  readonly reconnects: number;
  /** Waits for the answers that are due, closes every connection, and resolves when all are closed. */
  stop(): Promise<void>;
}

interface SocketsOptions {
  url: string;
  number: number;
  authority?: string;
  /** Called once for each message that came to an end: without a fault when its number came back. */
  count: (fault?: string) => void;
}

const MESSAGE_EVERY_MS = 250;
const ANSWER_TIMEOUT_MS = 30_000;
/** “Going away” and “service restart”: the server says goodbye, and a client is expected to connect again. */
const PLANNED_CLOSES = [1001, 1012];
const RECONNECTS_IN_A_ROW_MAX = 20;

/** Opens the connections and keeps them open. */
export function openSockets(options: SocketsOptions): Sockets {
  const held = Array.from({ length: options.number }, (_, index) => new HeldSocket(options, index));
  return {
    get reconnects() {
      return held.reduce((total, socket) => total + socket.reconnects, 0);
    },
    async stop() {
      await Promise.all(held.map((socket) => socket.stop()));
    },
  };
}

/**
 * One connection. At most one message is unanswered at a time. A planned close is no fault: the message that was
 * unanswered then is sent again on the next connection. Any other close, and any message without an answer, is one.
 */
class HeldSocket {
  reconnects = 0;
  readonly #options: SocketsOptions;
  readonly #index: number;
  #socket!: WebSocket;
  #number = 0;
  #unanswered = false;
  #closesWithoutAnswer = 0;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #end: () => void = () => {};
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  constructor(options: SocketsOptions, index: number) {
    this.#options = options;
    this.#index = index;
    this.#connect();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (!this.#unanswered && this.#socket.readyState === WebSocket.OPEN) this.#close();
    await this.#ended;
  }

  #connect(): void {
    const address = new URL("/live", this.#options.url);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, { ca: this.#options.authority, handshakeTimeout: ANSWER_TIMEOUT_MS, perMessageDeflate: false });
    this.#socket = socket;
    let failure: string | undefined;
    socket.on("error", (error) => {
      failure = error.message;
    });
    socket.on("open", () => (this.#stopping && !this.#unanswered ? this.#close() : this.#send()));
    socket.on("message", (data) => this.#hear(data.toString()));
    socket.on("close", (code, reason) => this.#handleClose(code, failure ?? reason.toString()));
  }

  #send(): void {
    if (!this.#unanswered) this.#number += 1;
    this.#unanswered = true;
    this.#socket.send(JSON.stringify({ ping: this.#number }));
    this.#timer = setTimeout(() => this.#giveUp(`message ${this.#number} had no answer within ${ANSWER_TIMEOUT_MS} ms`), ANSWER_TIMEOUT_MS);
  }

  #hear(text: string): void {
    const { kind, number } = JSON.parse(text) as { kind?: string; number?: number };
    if (kind !== "pong") return;
    if (!this.#unanswered || number !== this.#number) return this.#giveUp(`got number ${number} while ${this.#number} was due`);
    clearTimeout(this.#timer);
    this.#unanswered = false;
    this.#closesWithoutAnswer = 0;
    this.#options.count();
    if (this.#stopping) return this.#close();
    this.#timer = setTimeout(() => this.#socket.readyState === WebSocket.OPEN && this.#send(), MESSAGE_EVERY_MS);
  }

  #handleClose(code: number, why: string): void {
    clearTimeout(this.#timer);
    if (this.#stopping && !this.#unanswered) return this.#end();
    const planned = PLANNED_CLOSES.includes(code);
    this.#closesWithoutAnswer += 1;
    if (!planned) this.#fail(`closed with ${code} ${why}`.trim());
    else if (this.#closesWithoutAnswer > RECONNECTS_IN_A_ROW_MAX)
      this.#fail(`closed with ${code} ${this.#closesWithoutAnswer} times without an answer in between`);
    else this.reconnects += 1;
    if (this.#stopping && !this.#unanswered) return this.#end();
    // After a fault there is a pause, so that a server that is down shows as some failures and not as thousands.
    setTimeout(() => this.#connect(), planned ? 0 : MESSAGE_EVERY_MS);
  }

  #giveUp(detail: string): void {
    this.#fail(detail);
    this.#socket.terminate();
  }

  /** The message at hand counts as lost; the next connection begins with the next number. */
  #fail(detail: string): void {
    clearTimeout(this.#timer);
    this.#unanswered = false;
    this.#options.count(`connection ${this.#index}, message ${this.#number}: ${detail}`);
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#socket.close(1000, "done");
  }
}
