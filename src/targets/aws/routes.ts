// Who does what of the routes on AWS: pure, and without the CDK, so that `landfall check` can say it.
//
// An application load balancer chooses a service by path and host, answers with 404, and redirects with 301 or 302. It cannot ask
// for a password, set headers of our choice, or redirect with 307 or 308. That is left to the proxy on each instance, which knows
// all routes and goes through them by the same rules as the local balancer. Only what a proxy would have decided before must not
// be decided by the balancer after it.
import type { App, Route, Service } from "../../config/schema.ts";

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
  ];
  // A request that an earlier route leaves to the proxy to decide must reach that proxy.
  const late = before.some(({ route: earlier, action }) => (earlier.deny || earlier.redirect) && !action);
  if (route.deny) return late ? { proxied: [...proxied, "denies what an earlier route may redirect"] } : { proxied, action: { kind: "deny" } };
  if (route.redirect) {
    const locked = route.basicAuth || before.some((earlier) => earlier.route.basicAuth && !earlier.route.deny);
    const action = locked || late ? undefined : redirectAction(route.redirect);
    return action ? { proxied, action } : { proxied: [...proxied, `redirects with ${route.redirect.status}`] };
  }
  return route.service === undefined ? { proxied } : { proxied, action: { kind: "forward", service: route.service } };
}

/** What the balancer has for `$path`, which is the path and the query asked for. */
const ASKED = { path: "/#{path}", query: "#{query}" };
const KEPT = { protocol: "#{protocol}", host: "#{host}", port: "#{port}" };

/** Undefined when the balancer cannot do it: another status, or `$path` elsewhere than where the path begins. */
export function redirectAction({ to, status }: NonNullable<Route["redirect"]>): BalancerAction | undefined {
  if (status !== 301 && status !== 302) return undefined;
  const [, protocol, host, port, rest = ""] = /^(?:(https?):\/\/([^/:?#$]+)(?::(\d+))?)?([^#]*)$/.exec(to) ?? [];
  const target = protocol ? { protocol: protocol.toUpperCase(), host: host as string, port: port ?? (protocol === "https" ? "443" : "80") } : KEPT;
  const asked = /^(\/[^$?]*)?\$path$/.exec(rest);
  if (asked) return { kind: "redirect", status, ...target, path: `${(asked[1] ?? "").replace(/\/$/, "")}${ASKED.path}`, query: ASKED.query };
  const [path = "", query = ""] = rest.split("?");
  if (rest.includes("$") || (path !== "" && !path.startsWith("/")) || (!protocol && path === "")) return undefined;
  return { kind: "redirect", status, ...target, path: path || "/", query };
}

/** Whether one request can match both. */
function overlap(one: Route, other: Route): boolean {
  if (one.host !== undefined && other.host !== undefined && one.host.toLowerCase() !== other.host.toLowerCase()) return false;
  const [first, second] = [one, other].map(({ path }) => ({ prefix: path.endsWith("*"), text: path.replace(/\*$/, "") })) as [Pattern, Pattern];
  if (first.prefix && second.prefix) return first.text.startsWith(second.text) || second.text.startsWith(first.text);
  return first.prefix ? second.text.startsWith(first.text) : second.prefix ? first.text.startsWith(second.text) : first.text === second.text;
}

interface Pattern {
  prefix: boolean;
  text: string;
}

export const webServices = (app: App): string[] => Object.keys(app.services).filter((name) => app.services[name]?.port !== undefined);

/** The one with whose rights the release phase runs: on a machine where there is one, and as a web service where there is one. */
export function phaseService(app: App): string {
  const names = [...webServices(app), ...Object.keys(app.services)];
  return (names.find((name) => !app.services[name]?.container) ?? names[0]) as string;
}

/** Gets the requests that no route sends elsewhere. */
export const defaultService = (app: App): string | undefined => {
  const web = webServices(app);
  return web.includes("web") ? "web" : web[0];
};

/** The paths by which instances are asked, which are never let in from outside. */
export const drainPaths = (app: App): string[] => [
  ...new Set(
    Object.values(app.services).flatMap(({ drain, port }) =>
      port === undefined ? [] : [drain.ask, drain.start].filter((path) => path !== undefined),
    ),
  ),
];

/**
 * Whether instances have a proxy before the app: for what the balancer cannot do, and for drain paths, because the balancer compares
 * a path as it was sent, and an app may read `/deploy/%72eady` as one.
 */
export const needsProxy = (app: App): boolean => drainPaths(app).length > 0 || placeRoutes(app.routes).some(({ proxied }) => proxied.length > 0);

const PROXY_PORT = 8080;

/** Where the balancer sends requests on an instance: the proxy's port, if there is one, else the app's own. */
export function trafficPort(app: App, service: string): number {
  const { port, container } = app.services[service] as Service & { port: number };
  // A container has no proxy beside it: what would need one is refused.
  if (container || !needsProxy(app)) return port;
  return port === PROXY_PORT ? PROXY_PORT + 1 : PROXY_PORT;
}
