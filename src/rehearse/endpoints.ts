// AWS's service names as machines of a rehearsal find them: HTTPS with a certificate that their root file system trusts. Each call is recognised,
// answered by the first that has an answer, and written down. What is no service name goes on to the network of this machine.
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { LocalCertificate } from "../targets/local/balancer/local-ca.ts";
import { answerMetadata, type Subject } from "./metadata.ts";
import type { Arrival } from "./network.ts";
import { hostOfHello, hostOfRequest } from "./sni.ts";

/** Rehearsals are in this region, whatever the environment's is: a certificate's names must be known when the root file system is made. */
export const REGION = "eu-central-1";
export const SERVED_NAMES = [
  "*.amazonaws.com",
  `*.${REGION}.amazonaws.com`,
  `*.s3.${REGION}.amazonaws.com`,
  // Databases, and what databases are known by.
  `*.rehearsal.${REGION}.rds.amazonaws.com`,
  "truststore.pki.rds.amazonaws.com",
];
const BODY_BYTES_MAX = 512 * 2 ** 20;

/** One call of a machine on a service. */
export interface AwsCall {
  /** The machine's address. */
  from: string;
  /** The machine itself, while it stands. */
  subject?: Subject;
  /** As in the host name: `s3`, `ssm`, `cloudformation`. */
  service: string;
  /** As in the API's reference; for S3 the verb and what it is of: `GetObject`. */
  action: string;
  /** The action's parameters, for services that are called with a form or with JSON. */
  input: Record<string, unknown>;
  method: string;
  /** With the bucket in it, also when the host name had it. */
  path: string;
  headers: IncomingMessage["headers"];
  body: Buffer;
}

export interface AwsAnswer {
  status: number;
  headers?: Record<string, string | string[] | undefined>;
  body?: string | Buffer;
}

/** Undefined when it has no answer to such a call. */
export type Answerer = (call: AwsCall) => Promise<AwsAnswer | undefined> | AwsAnswer | undefined;

export interface Recorded extends AwsCall {
  at: number;
  status: number;
}

export interface Endpoints {
  /** What the network gives its arrivals to. */
  accept(socket: Socket, arrival: Arrival): void;
  stop(): void;
}

/** A server of this machine that machines reach at an address and a port in their network. */
export interface ServedResource {
  host: string;
  address: string;
  port: number;
  /** Its port on 127.0.0.1. */
  localPort: number;
  /** Clients speak TLS, and it does not: from the beginning, or once they have asked for it as Postgres' clients do. */
  tls?: "begun" | "asked for";
}

export interface EndpointsInput {
  certificate: LocalCertificate;
  answerers: Answerer[];
  /** By a machine's address. */
  subjectOf(address: string): Subject | undefined;
  /** Told of each call once it has been answered. */
  tell(call: Recorded): void;
  resources: ServedResource[];
}

export function makeEndpoints({ certificate, answerers, subjectOf, tell, resources }: EndpointsInput): Endpoints {
  const arrivals = new WeakMap<object, Arrival>();
  const fromOf = (request: IncomingMessage) => {
    // Node wraps what it decrypts; the connection that arrived is its parent.
    const socket = request.socket as Socket & { _parent?: Socket };
    return (arrivals.get(socket) ?? arrivals.get(socket._parent ?? socket))?.from ?? "";
  };
  const metadata = createServer((request, response) => answerMetadata(request, response, subjectOf(fromOf(request))));
  const secure = { cert: readFileSync(certificate.certificateFile), key: readFileSync(certificate.keyFile) };
  const services = createSecureServer(secure, (request, response) => void serve(request, response, fromOf(request)).catch(() => response.destroy()));

  async function serve(request: IncomingMessage, response: ServerResponse, from: string): Promise<void> {
    if (request.headers.expect) response.writeContinue();
    const call = { ...recognise(request, await readAll(request), from), subject: subjectOf(from) };
    const answer = (await firstAnswer(answerers, call)) ?? unknown(call);
    tell({ ...call, at: Date.now(), status: answer.status });
    response.writeHead(answer.status, withoutUndefined(answer.headers ?? {}));
    response.end(request.method === "HEAD" ? undefined : answer.body);
  }

  return {
    accept(socket, arrival) {
      arrivals.set(socket, arrival);
      const resource = resources.find(({ address, port }) => address === arrival.to && port === arrival.port);
      if (arrival.to === "169.254.169.254") metadata.emit("connection", socket);
      else if (resource?.tls === "begun") passDecrypted(secure, socket, resource.localPort);
      else if (resource?.tls) passPostgres(secure, socket, resource.localPort);
      else if (resource) pass(socket, "127.0.0.1", resource.localPort);
      else peek(socket, (bytes) => lead(socket, arrival.port, bytes, services));
    },
    stop() {
      for (const server of [metadata, services]) server.closeAllConnections();
    },
  };
}

const withoutUndefined = (headers: NonNullable<AwsAnswer["headers"]>) =>
  Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined));

