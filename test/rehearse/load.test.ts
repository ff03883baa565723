import { describe, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { findTargets } from "../../src/rehearse/load.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";

const web = (path = "/") => ({ command: "node server.js", port: 3000, health: { path } });

function targetsOf(app: Partial<AppInput>) {
  const deployment = production({ ...SMALL, ...app });
  const routes = deployment.routes.map((route) => ({ ...route, basicAuth: undefined }));
  return findTargets(deployment, { routes, defaultService: "web" });
}

describe("the load of a rehearsal", () => {
  it("asks each web service for what is its own, also where all have one health check", () => {
    const services = { web: web("/ready"), api: web("/ready"), admin: web("/ready"), worker: { command: "node worker.js" } };
    const routes = [
      { path: "/api/*", service: "api" },
      { host: "admin.example.com", service: "admin" },
    ];
    expect(targetsOf({ services, routes })).toEqual({
      targets: [{ path: "/ready" }, { path: "/api/", host: undefined }, { path: "/", host: "admin.example.com" }],
      unreached: [],
    });
  });

  it("says which services no route leads to", () => {
    expect(targetsOf({ services: { web: web(), api: web() } })).toEqual({ targets: [{ path: "/" }], unreached: ["api"] });
  });
});
