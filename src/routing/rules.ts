// The rules by path and host: pure, so that what a request would meet can be asked without a server.
import { guardedPath } from "./paths.ts";
import { guardOf, matchesPath, type PathPattern, patternOf } from "./pattern.ts";

/** A route as a balancer has it. */
export interface EdgeRoute {
  path: string;
  host?: string;
  deny: boolean;
  /** The password as the local balancer's `credentials.ts` hashes it. */
  basicAuth?: { user: string; passwordHash: string };
  redirect?: { to: string; status: 301 | 302 | 307 | 308 };
  headers: Record<string, string>;
  service?: string;
}

export type Decision =
  | { act: "deny" }
  | { act: "redirect"; to: string; status: number }
  | { act: "serve"; service: string | undefined; basicAuth?: { user: string; passwordHash: string } };

export interface Ruling {
  decision: Decision;
  /** Headers of every matching route, as a flat list of names and values; empty for most requests. */
  headers: readonly string[];
}

interface CompiledRoute extends EdgeRoute {
  pattern: PathPattern;
  /** Guards are wide, and what leads somewhere is narrow. */
  guards: ((guardedPath: string) => boolean) | undefined;
  lowerHost: string | undefined;
  flatHeaders: string[];
}

const NO_HEADERS: readonly string[] = [];

/** Makes the function that rules on requests. `path` must be normalised and `host` in lower case without a port. */
export function compileRoutes(routes: readonly EdgeRoute[], defaultService?: string): (path: string, host: string, url: string) => Ruling {
  const compiled = routes.map(compileRoute);
  const byDefault: Ruling = { decision: { act: "serve", service: defaultService }, headers: NO_HEADERS };
  if (compiled.length === 0) return () => byDefault;

  return (path, host, url) => {
    const guarded = guardedPath(path);
    let decision: Decision | undefined;
    let basicAuth: EdgeRoute["basicAuth"];
    let headers: string[] | undefined;
    for (const route of compiled) {
      if (route.lowerHost !== undefined && route.lowerHost !== host) continue;
      const isPath = matchesPath(route.pattern, path);
      if (!(route.guards ? route.guards(guarded) : isPath)) continue;
      if (route.flatHeaders.length > 0) headers = headers ? headers.concat(route.flatHeaders) : route.flatHeaders;
      if (decision) continue;
      // Asking for a password does not end the search by itself: the service may be named by a later route.
      // Only the first demand counts, because a browser can answer only one.
      if (route.basicAuth && !basicAuth && !route.deny) basicAuth = route.basicAuth;
      decision = decide(route, isPath ? url : undefined, basicAuth);
    }
    if (!decision && !basicAuth && !headers) return byDefault;
    return { decision: decision ?? { act: "serve", service: defaultService, basicAuth }, headers: headers ?? NO_HEADERS };
  };
}

const compileRoute = (route: EdgeRoute): CompiledRoute => ({
  ...route,
  pattern: patternOf(route.path),
  guards: isGuard(route) ? guardOf(route.path) : undefined,
  lowerHost: route.host?.toLowerCase(),
  flatHeaders: Object.entries(route.headers).flat(),
});

export const isGuard = ({ deny, basicAuth }: { deny: boolean; basicAuth?: object | undefined }): boolean => deny || basicAuth !== undefined;

/** @param url undefined when the path is another spelling of the route's, which is guarded and leads nowhere */
function decide(route: CompiledRoute, url: string | undefined, basicAuth: EdgeRoute["basicAuth"]): Decision | undefined {
  if (route.deny) return { act: "deny" };
  if (url === undefined) return undefined;
  // A function as replacement, because "$&" in the address asked for must stay what it is.
  if (route.redirect && !basicAuth) return { act: "redirect", to: route.redirect.to.replaceAll("$path", () => url), status: route.redirect.status };
  if (route.service) return { act: "serve", service: route.service, basicAuth };
  return undefined;
}
