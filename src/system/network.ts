import { createServer } from "node:net";

/** Below the ports that systems hand out for outgoing connections, so that none is taken between choosing and listening. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

export function isPortFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

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
