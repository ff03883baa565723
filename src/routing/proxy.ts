// The rules of the proxy on an instance, as nginx reads them. Pure. They rule as the local balancer does: routes in their order, by the
// decoded path; the headers of all that match; the first demand for a password; the first that decides.
//
// nginx has no rules in an order, so that the state of a request goes through one `map` for each route: `-` nothing yet, `a2` the
// password of route 2 is due, and, decided: `d` denied, `r2` redirected by route 2, `s` or `s2` served, the latter with a password,
// `h` the balancer's own health check.
import type { Deployment } from "../config/deployment.ts";
import type { Route } from "../config/schema.ts";
import { cutQuery, normalisePath } from "./paths.ts";
import { patternOf } from "./pattern.ts";
import { drainPaths, proxiedRoutes, trafficPort } from "./placement.ts";
import { isGuard } from "./rules.ts";

/** What `write_proxy` needs besides the rules: each password's number, the secret that holds it, and the user. */
export interface ProxyPassword {
  number: number;
  secret: string;
  user: string;
}

interface Rule {
  route: Pick<Route, "path" | "host" | "deny" | "redirect" | "basicAuth" | "service" | "headers">;
  number: number;
}

/** The rules for the proxy of one web service, and the passwords that they ask for. */
export function compileProxy(deployment: Deployment, service: string): { rules: string; passwords: ProxyPassword[] } {
  const settings = deployment.services[service];
  if (settings?.port === undefined) throw new TypeError(`service "${service}" has no port`);
  const denied = drainPaths(deployment).map((path): Rule["route"] => ({ path: decoded(path), deny: true, headers: {} }));
  const rules = [...denied, ...proxiedRoutes(deployment)].map((route, index): Rule => ({ route, number: index + 1 }));
  const steps = rules.flatMap((rule) => {
    const changes = changesOf(rule);
    return changes.length > 0 ? [{ rule, changes }] : [];
  });
  const state = `$state${steps.length}`;
  const lines = [
    'geo $dollar { default "$"; }',
    // A program may take the first of several slashes for the beginning of a host's name.
    `map $request_uri $sent { default $request_uri; ${quoted("~^[/\\\\]{2,}(?<rest>.*)\\z")} "/$rest"; }`,
    // What is left of "." and ".." after nginx has resolved them stands beside a backslash, which some programs take for a slash, or beside
    // parameters, which some cut off first. At a control character some end a path.
    `map $uri $unclear { default ""; ${quoted("~[/\\\\]\\.\\.?(?:[/\\\\;]|\\z)|[\\x00-\\x1f\\x7f]")} 1; }`,
    // The balancer says for whom it speaks, except when it speaks for itself.
    `map "$http_x_forwarded_for|$uri" $state0 { default "-"; ${quoted(`~^\\|${pathPattern(decoded(settings.health.path))}`)} "h"; }`,
    ...steps.map(({ rule, changes }, index) => stateMap(rule, changes, index)),
    `map ${state} $password { default ""; ${quoted("~^[as](?<due>\\d+)\\z")} $due; }`,
    'map $password $realm { default restricted; "" off; }',
    ...addressLines(deployment, settings.health.host),
    ...headerLines(rules),
    "server {",
    `  listen ${trafficPort(deployment, service)};`,
    "  absolute_redirect off;",
    ...headersOf(rules).map(({ name, variable }) => `  add_header ${quoted(name)} ${variable} always;`),
    "  if ($unclear) { return 400; }",
    `  if (${state} = d) { return 404 "404 Nothing is here.\\n"; }`,
    ...steps.flatMap(({ rule: { route, number } }) =>
      route.redirect && !route.deny && !route.basicAuth
        ? [`  if (${state} = r${number}) { return ${route.redirect.status} ${address(route.redirect.to)}; }`]
        : [],
    ),
    "  location / {",
    "    auth_basic $realm;",
    "    auth_basic_user_file /run/landfall/proxy/$password.passwords;",
    ...headersOf(rules).map(({ name }) => `    proxy_hide_header ${quoted(name)};`),
    `    proxy_pass http://127.0.0.1:${settings.port}$sent;`,
    "  }",
    "}",
  ];
  const passwords = rules.flatMap(({ route: { basicAuth, deny }, number }) =>
    basicAuth && !deny ? [{ number, secret: basicAuth.password, user: basicAuth.user }] : [],
  );
  return { rules: `${lines.join("\n")}\n`, passwords };
}

/** A path as it is requested, as nginx sees it. */
const decoded = (path: string): string => normalisePath(cutQuery(path)) ?? path;

interface Change {
  /** A pattern for the state before. */
  from: string;
  to: string;
  /** Whether for every spelling of the path. */
  guards?: true;
}

/** What a route makes of a request that it matches. A route that only sets headers changes nothing. */
function changesOf({ route, number }: Rule): Change[] {
  const taken = `taken${number}`;
  if (route.deny) return [{ from: "(?:-|a\\d+)", to: "d", guards: true }];
  const locked = route.service === undefined ? [] : [{ from: `a(?<${taken}>\\d+)`, to: `s$${taken}` }];
  if (route.basicAuth)
    return [...(route.service === undefined ? [] : [{ from: "-", to: `s${number}` }, ...locked]), { from: "-", to: `a${number}`, guards: true }];
  // Where a password is due, nobody is sent elsewhere without it.
  if (route.redirect) return [{ from: "-", to: `r${number}` }, ...locked];
  return route.service === undefined ? [] : [{ from: "-", to: "s" }, ...locked];
}

