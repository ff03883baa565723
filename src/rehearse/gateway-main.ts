// The way in and out of a rehearsal's network: `node gateway-main.js <settings as JSON>`, run inside its namespace. Machines reach it at
// its addresses, whatever name they ask for; each connection goes on to the rehearsal through a unix socket, which needs no route, no
// address translation and no open port on this machine. It decides nothing, and ends with the process that started it.
import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { answerQuery } from "./dns.ts";

export interface GatewaySettings {
  address: string;
  /** Host names with an address of their own. */
  names: Record<string, string>;
  listen: { address: string; port: number }[];
  /** Connections of machines go here, each with one line before it: who it is from and where it wanted to go. */
  outwards: string;
  /** Connections to machines come from here, each with one line before it: `address port`. */
  inwards: string;
}

const DNS_PORT = 53;
const HEADER_BYTES_MAX = 200;
const settings = JSON.parse(process.argv[2] as string) as GatewaySettings;

const names = createSocket("udp4");
names.on("message", (query, asker) => {
  const answer = answerQuery(query, (name) => settings.names[name] ?? settings.address);
  if (answer) names.send(answer, asker.port, asker.address);
});
await new Promise<void>((resolve) => names.bind(DNS_PORT, settings.address, resolve));

for (const { address, port } of settings.listen) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const further = connect({ path: settings.outwards, allowHalfOpen: true });
    further.write(`${JSON.stringify({ from: socket.remoteAddress, to: address, port })}\n`);
    join(socket, further);
  });
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
}

const inwards = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("readable", function read() {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    socket.off("readable", read);
    const end = chunk.subarray(0, HEADER_BYTES_MAX).indexOf("\n");
    const [host, port] = chunk.subarray(0, Math.max(0, end)).toString().split(" ");
    const further = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
    // Whoever dials learns by one byte that there is somebody, or by the end that there is nobody.
    further.once("connect", () => socket.write("\n"));
    if (chunk.length > end + 1) further.write(chunk.subarray(end + 1));
    join(socket, further);
  });
});
await new Promise<void>((resolve) => inwards.listen(settings.inwards, resolve));

process.stdin.on("end", () => process.exit(0)).resume();
process.stdout.write("ready\n");

function join(client: Socket, server: Socket): void {
  client.on("error", () => server.destroy());
  server.on("error", () => client.destroy());
  client.on("close", () => server.destroySoon());
  server.on("close", () => client.destroySoon());
  client.pipe(server).pipe(client);
}
