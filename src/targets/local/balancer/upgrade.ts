// Upgrades (WebSocket): the upstream's own 101 goes back, and from then on the two sockets are joined. In hand until they part.
import { type IncomingMessage, ServerResponse, request as startRequest } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { bodyLength } from "./body.ts";
import { type Context, Exchange } from "./exchange.ts";
import { returnedHeaders } from "./headers.ts";
import type { Member } from "./upstreams.ts";

/** An Exchange whose upstream is asked over a connection of its own, which may become a tunnel. */
export class UpgradeExchange extends Exchange {
  readonly #socket: Socket;
  readonly #head: Buffer;
  #headers: string[] = [];
  readonly #onJoined: (tunnel: Tunnel) => void;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer, context: Context, onJoined: (tunnel: Tunnel) => void) {
    // The routes' answers and those of an upstream that does not upgrade are written the usual way, then the connection ends.
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once("finish", () => socket.end());
    super(request, response, context);
    this.#socket = socket as Socket;
    this.#head = head;
    this.#onJoined = onJoined;
    socket.on("error", () => socket.destroy());
    // Once parsing has stopped, the response itself no longer hears of the connection's end.
    socket.once("close", () => response.emit("close"));
  }

  override serve(): void {
    if (bodyLength(this.request) !== 0) return this.refuse(400);
    const headers = this.forwarded();
    if (!headers) return this.refuse(400);
    headers.push("connection", "Upgrade", "upgrade", this.request.headers.upgrade ?? "");
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
    });
    asked.setTimeout(this.context.edge.limits.idleTimeoutMs, () => asked.destroy(new Error("silent for too long")));
    asked.once("socket", (socket) => socket.once("connect", () => (connected = true)));
    this.#socket.once("close", () => asked.destroy());
    asked.once("upgrade", (answer, upstream, head) => {
      tell(false);
      this.#join(answer, upstream as Socket, head);
    });
    asked.once("response", (answer) => {
      tell((answer.statusCode ?? 0) >= 500);
      this.#relay(answer);
    });
    asked.once("error", (error: NodeJS.ErrnoException) => {
      if (this.isFinished) return this.#release(true);
      tell(true);
      if (connected) {
        this.#release(true);
        return this.fail(502);
      }
      const mayTryAgain = this.couldNotConnect(error);
      if (mayTryAgain) this.pass();
      else this.fail(502);
    });
    asked.end();
  }

  /** The upstream answered without upgrading: that answer is the client's. */
  #relay(answer: IncomingMessage): void {
    this.response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage,
      returnedHeaders(toBuffers(answer.rawHeaders), this.routeHeaders, this.id),
    );
    answer.pipe(this.response);
    answer.once("error", () => this.#socket.destroy());
    answer.once("close", () => this.#release(!answer.complete));
  }

  #join(answer: IncomingMessage, upstream: Socket, head: Buffer): void {
    const client = this.#socket;
    if (client.destroyed) {
      upstream.destroy();
      return this.#release(true);
    }
    this.response.detachSocket(client);
    const headers = returnedHeaders(toBuffers(answer.rawHeaders), this.routeHeaders, this.id);
    headers.push("connection", "Upgrade", "upgrade", answer.headers.upgrade ?? "");
    client.write(writeHead(answer, headers));
    if (head.length > 0) client.write(head);
    if (this.#head.length > 0) upstream.write(this.#head);
    this.#onJoined(
      new Tunnel(client, upstream, this.context.edge.limits.idleTimeoutMs, () => {
        this.#release(false);
        this.finish(101);
      }),
    );
  }

  #release(failed: boolean): void {
    const member = this.member;
    this.member = undefined;
    member?.release(failed);
  }
}

/** Two joined sockets; half-closes pass through, and silence on both ends it. */
export class Tunnel {
  readonly #client: Socket;
  readonly #upstream: Socket;

  constructor(client: Socket, upstream: Socket, idleTimeoutMs: number, onEnd: () => void) {
    this.#client = client;
    this.#upstream = upstream;
    let open = 2;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.setTimeout(0);
      socket.on("error", () => this.end());
      socket.once("close", () => {
        // What was sent before the end still has to arrive on the other side.
        if (!other.destroyed) other.destroySoon();
        if (--open === 0) onEnd();
      });
      socket.pipe(other);
    }
    // Either side's activity is written to the other, so the client's timer sees both directions.
    client.setTimeout(idleTimeoutMs, () => this.end());
  }

  end(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }
}

const toBuffers = (headers: readonly string[]): Buffer[] => headers.map((text) => Buffer.from(text, "latin1"));

function writeHead(answer: IncomingMessage, headers: readonly string[]): Buffer {
  let text = `HTTP/1.1 101 ${answer.statusMessage}\r\n`;
  for (let index = 0; index < headers.length; index += 2) text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}
