// The balancer as one object: listens, takes configurations, says what it sees, and stops without dropping a request.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerOptions } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import { Server as SocketServer } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { loadLines, writeWhole } from "../../../system/files.ts";
import { AccessLog } from "./access-log.ts";
import type { BalancerApi, Edge, InstanceTraffic, TrafficQuestion, Upstream } from "./api.ts";
import { bodyLength } from "./body.ts";
import { Credentials } from "./credentials.ts";
import { type Context, Exchange } from "./exchange.ts";
import { listen } from "./listen.ts";
import { Metrics, makeMetricsServer } from "./metrics.ts";
import { compileRoutes } from "./routes.ts";
import { type Tunnel, UpgradeExchange } from "./upgrade.ts";
import { Upstreams } from "./upstreams.ts";

interface Configuration {
  edge: Edge;
  upstreams: Upstream[];
}

interface Listening {
  server: Server | SecureServer;
  metrics: Server;
}

const CERTIFICATE_LOOK_MS = 60_000;
const HEADER_BYTES_MAX = 32_768;
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
  readonly #tunnels = new Set<Tunnel>();
  #listening: Listening | undefined;
  #pem = "";
  #lookAtCertificate: NodeJS.Timeout | undefined;

  /** @param random 0 to 1, for what is left to chance: shares, and who is first among equals */
  constructor(folder: string, random: () => number = Math.random) {
    this.#folder = folder;
    this.#upstreams = new Upstreams(random);
    this.#context = {
      edge: undefined as unknown as Edge,
      rule: () => ({ decision: { act: "deny" }, headers: [] }),
      secure: false,
      stopping: false,
      upstreams: this.#upstreams,
      credentials: new Credentials(),
      metrics: new Metrics(this.#upstreams),
      log: new AccessLog(join(folder, "access.jsonl")),
    };
  }

  /** Takes up the last configuration, if there is one: after a crash it serves before anyone tells it to. */
  async resume(): Promise<void> {
    const [kept] = loadLines<Configuration>(this.#file);
    if (kept) await this.#apply(kept);
  }

  /** What is kept may be cut short by a power cut, but not by our own end; after a power cut nothing that it names runs. */
  async configure(input: Configuration): Promise<void> {
    await this.#apply(input);
    writeWhole(this.#file, `${JSON.stringify(input)}\n`, undefined, { flush: false });
  }

  async observe(): ReturnType<BalancerApi["observe"]> {
    const { requests, failures } = this.#context.metrics;
    return { upstreams: this.#upstreams.all().map((member) => member.describe()), requests, failures };
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
        for (const tunnel of this.#tunnels) tunnel.end();
        server.closeAllConnections();
      }, timeoutMs);
      const closeQuiet = setInterval(() => server.closeIdleConnections(), LINGER_MS);
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
    if (first) this.#listening = this.#make(edge);
    const { server, metrics } = this.#listening as Listening;
    this.#limit(server, edge);
    this.#context.edge = edge;
    this.#context.rule = compileRoutes(edge.routes, edge.defaultService);
    this.#upstreams.replace(upstreams, edge.services);
    if (!first) return this.#renewCertificate(server, edge);
    try {
      await listen(server, edge.port, "requests");
      await listen(metrics, edge.metricsPort, "metrics");
    } catch (error) {
      server.close();
      this.#listening = undefined;
      throw error;
    }
  }

  #make(edge: Edge): Listening {
    const options: ServerOptions = {
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: edge.limits.headerTimeoutMs,
      // A large upload may take its time; what may not is silence.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1_000, edge.limits.headerTimeoutMs),
      noDelay: true,
    };
    this.#context.secure = edge.tls !== undefined;
    const pem = edge.tls && loadPem(edge.tls);
    this.#pem = pem ? pem.cert + pem.key : "";
    const server = pem ? createSecureServer({ ...options, ...pem }) : createServer(options);
    clearInterval(this.#lookAtCertificate);
    // Certificates are renewed by programs that do not tell us.
    if (pem) this.#lookAtCertificate = setInterval(() => this.#renewCertificate(server, this.#context.edge), CERTIFICATE_LOOK_MS).unref();
    server.on("request", (request, response) => {
      if (this.#context.stopping) response.shouldKeepAlive = false;
      new Exchange(request, response, this.#context).begin();
    });
    server.on("checkContinue", (request, response) => {
      // A body that will be refused need not be sent at all.
      const length = bodyLength(request);
      if (length === undefined || length <= this.#context.edge.limits.bodyBytesMax) response.writeContinue();
      new Exchange(request, response, this.#context).begin();
    });
    server.on("connect", (_request, socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(
        "HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
      );
    });
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    return { server, metrics: makeMetricsServer(this.#context.metrics) };
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    new UpgradeExchange(request, socket, head, this.#context, (tunnel) => {
      this.#tunnels.add(tunnel);
      socket.once("close", () => this.#tunnels.delete(tunnel));
    }).begin();
  }

  #limit(server: Server | SecureServer, { limits }: Edge): void {
    server.headersTimeout = limits.headerTimeoutMs;
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
      console.error(`the certificate "${edge.tls.certificateFile}" could not be taken over: ${(error as Error).message}`);
    }
  }
}

function loadPem(tls: NonNullable<Edge["tls"]>): { cert: string; key: string } {
  return { cert: readFileSync(tls.certificateFile, "utf8"), key: readFileSync(tls.keyFile, "utf8") };
}
