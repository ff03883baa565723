// One request and its answer. A ProxiedRequest is itself the handler that undici calls, so that a request costs one object.

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Dispatcher } from "undici";
import { messageOf, present } from "../../../../error.ts";
import { parseHost, parseTarget, type Target } from "../../../../routing/paths.ts";
import type { Ruling } from "../../../../routing/rules.ts";
import type { AccessLog } from "../access-log.ts";
import type { Edge } from "../api.ts";
import type { Metrics } from "../metrics.ts";
import type { QuietConnections } from "../quiet.ts";
import type { Member, Upstreams } from "../upstreams.ts";
import { BodyTooLarge, bodyLength, HELD_BYTES_MAX, holdBody, readRest, StreamedBody } from "./body.ts";
import type { Credentials } from "./credentials.ts";
import { forwardedHeaders, requestId, returnedHeaders, withRouteHeaders } from "./headers.ts";

/** What every request needs. `edge` and `rule` are replaced as a whole by `configure`. */
export interface Context {
  edge: Edge;
  rule: (path: string, host: string, url: string) => Ruling;
  secure: boolean;
  /** Whether a client with this address is a proxy that is believed. */
  isTrusted: (address: string) => boolean;
  stopping: boolean;
  readonly quiet: QuietConnections;
  readonly upstreams: Upstreams;
  readonly credentials: Credentials;
  readonly metrics: Metrics;
  readonly log: AccessLog;
}

/** RFC 9110, 9.2.2: sending one of these twice does what sending it once does. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);
/** Connections that could not be made may be tried on as many upstreams; a reset is retried once, lest one request fells them all. */
const ATTEMPTS_MAX = 5;
/** nginx's number for a client that went away; only in the log and the metrics, nobody receives it. */
const CLIENT_GONE = 499;

const REASONS: Record<number, string> = {
  400: "The request is not one that this server reads.",
  401: "A user and a password are needed.",
  404: "Nothing is here.",
  405: "This method is not served.",
  413: "The request's body is larger than is accepted.",
  500: "The server failed at this request.",
  501: "The request's body is encoded in a way that this server does not read.",
  502: "The service broke off before it answered.",
  503: "No instance of the service is ready.",
  504: "The service did not answer in time.",
};

