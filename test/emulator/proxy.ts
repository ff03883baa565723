// A proxy between the SDK and the emulator that knows each call by its service and action, writes it down, and does to it what a rule says.
import { Agent, createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Call {
  /** From 1 on. */
  number: number;
  service: string;
  action: string;
  /** Whose credentials it was signed with: the number of an account. */
  account: string;
  path: string;
  sent: string;
  /** What `look` found, by the id of the thing. */
  tags?: Record<string, Record<string, string>>;
  /** Of the emulator's own answer; undefined while there is none. */
  status?: number;
}

/** What happens to a call. `lost`: it is done, and its answer never comes; `reply`: it is not done, and this comes. `before` and `after` run around it. */
export interface Fault {
  reply?: Answer;
  answer?: "throttled" | "failed" | "denied" | "lost";
  delayMs?: number;
  before?: () => void | Promise<void>;
  after?: () => void | Promise<void>;
}

/** A call and its answer as they were sent, for service_models.py; bodies in base64. */
export interface Exchange {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
  status: number;
  answerHeaders: IncomingHttpHeaders;
  answer: string;
}

export interface FaultProxy {
  port: number;
  calls: Call[];
  /** Gets all that was answered; `clear` does not forget it. */
  record?: (exchange: Exchange) => void;
  /** Decides for each call, by what was sent if need be; without one all pass. */
  rule?: (call: Call, body: string) => Fault | undefined;
  /** Looks up what is there before a call is done. */
  look?: (call: Call) => Promise<Call["tags"]>;
  /** Forgets calls and rule. */
  clear(): void;
  stop(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<FaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => outgoing.destroy());
  });

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await readAll(incoming);
    const sent = body.toString("latin1");
    const path = decodeURIComponent((incoming.url ?? "").split("?")[0] ?? "");
    const call: Call = { number: proxy.calls.length + 1, ...recognise(incoming, sent), path, sent };
    proxy.calls.push(call);
    call.tags = await proxy.look?.(call);
    const fault = proxy.rule?.(call, sent);
    await fault?.before?.();
    if (fault?.delayMs) await sleep(fault.delayMs);
    if (fault?.answer && fault.answer !== "lost") return refuse(outgoing, fault.answer);
    const answer = fault?.reply ?? (await forward({ agent, port: targetPort, incoming, body }));
    call.status = answer.status;
    proxy.record?.(exchangeOf(incoming, body, answer));
    await fault?.after?.();
    if (fault?.answer === "lost") return void outgoing.destroy();
    outgoing.writeHead(answer.status, answer.headers).end(answer.body);
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    calls: [],
    clear() {
      proxy.calls.length = 0;
      proxy.rule = undefined;
    },
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

const exchangeOf = ({ method = "", url = "", headers }: IncomingMessage, body: Buffer, answer: Answer): Exchange => ({
  method,
  url,
  headers,
  body: body.toString("base64"),
  status: answer.status,
  answerHeaders: answer.headers,
  answer: answer.body.toString("base64"),
});

const ANSWERS = {
  throttled: { status: 400, code: "Throttling", message: "Rate exceeded" },
  failed: { status: 500, code: "InternalFailure", message: "The proxy was told to fail this call." },
  denied: { status: 403, code: "AccessDenied", message: "The proxy was told to deny this call." },
};

function refuse(outgoing: ServerResponse, kind: keyof typeof ANSWERS): void {
  const { status, code, message } = ANSWERS[kind];
  const error = `<Code>${code}</Code><Message>${message}</Message>`;
  outgoing.writeHead(status, { "content-type": "text/xml" }).end(`<ErrorResponse><Error><Type>Sender</Type>${error}</Error></ErrorResponse>`);
}

/** By the three protocols that services speak: a form, a header, or, for S3, method and query. */
function recognise({ method = "", url = "", headers }: IncomingMessage, body: string): Pick<Call, "service" | "action" | "account"> {
  const [, account = "", service = "unknown"] = /Credential=([^/]+)\/\d+\/[^/]+\/([^/]+)\//.exec(headers.authorization ?? "") ?? [];
  const action = /(?:^|&)Action=(\w+)/.exec(body)?.[1] ?? /\.(\w+)$/.exec(String(headers["x-amz-target"] ?? ""))?.[1];
  return { service, account, action: action ?? (service === "s3" ? recogniseS3(method, url) : `${method} ${url.split("?")[0]}`) };
}

function recogniseS3(method: string, url: string): string {
  const { pathname, searchParams } = new URL(url, "http://s3");
  if (searchParams.has("versions")) return "ListObjectVersions";
  if (searchParams.has("delete")) return "DeleteObjects";
  const verb = { GET: "Get", PUT: "Put", DELETE: "Delete", HEAD: "Head" }[method] ?? method;
  if (pathname === "/") return "ListBuckets";
  return `${verb}${/^\/[^/]+\/./.test(pathname) ? "Object" : "Bucket"}`;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface Forwarded {
  agent: Agent;
  port: number;
  incoming: IncomingMessage;
  body: Buffer;
}

function forward({ agent, port, incoming: { method, url, headers }, body }: Forwarded): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      readAll(answer).then((read) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: read }), reject);
    });
    sent.on("error", reject).end(body);
  });
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
