// Upgrades to WebSocket: the upstream's own 101 goes back, and from then on the two sockets are joined. In hand until they part. Other upgrades
// are not made: what went through such a connection, such as the requests of HTTP/2, would have passed no rule.
import { type IncomingMessage, ServerResponse, request as startRequest } from "node:http";
import type { Socket } from "node:net";
import type { Member } from "../upstreams.ts";
import { bodyLength, REST_MS } from "./body.ts";
import { returnedHeaders } from "./headers.ts";
import { type Context, ProxiedRequest } from "./proxied-request.ts";

/** What node hands over with a request to upgrade. */
interface Upgrading {
  socket: Socket;
  /** What the client has sent already after the request. */
  head: Buffer;
}

/** Whether it asks for a WebSocket (RFC 6455, 4.1), and for nothing else. */
export const asksForWebSocket = (request: IncomingMessage): boolean =>
  isWebSocket(request) && request.method === "GET" && request.httpVersionMinor === 1 && bodyLength(request) === 0;

const isWebSocket = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === "websocket";

/**
 * The request as bytes, without its wish to upgrade, which a server may ignore (RFC 9110, 7.8). Node has stopped reading the connection at
 * that wish, so it is given the request once more.
 */
export function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (lower === "upgrade") continue;
    const value = rawHeaders[index + 1] ?? "";
    text += `${name}: ${lower === "connection" ? value.replace(/[^,]+/g, (token) => (/^\s*upgrade\s*$/i.test(token) ? "" : token)) : value}\r\n`;
  }
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** An app that has said all of its own still hears what the client says. Handed on to net.connect, which Node's types do not tell. */
const HALF_OPEN = { allowHalfOpen: true };

/** What a client still says after its answer is read and dropped: its end would stay unseen behind it, and the connection open. */
export function endAnswered(socket: Socket, { quiet }: Context, answer = ""): void {
  socket.end(answer, () => {
    quiet.add(socket);
    const cut = setTimeout(() => socket.destroy(), REST_MS);
    socket.once("close", () => clearTimeout(cut));
  });
  socket.resume();
}

/** A ProxiedRequest whose upstream is asked over a connection of its own, which may become a tunnel. */
export class ProxiedUpgrade extends ProxiedRequest {
  readonly #socket: Socket;
  readonly #head: Buffer;
  #headers: string[] = [];

  constructor(request: IncomingMessage, { socket, head }: Upgrading, context: Context) {
    // The routes' answers and those of an upstream that does not upgrade are written the usual way, then the connection ends.
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => endAnswered(socket, context));
    super(request, response, context);
    this.#socket = socket;
    this.#head = head;
    // Once parsing has stopped, the response itself no longer hears of the connection's end.
    socket.once("close", () => response.emit("close"));
  }

  override serve(): void {
    const headers = this.forwarded();
    if (!headers) return this.refuse(400);
    headers.push("connection", "Upgrade", "upgrade", "websocket");
    this.#headers = headers;
    this.pass();
  }

  override passTo(member: Member): void {
    let connected = false;
    const askedAt = performance.now();
    const tell = (failed: boolean) => member.outcomes.add(performance.now() - askedAt, failed);
    const { method } = this.request;
    const asked = startRequest({
      host: "127.0.0.1",
      port: member.port,
      method,
      path: this.target?.url,
      headers: this.#headers,
      setHost: false,
      agent: false,
      ...HALF_OPEN,
    });
    asked.setTimeout(this.context.edge.limits.idleTimeoutMs, () => asked.destroy(new Error("silent for too long")));
    asked.once("socket", (socket) => socket.once("connect", () => (connected = true)));
    this.#socket.once("close", () => asked.destroy());
    asked.once("upgrade", (answer, upstream, head) => {
      const isAsked = isWebSocket(answer);
      tell(!isAsked);
      this.attempt(() => (isAsked ? this.#join(answer, upstream, head) : this.#refuseAnswer(upstream)));
    });
    asked.once("response", (answer) => {
      tell((answer.statusCode ?? 0) >= 500);
      answer.once("close", () => this.#release(!answer.complete));
      this.attempt(() => this.#relay(answer));
    });
    asked.once("error", (error: NodeJS.ErrnoException) => {
      if (this.isFinished) return this.#release(true);
      tell(true);
      this.attempt(() => this.#afterFailure(error, connected));
    });
    asked.end();
  }

  #afterFailure(error: NodeJS.ErrnoException, connected: boolean): void {
    if (connected) this.#release(true);
    if (!connected && this.couldNotConnect(error)) this.pass();
    else this.fail(502);
  }

  /** Such as the agreement to another protocol than was asked for. */
  #refuseAnswer(upstream: Socket): void {
    upstream.destroy();
    this.#release(true);
    this.fail(502);
  }

  /** The upstream answered without upgrading: that answer is the client's. */
  #relay(answer: IncomingMessage): void {
    answer.once("error", () => this.#socket.destroy());
    const { statusCode = 0, statusMessage = "" } = answer;
    if (statusCode < 200) return this.#refuseAnswer(answer.socket);
    this.writeHead(statusCode, statusMessage, toBuffers(answer.rawHeaders));
    answer.pipe(this.response);
  }

  #join(answer: IncomingMessage, upstream: Socket, head: Buffer): void {
    const client = this.#socket;
    if (client.destroyed) {
      upstream.destroy();
      return this.#release(true);
    }
    this.response.detachSocket(client);
    const headers = returnedHeaders(toBuffers(answer.rawHeaders), this.routeHeaders, this.id);
    headers.push("connection", "Upgrade", "upgrade", "websocket");
    client.write(switching(headers));
    if (head.length > 0) client.write(head);
    if (this.#head.length > 0) upstream.write(this.#head);
    joinSockets({ client, upstream }, this.context.edge.limits.idleTimeoutMs, () => {
      this.#release(false);
      this.finish(101);
    });
  }

  #release(failed: boolean): void {
    const member = this.member;
    this.member = undefined;
    member?.release(failed);
  }
}

/** Half-closes pass through, and silence on both ends them. */
function joinSockets({ client, upstream }: { client: Socket; upstream: Socket }, idleTimeoutMs: number, onEnd: () => void): void {
  let open = 2;
  const end = () => {
    client.destroy();
    upstream.destroy();
  };
  for (const [socket, peer] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("error", end);
    socket.once("close", () => {
      // What was sent before the end still has to arrive on the other side.
      if (!peer.destroyed) peer.destroySoon();
      if (--open === 0) onEnd();
    });
    socket.pipe(peer);
  }
  // Either side's activity is written to the other, so the client's timer sees both directions.
  client.setTimeout(idleTimeoutMs, end);
}

const toBuffers = (headers: readonly string[]): Buffer[] => headers.map((text) => Buffer.from(text, "latin1"));

function switching(headers: readonly string[]): Buffer {
  let text = "HTTP/1.1 101 Switching Protocols\r\n";
  for (let index = 0; index < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}
