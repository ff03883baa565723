// How a service of a release becomes a process of the supervisor.

import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Release } from "../../release/release.ts";
import { instanceId, type Place } from "../../rollout/steps.ts";
import type { Context, EnvironmentRecord } from "./context.ts";
import type { ProcessSpec } from "./supervisor/api.ts";

/** The variables that every process of a release gets, the secrets apart. */
function variablesOf(context: Context, record: EnvironmentRecord, release: Release, name: string, instance: string): Record<string, string> {
  // What runs for the release as a whole, such as a migration, has a place of its own too.
  const service = name || "release";
  const data = join(context.places.data, "services", service);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  return {
    PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: homedir(),
    LANG: process.env.LANG ?? "C.UTF-8",
    HOST: "127.0.0.1",
    LANDFALL_APP: context.app.app.name,
    LANDFALL_ENVIRONMENT: context.app.name,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: release.id,
    LANDFALL_INSTANCE: instance,
    LANDFALL_DATA: data,
    ...record.variables.env,
    ...release.services[service]?.environment,
  };
}

function processOf(context: Context, record: EnvironmentRecord, release: Release, service: string, id: string, command: string): ProcessSpec {
  const settings = release.services[service];
  return {
    id,
    kind: "job",
    service,
    release: release.id,
    argv: ["/bin/sh", "-c", command],
    cwd: join(context.places.releases, release.id),
    env: variablesOf(context, record, release, service, id),
    secretEnv: { ...record.variables.secretEnv, ...Object.fromEntries((settings?.secrets ?? []).map((name) => [name, name])) },
    restart: "never",
    stop: { signal: settings?.stop.signal ?? "SIGTERM", timeoutMs: settings?.stop.timeout ?? 10_000 },
  };
}

export function instanceSpec(context: Context, record: EnvironmentRecord, release: Release, place: Place): ProcessSpec {
  const settings = release.services[place.service];
  if (!settings) throw new TypeError(`release ${release.id} has no service ${place.service}`);
  const spec = processOf(context, record, release, place.service, instanceId(place), settings.command);
  return { ...spec, kind: "instance", slot: place.slot, restart: "always", ...(settings.port ? { port: "free" as const } : {}) };
}

export function jobSpec(context: Context, record: EnvironmentRecord, release: Release, service: string): ProcessSpec {
  const { command, schedule, timeout } = release.services[service] ?? {};
  if (!command || !schedule) throw new TypeError(`service ${service} is no job`);
  return {
    ...processOf(context, record, release, service, `${service}.job.${release.id}`, command),
    schedule: { cron: schedule, timeoutMs: timeout ?? 3_600_000 },
  };
}

/** A command run once in a release's folder: a migration, or what `exec` asks for. It gets the service's variables. */
export function onceSpec(context: Context, record: EnvironmentRecord, release: Release, id: string, argv: string[], service = ""): ProcessSpec {
  const spec = processOf(context, record, release, service, id, "");
  const secrets = service ? spec.secretEnv : allSecrets(record, release);
  return { ...spec, argv, secretEnv: secrets, service: service || "release" };
}

const allSecrets = (record: EnvironmentRecord, release: Release) => ({
  ...record.variables.secretEnv,
  ...Object.fromEntries(Object.values(release.services).flatMap((service) => service.secrets.map((name) => [name, name]))),
});
