import type { Server } from "node:http";
import { LandfallError } from "../../../error.ts";

/** As many connections as may wait while the balancer is busy or is being started again. */
const BACKLOG = 4_096;

/**
 * Listens on the port of 127.0.0.1: on the socket that the supervisor holds for it (`LANDFALL_LISTENERS`, `port:descriptor` joined by
 * commas), else on one of its own. Throws PORT_TAKEN.
 */
export function listen(server: Server, port: number, purpose: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(error.code === "EADDRINUSE" ? portTaken(port, purpose, error) : error));
    const fd = heldDescriptor(port);
    if (fd === undefined) server.listen({ port, host: "127.0.0.1", backlog: BACKLOG }, resolve);
    else server.listen({ fd }, BACKLOG, resolve);
  });
}

function heldDescriptor(port: number): number | undefined {
  const listeners = (process.env.LANDFALL_LISTENERS ?? "").split(",").map((pair) => pair.split(":").map(Number));
  return listeners.find(([held]) => held === port)?.[1];
}

function portTaken(port: number, purpose: string, cause: Error): LandfallError {
  return new LandfallError({
    code: "PORT_TAKEN",
    what: `the balancer's port "${port}" for ${purpose} is in use by another process`,
    where: `http://127.0.0.1:${port}`,
    why: cause.message,
    standing: "The balancer listens nowhere; the instances go on running.",
    next: `find the process with  lsof -iTCP:${port} -sTCP:LISTEN  and stop it, or set another "port" in the environment`,
    cause,
  });
}