export class ProxiedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly context: Context;
  readonly id: string;
  readonly #startedAt = performance.now();
  host = "";
  target: Target | undefined;
  service = "";
  routeHeaders: readonly string[] = [];
  member: Member | undefined;

  #headers: string[] = [];
  #body: Buffer | StreamedBody | null = null;
  #tried: Member[] = [];
  #attempts = 0;
  #resets = 0;
  #connected = false;
  #sentAt = 0;
  #firstByteMs = 0;
  #status = 0;
  #responseBegan = false;
  #firstChunk: Buffer | undefined;
  #flushed = false;
  #abort: ((error?: Error) => void) | undefined;
  #cancelWait: (() => void) | undefined;
  #waited = false;
  #bytes = 0;
  #failed = false;
  #finished = false;
  #resume: (() => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, context: Context) {
    this.request = request;
    this.response = response;
    this.context = context;
    this.id = requestId(request);
    response.on("close", this.#onClientClose);
  }

  begin(): void {
    this.attempt(() => this.#decide());
  }

  /** What goes wrong here with one request costs that request and no other. */
  attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#breakDown(error);
    }
  }

  #breakDown(error: unknown): void {
    console.error(`request ${this.id} failed in the balancer: ${messageOf(error)}`);
    this.#giveBack(true);
    try {
      this.fail(500);
    } catch {
      this.response.destroy();
    }
  }

  /** Reads what is asked, lets the rules decide, and sends on what is to be served. */
  #decide(): void {
    const refusal = this.#read();
    if (refusal !== undefined) return this.refuse(refusal);
    if (this.request.url === "*") return this.#answer(204, []);
    const target = present(this.target, "target");
    if (this.context.upstreams.isPrivate(target.path)) return this.refuse(404);
    const ruling = this.context.rule(target.path, parseHost(this.host) ?? "", target.url);
    this.routeHeaders = ruling.headers;
    const { decision } = ruling;
    if (decision.act === "deny") return this.refuse(404);
    if (decision.act === "redirect") return this.#answer(decision.status, ["location", decision.to]);
    if (decision.service === undefined) return this.refuse(404);
    this.service = decision.service;
    if (decision.basicAuth) void this.#authenticate(decision.basicAuth);
    else this.serve();
  }

  /** Answers with a status of the balancer's own and a line of text. */
  refuse(status: number, headers: string[] = []): void {
    if (this.response.headersSent) return void this.response.destroy();
    this.#answer(status, headers, `${status} ${REASONS[status] ?? ""}\n`);
  }

  fail(status: number, headers: string[] = []): void {
    this.#failed = true;
    this.refuse(status, headers);
  }

  /** Sends the request to an upstream. Upgrades replace this by a way of their own. */
  serve(): void {
    const length = bodyLength(this.request);
    const bytesMax = this.context.edge.limits.bodyBytesMax;
    if (length !== undefined && length > bytesMax) return this.refuse(413);
    const headers = this.forwarded();
    if (!headers) return this.refuse(400);
    this.#headers = headers;
    if (length === 0) return this.pass();
    if (length === undefined || length > HELD_BYTES_MAX) {
      this.#body = new StreamedBody(this.request, bytesMax);
      // An error of the body reaches us through undici as well, but only while it is being sent.
      this.#body.on("error", () => undefined);
      return this.pass();
    }
    holdBody(this.request, length, (body) => {
      if (body === undefined || this.#finished) return;
      this.#body = body;
      this.attempt(() => this.pass());
    });
  }

  forwarded(): string[] | undefined {
    const { secure, isTrusted } = this.context;
    return forwardedHeaders(this.request, { host: this.host, id: this.id, secure, trusted: isTrusted(this.request.socket.remoteAddress ?? "") });
  }

  get isFinished(): boolean {
    return this.#finished;
  }

  /** Passes the request to the next upstream, or waits for one, or answers 503. */
  pass(): void {
    const { upstreams } = this.context;
    const member = upstreams.choose(this.service, this.#tried) ?? (this.#waited ? upstreams.chooseUnhealthy(this.service, this.#tried) : undefined);
    if (member) {
      member.take();
      this.member = member;
      if (this.#attempts++ > 0) this.context.metrics.retried();
      return this.passTo(member);
    }
    if (this.#waited) return this.fail(503, ["retry-after", "1"]);
    this.#cancelWait = upstreams.onAppearance(this.service, () => {
      this.#cancelWait = undefined;
      this.#waited = true;
      // Whoever refused before may have been started again meanwhile.
      this.#tried = [];
      this.attempt(() => this.pass());
    });
  }

  /** Upgrades replace this by a way of their own. */
  passTo(member: Member): void {
    this.#connected = false;
    this.#abort = undefined;
    this.#sentAt = performance.now();
    const { idleTimeoutMs } = this.context.edge.limits;
    const pool = this.#canBeSentTwice() ? member.kept(idleTimeoutMs) : member.fresh(idleTimeoutMs);
    const method = this.request.method as Dispatcher.HttpMethod;
    pool.dispatch(
      { path: cutFragment(present(this.target, "target").url), method, headers: this.#headers, body: this.#body },
      this as unknown as Dispatcher.DispatchHandler,
    );
  }

  /** Gives the upstream back after a connection that could not be made; true when another may be tried. */
  couldNotConnect(error: NodeJS.ErrnoException): boolean {
    if (isRefusal(error)) this.#down(error);
    this.#giveBack(true);
    return this.#attempts < ATTEMPTS_MAX;
  }

  /** The status to refuse it with, if it cannot be read as one request. */
  #read(): number | undefined {
    const { request } = this;
    const coding = request.headers["transfer-encoding"];
    if (coding !== undefined) {
      if (request.headers["content-length"] !== undefined || request.httpVersionMinor === 0) return 400;
      // Under its chunks the body would reach the service encoded, and without a word of it.
      if (coding.toLowerCase() !== "chunked") return 501;
    }
    if (request.url === "*") return request.method === "OPTIONS" ? undefined : 400;
    this.target = parseTarget(request.url ?? "");
    if (!this.target) return 400;
    this.host = this.target.host ?? request.headers.host ?? "";
    // HTTP/1.0 knows no Host, and node has refused its absence from the later ones.
    const isAbsent = this.host === "" && request.httpVersionMinor === 0 && request.headers.host === undefined;
    return isAbsent || parseHost(this.host) !== undefined ? undefined : 400;
  }

  async #authenticate(expected: { user: string; passwordHash: string }): Promise<void> {
    const checked = this.context.credentials.check(this.request.headers.authorization, expected);
    const verdict = typeof checked === "string" ? checked : await checked.catch(() => "refused" as const);
    if (this.#finished) return;
    this.attempt(() => {
      if (verdict === "accepted") this.serve();
      else if (verdict === "busy") this.refuse(503, ["retry-after", "1"]);
      else this.refuse(401, ["www-authenticate", 'Basic realm="restricted", charset="UTF-8"']);
    });
  }

  // From here on: what undici calls, in its order.

  onConnect(abort: (error?: Error) => void): void {
    this.#connected = true;
    this.#abort = abort;
    if (this.#finished) abort();
  }

  onResponseStarted(): void {
    this.#responseBegan = true;
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    if (status < 200) return true;
    this.#firstByteMs = performance.now() - this.#sentAt;
    this.#status = status;
    this.#resume = resume;
    if (this.context.stopping) this.response.shouldKeepAlive = false;
    this.writeHead(status, reason, rawHeaders);
    // Headers must not wait for a body that comes later; what comes with them goes out in the same write, and the end as well.
    process.nextTick(flush, this);
    return true;
  }

  /** Begins the answer as the upstream began it. */
  writeHead(status: number, reason: string, rawHeaders: readonly Buffer[]): void {
    const headers = returnedHeaders(rawHeaders, this.routeHeaders, this.id);
    this.response.writeHead(status, plainReason(status, reason), status === 204 ? withoutLength(headers) : headers);
  }

  onData(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (!this.#flushed && !this.#firstChunk) {
      this.#firstChunk = chunk;
      return true;
    }
    this.flush();
    if (this.response.write(chunk)) return true;
    this.response.once("drain", present(this.#resume, "way to go on"));
    return false;
  }

  onComplete(): void {
    this.#flushed = true;
    if (!this.#finished) this.member?.outcomes.add(this.#firstByteMs, this.#status >= 500);
    this.#giveBack(false);
    if (this.#hasUnread()) readRest(this.request);
    this.response.end(this.#firstChunk);
  }

  /** Sends what has come so far. */
  flush(): void {
    if (this.#flushed || this.#finished) return;
    this.#flushed = true;
    if (this.#firstChunk) this.response.write(this.#firstChunk);
    else this.response.flushHeaders();
    this.#firstChunk = undefined;
  }

  onError(error: NodeJS.ErrnoException): void {
    // A 304 tells the length that the whole would have had, and undici misses what is not to come.
    const isWhole = error.code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" && (this.#status === 204 || this.#status === 304);
    this.attempt(() => (isWhole ? this.onComplete() : this.#afterError(error)));
  }

  #afterError(error: NodeJS.ErrnoException): void {
    const member = this.member;
    this.#giveBack(!this.#finished);
    if (this.#finished) return;
    const cause = rootOf(error);
    if (cause instanceof BodyTooLarge) return this.refuse(413);
    if (error.code === "UND_ERR_INVALID_ARG" || error.code === "UND_ERR_NOT_SUPPORTED") return this.refuse(400);
    member?.outcomes.add(this.#firstByteMs || performance.now() - this.#sentAt, true);
    if (isRefusal(cause)) this.#down(cause, member);
    if (this.#mayRetry(error)) return this.pass();
    if (!this.response.headersSent) return this.fail(isTimeout(error) ? 504 : 502);
    // The client must see that its answer was cut short.
    this.#failed = true;
    this.response.destroy();
  }

  #mayRetry(error: Error): boolean {
    if (this.#attempts >= ATTEMPTS_MAX || this.#responseBegan) return false;
    if (!this.#connected) return !(this.#body instanceof StreamedBody) || !this.#body.started;
    // A service that is too slow is not helped by being asked twice.
    if (isTimeout(error)) return false;
    return this.#resets++ === 0 && this.#canBeSentTwice();
  }

  #canBeSentTwice(): boolean {
    return IDEMPOTENT.has(this.request.method ?? "") && !(this.#body instanceof StreamedBody);
  }

  #down(error: NodeJS.ErrnoException, member = this.member): void {
    if (!member) return;
    member.markDown();
    if (error.code === "ECONNREFUSED") this.#tried.push(member);
  }

  #giveBack(failed: boolean): void {
    const member = this.member;
    this.member = undefined;
    member?.release(failed);
  }

  #hasUnread(): boolean {
    return !this.request.complete && bodyLength(this.request) !== 0;
  }

  #answer(status: number, headers: string[], text = ""): void {
    const headerList = ["x-request-id", this.id, "content-length", String(Buffer.byteLength(text)), ...headers];
    if (text) headerList.push("content-type", "text/plain; charset=utf-8");
    const unread = this.#hasUnread();
    if (unread || this.context.stopping) headerList.push("connection", "close");
    this.#bytes = text.length;
    if (this.#body instanceof StreamedBody) this.#body.destroy();
    if (unread) readRest(this.request);
    this.response.writeHead(status, STATUS_CODES[status], withRouteHeaders(headerList, this.routeHeaders));
    this.response.end(this.request.method === "HEAD" ? "" : text);
  }

  #onClientClose = (): void => {
    if (this.#finished) return;
    const hasClientLeft = !this.response.writableFinished && !this.#failed;
    this.finish(hasClientLeft ? CLIENT_GONE : this.response.statusCode);
    this.#abort?.();
    if (this.#body instanceof StreamedBody) this.#body.destroy();
  };

  /** Counts and logs the request, once. */
  finish(status: number): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#cancelWait?.();
    const milliseconds = performance.now() - this.#startedAt;
    this.context.metrics.answered(this.service, { status, seconds: milliseconds / 1000, failed: this.#failed });
    this.context.log.add(this.#line(status, milliseconds));
  }

  // Without the query: tokens travel in it, and logs are kept.
  #line(status: number, milliseconds: number): string {
    const path = JSON.stringify(this.target?.path ?? "");
    const host = JSON.stringify(this.host);
    return `{"at":${Date.now()},"id":"${this.id}","method":"${this.request.method}","host":${host},"path":${path},"status":${status},"bytes":${this.#bytes},"ms":${milliseconds.toFixed(2)},"service":"${this.service}","attempts":${this.#attempts}}`;
  }
}

/** Nothing depends on the phrase (RFC 9112, 4), and node writes none that is not plain text. */
const plainReason = (status: number, reason: string): string => (/^[\t\x20-\x7e]*$/.test(reason) ? reason : (STATUS_CODES[status] ?? ""));

/** RFC 9110, 8.6: a 204 has none. */
const withoutLength = (headers: string[]): string[] => {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "content-length");
  return at === -1 ? headers : headers.toSpliced(at, 2);
};

const flush = (exchange: ProxiedRequest): void => exchange.flush();

const isRefusal = (error: NodeJS.ErrnoException): boolean => error.code === "ECONNREFUSED" || error.code === "ECONNRESET";

const isTimeout = (error: NodeJS.ErrnoException): boolean => error.code?.endsWith("_TIMEOUT") ?? false;

const cutFragment = (url: string): string => (url.includes("#") ? url.slice(0, url.indexOf("#")) : url);

/** undici wraps what the body threw; the inner error says what happened. */
function rootOf(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  return error.cause instanceof Error ? rootOf(error.cause) : error;
}
