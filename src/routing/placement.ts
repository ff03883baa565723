// Divides the routes between AWS's load balancer and the proxy on instances: pure, so that `landfall check` can say it.
//
// An application load balancer chooses a service by path and host, answers with 404, and redirects with 301 or 302. It cannot ask
// for a password, set headers of our choice, or redirect with 307 or 308, and it compares a path as it was sent, so that no denial of its
// holds for other spellings. That is left to the proxy on each instance, which knows all routes and goes through them by the same
// rules as the local balancer. Only what a proxy would have decided before must not be decided by the balancer after it.
import { type DeployedService, type Deployment, serviceOf } from "../config/deployment.ts";
import type { Route } from "../config/schema.ts";
import { guardedPath } from "./paths.ts";
import { guardOf, patternOf } from "./pattern.ts";

export type BalancerAction =
  | { kind: "deny" }
  | { kind: "redirect"; status: 301 | 302; protocol: string; host: string; port: string; path: string; query: string }
  | { kind: "forward"; service: string };

export interface PlacedRoute {
  route: Route;
  /** Counted from 1, as in messages. */
  number: number;
  /** What the balancer does; nothing when the proxies have to. */
  action?: BalancerAction;
  /** What the proxy on each instance does, and why it does. */
  proxied: string[];
}

export function placeRoutes(routes: readonly Route[]): PlacedRoute[] {
  const placed: PlacedRoute[] = [];
  for (const [index, route] of routes.entries()) {
    const before = placed.filter((earlier) => overlap(earlier.route, route));
    placed.push({ route, number: index + 1, ...place(route, before) });
  }
  return placed;
}

function place(route: Route, before: PlacedRoute[]): Pick<PlacedRoute, "action" | "proxied"> {
  const proxied = [
    ...(route.basicAuth && !route.deny ? ["asks for a password"] : []),
    ...(Object.keys(route.headers).length > 0 ? ["sets headers"] : []),
    ...(isSpelledOtherwise(route) ? ["denies it in other spellings"] : []),
  ];
  // A request that an earlier route leaves to the proxy to decide must reach that proxy.
  const late = before.some(({ route: earlier, action }) => (earlier.deny || earlier.redirect) && !action);
  if (route.deny) return late ? { proxied: [...proxied, "denies what an earlier route may redirect"] } : { proxied, action: { kind: "deny" } };
  if (route.redirect) {
    const locked = route.basicAuth || before.some((earlier) => earlier.route.basicAuth && !earlier.route.deny);
    const action = locked || late || before.some((earlier) => isSpelledOtherwise(earlier.route)) ? undefined : redirectAction(route.redirect);
    return action ? { proxied, action } : { proxied: [...proxied, `redirects with ${route.redirect.status}`] };
  }
  return route.service === undefined ? { proxied } : { proxied, action: { kind: "forward", service: route.service } };
}

/** Whether it denies what the balancer, which knows one spelling, does not recognise. */
const isSpelledOtherwise = ({ deny, path, host }: Route): boolean => deny && (path !== "/*" || host !== undefined);

/** What the balancer has for `$path`, which is the path and the query asked for. */
const ASKED = { path: "/#{path}", query: "#{query}" };
const KEPT = { protocol: "#{protocol}", host: "#{host}", port: "#{port}" };

/** Undefined when the balancer cannot do it: another status, or `$path` elsewhere than where the path begins. */
export function redirectAction({ to, status }: NonNullable<Route["redirect"]>): BalancerAction | undefined {
  if (status !== 301 && status !== 302) return undefined;
  const [, protocol, host, port, rest = ""] = /^(?:(https?):\/\/([^/:?#$]+)(?::(\d+))?)?([^#]*)$/.exec(to) ?? [];
  const target = protocol && host ? { protocol: protocol.toUpperCase(), host, port: port ?? (protocol === "https" ? "443" : "80") } : KEPT;
  const asked = /^(\/[^$?]*)?\$path$/.exec(rest);
  if (asked) return { kind: "redirect", status, ...target, path: `${(asked[1] ?? "").replace(/\/$/, "")}${ASKED.path}`, query: ASKED.query };
  const [path = "", query = ""] = rest.split("?");
  if (rest.includes("$") || (path !== "" && !path.startsWith("/")) || (!protocol && path === "")) return undefined;
  return { kind: "redirect", status, ...target, path: path || "/", query };
}

/** Whether one request can match both. */
function overlap(a: Route, b: Route): boolean {
  if (a.host !== undefined && b.host !== undefined && a.host.toLowerCase() !== b.host.toLowerCase()) return false;
  const [first, second] = [patternOf(a.path).text, patternOf(b.path).text].map(guardedPath);
  return guardOf(a.path)(second ?? "") || guardOf(b.path)(first ?? "");
}

export const webServices = ({ services }: Pick<Deployment, "services">): string[] =>
  Object.keys(services).filter((name) => services[name]?.kind === "web");

/** The one with whose rights, variables and data the release phase runs: unless it is named, on a machine and as a web service where there is one. */
export function phaseService(deployment: Pick<Deployment, "services" | "release">): string {
  if (deployment.release.service !== undefined) return deployment.release.service;
  const names = [...webServices(deployment), ...Object.keys(deployment.services)];
  return names.find((name) => !deployment.services[name]?.container) ?? names[0] ?? "";
}

/** The paths by which instances are asked, which are never let in from outside. */
export const drainPaths = ({ services }: Pick<Deployment, "services">): string[] => [
  ...new Set(
    Object.values(services).flatMap(({ drain, kind }) => (kind === "web" ? [drain.ask, drain.start].filter((path) => path !== undefined) : [])),
  ),
];

type Routed = Pick<Deployment, "services" | "routes">;

/** Whether instances of the service have a proxy before the app: on machines always, while beside a container there is no place for one. */
const hasProxy = (settings: DeployedService | undefined): boolean => settings?.kind === "web" && !settings.container;

export const needsProxy = ({ services }: Pick<Deployment, "services">): boolean => Object.values(services).some(hasProxy);

/** The routes that the proxy goes through: all, once it has to decide by one of them. */
export const proxiedRoutes = ({ routes }: Pick<Deployment, "routes">): Deployment["routes"] =>
  placeRoutes(routes).some(({ proxied }) => proxied.length > 0) ? routes : [];

/** What of the routes instances have with them. */
export function routesOnInstances(deployment: Routed): Pick<Deployment, "routes"> | undefined {
  const routes = needsProxy(deployment) ? proxiedRoutes(deployment) : [];
  return routes.length > 0 ? { routes } : undefined;
}

const PROXY_PORT = 8080;

/** Where the balancer sends requests on an instance: the proxy's port, if there is one, else the app's own. */
export function trafficPort({ services }: Pick<Deployment, "services">, service: string): number {
  const settings = serviceOf({ services }, service);
  const { port = 0 } = settings;
  if (!hasProxy(settings)) return port;
  return port === PROXY_PORT ? PROXY_PORT + 1 : PROXY_PORT;
}

/** The proxy before the app on an instance. */
export interface InstanceProxy {
  /** Where the balancer sends requests. */
  port: number;
  /** Names of the secrets that it asks for. */
  passwords: string[];
}

/** Undefined when instances of the service have none. */
export function proxyOf(deployment: Routed, service: string): InstanceProxy | undefined {
  if (!hasProxy(deployment.services[service])) return undefined;
  return {
    port: trafficPort(deployment, service),
    passwords: proxiedRoutes(deployment).flatMap(({ basicAuth }) => (basicAuth ? [basicAuth.password] : [])),
  };
}
