// The path and host of a request, read so that no spelling of a path gets past a rule made for another spelling of it.

export interface Target {
  /** What is sent on: the path and query as they came, but origin-form and without a doubled first slash. */
  url: string;
  /** What the rules see: percent-decoded, dot segments removed, duplicate slashes collapsed, no query. */
  path: string;
  /** The host of an absolute-form request, which counts instead of the Host header (RFC 9112, 3.2.2). */
  host?: string;
}

const UNUSUAL = /[%\\]|\/[./]/;
const ABSOLUTE = /^https?:\/\/([^/?#]+)(.*)$/i;
const HOST = /^((?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])\.?(?::\d{1,5})?$/i;
const CONTROL = /[\0-\x1f\x7f]/;
/** A segment that some servers take for "." or "..", once they have cut off its parameters. */
const HIDDEN_DOTS = /\/\.{1,2};/;
const PARAMETERS = /;[^/]*/g;

/** Reads a request target. Undefined when it is malformed, or could be read as two different paths. */
export function parseTarget(requested: string): Target | undefined {
  const absolute = requested.startsWith("/") ? null : ABSOLUTE.exec(requested);
  if (!absolute && !requested.startsWith("/")) return undefined;
  const [, host, rest = requested] = absolute ?? [];
  const withPath = rest.startsWith("/") ? rest : `/${rest}`;
  // Many apps resolve the target against a base address, where "//name/drain" would mean the path "/drain" on another host.
  const url = isSlash(withPath.charCodeAt(1)) ? withPath.replace(/^[/\\]+/, "/") : withPath;
  const path = normalisePath(cutQuery(url));
  if (path === undefined) return undefined;
  return host === undefined ? { url, path } : { url, path, host };
}

/** Undefined when an escape is malformed, or when apps would differ on which path is meant. */
export function normalisePath(raw: string): string | undefined {
  if (!UNUSUAL.test(raw)) return raw;
  let decoded: string;
  try {
    decoded = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  // Programs end a path at some of these, or match it without them.
  if (CONTROL.test(decoded)) return undefined;
  const slashed = decoded.replaceAll("\\", "/");
  if (HIDDEN_DOTS.test(slashed)) return undefined;
  const dotsFirst = removeDots(slashed).replace(/\/{2,}/g, "/");
  // "/a//../b" is "/a/b" to RFC 3986 and "/b" to programs that collapse slashes first.
  return dotsFirst === removeDots(slashed.replace(/\/{2,}/g, "/")) ? dotsFirst : undefined;
}

/**
 * A normalised path as whoever is guarded may read it: in lower case, without parameters (`;v=1`) and a slash at its end. What differs in
 * these alone is one path to many programs and two to others, so a guard takes it for one.
 */
export function guardedPath(path: string): string {
  const lower = path.toLowerCase();
  const plain = lower.includes(";") ? lower.replace(PARAMETERS, "").replace(/\/{2,}/g, "/") : lower;
  return plain.endsWith("/") ? plain.slice(0, -1) : plain;
}

/** A host name in lower case without its port and the dot of the root; undefined when it is not one. */
export const parseHost = (host: string | undefined): string | undefined => HOST.exec(host ?? "")?.[1]?.toLowerCase();

function removeDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === "..") kept.pop();
    if (segment !== ".." && segment !== ".") kept.push(segment);
    else if (isLast) kept.push("");
  }
  return `/${kept.join("/")}`;
}

const isSlash = (code: number): boolean => code === 47 || code === 92;

export function cutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
