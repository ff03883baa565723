import type { Server } from "node:http";
import { portTaken } from "./port-taken.ts";

const HOST = "127.0.0.1";

/** As many connections as may wait while the balancer is busy or is being started again. */
export const BACKLOG = 4_096;

/**
 * Listens on the port of 127.0.0.1: on the socket that the supervisor holds for it (`LANDFALL_LISTENERS`, `port:descriptor` joined by
 * commas), or, when nobody holds any, on one of its own. Throws PORT_TAKEN; never listens anywhere else.
 */
export function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(error.code === "EADDRINUSE" ? taken(port, error) : error));
    const held = sharedSockets();
    const fd = held.get(port);
    if (held.size > 0 && fd === undefined) return reject(new Error(`no socket was given for port ${port}`));
    server.listen(fd === undefined ? { port, host: HOST } : { fd }, BACKLOG, () => {
      // The kernel binds a descriptor that is bound to nothing anywhere, and says nothing.
      const address = server.address();
      const at = typeof address === "object" && address ? `${address.address}:${address.port}` : address;
      if (at === `${HOST}:${port}`) return resolve();
      server.close();
      reject(new Error(`the socket that was given for port ${port} is at ${at}`));
    });
  });
}

/** False when sockets are held, and not those of all these ports. */
export function mayListen(ports: number[]): boolean {
  const held = sharedSockets();
  return held.size === 0 || ports.every((port) => held.has(port));
}

function sharedSockets(): Map<number, number> {
  const pairs = (process.env.LANDFALL_LISTENERS ?? "").split(",").filter(Boolean);
  return new Map(
    pairs.map((pair) => {
      const [port, descriptor] = pair.split(":");
      return [Number(port), Number(descriptor)];
    }),
  );
}

const taken = (port: number, refusal: NodeJS.ErrnoException) =>
  portTaken({ port, owner: "the balancer" }, refusal, { standing: "The balancer listens nowhere. The instances run on." });
