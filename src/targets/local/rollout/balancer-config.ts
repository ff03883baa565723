// The balancer: its process, and its rules, which are those of the release that serves.
import { resolve } from "node:path";
import { defaultService } from "../../../config/deployment.ts";
import type { Route } from "../../../config/schema.ts";
import { type Difference, findDifferences } from "../../../plan/differences.ts";
import type { Release } from "../../../release/release.ts";
import type { EdgeRoute } from "../../../routing/rules.ts";
import { controlClient } from "../../../system/control.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import type { BalancerApi, Edge, Observed } from "../balancer/api.ts";
import { balancerArgv } from "../balancer/argv.ts";
import { loadPem } from "../balancer/pem.ts";
import { hashPassword } from "../balancer/request/credentials.ts";
import type { Context } from "../context.ts";
import { openSecrets } from "../data/secret-store.ts";
import type { Paths } from "../paths.ts";
import type { EnvironmentRecord } from "../record.ts";
import { findRelease, loadRelease, releasesByProcesses } from "../releases/release-store.ts";
import type { Handled, HandledEdge, ProcessSpec } from "../supervisor/api.ts";
import type { FleetContext } from "./fleet-context.ts";

export function balancerSpec(context: Context, record: EnvironmentRecord): ProcessSpec {
  return {
    id: "balancer",
    kind: "balancer",
    argv: balancerArgv(socketPathOf(context.paths.balancerSocket), context.paths.environment),
    cwd: context.paths.environment,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin" },
    secretEnv: {},
    listen: [record.port, record.metricsPort],
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  };
}

/** What commission alone sets of the balancer, as it stands. */
export const entranceOf = ({ port, tls }: Pick<EnvironmentRecord, "port" | "tls">) => ({ port, tls });

/** The same as the configuration has it. One that leaves the port open is content with any. */
export const wantedEntrance = ({ deployment: { settings } }: Context, record: EnvironmentRecord) =>
  entranceOf({ port: settings.port || record.port, tls: settings.tls });

/** What a commission would change of it. */
export const compareEntrance = (context: Context, record: EnvironmentRecord): Difference[] =>
  findDifferences(entranceOf(record), wantedEntrance(context, record));

/** What the balancer says of itself; undefined when it does not answer. */
export const observeBalancer = ({ balancerSocket }: Paths, silenceMs?: number): Promise<Observed | undefined> =>
  controlClient<BalancerApi>(socketPathOf(balancerSocket), { silenceMs })
    .observe()
    .catch(() => undefined);

/** What the balancer goes by while a release serves. */
export type Rules = Pick<Release, "id" | "services" | "routes" | "limits" | "trustedProxies"> & Partial<Pick<Release, "processes">>;

/** The rules of the release. Without one they are those of an environment that nothing serves yet, with whatever the configuration allows. */
export async function makeEdge(context: Context, record: Pick<EnvironmentRecord, "port" | "metricsPort" | "tls">, release?: Rules): Promise<Edge> {
  const { limits, trustedProxies } = release ?? context.deployment.settings;
  return {
    release: release?.id,
    port: record.port,
    metricsPort: record.metricsPort,
    tls: await makeTls(context, record.tls),
    limits: {
      bodyBytesMax: limits.body,
      headerTimeoutMs: limits.headerTimeout,
      bodyTimeoutMs: limits.bodyTimeout,
      idleTimeoutMs: limits.idleTimeout,
      connectionsMax: limits.connections,
    },
    trustedProxies,
    routes: (release?.routes ?? []).map((route) => makeRoute(context, route, release?.processes ?? "")),
    defaultService: defaultService((release ?? context.deployment).services),
  };
}

/** What belongs to the environment as it is to be, and the rules that hold as they are, whoever made them: a commission changes none of those. */
export async function edgeOnCommission(context: Context, record: EnvironmentRecord, before: HandledEdge | undefined): Promise<HandledEdge> {
  const { port, metricsPort, tls } = record;
  const serving = record.release === undefined ? undefined : loadRelease(context.paths, record.release);
  if (before?.release) return { ...before, port, metricsPort, tls: await makeTls(context, tls) };
  return { ...(await makeEdge(context, record, serving)), handling: makeHandling(releasesByProcesses(context.paths, record)) };
}

/** An environment, and the releases that its instances are handled by. */
type HandledSite = Pick<FleetContext, "context" | "record" | "releases">;

/**
 * All that the balancer is told while the release serves, or while none does when it is empty. `stood` is what it was told before: where that is of
 * the same release it stays as it is, so that whoever gave a password need not have it checked again.
 */
export async function edgeOf({ context, record, releases }: HandledSite, release: string, stood?: HandledEdge) {
  const isSame = stood !== undefined && (stood.release ?? "") === release;
  const edge = isSame ? stood : await makeEdge(context, record, release ? loadRelease(context.paths, release) : undefined);
  // Of releases with the same processes the one has the say whose rules these are.
  const served = findRelease(context.paths, release);
  return { ...edge, handling: makeHandling(new Map([...releases, ...(served ? [[served.processes, served] as const] : [])])) };
}

/** How instances of these releases are handled, by the name that instances have and by service. */
export const makeHandling = (releases: Map<string, Pick<Release, "services">>): HandledEdge["handling"] =>
  Object.fromEntries([...releases].map(([name, { services }]) => [name, handlingOf(services)]));

export const handlingOf = (services: Release["services"]): Record<string, Handled> =>
  Object.fromEntries(
    Object.entries(services)
      .filter(([, { port }]) => port)
      .map(([name, { health, drain }]) => [
        name,
        {
          health: {
            path: health.path,
            host: health.host,
            ...health.status,
            intervalMs: health.interval,
            timeoutMs: health.timeout,
            unhealthyAfter: health.unhealthyAfter,
          },
          liveness: { replaceAfterMs: health.replaceAfter, startupMs: health.startupTimeout },
          privatePaths: [drain.ask, drain.start].filter((path) => path !== undefined),
        },
      ]),
  );

/** `processes`: of the release whose route it is, and which was given the password. */
function makeRoute(context: Context, { basicAuth, ...route }: Route, processes: string): EdgeRoute {
  if (!basicAuth) return route;
  const secrets = openSecrets(context.paths);
  const passwordHash = hashPassword(secrets.reveal(secrets.nameFor(processes, basicAuth.password)));
  return { ...route, basicAuth: { user: basicAuth.user, passwordHash } };
}

async function makeTls(context: Context, tls: EnvironmentRecord["tls"]): Promise<Edge["tls"]> {
  if (!tls) return undefined;
  // Certificates are made with a library that takes longer to load than a look at the status takes.
  if (tls === "local") return (await import("../balancer/local-ca.ts")).ensureLocalCertificate(context.paths.tls, []);
  return filesOf(context, tls);
}

const filesOf = ({ folder }: Context, { certificate, key }: Exclude<EnvironmentRecord["tls"], "local" | false>) => ({
  certificateFile: resolve(folder, certificate),
  keyFile: resolve(folder, key),
});

/** Errors: CERTIFICATE_UNUSABLE, for files of one's own that the balancer could not serve with. */
export function assertCertificate(context: Context): void {
  const { tls } = context.deployment.settings;
  if (tls && tls !== "local") loadPem(filesOf(context, tls));
}
