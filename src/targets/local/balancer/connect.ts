// Connections for a single request: to an instance that lives, and whose answer is read whatever becomes of the request's body.
import type { Socket } from "node:net";
import { buildConnector } from "undici";
import { isDying } from "../../../system/processes.ts";

export const CONNECT_TIMEOUT_MS = 2_000;

/** What is dying still takes connections, for as long as the kernel needs to clear away its memory, and reads nothing from them. */
export function connectForOne(pidOf: () => number | undefined): buildConnector.connector {
  const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS });
  return (options, callback) =>
    connect(options, (...[error, socket]) => {
      if (error || !socket) return callback(error ?? new Error("no socket"), null);
      const pid = pidOf();
      if (pid === undefined || !isDying(pid)) return callback(null, outliveWrites(socket));
      socket.destroy();
      callback(Object.assign(new Error("the instance is being killed"), { code: "ECONNREFUSED" }), null);
    });
}

/**
 * An instance may answer an upload before its end, and close. What is written then fails, while the answer still waits to be read: so a
 * write that failed is no end, and the end comes from what is read.
 */
function outliveWrites<T extends Socket>(socket: T): T {
  const write = socket._write.bind(socket);
  socket._write = (chunk, encoding, callback) => write(chunk, encoding, (error) => callback(isOfWriting(error) ? null : error));
  const writeAll = socket._writev?.bind(socket);
  if (writeAll) socket._writev = (chunks, callback) => writeAll(chunks, (error) => callback(isOfWriting(error) ? null : error));
  return socket;
}

const isOfWriting = (error: NodeJS.ErrnoException | null | undefined): boolean => error?.syscall === "write";
