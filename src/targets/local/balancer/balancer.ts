// The balancer as one object: listens, takes configurations, says what it sees, and stops without dropping a request.

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import { BlockList, isIPv6, Socket, Server as SocketServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { LandfallError, messageOf } from "../../../error.ts";
import { compileRoutes } from "../../../routing/rules.ts";
import { loadStateIfWhole, writeState } from "../../../system/state-file.ts";
import { listen, mayListen } from "../ports/listen.ts";
import { AccessLog } from "./access-log.ts";
import type { BalancerApi, Edge, InstanceTraffic, TrafficQuestion, Upstream } from "./api.ts";
import { Metrics, makeMetricsServer } from "./metrics.ts";
import { loadPem } from "./pem.ts";
import { QuietConnections } from "./quiet.ts";
import { bodyLength } from "./request/body.ts";
import { Credentials } from "./request/credentials.ts";
import { type Context, ProxiedRequest } from "./request/proxied-request.ts";
import { asksForWebSocket, endAnswered, ProxiedUpgrade, withoutUpgrade } from "./request/upgrade.ts";
import { Upstreams } from "./upstreams.ts";

interface Configuration {
  edge: Edge;
  upstreams: Upstream[];
}

interface Listening {
  port: number;
  server: Server | SecureServer;
  metrics: Server;
}

const CERTIFICATE_LOOK_MS = 60_000;
const CERTIFICATE_RETRY_MS = 1_000;
const HEADER_BYTES_MAX = 32_768;
const NO_CONNECT =
  "HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/**
 * How long a client's quiet connection may still bring a request after a stop was asked. Closed at once, it would meet the request of a
 * client that has just connected, or that is sending its next one at this moment; this way that one is answered, and told to close.
 */
const LINGER_MS = 1_000;
/** The 504 of a silent upstream must leave before its connection is cut for silence. */
const IDLE_MARGIN_MS = 3_000;

/** Everything the balancer's process does, without the process: tests hold it in theirs. */
export class Balancer implements BalancerApi {
  readonly #folder: string;
  readonly #upstreams: Upstreams;
  readonly #context: Context;
  /** All connections by who is at their other end, since TLS makes another object of each. */
  readonly #connections = new Map<string, Socket>();
  /** The last answer on each connection. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  #listening: Listening | undefined;
  #pem = "";
  #lookAtCertificate: NodeJS.Timeout | undefined;
  /** Why it does not listen. */
  #trouble: string | undefined;

  /** @param random 0 to 1, for what is left to chance: shares, and who is first among equals */
  constructor(folder: string, random: () => number = Math.random) {
    this.#folder = folder;
    this.#upstreams = new Upstreams(random);
    this.#context = {
      edge: undefined as unknown as Edge,
      rule: () => ({ decision: { act: "deny" }, headers: [] }),
      secure: false,
      isTrusted: () => false,
      stopping: false,
      quiet: new QuietConnections(),
      upstreams: this.#upstreams,
      credentials: new Credentials(),
      metrics: new Metrics(this.#upstreams),
      log: new AccessLog(join(folder, "access.jsonl")),
    };
  }

  /**
   * Takes up the last configuration, if there is one: after a crash it serves before anyone tells it to. One of other ports than those that
   * are held for this start is out of date, and the next is on its way.
   */
  async resume(): Promise<void> {
    const kept = loadStateIfWhole<Configuration>(this.#file);
    if (kept && mayListen([kept.edge.port, kept.edge.metricsPort])) await this.#applyOrWait(kept);
  }

  /** Without its certificate it cannot serve, and to end would bring that back no sooner. Whoever tells it anything meanwhile is told why. */
  async #applyOrWait(kept: Configuration): Promise<void> {
    clearTimeout(this.#lookAtCertificate);
    try {
      await this.#apply(kept);
    } catch (error) {
      if (!(error instanceof LandfallError && error.code === "CERTIFICATE_UNUSABLE")) throw error;
      this.#trouble = `${error.message}: ${error.parts.why}`;
      console.error(this.#trouble);
      this.#lookAtCertificate = setTimeout(() => void this.#applyOrWait(kept), CERTIFICATE_RETRY_MS);
    }
  }

  /** What is kept may be cut short by a power cut, but not by our own end; after a power cut nothing that it names runs. */
  async configure(input: Configuration): Promise<void> {
    await this.#apply(input);
    writeState(this.#file, input, { flush: false });
  }

  async observe(): ReturnType<BalancerApi["observe"]> {
    const { requests, failures } = this.#context.metrics;
    const listening = this.#listening && { port: this.#listening.port, tls: this.#context.secure };
    return { listening, trouble: this.#trouble, upstreams: this.#upstreams.all().map((member) => member.describe()), requests, failures };
  }

  async observeTraffic({ ids, after }: TrafficQuestion): Promise<InstanceTraffic[]> {
    return ids.map((id) => this.#upstreams.outcomes.read(id, after?.[id]));
  }

  async idle(input: { id: string; timeoutMs: number }): Promise<{ inHand: number }> {
    const members = this.#upstreams.withId(input.id);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, input.timeoutMs);
    });
    const allIdle = Promise.all(members.map((member) => new Promise<void>((resolve) => member.onIdle(resolve))));
    await Promise.race([allIdle, late]);
    clearTimeout(timer);
    return { inHand: members.reduce((sum, member) => sum + member.inHand, 0) };
  }

  /** Accepts nothing new, finishes what is in hand, and breaks off what is left at the time-out. */
  async stop(timeoutMs: number): Promise<void> {
    const listening = this.#listening;
    this.#context.stopping = true;
    clearInterval(this.#lookAtCertificate);
    if (listening) {
      const { server, metrics } = listening;
      metrics.close();
      metrics.closeAllConnections();
      const breakOff = setTimeout(() => {
        for (const socket of this.#connections.values()) socket.destroy();
      }, timeoutMs);
      const closeQuiet = setInterval(() => {
        server.closeIdleConnections();
        this.#context.quiet.close();
      }, LINGER_MS);
      // The HTTP server's own close does not wait for the quiet connections.
      await new Promise((resolve) => SocketServer.prototype.close.call(server, resolve));
      clearInterval(closeQuiet);
      clearTimeout(breakOff);
      server.close();
    }
    this.#upstreams.destroy();
    await this.#context.log.close();
  }

  get #file(): string {
    return join(this.#folder, "balancer.json");
  }

  /** From the first statement after listening to the last there is no pause, so no request sees half a table. */
  async #apply({ edge, upstreams }: Configuration): Promise<void> {
    const first = !this.#listening;
    this.#listening ??= this.#make(edge);
    this.#trouble = undefined;
    const { server, metrics } = this.#listening;
    this.#limit(server, edge);
    this.#context.edge = edge;
    this.#context.rule = compileRoutes(edge.routes, edge.defaultService);
    this.#context.isTrusted = trustOf(edge.trustedProxies);
    this.#upstreams.replace(upstreams);
    if (!first) return this.#renewCertificate(server, edge);
    try {
      await listen(server, edge.port);
      await listen(metrics, edge.metricsPort);
    } catch (error) {
      server.close();
      this.#listening = undefined;
      throw error;
    }
  }

  #make(edge: Edge): Listening {
    const options: ServerOptions & { shouldUpgradeCallback: (request: IncomingMessage) => boolean } = {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: edge.limits.headerTimeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1_000, edge.limits.headerTimeoutMs),
      noDelay: true,
      // Node asks it since 24.9. Before, all upgrades come to `#upgrade`, which gives back those that are not made.
      shouldUpgradeCallback: asksForWebSocket,
    };
    this.#context.secure = edge.tls !== undefined;
    const pem = edge.tls && loadPem(edge.tls);
    this.#pem = pem ? pem.cert + pem.key : "";
    const server = pem ? createSecureServer({ ...options, ...pem }) : createServer(options);
    clearInterval(this.#lookAtCertificate);
    // Certificates are renewed by programs that do not tell us.
    if (pem) this.#lookAtCertificate = setInterval(() => this.#renewCertificate(server, this.#context.edge), CERTIFICATE_LOOK_MS).unref();
    server.on("connection", (socket: Socket) => this.#admit(socket));
    server.on("secureConnection", (socket: Socket) => this.#secure(socket));
    server.on("request", (request, response) => this.#take(request, response));
    server.on("checkContinue", (request, response) => {
      // A body that will be refused need not be sent at all.
      const length = bodyLength(request);
      if (length === undefined || length <= this.#context.edge.limits.bodyBytesMax) response.writeContinue();
      this.#take(request, response);
    });
    server.on("connect", (_request, socket) => this.#takeOver(socket, (taken) => endAnswered(taken, this.#context, NO_CONNECT)));
    server.on("upgrade", (request, socket, head) => this.#takeOver(socket, (taken) => this.#upgrade(server, request, { socket: taken, head })));
    return { port: edge.port, server, metrics: makeMetricsServer(this.#context.metrics) };
  }

  #admit(socket: Socket): void {
    const peer = peerOf(socket);
    this.#connections.set(peer, socket);
    socket.once("close", () => this.#connections.delete(peer));
    this.#context.quiet.add(socket);
  }

  #secure(socket: Socket): void {
    const plain = this.#connections.get(peerOf(socket));
    if (plain) this.#context.quiet.delete(plain);
    this.#context.quiet.add(socket);
    // As without TLS. Told to the server, it would also hold open whoever leaves before the end of the handshake.
    socket.allowHalfOpen = true;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    // Behind an answer that closed the connection nothing is asked any more.
    if (!request.socket.writable) return void request.socket.destroy();
    this.#context.quiet.delete(request.socket);
    this.#answers.set(request.socket, response);
    if (this.#context.stopping) response.shouldKeepAlive = false;
    new ProxiedRequest(request, response, this.#context).begin();
  }

  /**
   * From HTTP, which hears no more of the connection's end. What was asked before on it is answered first. As long as any other it may be
   * silent; a tunnel shortens that.
   */
  #takeOver(socket: Duplex, go: (socket: Socket) => void): void {
    if (!(socket instanceof Socket)) return void socket.destroy();
    this.#context.quiet.delete(socket);
    socket.on("error", () => socket.destroy());
    socket.setTimeout(this.#context.edge.limits.idleTimeoutMs + IDLE_MARGIN_MS, () => socket.destroy());
    const proceed = () => (socket.writable ? go(socket) : socket.destroy());
    const before = this.#answers.get(socket);
    if (!before || before.destroyed || before.writableFinished) return void proceed();
    before.once("close", proceed);
    socket.once("close", () => before.emit("close"));
  }

  #upgrade(server: Server | SecureServer, request: IncomingMessage, { socket, head }: { socket: Socket; head: Buffer }): void {
    if (asksForWebSocket(request)) return new ProxiedUpgrade(request, { socket, head }, this.#context).begin();
    socket.unshift(Buffer.concat([withoutUpgrade(request), head]));
    server.emit(this.#context.secure ? "secureConnection" : "connection", socket);
  }

  #limit(server: Server | SecureServer, { limits }: Edge): void {
    server.headersTimeout = limits.headerTimeoutMs;
    server.requestTimeout = Math.max(limits.bodyTimeoutMs, limits.headerTimeoutMs);
    server.maxConnections = limits.connectionsMax;
    server.keepAliveTimeout = limits.idleTimeoutMs;
    server.timeout = limits.idleTimeoutMs + IDLE_MARGIN_MS;
  }

  /** A certificate that was made anew is used from the next connection on. */
  #renewCertificate(server: Server | SecureServer, edge: Edge): void {
    if (!edge.tls || !("setSecureContext" in server)) return;
    try {
      const pem = loadPem(edge.tls);
      if (pem.cert + pem.key === this.#pem) return;
      server.setSecureContext(pem);
      this.#pem = pem.cert + pem.key;
    } catch (error) {
      // Of two files one is replaced first. A rollout must not fail of it, and the next look may find both.
      console.error(`the certificate "${edge.tls.certificateFile}" could not be taken over: ${messageOf(error)}`);
    }
  }
}

/** A socket remembers the address of whoever was there once, if it was asked while they were. */
const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Addresses and ranges, as `10.0.0.0/8`. */
function trustOf(ranges: readonly string[] = []): (address: string) => boolean {
  if (ranges.length === 0) return () => false;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
