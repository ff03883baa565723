// One health check: what is asked on a port, and what comes back.
import type { HealthCheck } from "../../../config/schema.ts";
import { askInstance, type InstanceQuestion } from "../../../system/ask-instance.ts";

export interface Asked extends Pick<InstanceQuestion, "address" | "port" | "path" | "host"> {
  timeoutMs: number;
}

export type Reply =
  | { kind: "refused" }
  /** No whole answer in time. */
  | { kind: "silent" }
  | { kind: "closed" }
  /** Something that is no HTTP, in the parser's words. */
  | { kind: "notHttp"; text: string }
  | { kind: "failed"; text: string }
  | { kind: "answered"; status: number; body: string; type: string; location?: string };

/** More of an answer is not read: a health check that is longer has said all that can be judged. */
const BODY_BYTES_MAX = 256 * 1024;

/** Never rejects: what goes wrong is the reply. */
export function probe({ timeoutMs, ...question }: Asked): Promise<Reply> {
  return new Promise((resolve) => {
    const outgoing = askInstance({ ...question, by: "landfall-health" });
    // Also an answer that began and does not end is none.
    const timer = setTimeout(() => outgoing.destroy(Object.assign(new Error("no answer in time"), { code: "TIMEOUT" })), timeoutMs);
    const settle = (reply: Reply) => {
      clearTimeout(timer);
      resolve(reply);
    };
    const fail = (error: NodeJS.ErrnoException) => settle(readFailure(error));
    outgoing.on("error", fail);
    outgoing.on("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      let body = "";
      const answer = () => settle({ kind: "answered", status, body, type: headers["content-type"] ?? "", location: headers.location });
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length < BODY_BYTES_MAX) return;
        answer();
        outgoing.destroy();
      });
      response.on("error", fail);
      response.on("end", answer);
    });
    outgoing.end();
  });
}

function readFailure({ code = "", message }: NodeJS.ErrnoException): Reply {
  if (code === "ECONNREFUSED") return { kind: "refused" };
  if (code === "TIMEOUT") return { kind: "silent" };
  if (code === "ECONNRESET" || code === "EPIPE") return { kind: "closed" };
  return code.startsWith("HPE_") ? { kind: "notHttp", text: message } : { kind: "failed", text: code || message };
}

export const passes = ({ status }: { status: number }, health: HealthCheck): boolean => status >= health.status.from && status <= health.status.to;

/** Asks the health check of the instance on that port, once. `answer` is for people. */
export async function checkHealth(port: number, health: HealthCheck): Promise<{ passed: boolean; answer: string }> {
  const reply = await probe({ port, path: health.path, host: health.host, timeoutMs: health.timeout });
  return { passed: reply.kind === "answered" && passes(reply, health), answer: describeReply(reply) };
}

const BODY_SHOWN = 200;

export function describeReply(
  reply: Exclude<Reply, { kind: "answered" }> | { kind: "answered"; status: number; body: string; location?: string },
): string {
  switch (reply.kind) {
    case "refused":
      return "connection refused";
    case "silent":
      return "no whole answer in time";
    case "closed":
      return "connection closed without an answer";
    case "notHttp":
      return `no HTTP: ${reply.text}`;
    case "failed":
      return reply.text;
    case "answered":
      return `${reply.status} ${reply.location ? `to ${reply.location} ` : ""}${JSON.stringify(reply.body.slice(0, BODY_SHOWN))}`;
  }
}

/** Metrics servers answer every path alike; that is not the app's own health. */
export const isMetrics = ({ type, body }: Extract<Reply, { kind: "answered" }>): boolean =>
  /openmetrics|version=0\.0\.4/.test(type) || /^# (?:HELP|TYPE) /.test(body);
