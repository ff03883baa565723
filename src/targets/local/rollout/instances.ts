// Makes processes of the supervisor from the services of a release.

import type { Service } from "../../../config/schema.ts";
import type { Release } from "../../../release/release.ts";
import { instanceId, type Place } from "../../../rollout/steps.ts";
import { phaseService } from "../../../routing/placement.ts";
import { obeyingModes } from "../../../system/obeying-modes.ts";
import type { Context } from "../context.ts";
import { ensureServiceData } from "../data/data-record.ts";
import { openSecrets } from "../data/secret-store.ts";
import type { EnvironmentRecord } from "../record.ts";
import { ensureHome, folderOf, homeVariables, pathOf } from "../releases/surroundings.ts";
import type { ProcessRecord, ProcessSpec } from "../supervisor/api.ts";

/** A release in its environment: what its processes are made from. */
export interface ReleaseSite {
  context: Context;
  record: EnvironmentRecord;
  release: Release;
}

/** A process of a service. */
interface Part {
  service: string;
  id: string;
}

/** The variables that every process of a release gets, the secrets apart. */
function variablesOf({ context, record, release }: ReleaseSite, { service, id }: Part): Record<string, string> {
  const folder = folderOf(context.paths, release);
  return {
    PATH: pathOf(folder),
    ...homeVariables(ensureHome(context.paths, service)),
    LANG: process.env.LANG ?? "C.UTF-8",
    HOST: "127.0.0.1",
    LANDFALL_APP: context.deployment.app,
    LANDFALL_ENVIRONMENT: context.deployment.environment,
    LANDFALL_SERVICE: service,
    LANDFALL_RELEASE: release.processes,
    LANDFALL_INSTANCE: id,
    LANDFALL_DATA: ensureServiceData(context.paths, service, context.clock.now()),
    ...record.variables.env,
    ...release.services[service]?.environment,
  };
}

function processOf(site: ReleaseSite, { service, id }: Part, command: string): ProcessSpec {
  const { context, release } = site;
  const settings = release.services[service];
  return {
    id,
    kind: "job",
    service,
    release: release.processes,
    argv: [...obeyingModes(), "/bin/sh", "-c", command],
    cwd: folderOf(context.paths, release),
    env: variablesOf(site, { service, id }),
    secretEnv: secretEnvOf(site, settings?.secrets ?? []),
    restart: "never",
    stop: { signal: settings?.stop.signal ?? "SIGTERM", timeoutMs: settings?.stop.timeout ?? 10_000 },
  };
}

export function instanceSpec(site: ReleaseSite, place: Place): ProcessSpec {
  const { release } = site;
  const settings = release.services[place.service];
  if (!settings) throw new TypeError(`release ${release.id} has no service ${place.service}`);
  const spec = processOf(site, { service: place.service, id: instanceId(place) }, settings.command);
  return { ...spec, kind: "instance", slot: place.slot, restart: "always", ...(settings.port ? { port: "free" as const } : {}) };
}

/** What crashes again and again runs, and passes its check, most of the time. What ended with the machine has not crashed. */
export const hasJustRestarted = ({ restarts, since, lastExit }: ProcessRecord, { health }: Service, now: number): boolean =>
  restarts > 0 && !lastExit?.lost && now - since < health.steadyFor;

/** There is one schedule of a job, of whichever release. Its runs have this id and their time. */
export const scheduleId = (service: string): string => `${service}.job`;

export function jobSpec(site: ReleaseSite, service: string): ProcessSpec {
  const { command, schedule, timeout } = site.release.services[service] ?? {};
  if (!command || !schedule) throw new TypeError(`service ${service} is no job`);
  return {
    ...processOf(site, { service, id: scheduleId(service) }, command),
    schedule: { cron: schedule, timeoutMs: timeout ?? 3_600_000 },
  };
}

/** A command run once in a release's folder, such as what `exec` asks for. It gets the service's variables. */
export function onceSpec(site: ReleaseSite, { id, argv, service }: { id: string; argv: string[]; service: string }): ProcessSpec {
  return { ...processOf(site, { service, id }, ""), argv: [...obeyingModes(), ...argv] };
}

/** A release phase has the variables and the data of one service, the secrets of all, and a log of its own. */
export function phaseSpec(site: ReleaseSite, { id, command }: { id: string; command: string }): ProcessSpec {
  const spec = processOf(site, { service: phaseService(site.release), id }, command);
  return { ...spec, secretEnv: secretEnvOf(site, secretsOfAll(site.release)), service: "release", env: { ...spec.env, LANDFALL_SERVICE: "release" } };
}

/** What its service has as a plain variable is no secret of another's. */
function secretsOfAll(release: Release): string[] {
  const plain = release.services[phaseService(release)]?.environment ?? {};
  return Object.values(release.services).flatMap(({ secrets }) => secrets.filter((name) => !(name in plain)));
}

/** By the names under which the release was given them, so that a restart gives its processes the same. */
function secretEnvOf({ context, record, release }: ReleaseSite, secrets: string[]): Record<string, string> {
  const { nameFor } = openSecrets(context.paths);
  const own = Object.fromEntries(secrets.map((name) => [name, name]));
  return Object.fromEntries(
    Object.entries({ ...record.variables.secretEnv, ...own }).map(([variable, name]) => [variable, nameFor(release.processes, name)]),
  );
}
