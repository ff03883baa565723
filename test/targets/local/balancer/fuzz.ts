// Holds conversations by chance with a balancer and looks at what comes of them. The bench holds as many as it is given time for.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, createServer as createSocketServer, type Server } from "node:net";
import { guardedPath, parseHost, parseTarget } from "../../../../src/routing/paths.ts";
import type { EdgeRoute } from "../../../../src/routing/rules.ts";
import type { Conversation, OddAnswer } from "./grammar.ts";

/** All that is slow ends soon. */
export const LIMITS = { bodyBytesMax: 90_000, headerTimeoutMs: 300, bodyTimeoutMs: 500, idleTimeoutMs: 500, connectionsMax: 10_000 };
const CLOSED_WITHIN_MS = 20_000;

export const ROUTES: EdgeRoute[] = [
  { path: "/denied", deny: true, headers: {} },
  { host: "denied.test", path: "/*", deny: true, headers: {} },
  { path: "/a", deny: false, headers: { "x-route": "a" } },
];
export const PRIVATE = ["/drain"];

const once = (text: string): Conversation => ({ pieces: [text], end: "waits" });
export const plain = (method: string): Conversation => once(`${method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`);
export const upgrade = once("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");

/** Says every conversation at once; resolves with what came back on each, when all are closed. Rejects when one is not. */
export const holdAll = (port: number, conversations: readonly Conversation[]): Promise<string[]> =>
  Promise.all(conversations.map((conversation) => hold(port, conversation)));

function hold(port: number, { pieces, end }: Conversation): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: end === "waits" });
    const late = setTimeout(() => reject(new Error(`not closed within ${CLOSED_WITHIN_MS} ms: ${JSON.stringify(pieces)} ${got}`)), CLOSED_WITHIN_MS);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => (got += text));
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearTimeout(late);
      resolve(got);
    });
    const say = (index: number): void => {
      const piece = pieces[index];
      if (piece !== undefined) return void socket.write(piece, "latin1", () => setImmediate(say, index + 1));
      if (end === "ends") socket.end();
      if (end === "resets") socket.resetAndDestroy();
    };
    socket.once("connect", () => say(0));
  });
}

/** An app that keeps a record of what nobody should have been able to ask of it. */
export async function startWitness(): Promise<{ server: HttpServer; port: number; breaches: string[]; requests: () => number }> {
  const breaches: string[] = [];
  let requests = 0;
  const see = (request: IncomingMessage): void => {
    requests++;
    const breach = breachOf(request);
    if (breach) breaches.push(`${breach}: ${request.method} ${request.url} ${JSON.stringify(request.rawHeaders)}`);
  };
  const server = createServer((request, response) => {
    see(request);
    request.on("error", () => undefined);
    request.pipe(response);
  });
  server.on("upgrade", (request, socket) => {
    see(request);
    if (request.headers.upgrade !== "websocket") breaches.push(`an upgrade to ${request.headers.upgrade}`);
    socket.on("error", () => undefined);
    socket.end("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  });
  return { server, port: await listen(server), breaches, requests: () => requests };
}

/** What the balancer did not send, or should not have sent. */
function breachOf({ url = "", headers, rawHeaders }: IncomingMessage): string | undefined {
  const target = parseTarget(url);
  if (!target || url.includes("hidden")) return "hidden in another request";
  if (["/denied", ...PRIVATE].includes(guardedPath(target.path)) || parseHost(headers.host) === "denied.test") return "denied";
  // A client may be gone before anybody could ask where it was.
  if (!/^(127\.0\.0\.1|unknown)$/.test(String(headers["x-forwarded-for"])) || headers["x-request-id"] === undefined) return "not from the balancer";
  if (rawHeaders.some((text) => text.includes("6.6.6.6"))) return "a stranger is believed";
  return undefined;
}

/** An instance that gives these answers, one a connection, over and over. */
export async function startOdd(answers: readonly OddAnswer[]): Promise<{ server: Server; port: number }> {
  let turn = 0;
  const server = createSocketServer((socket) => {
    const { bytes, end } = answers[turn++ % answers.length] ?? { bytes: "", end: "ends" };
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (end === "ends") return void socket.end(bytes, "latin1");
      socket.write(bytes, "latin1", () => end === "resets" && socket.resetAndDestroy());
    });
  });
  return { server, port: await listen(server) };
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));

/** The ports that a process listens on, on Linux; elsewhere nothing is known. */
export function listening(pid: number | "self"): string[] {
  if (process.platform !== "linux") return [];
  const inodes = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  return ["tcp", "tcp6"]
    .flatMap((table) => readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1))
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === "0A" && inodes.has(`socket:[${inode}]`))
    .map(([, address = ""]) => address)
    .sort();
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
