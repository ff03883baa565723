// The balancer: its process, and its rules from the configuration.
import { randomBytes, scryptSync } from "node:crypto";
import { resolve } from "node:path";
import type { Route } from "../../config/schema.ts";
import type { Edge, EdgeRoute } from "./balancer/api.ts";
import { balancerArgv } from "./balancer/argv.ts";
import { ensureLocalCertificate } from "./balancer/authority.ts";
import type { Context, EnvironmentRecord } from "./context.ts";
import { openSecrets } from "./secrets.ts";
import type { ProcessSpec } from "./supervisor/api.ts";
import { socketPathOf } from "./supervisor/socket.ts";

export function balancerSpec(context: Context, record: EnvironmentRecord): ProcessSpec {
  return {
    id: "balancer",
    kind: "balancer",
    argv: balancerArgv(socketPathOf(context.places.balancerSocket), context.places.environment),
    cwd: context.places.environment,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
    secretEnv: {},
    listen: [record.port, record.metricsPort],
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  };
}

export async function makeEdge(context: Context, record: EnvironmentRecord): Promise<Edge> {
  const { app, environment } = context.app;
  const web = Object.entries(app.services).filter(([, service]) => service.port);
  return {
    port: record.port,
    metricsPort: record.metricsPort,
    tls: await makeTls(context),
    limits: {
      bodyBytesMax: environment.limits.body,
      headerTimeoutMs: environment.limits.headerTimeout,
      idleTimeoutMs: environment.limits.idleTimeout,
    },
    routes: [...drainRoutes(context), ...app.routes.map((route) => makeRoute(context, route))],
    defaultService: (web.find(([name]) => name === "web") ?? web[0])?.[0],
    services: Object.fromEntries(
      web.map(([name, { health }]) => [
        name,
        {
          health: {
            path: health.path,
            ...health.status,
            intervalMs: health.interval,
            timeoutMs: health.timeout,
            unhealthyAfter: health.unhealthyAfter,
          },
        },
      ]),
    ),
  };
}

/** The paths by which an instance is asked are never let in from outside. */
function drainRoutes(context: Context): EdgeRoute[] {
  const paths = Object.values(context.app.app.services).flatMap(({ drain }) => [drain.ask, drain.start]);
  return paths.filter((path) => path !== undefined).map((path) => ({ path, deny: true, headers: {} }));
}

function makeRoute(context: Context, { basicAuth, ...route }: Route): EdgeRoute {
  if (!basicAuth) return route;
  const salt = randomBytes(16);
  const hash = scryptSync(openSecrets(context.places).reveal(basicAuth.password), salt, 32, { N: 16_384, r: 8, p: 1 });
  return { ...route, basicAuth: { user: basicAuth.user, passwordHash: `scrypt$${salt.toString("base64")}$${hash.toString("base64")}` } };
}

async function makeTls(context: Context): Promise<Edge["tls"]> {
  const { tls } = context.app.environment;
  if (!tls) return undefined;
  if (tls === "local") return ensureLocalCertificate(context.places.tls, []);
  return { certificateFile: resolve(context.folder, tls.certificate), keyFile: resolve(context.folder, tls.key) };
}
