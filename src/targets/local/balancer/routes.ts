// The rules by path and host: pure, so that what a request would meet can be asked without a server.
import type { EdgeRoute } from "./api.ts";

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
  prefix: boolean;
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
    let decision: Decision | undefined;
    let basicAuth: EdgeRoute["basicAuth"];
    let headers: string[] | undefined;
    for (const route of compiled) {
      if (!matches(route, path, host)) continue;
      if (route.flatHeaders.length > 0) headers = headers ? headers.concat(route.flatHeaders) : route.flatHeaders;
      if (decision) continue;
      // Asking for a password does not end the search by itself: the service may be named by a later route.
      // Only the first demand counts, because a browser can answer only one.
      if (route.basicAuth && !basicAuth && !route.deny) basicAuth = route.basicAuth;
      decision = decide(route, url, basicAuth);
    }
    if (!decision && !basicAuth && !headers) return byDefault;
    return { decision: decision ?? { act: "serve", service: defaultService, basicAuth }, headers: headers ?? NO_HEADERS };
  };
}

function compileRoute(route: EdgeRoute): CompiledRoute {
  const prefix = route.path.endsWith("*");
  return {
    ...route,
    prefix,
    path: prefix ? route.path.slice(0, -1) : route.path,
    lowerHost: route.host?.toLowerCase(),
    flatHeaders: Object.entries(route.headers).flat(),
  };
}

function matches(route: CompiledRoute, path: string, host: string): boolean {
  if (route.lowerHost !== undefined && route.lowerHost !== host) return false;
  return route.prefix ? path.startsWith(route.path) : path === route.path;
}

function decide(route: CompiledRoute, url: string, basicAuth: EdgeRoute["basicAuth"]): Decision | undefined {
  if (route.deny) return { act: "deny" };
  // A function as replacement, because "$&" in the address asked for must stay what it is.
  if (route.redirect && !basicAuth) return { act: "redirect", to: route.redirect.to.replaceAll("$path", () => url), status: route.redirect.status };
  if (route.service) return { act: "serve", service: route.service, basicAuth };
  return undefined;
}
