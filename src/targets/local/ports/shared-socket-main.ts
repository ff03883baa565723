// The thread behind one shared socket: it listens on a port of 127.0.0.1, says by which descriptor, and sleeps until it is terminated. A
// server of node's accepts in its thread's event loop; this thread never comes back to it, so that whoever connects waits in the
// kernel's queue for a process that was given the descriptor.
import { createServer } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

export interface SharedSocketInput {
  port: number;
  backlog: number;
}

export type SharedSocketAnswer = { descriptor: number } | { code?: string; message: string };

/** As far as it is read here of node's diagnostic report, the one public place that tells the descriptor of a server. */
interface Report {
  libuv: { type: string; fd?: number; localEndpoint?: { ip4?: string; port: number } | null }[];
}

const HOST = "127.0.0.1";
const { port, backlog }: SharedSocketInput = workerData;
const answer = (text: SharedSocketAnswer) => parentPort?.postMessage(text);

const server = createServer();
server.once("error", ({ code, message }: NodeJS.ErrnoException) => answer({ code, message }));
server.listen({ host: HOST, port, backlog }, () => {
  const descriptor = findDescriptor();
  if (descriptor === undefined) throw new Error(`no descriptor of a socket at ${HOST}:${port} is in the report`);
  answer({ descriptor });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});

/** The report's address is what the kernel says the socket is bound to. */
function findDescriptor(): number | undefined {
  // Interfaces and host names take long to look up.
  Object.assign(process.report, { excludeNetwork: true });
  const { libuv } = process.report.getReport() as unknown as Report;
  return libuv.find(({ type, localEndpoint }) => type === "tcp" && localEndpoint?.ip4 === HOST && localEndpoint.port === port)?.fd;
}
