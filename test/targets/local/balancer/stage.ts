// A balancer in this process with small upstreams behind it, all on ports of their own, all gone afterwards.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, type RequestOptions, request, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createSocketServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EdgeRoute } from "../../../../src/routing/rules.ts";
import { findFreePort } from "../../../../src/system/network.ts";
import type { Edge, Handling, Upstream } from "../../../../src/targets/local/balancer/api.ts";
import { Balancer } from "../../../../src/targets/local/balancer/balancer.ts";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "landfall-balancer-"));
  readonly balancer: Balancer;
  readonly servers: Server[] = [];
  readonly #raw: ReturnType<typeof createSocketServer>[] = [];
  edge: Edge = undefined as unknown as Edge;

  constructor(random?: () => number) {
    this.balancer = new Balancer(this.folder, random);
  }

  async open(changes: Partial<Edge> = {}): Promise<this> {
    this.edge = {
      port: await findFreePort(),
      metricsPort: await findFreePort(),
      limits: { bodyBytesMax: 1_000_000, headerTimeoutMs: 10_000, idleTimeoutMs: 60_000, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
      routes: [],
      defaultService: "web",
      ...changes,
    };
    return this;
  }

  async upstream(listener: RequestListener): Promise<{ port: number; server: Server }> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.servers.push(server);
    return { port: (server.address() as AddressInfo).port, server };
  }

  /** An upstream that writes what it likes. `act` gets each connection, with the first bytes that came. */
  async serveRaw(act: (socket: Socket, first: string) => void, changes: Partial<Edge> = {}): Promise<void> {
    await this.open(changes);
    const server = createSocketServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (bytes) => act(socket, String(bytes)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#raw.push(server);
    await this.configure([web("a", (server.address() as AddressInfo).port)]);
  }

  configure(upstreams: Upstream[]): Promise<void> {
    return this.balancer.configure({ edge: this.edge, upstreams });
  }

  /** One upstream, one call. */
  async serve(listener: RequestListener, changes: Partial<Edge> = {}, handling: Handling = {}): Promise<Server> {
    await this.open(changes);
    const { port, server } = await this.upstream(listener);
    await this.configure([{ ...web("a", port), ...handling }]);
    return server;
  }

  ask(path: string, options: RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port: this.edge.port, path, agent: false, ...options }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() }));
      });
      asked.on("error", reject);
      asked.end(options.body);
    });
  }

  /** Writes bytes as they are; answers with everything until the connection is closed. */
  raw(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.edge.port, "127.0.0.1", () => socket.write(text));
      let got = "";
      socket.on("data", (chunk) => (got += chunk));
      socket.on("error", reject);
      socket.on("close", () => resolve(got));
    });
  }

  async close(): Promise<void> {
    await this.balancer.stop(500);
    for (const server of this.servers) {
      server.closeAllConnections();
      server.close();
    }
    for (const server of this.#raw) server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const web = (id: string, port: number, state: Upstream["state"] = "attached", share?: number): Upstream => ({
  id,
  service: "web",
  port,
  state,
  share,
});

export const route = (changes: Partial<EdgeRoute>): EdgeRoute => ({ path: "/*", deny: false, headers: {}, ...changes });
