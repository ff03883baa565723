// Who does what of the routes on AWS.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Route } from "../../src/config/schema.ts";
import { needsProxy, placeRoutes, proxiedRoutes, redirectAction, trafficPort } from "../../src/routing/placement.ts";
import { compileRoutes } from "../../src/routing/rules.ts";
import { production } from "../targets/aws/templates/apps.ts";

const route = (more: Partial<Route>): Route => ({ path: "/*", deny: false, headers: {}, ...more });
const redirect = (to: string, status: 301 | 302 | 307 | 308 = 301) => ({ to, status });
const kinds = (routes: Route[]) => placeRoutes(routes).map(({ action }) => action?.kind ?? "proxy");

describe("redirects that the balancer can do", () => {
  const kept = { kind: "redirect", status: 301, protocol: "#{protocol}", host: "#{host}", port: "#{port}" };
  test.each<[string, object]>([
    ["https://www.example.com$path", { protocol: "HTTPS", host: "www.example.com", port: "443", path: "/#{path}", query: "#{query}" }],
    ["http://example.com:8080/new$path", { protocol: "HTTP", host: "example.com", port: "8080", path: "/new/#{path}", query: "#{query}" }],
    ["https://example.com", { protocol: "HTTPS", host: "example.com", port: "443", path: "/", query: "" }],
    ["/new?from=old", { path: "/new", query: "from=old" }],
    ["$path", { path: "/#{path}", query: "#{query}" }],
  ])("%s", (to, expected) => {
    expect(redirectAction(redirect(to))).toEqual({ ...kept, ...expected });
  });

  test("and those that it cannot", () => {
    expect(["/a?b=$path", "https://$path.example.com", "relative", ""].map((to) => redirectAction(redirect(to)))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(redirectAction(redirect("/new", 308))).toBeUndefined();
  });
});

describe("what a proxy would have decided before is not decided by the balancer", () => {
  const locked = route({ path: "/admin/*", basicAuth: { user: "a", password: "P" } });
  test("a redirect behind a password", () => {
    expect(kinds([locked, route({ path: "/admin/old", redirect: redirect("/admin/new") })])).toEqual(["proxy", "proxy"]);
    expect(kinds([locked, route({ path: "/old", redirect: redirect("/new") })])).toEqual(["proxy", "redirect"]);
  });
  test("what is denied behind a proxy's redirect", () => {
    expect(kinds([route({ path: "/a", redirect: redirect("/b", 308) }), route({ path: "/*", deny: true })])).toEqual(["proxy", "proxy"]);
    expect(
      kinds([route({ path: "/a", host: "x.example.com", redirect: redirect("/b", 308) }), route({ host: "y.example.com", deny: true })]),
    ).toEqual(["proxy", "deny"]);
  });
  test("what comes after a denial that is the proxy's", () => {
    const [moved, denied] = [route({ path: "/a", redirect: redirect("/b", 308) }), route({ path: "/*", deny: true })];
    expect(kinds([moved, denied, route({ path: "/a/*", redirect: redirect("/b") })])).toEqual(["proxy", "proxy", "proxy"]);
  });
  test("a denial needs no password", () => {
    expect(kinds([locked, route({ path: "/admin/x", deny: true })])).toEqual(["proxy", "deny"]);
  });
});

describe("by chance", () => {
  const path = fc.constantFrom("/*", "/a/*", "/a/b", "/a", "/b/*", "/*");
  const host = fc.constantFrom(undefined, "x.example.com");
  const any = fc.record({
    path,
    host,
    deny: fc.boolean(),
    basicAuth: fc.constantFrom(undefined, undefined, { user: "u", password: "P" }),
    redirect: fc.constantFrom(undefined, undefined, redirect("/to$path"), redirect("/to$path", 308)),
    service: fc.constantFrom(undefined, "api"),
    headers: fc.constant({}),
  });
  const one = any.map(
    (all): Route => (all.deny ? { ...all, redirect: undefined, service: undefined } : all.redirect ? { ...all, service: undefined } : all),
  );

  test("balancer and proxy together rule as the local balancer does", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(one, { maxLength: 5 }),
        fc.constantFrom("/", "/a", "/a/b", "/a/c", "/b/x", "/A", "/a/", "/A/b/", "/a;v=1/b", "/B"),
        fc.constantFrom("x.example.com", "y.example.com"),
        (routes, asked, from) => {
          const local = routes.map(({ basicAuth, ...rest }) => ({
            ...rest,
            basicAuth: basicAuth && { user: basicAuth.user, passwordHash: basicAuth.password },
          }));
          const whole = compileRoutes(local, "web")(asked, from, asked).decision;
          const placed = placeRoutes(routes);
          // The first of the balancer's own rules that matches; what it forwards is ruled upon by the proxy, which knows all routes.
          const matches = ({ path: pattern, host: named }: Route) =>
            (named === undefined || named === from) && (pattern.endsWith("*") ? asked.startsWith(pattern.slice(0, -1)) : asked === pattern);
          const rule = placed.find(({ route: own, action }) => action && matches(own))?.action;
          const act = rule?.kind === "deny" ? "deny" : rule?.kind === "redirect" ? "redirect" : whole.act;
          seen.add(`${whole.act} ${rule?.kind}`);
          expect(act).toBe(whole.act);
          // And it reaches an instance of the service that the local balancer would have chosen, unless that is for the proxy to answer.
          if (whole.act === "serve" && rule?.kind === "forward") expect(rule.service).toBe(whole.service);
          if (whole.act === "serve" && !rule) expect(whole.service).toBe("web");
        },
      ),
      { numRuns: 10_000 },
    );
    expect(seen.size).toBeGreaterThan(6);
  });
});

describe("the proxy", () => {
  const appWith = (web: object, routes: object[] = []) =>
    production({ name: "a", services: { web: { command: "x", ...web } }, routes, environments: { production: { target: "aws" } } });
  test("stands before every web service on machines, and beside no container", () => {
    expect(needsProxy(appWith({ port: 3000 }))).toBe(true);
    expect(needsProxy(appWith({}))).toBe(false);
    expect(needsProxy(appWith({ port: 3000, container: {} }))).toBe(false);
  });
  test("goes through the routes once one of them is for it", () => {
    const count = (routes: object[]) => proxiedRoutes(appWith({ port: 3000 }, routes)).length;
    expect(count([{ path: "/old", redirect: { to: "/new", status: 301 } }, { service: "web" }])).toBe(0);
    expect(count([{ deny: true }])).toBe(0);
    expect(count([{ path: "/x", deny: true }, { service: "web" }])).toBe(2);
    expect(count([{ host: "x.example.com", deny: true }])).toBe(1);
    expect(count([{ headers: { a: "b" } }])).toBe(1);
  });
  test("has a port beside the app's", () => {
    const ports = [3000, 8080].map((port) => trafficPort(appWith({ port }), "web"));
    expect(ports).toEqual([8080, 8081]);
    expect(trafficPort(appWith({ port: 3000, container: {} }), "web")).toBe(3000);
  });
});
