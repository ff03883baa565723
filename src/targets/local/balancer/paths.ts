// What a request asks for, read so that no spelling of a path gets past a rule made for another spelling of it.

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
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** Reads a request target. Undefined when it is malformed, or could be read as two different paths. */
export function parseTarget(requested: string): Target | undefined {
  const absolute = requested.startsWith("/") ? null : ABSOLUTE.exec(requested);
  if (!absolute && !requested.startsWith("/")) return undefined;
  const rest = absolute ? (absolute[2] as string) : requested;
  const withPath = rest.startsWith("/") ? rest : `/${rest}`;
  // Many apps resolve the target against a base address, where "//name/drain" would mean the path "/drain" on another host.
  const url = isSlash(withPath.charCodeAt(1)) ? withPath.replace(/^[/\\]+/, "/") : withPath;
  const path = normalisePath(cutQuery(url));
  if (path === undefined) return undefined;
  return absolute ? { url, path, host: absolute[1] as string } : { url, path };
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
  const slashed = decoded.replaceAll("\\", "/");
  const dotsFirst = removeDots(slashed).replace(/\/{2,}/g, "/");
  // "/a//../b" is "/a/b" to RFC 3986 and "/b" to programs that collapse slashes first.
  return dotsFirst === removeDots(slashed.replace(/\/{2,}/g, "/")) ? dotsFirst : undefined;
}

/** A host name in lower case without its port; undefined when it is not one. */
export function parseHost(host: string | undefined): string | undefined {
  if (!host || !HOST.test(host)) return undefined;
  return host.replace(/:\d+$/, "").toLowerCase();
}

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
