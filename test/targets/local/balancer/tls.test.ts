import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureLocalCertificate, type LocalCertificate } from "../../../../src/targets/local/balancer/local-ca.ts";
import { Stage, web } from "./stage.ts";

let stage: Stage;
let folder: string;
let given: { certificateFile: string; keyFile: string };
let first: LocalCertificate;
let second: LocalCertificate;
let headers: Record<string, unknown>;
let port: number;

beforeEach(async () => {
  stage = new Stage();
  folder = mkdtempSync(join(tmpdir(), "landfall-tls-"));
  given = { certificateFile: join(folder, "given.pem"), keyFile: join(folder, "given.key") };
  first = await ensureLocalCertificate(join(folder, "first"), []);
  second = await ensureLocalCertificate(join(folder, "second"), ["later.test"]);
  give(first);
  await stage.open({ tls: given });
  ({ port } = await stage.upstream((incoming, outgoing) => {
    headers = incoming.headers;
    outgoing.end("served");
  }));
  await stage.configure([web("a", port)]);
});
afterEach(async () => {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

function give(made: LocalCertificate): void {
  copyFileSync(made.certificateFile, given.certificateFile);
  copyFileSync(made.keyFile, given.keyFile);
}

/** Which certificate was shown to a client that trusts only that authority, and what was answered. */
async function ask(trusted: LocalCertificate, agent?: Agent): Promise<{ names?: string; body: string; protocol: string | null }> {
  const asked = request({ host: "127.0.0.1", port: stage.edge.port, ca: readFileSync(trusted.authorityFile), agent: agent ?? false }).end();
  const [answer] = await once(asked, "response");
  const socket = answer.socket as TLSSocket;
  const shown = { names: new X509Certificate(socket.getPeerCertificate().raw).subjectAltName, protocol: socket.getProtocol() };
  let body = "";
  for await (const chunk of answer) body += chunk;
  return { ...shown, body };
}

test("serves with a certificate that was given, and says so to the instance", async () => {
  expect(await ask(first)).toEqual({ names: "DNS:localhost, IP Address:127.0.0.1", body: "served", protocol: "TLSv1.3" });
  expect(headers["x-forwarded-proto"]).toBe("https");
  await expect(ask(second)).rejects.toThrow(/certificate/);
});

test("shows a certificate that was replaced from the next connection on, and breaks off none", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await ask(first, agent);
  give(second);
  await stage.configure([web("a", port)]);
  expect((await ask(second)).names).toContain("later.test");
  expect((await ask(first, agent)).body).toBe("served");
  agent.destroy();
});

test("goes on with the one before while certificate and key do not belong together", async () => {
  copyFileSync(second.certificateFile, given.certificateFile);
  await stage.configure([web("a", port)]);
  expect((await ask(first)).body).toBe("served");
  rmSync(given.keyFile);
  await stage.configure([web("a", port)]);
  expect((await ask(first)).body).toBe("served");
  give(second);
  await stage.configure([web("a", port)]);
  expect((await ask(second)).body).toBe("served");
});

// RFC 8446, 6.1: who says that it has said all is still answered; RFC 9293, 3.6, says the same of TCP.
test("what a WebSocket still brings reaches a client that has said all", async () => {
  stage.servers[0]?.on("upgrade", (_, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  // Node's types do not tell of this option.
  const halfOpen = { allowHalfOpen: true };
  const client = connect({ host: "127.0.0.1", port: stage.edge.port, ca: readFileSync(first.authorityFile), ...halfOpen });
  client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  await once(client, "readable");
  expect(String(client.read())).toMatch(/^HTTP\/1.1 101 .*\r\n\r\n$/s);
  const said = randomBytes(3_000_000);
  client.end(said);
  expect(Buffer.concat(await client.toArray()).equals(said)).toBe(true);
});

test("who leaves before the end of the handshake leaves no connection behind", async () => {
  const client = connectPlain(stage.edge.port, "127.0.0.1");
  client.end();
  await once(client.resume(), "close");
});
