// Headers that are passed on, and headers that end here (RFC 9110, 7.6.1).
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Written anew here, so that a client cannot speak for the balancer. Expect has been answered already. */
const REPLACED = ["host", "expect", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"];
const NOT_FORWARDED = new Set([...HOP_BY_HOP, ...REPLACED, "http2-settings"]);
/** By these, and by `X-Forwarded-…`, some program believes who asks, how, or for which path; by the last, CGI what its own proxy is. */
export const claims = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "fastly-client-ip",
  "x-original-url",
  "x-original-uri",
  "x-original-host",
  "x-rewrite-url",
  "x-host",
  "x-scheme",
  "x-url-scheme",
  "front-end-https",
  "proxy",
]);
/** Others are dropped, as nginx and AWS's balancer do: to a program that makes a variable of it, `X_Real_IP` is `X-Real-IP`. */
const PLAIN_NAME = /^[a-z0-9-]+$/;
const NOT_RETURNED = new Set([...HOP_BY_HOP, "x-request-id"]);
/** The message's frame and addressee: a client that lists them in Connection must not remove them. */
const NEVER_LISTED = new Set(["host", "content-length", "connection"]);

interface Forwarded {
  host: string;
  /** The request's identifier. */
  id: string;
  /** Whether the client came over TLS. */
  secure: boolean;
  /** Whether the client is a proxy whose word counts for whom it asks, and how that one came. */
  trusted: boolean;
}

/** The request's headers for the upstream, as a flat list. Undefined when there is more than one Host. */
export function forwardedHeaders(request: IncomingMessage, { host, id, secure, trusted }: Forwarded): string[] | undefined {
  const raw = request.rawHeaders;
  const listed = listedInConnection(request.headers.connection);
  const sent: string[] = ["host", host];
  let hosts = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const lower = name.toLowerCase();
    if (lower === "host") hosts++;
    if (NOT_FORWARDED.has(lower) || listed?.has(lower) || !PLAIN_NAME.test(lower) || (!trusted && isClaim(lower))) continue;
    sent.push(name, raw[index + 1] ?? "");
  }
  if (hosts > 1) return undefined;
  const client = request.socket.remoteAddress ?? "unknown";
  const said = (name: string): string | undefined => (trusted ? request.headers[name]?.toString() : undefined);
  const before = said("x-forwarded-for");
  sent.push("x-forwarded-for", before ? `${before}, ${client}` : client);
  sent.push("x-forwarded-proto", said("x-forwarded-proto") ?? (secure ? "https" : "http"));
  sent.push("x-forwarded-host", said("x-forwarded-host") ?? host, "x-request-id", id);
  return sent;
}

const isClaim = (lower: string): boolean => lower.startsWith("x-forwarded-") || claims.has(lower);

/** The response's headers for the client: the upstream's, without the ones of its own hop, and the routes' in place of same-named ones. */
export function returnedHeaders(raw: readonly Buffer[], routeHeaders: readonly string[], id: string): string[] {
  const returned: string[] = [];
  let listed: Set<string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]?.toString("latin1") ?? "";
    const lower = name.toLowerCase();
    const value = raw[index + 1]?.toString("latin1") ?? "";
    if (lower === "connection") listed = merge(listed, listedInConnection(value));
    if (NOT_RETURNED.has(lower)) continue;
    returned.push(name, value);
  }
  const cleaned = listed ? without(returned, listed) : returned;
  cleaned.push("x-request-id", id);
  return routeHeaders.length > 0 ? withRouteHeaders(cleaned, routeHeaders) : cleaned;
}

/** Sets the routes' headers; of two routes with the same one, the first counts. */
export function withRouteHeaders(headers: string[], routeHeaders: readonly string[]): string[] {
  const names = new Set<string>();
  const set: string[] = [];
  for (let index = 0; index < routeHeaders.length; index += 2) {
    const name = routeHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (names.has(lower)) continue;
    names.add(lower);
    set.push(name, routeHeaders[index + 1] ?? "");
  }
  return without(headers, names).concat(set);
}

/** Of this process alone; with a number behind it, an identifier costs an addition instead of random bytes. */
const PROCESS_ID = randomBytes(12).toString("base64url");
let requestsSoFar = 0;

/** The client's own identifier when it is a plain one, else a new one. */
export function requestId(request: IncomingMessage): string {
  const id = request.headers["x-request-id"];
  return typeof id === "string" && /^[\w.:-]{1,128}$/.test(id) ? id : `${PROCESS_ID}.${(++requestsSoFar).toString(36)}`;
}

function listedInConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined;
  const names = connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return new Set(names.filter((name) => !NEVER_LISTED.has(name)));
}

function merge(first: Set<string> | undefined, second: Set<string> | undefined): Set<string> | undefined {
  return first && second ? new Set([...first, ...second]) : (first ?? second);
}

function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] ?? "";
    if (!names.has(name.toLowerCase())) kept.push(name, headers[index + 1] ?? "");
  }
  return kept;
}
