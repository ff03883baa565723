import { createServer } from "node:net";

/** Below the ports that systems hand out for outgoing connections, so that none is taken between choosing and listening. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** Listens for a moment on the port of 127.0.0.1. The system's refusal, or nothing when there was none. */
export function tryListening(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

export const isPortFree = async (port: number): Promise<boolean> => (await tryListening(port)) === undefined;

/** A free port on 127.0.0.1 that is not in `taken`, searched from a random place so that two environments rarely meet. */
export async function findFreePort(taken: ReadonlySet<number> = new Set()): Promise<number> {
  const range = LAST_PORT - FIRST_PORT;
  const first = Math.floor(Math.random() * range);
  for (let step = 0; step < range; step++) {
    const port = FIRST_PORT + ((first + step) % range);
    if (!taken.has(port) && (await isPortFree(port))) return port;
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT}`);
}
