// The program of the object server: `node main.js <folder> <port> <socket>`. Serves S3 and SQS on 127.0.0.1 until SIGTERM; what Landfall itself
// asks comes through the socket, which only this user can open.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { present } from "../../../error.ts";
import { tryFileLock } from "../../../system/file-lock.ts";
import { removeAll } from "../../../system/files.ts";
import { outliveFullDisk } from "../../../system/processes.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import { Buckets } from "./s3/buckets.ts";
import { answerApps, answerOwner, type Served } from "./server.ts";
import { Moves } from "./sqs/moves.ts";
import { Queues } from "./sqs/queues.ts";

outliveFullDisk();
process.umask(0o077);

const argument = (index: number, name: string) => present(process.argv[index], `${name} among the arguments`);
const [folder, port, socket] = [argument(2, "folder"), argument(3, "port"), argument(4, "socket")];
const credentials = {
  accessKeyId: present(process.env.LANDFALL_ACCESS_KEY_ID, "LANDFALL_ACCESS_KEY_ID"),
  secretAccessKey: present(process.env.LANDFALL_SECRET_ACCESS_KEY, "LANDFALL_SECRET_ACCESS_KEY"),
};
const endpoint = `http://127.0.0.1:${port}`;
// Two that write into one log would destroy it.
if (!tryFileLock(join(folder, "server.lock"))) throw new Error(`another object server has "${folder}"`);

const answers: { apps?: RequestListener; owner?: RequestListener } = {};
const waiting: (() => void)[] = [];
// The port is taken before anything is read, so that nobody else gets it meanwhile; who asks already waits.
const servers = [await listen("apps", { port: Number(port), host: "127.0.0.1" })];
const queues = await Queues.open(join(folder, "queues"));
const buckets = await Buckets.open(join(folder, "buckets"));
const moves = new Moves(queues);
const served: Served = { buckets, desk: { queues, moves, endpoint }, credentials };
Object.assign(answers, { apps: answerApps(served), owner: answerOwner(served) });
for (const go of waiting) go();
const socketPath = socketPathOf(socket);
removeAll(socketPath);
servers.push(await listen("owner", { path: socketPath }));
console.log(`serving S3 and SQS on ${endpoint}, kept in ${folder}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void stop());

function listen(whom: "apps" | "owner", where: { port: number; host: string } | { path: string }): Promise<Server> {
  // No limit to a request as a whole: a large object may take its time. SDKs keep connections for long, and one must not be closed as it is used.
  const server = createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 120_000 });
  // Who waits to be asked for a body is asked once it is known who that is; what else is expected is passed over, as S3 does.
  for (const event of ["request", "checkContinue", "checkExpectation"])
    server.on(event, (request: IncomingMessage, response: ServerResponse) => {
      const answer = answers[whom];
      if (answer) answer(request, response);
      else waiting.push(() => answers[whom]?.(request, response));
    });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => resolve(server));
  });
}

/** What has begun is answered; what waits for messages is sent away. */
async function stop(): Promise<void> {
  moves.close();
  const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
  for (const queue of queues.list()) queue.close();
  for (const server of servers) server.closeIdleConnections();
  await Promise.all(closed);
  await Promise.all([queues.close(), buckets.close()]);
  process.exit(0);
}
