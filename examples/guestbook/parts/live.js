// The WebSocket side: new entries go to every open page, a numbered ping is answered with its number.
import { WebSocketServer } from "ws";

const CONNECTIONS_MAX = 2_000;
const HEARTBEAT_MS = 30_000;
/** RFC 6455 registry: the service restarts; the client may connect again at once. */
const SERVICE_RESTART = 1012;

/** @param {{ release: string }} facts */
export function makeLive({ release }) {
  const server = new WebSocketServer({ noServer: true, maxPayload: 4_096, perMessageDeflate: false });
  /** @type {WeakSet<import("ws").WebSocket>} */
  const silent = new WeakSet();

  server.on("connection", (socket) => {
    socket.on("pong", () => silent.delete(socket));
    socket.on("error", () => socket.terminate());
    socket.on("message", (data) => {
      const ping = parsePing(data.toString());
      if (ping !== undefined) socket.send(JSON.stringify({ kind: "pong", number: ping, release }));
    });
  });

  // A page whose machine went to sleep never says goodbye; it is let go when it missed a whole heartbeat.
  const heartbeat = setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, HEARTBEAT_MS).unref();

  return {
    /**
     * @param {import("node:http").IncomingMessage} request
     * @param {import("node:stream").Duplex} socket
     * @param {Buffer} head
     */
    accept(request, socket, head) {
      if (server.clients.size >= CONNECTIONS_MAX)
        return void socket.end("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      server.handleUpgrade(request, socket, head, (accepted) => server.emit("connection", accepted, request));
    },
    /** @param {import("./entries.js").Entry} entry */
    tell(entry) {
      const text = JSON.stringify({ kind: "entry", entry });
      for (const socket of server.clients) socket.send(text);
    },
    /** Asks every page to connect again, which the balancer leads to another instance. */
    close() {
      clearInterval(heartbeat);
      for (const socket of server.clients) socket.close(SERVICE_RESTART, "service restart");
    },
  };
}

/** @param {string} text */
function parsePing(text) {
  try {
    const { ping } = JSON.parse(text);
    return Number.isSafeInteger(ping) ? /** @type {number} */ (ping) : undefined;
  } catch {
    return undefined;
  }
}
