// Answers requests on buckets and queues: those of apps when they are signed, and Landfall's own, which come through a socket that is its own.
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { codeOf, messageOf } from "../../../error.ts";
import { FolderGone } from "./disk/log.ts";
import { piecesOf, readAll } from "./protocol/body.ts";
import { type Caller, type Claim, type Credentials, serviceOf, verify } from "./protocol/credentials.ts";
import { ServiceError } from "./protocol/service-error.ts";
import { parseTarget, type Target } from "./protocol/target.ts";
import { toXml } from "./protocol/xml.ts";
import type { Buckets } from "./s3/buckets.ts";
import { Call } from "./s3/call.ts";
import { answerS3, isForm } from "./s3/service.ts";
import { ACTIONS, type Desk } from "./sqs/actions.ts";
import { readAsked } from "./sqs/wording.ts";

/** Ten messages of a mebibyte in all, written as a form. */
const SQS_BYTES_MAX = 8 * 2 ** 20;

export interface Served {
  buckets: Buckets;
  desk: Desk;
  credentials: Credentials;
}

/** For apps: what is not signed with the environment's credentials is refused. */
export const answerApps = (served: Served): RequestListener => answerer(served, (claim) => verify(claim, served.credentials));

/** For whoever may open the socket. */
export const answerOwner = (served: Served): RequestListener => {
  const answer = answerer(served, () => ({}));
  return (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://socket");
    const name = /^\/_landfall\/queues\/([^/]+)$/.exec(pathname)?.[1];
    if (pathname === "/_landfall") return answerJson(response, 200, { endpoint: served.desk.endpoint });
    if (name === undefined) return answer(request, response);
    const queue = served.desk.queues.find(name);
    if (!queue) return answerJson(response, 404, { error: "no such queue" });
    const { waiting, inHand } = queue.counts;
    answerJson(response, 200, { waiting, inHand, deleted: queue.deleted });
  };
};

type Admit = (claim: Claim) => Caller;

function answerer(served: Served, admit: Admit): RequestListener {
  return (request, response) => {
    response.setHeader("x-amz-request-id", randomUUID());
    answerOne(served, admit, { request, response }).catch((error) => {
      console.error(`${request.method} ${request.url?.split("?")[0]} could not be answered:`, error);
      response.destroy();
    });
  };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

async function answerOne(served: Served, admit: Admit, { request, response }: Exchange): Promise<void> {
  let isWaiting = /100-continue/i.test(request.headers.expect ?? "");
  const askForBody = () => {
    if (isWaiting) response.writeContinue();
    isWaiting = false;
  };
  try {
    const target = parseTarget(request.url ?? "/");
    if (isQueueing(request, target)) {
      askForBody();
      return await answerSqs(served.desk, admit, { request, response, target });
    }
    const call = new Call({ request, response, target, buckets: served.buckets, caller: {} });
    // A form says in its fields who has signed it.
    const admitted = isForm(call) ? call : new Call({ request, response, target, buckets: served.buckets, caller: admit({ request, target }) });
    askForBody();
    await answerS3(admitted, served.credentials);
  } catch (error) {
    if (response.headersSent || response.socket?.destroyed) response.destroy();
    else {
      // Nobody can know whether a body that was not asked for comes all the same.
      response.shouldKeepAlive &&= !isWaiting;
      refuse(response, request, asServiceError(error));
    }
  } finally {
    // What was not read of a body would stand before the next request.
    request.unpipe().resume();
  }
}

function isQueueing(request: IncomingMessage, target: Target): boolean {
  const { method, headers } = request;
  const service = serviceOf(request, target);
  if (service !== undefined) return service === "sqs";
  if (headers["x-amz-target"] !== undefined || target.query.has("Action")) return true;
  return method === "POST" && headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true && !target.query.has("delete");
}

async function answerSqs(desk: Desk, admit: Admit, { request, response, target }: Exchange & { target: Target }): Promise<void> {
  const body = await readAll(piecesOf(request), SQS_BYTES_MAX);
  const named = request.headers["x-amz-target"];
  const text = request.method === "GET" ? target.query.toString() : body.toString();
  const asked = readAsked(named === undefined ? undefined : String(named), text);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answered = await act().then(asked.reply, (error) => asked.refuse(asServiceError(error)));
  response.writeHead(answered.status, { ...answered.headers, "content-length": Buffer.byteLength(answered.text) });
  response.end(answered.text);

  async function act() {
    admit({ request, target, bodyHash: createHash("sha256").update(body).digest("hex") });
    const action = ACTIONS[asked.action];
    if (!action) throw new ServiceError("InvalidAction", `The action ${asked.action} is not valid for this endpoint.`);
    return action(desk, asked.input, gone.signal);
  }
}

const FULL = ["ENOSPC", "EDQUOT"];

function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (error instanceof FolderGone) return new ServiceError("ServiceUnavailable", messageOf(error), 503);
  if (FULL.includes(codeOf(error) ?? "")) return new ServiceError("ServiceUnavailable", "The disk of this environment is full.", 503);
  console.error("a request failed:", error);
  return new ServiceError("InternalError", "We encountered an internal error. Please try again.", 500);
}

function refuse(response: ServerResponse, { method, url = "" }: IncomingMessage, { code, message, status, fields }: ServiceError): void {
  const text = toXml("Error", {
    Code: code,
    Message: message,
    ...fields,
    Resource: url.split("?")[0] ?? "",
    RequestId: String(response.getHeader("x-amz-request-id")),
  });
  for (const name of response.getHeaderNames()) if (name !== "x-amz-request-id") response.removeHeader(name);
  if (method === "HEAD") return void response.writeHead(status).end();
  response.writeHead(status, { "content-type": "application/xml", "content-length": Buffer.byteLength(text) }).end(text);
}

function answerJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
