// Which headers go on, and which end here (RFC 9110, 7.6.1).
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
const NOT_FORWARDED = new Set([...HOP_BY_HOP, ...REPLACED]);
const NOT_RETURNED = new Set([...HOP_BY_HOP, "x-request-id"]);
/** The message's frame and addressee: a client that lists them in Connection must not remove them. */
const NEVER_LISTED = new Set(["host", "content-length", "connection"]);

/** The request's headers for the upstream, as a flat list. Undefined when there is more than one Host. */
export function forwardedHeaders(request: IncomingMessage, host: string, id: string, secure: boolean): string[] | undefined {
  const raw = request.rawHeaders;
  const listed = listedInConnection(request.headers.connection);
  const sent: string[] = ["host", host];
  let hosts = 0;
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] as string;
    const lower = name.toLowerCase();
    if (lower === "host") hosts++;
    if (NOT_FORWARDED.has(lower) || listed?.has(lower)) continue;
    sent.push(name, raw[index + 1] as string);
  }
  if (hosts > 1) return undefined;
  const client = request.socket.remoteAddress ?? "";
  const before = request.headers["x-forwarded-for"];
  sent.push("x-forwarded-for", before ? `${before}, ${client}` : client);
  sent.push("x-forwarded-proto", secure ? "https" : "http", "x-forwarded-host", host, "x-request-id", id);
  return sent;
}

/** The response's headers for the client: the upstream's, without the ones of its own hop, and the routes' in place of same-named ones. */
export function returnedHeaders(raw: readonly Buffer[], routeHeaders: readonly string[], id: string): string[] {
  const returned: string[] = [];
  let listed: Set<string> | undefined;
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as Buffer).toString("latin1");
    const lower = name.toLowerCase();
    const value = (raw[index + 1] as Buffer).toString("latin1");
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
    const lower = (routeHeaders[index] as string).toLowerCase();
    if (names.has(lower)) continue;
    names.add(lower);
    set.push(routeHeaders[index] as string, routeHeaders[index + 1] as string);
  }
  return without(headers, names).concat(set);
}

/** Of this process alone; with a number behind it, an identifier costs an addition instead of random bytes. */
const PROCESS_ID = randomBytes(12).toString("base64url");
let requestsSoFar = 0;

/** The client's own identifier when it is a plain one, else a new one. */
export function requestId(request: IncomingMessage): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : `${PROCESS_ID}.${(++requestsSoFar).toString(36)}`;
}

function listedInConnection(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined;
  const names = connection
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return new Set(names.filter((name) => !NEVER_LISTED.has(name)));
}

function merge(one: Set<string> | undefined, other: Set<string> | undefined): Set<string> | undefined {
  return one && other ? new Set([...one, ...other]) : (one ?? other);
}

function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    if (names.has((headers[index] as string).toLowerCase())) continue;
    kept.push(headers[index] as string, headers[index + 1] as string);
  }
  return kept;
}