/**
 * What the app is told of the address that was asked for and of who asked. The host of a whole address in the request line is the one that
 * nginx goes by, and counts. Of those for whom was asked only the last is known, unless a proxy that is believed tells more.
 */
const addressLines = ({ settings: { trustedProxies } }: Deployment, healthHost?: string): string[] => [
  `map $request $asked_host { default $http_host; ${quoted("~*^\\S+ https?://(?<authority>[^/?# ]+)")} $authority; }`,
  `map $state0 $sent_host { default $asked_host;${healthHost === undefined ? "" : ` h ${quoted(healthHost)};`} }`,
  `map $http_x_forwarded_for $client { default ""; ${quoted("~(?<last>[^,\\s]+)\\s*\\z")} $last; }`,
  `geo $client $believed { default 0;${trustedProxies.map((range) => ` ${range} 1;`).join("")} }`,
  "map $believed $sent_for { default $client; 1 $http_x_forwarded_for; }",
];

const matching = (path: string, before: string, guards: boolean | undefined): string =>
  guards ? `~*^${before}${guardPattern(path)}` : `~^${before}${pathPattern(path)}`;

function stateMap({ route }: Rule, changes: Change[], index: number): string {
  const host = route.host === undefined ? undefined : exactly(route.host.toLowerCase());
  const subject = host === undefined ? `"$state${index}|$uri"` : `"$state${index}|$host|$uri"`;
  const before = host === undefined ? "" : `${host}\\|`;
  const cases = changes.map(({ from, to, guards }) => `${quoted(matching(route.path, `${from}\\|${before}`, guards))} "${to}";`);
  return `map ${subject} $state${index + 1} { default $state${index}; ${cases.join(" ")} }`;
}

/** From where the path begins to its end, or to the `*`. */
function pathPattern(path: string): string {
  const { text, isPrefix } = patternOf(path);
  const spelt = text.split("/").map(exactly).join("[/\\\\]+");
  return isPrefix ? spelt : `${spelt}\\z`;
}

/** Parameters of a segment, and what ends one, however often it is written. */
const PARAMETERS = "(?:;[^/\\\\]*)?";
const SLASHES = `(?:${PARAMETERS}[/\\\\])`;

/** As `guardOf` has it. */
function guardPattern(path: string): string {
  const { text, isPrefix } = patternOf(path);
  const spelt = text.replace(/\/$/, "").split("/").map(exactly).join(`${SLASHES}+`);
  if (!isPrefix) return `${spelt}${SLASHES}*${PARAMETERS}\\z`;
  return text.endsWith("/") ? `${spelt}${PARAMETERS}(?:[/\\\\]|\\z)` : spelt;
}

interface Header {
  name: string;
  variable: string;
  /** The routes that set it, the first first. */
  set: { rule: Rule; value: string }[];
}

function headersOf(rules: Rule[]): Header[] {
  const headers = new Map<string, Header>();
  for (const rule of rules)
    for (const [name, value] of Object.entries(rule.route.headers)) {
      const key = name.toLowerCase();
      const header = headers.get(key) ?? { name, variable: `$header${headers.size + 1}`, set: [] };
      header.set.push({ rule, value });
      headers.set(key, header);
    }
  return [...headers.values()];
}

/** Of two routes with the same header the first counts; where none matches, what the app says stays. */
function headerLines(rules: Rule[]): string[] {
  const headers = headersOf(rules);
  const involved = new Set(headers.flatMap(({ set }) => set.map(({ rule }) => rule)));
  const matches = [...involved].map(({ route, number }) => {
    const host = route.host === undefined ? "" : `${exactly(route.host.toLowerCase())}\\|`;
    return `map ${host ? '"$host|$uri"' : "$uri"} $match${number} { default 0; ${quoted(matching(route.path, host, isGuard(route)))} 1; }`;
  });
  const values = headers.map(({ name, variable, set }) => {
    const subject = set.map(({ rule }) => `$match${rule.number}`).join("");
    const cases = set.map(({ value }, index) => `"~^${".".repeat(index)}1" ${literal(value)};`);
    return `map "${subject}" ${variable} { default $upstream_http_${name.toLowerCase().replaceAll("-", "_")}; ${cases.join(" ")} }`;
  });
  return [...matches, ...values];
}

/** A pattern in which nothing of the text means anything else. */
const exactly = (text: string): string => text.replace(/[^A-Za-z0-9\u0080-\uffff]/g, "\\$&");

/** In nginx's quotes a backslash takes the meaning of a quote, a backslash, and of t, r and n. */
const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** nginx knows no way to write a dollar sign, besides a variable that holds one. */
const literal = (text: string): string => quoted(text).split("$").join("${dollar}");

const address = (to: string): string =>
  `"${to
    .split("$path")
    .map((part) => literal(part).slice(1, -1))
    .join("$sent")}"`;
