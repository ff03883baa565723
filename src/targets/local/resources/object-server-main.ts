// The program of the object server: `node object-server-main.js <folder> <port>`. Serves SQS and S3 on 127.0.0.1 until SIGTERM.
import { buildApp } from "fauxqs";
import { outliveFullDisk } from "../../../system/processes.ts";
import { countMessages, openStores } from "./object-store.ts";

outliveFullDisk();

/** The largest object in one request; larger ones go up in parts. Each is in memory once while it is received. */
const BODY_BYTES_MAX = 256 * 1024 * 1024;

const [folder, port] = [process.argv[2] as string, Number(process.argv[3])];
const stores = await openStores(folder, port);
const app = buildApp({ logger: false, stores });

// fauxqs takes 11 MiB a request; S3 takes 5 GiB, and clients send up to the size they were told to split at.
app.removeContentTypeParser("*");
app.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: BODY_BYTES_MAX }, (_request, body, done) => done(null, body));

// A web page can have a host name of its own point at 127.0.0.1, and then read from here with the browser's blessing.
app.addHook("onRequest", async (request, reply) => {
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (host !== "127.0.0.1" && host !== "localhost" && !host.endsWith(".localhost"))
    await reply.status(403).send({ error: `no requests for host ${host}` });
});

app.get<{ Params: { name: string } }>("/_landfall/queues/:name", async (request, reply) => {
  return countMessages(stores.sqsStore, request.params.name) ?? reply.status(404).send({ error: "no such queue" });
});

await app.listen({ port, host: "127.0.0.1" });
console.log(`serving SQS and S3 on 127.0.0.1:${port}, kept in ${folder}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void app.close().then(() => process.exit(0)));