/** Looks at what the client sends first, and leaves it to be read. */
function peek(socket: Socket, look: (bytes: Buffer) => void): void {
  socket.once("readable", () => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return void socket.destroy();
    socket.unshift(chunk);
    look(chunk);
  });
}

function lead(socket: Socket, port: number, bytes: Buffer, services: Server): void {
  const host = port === 443 ? hostOfHello(bytes) : hostOfRequest(bytes);
  if (host === undefined) return void socket.destroy();
  if (port === 443 && host.endsWith(".amazonaws.com")) services.emit("connection", socket);
  else pass(socket, host, port);
}

function passDecrypted(secure: { cert: Buffer; key: Buffer }, socket: Socket, port: number): void {
  pass(new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(secure) }), "127.0.0.1", port);
}

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function passPostgres(secure: { cert: Buffer; key: Buffer }, socket: Socket, port: number): void {
  peek(socket, (bytes) => {
    if (!bytes.subarray(0, SSL_REQUEST.length).equals(SSL_REQUEST)) return pass(socket, "127.0.0.1", port);
    socket.read(SSL_REQUEST.length);
    socket.write("S");
    passDecrypted(secure, socket, port);
  });
}

function pass(socket: Socket, host: string, port: number): void {
  const further = connect({ host, port, allowHalfOpen: true });
  socket.on("error", () => further.destroy()).on("close", () => further.destroySoon());
  further.on("error", () => socket.destroy()).on("close", () => socket.destroySoon());
  socket.pipe(further).pipe(socket);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) throw new RangeError("a body that is larger than any release");
    chunks.push(chunk as Buffer);
  }
  const body = Buffer.concat(chunks);
  return /aws-chunked/.test(request.headers["content-encoding"] ?? "") || /^STREAMING-/.test(String(request.headers["x-amz-content-sha256"]))
    ? withoutChunks(body)
    : body;
}

/** Each chunk is its length in hexadecimal digits, perhaps a signature, a line break, and its bytes; after the empty one come checksums. */
function withoutChunks(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = body.indexOf("\r\n", at);
    const length = Number.parseInt(body.subarray(at, end).toString("latin1"), 16);
    if (end < 0 || !(length > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
}

/** By the three protocols that services speak: a form, a header with JSON, or, for S3, method and path. */
function recognise(request: IncomingMessage, body: Buffer, from: string): AwsCall {
  const { method = "GET", headers } = request;
  const { service, bucket } = parseHost(headers.host ?? "");
  const path = bucket === undefined ? (request.url ?? "/") : `/${bucket}${request.url ?? "/"}`;
  const base = { from, service, method, path, headers, body };
  const target = String(headers["x-amz-target"] ?? "");
  if (target) return { ...base, action: target.split(".").at(-1) ?? "", input: parseJson(body) };
  if (service === "s3") return { ...base, action: actionOfS3(method, path), input: {} };
  const form = new URLSearchParams(method === "GET" ? new URL(path, "http://service").search : body.toString());
  return { ...base, action: form.get("Action") ?? "", input: Object.fromEntries(form) };
}

/** `uploads.s3.eu-central-1.amazonaws.com` is S3 with the bucket in the name. */
function parseHost(host: string): { service: string; bucket?: string } {
  const name = host.replace(/:\d+$/, "").replace(/(\.dualstack)?(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com$/, "");
  if (name === "s3") return { service: "s3" };
  return name.endsWith(".s3") ? { service: "s3", bucket: name.slice(0, -".s3".length) } : { service: name };
}

function parseJson(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function actionOfS3(method: string, path: string): string {
  const verb = { GET: "Get", PUT: "Put", DELETE: "Delete", HEAD: "Head", POST: "Post" }[method] ?? method;
  return `${verb}${/^\/[^/?]+\/[^?]/.test(path) ? "Object" : "Bucket"}`;
}

async function firstAnswer(answerers: Answerer[], call: AwsCall): Promise<AwsAnswer | undefined> {
  for (const answerer of answerers) {
    const answer = await answerer(call);
    if (answer) return answer;
  }
  return undefined;
}

/** In the words in which AWS answers to an action that a service does not have. */
const unknown = ({ service, action, headers }: AwsCall): AwsAnswer => {
  const [code, message] = ["InvalidAction", `A rehearsal has no action ${action} of ${service}.`];
  if (service !== "s3") return refuse(400, code, message, headers["x-amz-target"] !== undefined);
  return { status: 400, headers: { "content-type": "application/xml" }, body: `<Error><Code>${code}</Code><Message>${message}</Message></Error>` };
};

/** An error as clients of forms read it, or as those of JSON do. */
export function refuse(status: number, code: string, message: string, json = false): AwsAnswer {
  if (json)
    return {
      status,
      headers: { "content-type": "application/x-amz-json-1.1", "x-amzn-errortype": code },
      body: JSON.stringify({ __type: code, message }),
    };
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { "content-type": "text/xml", "x-amzn-errortype": code }, body: `<ErrorResponse>${error}</ErrorResponse>` };
}
