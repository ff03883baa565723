// The status of an environment, read from the record, the supervisor and the balancer. Works when any of them is down, or hangs: then from what
// was kept of the processes, and from who of them runs.

import { setImmediate } from "node:timers/promises";
import type { DeployedService } from "../../../config/deployment.ts";
import type { Service } from "../../../config/schema.ts";
import type { Release } from "../../../release/release.ts";
import type { InstanceReport, MissingData, ResourceReport, Status } from "../../../reports.ts";
import { findUnfinished, operationName } from "../../../state/journal.ts";
import { observeHolder } from "../../../state/lease.ts";
import { controlClient, isSilent } from "../../../system/control.ts";
import { isRunning } from "../../../system/processes.ts";
import { socketPathOf } from "../../../system/socket-path.ts";
import { loadReadings } from "../autoscaler/files.ts";
import type { UpstreamStatus } from "../balancer/api.ts";
import { findAbandoned } from "../caretaker/abandoned.ts";
import type { Context } from "../context.ts";
import { listMissing, serviceDataName } from "../data/data-record.ts";
import { loadOrders } from "../orders.ts";
import { findStrays } from "../processes/strays.ts";
import { addressOf, type EnvironmentRecord, findRecord, wantedCount } from "../record.ts";
import { findRelease } from "../releases/release-store.ts";
import { answersKnock } from "../resources/knock.ts";
import { compareEntrance, observeBalancer } from "../rollout/balancer-config.ts";
import { hasJustRestarted, scheduleId } from "../rollout/instances.ts";
import type { ProcessRecord, SupervisorApi } from "../supervisor/api.ts";
import { observeLast } from "../supervisor/records.ts";

export async function observeStatus(context: Context): Promise<Status> {
  const { environment, app } = context.deployment;
  const record = findRecord(context.paths);
  const base = { app, environment, target: "local" as const };
  const holder = observeHolder(context.paths.lease);
  const underWay = holder && { operation: holder.operation, since: Date.parse(holder.since), pid: holder.pid, user: holder.user };
  const interrupted = holder ? undefined : findUnfinished(context.paths.journal);
  const unfinished = interrupted && {
    operation: operationName(interrupted.operation),
    since: interrupted.since,
    step: interrupted.step,
    byItself: describeAbandoned(context),
  };
  if (!record) return { ...base, commissioned: false, supervisor: "stopped", services: [], resources: [], underWay, unfinished };
  const missing = listMissing(context.paths);
  const answers = Promise.all([observeProcesses(context), observeBalancer(context.paths, STATUS_SILENCE_MS), findSilent(record)]);
  // Once they are asked, they look while the process table is read here.
  await setImmediate();
  const strays = findStrays(context.paths);
  const [{ supervisor, processes }, balancer, silent] = await answers;
  const differs = compareEntrance(context, record);
  return {
    ...base,
    commissioned: true,
    // As it speaks and where; what is recorded, while it does not answer.
    address: addressOf(balancer?.listening ?? record),
    ...(differs.length > 0 ? { differs } : {}),
    ...(record.tls === "local" && { authority: context.paths.authority }),
    metrics: `http://127.0.0.1:${record.metricsPort}/metrics`,
    release: record.release,
    previous: record.previous,
    description: record.release && findRelease(context.paths, record.release)?.description,
    supervisor,
    balancer:
      describeTrouble(
        processes.find(({ spec }) => spec.kind === "balancer"),
        balancer !== undefined,
      ) ?? balancer?.trouble,
    services: describeServices(context, record, { processes, isWatched: supervisor === "running", upstreams: balancer?.upstreams ?? [], missing }),
    resources: record.resources.map((resource) => describeResource(resource, { processes, missing, silent })),
    ...(missing.length > 0 ? { missing } : {}),
    ...(strays.length > 0 ? { strays } : {}),
    underWay,
    unfinished,
  };
}

/** A look takes no longer: what says nothing for so long is said to hang, and nothing is done about it here. */
const STATUS_SILENCE_MS = 4_000;

type RecordedResource = EnvironmentRecord["resources"][number];

/** The names of the resources that take connections and say nothing. */
async function findSilent({ resources }: EnvironmentRecord): Promise<Set<string>> {
  const own = resources.filter(({ processId }) => processId);
  const answers = await Promise.all(own.map(({ type, address }) => answersKnock(type, address)));
  return new Set(own.flatMap(({ name }, index) => (answers[index] ? [] : [name])));
}

/** By the caretaker, with the configuration that the operation was begun with. */
function describeAbandoned({ paths }: Context): NonNullable<Status["unfinished"]>["byItself"] {
  const abandoned = findAbandoned(paths);
  const orders = abandoned && loadOrders(paths.orders);
  return orders && { at: abandoned.since + orders.deployment.rollout.abandonedAfter, does: abandoned.does };
}

function describeResource(
  { processId, ...report }: RecordedResource,
  { processes, missing, silent }: { processes: ProcessRecord[]; missing: MissingData[]; silent: Set<string> },
): ResourceReport {
  if (missing.some(({ name }) => name === report.name)) return { ...report, state: "missing" };
  if (!processId) return report;
  if (!processes.some((process) => process.spec.id === processId && process.state === "running")) return { ...report, state: "stopped" };
  return { ...report, state: silent.has(report.name) ? "silent" : "running" };
}

/** As the supervisor has them. When it does not answer, as they were kept: of those that ran, who runs now is seen. */
async function observeProcesses({ paths }: Context): Promise<{ supervisor: NonNullable<Status["supervisor"]>; processes: ProcessRecord[] }> {
  try {
    const client = controlClient<SupervisorApi>(socketPathOf(paths.supervisorSocket), { silenceMs: STATUS_SILENCE_MS });
    return { supervisor: "running", processes: (await client.observe()).processes };
  } catch (error) {
    const processes = observeLast(paths).map((process) =>
      process.group && isRunning(process.group) ? process : { ...process, state: endedAs(process) },
    );
    return { supervisor: isSilent(error) ? "silent" : "stopped", processes };
  }
}

/** Nobody is there who would start it again. */
const endedAs = ({ state }: ProcessRecord): ProcessRecord["state"] => (state === "scheduled" || state === "failed" ? state : "exited");

/** Why the balancer does not serve. The last words of one that does not run, or its supervisor's. */
function describeTrouble(process: ProcessRecord | undefined, answers: boolean): string | undefined {
  if (!process || answers) return undefined;
  if (process.state === "running") return `runs (pid ${process.pid}) and does not answer`;
  return `does not run: ${process.lastExit?.lastLines.at(-1) ?? process.state}`;
}

/** What the supervisor, the balancer and the disk say. */
interface Observations {
  processes: ProcessRecord[];
  /** Whether a supervisor answers. */
  isWatched: boolean;
  upstreams: UpstreamStatus[];
  missing: MissingData[];
}

function describeServices(context: Context, record: EnvironmentRecord, seen: Observations): Status["services"] {
  const serving = record.release === undefined ? undefined : findRelease(context.paths, record.release);
  const now = context.clock.now();
  const readings = loadReadings(context.paths, now);
  // Whom nobody watches is not known to have lost its times.
  const scheduleOf = (name: string, settings: Service) =>
    seen.isWatched && record.release ? seen.processes.find(({ spec }) => spec.id === scheduleId(name))?.spec.schedule?.cron : settings.schedule;
  const wantedOf = (name: string, settings: Service) =>
    settings.schedule || !record.release ? 0 : (record.fleet?.[name] ?? wantedCount({ deployment: context.deployment, record }, name, settings));
  const services = (serving ?? context.deployment).services;
  const report = (name: string, settings: DeployedService, wanted: number): Status["services"][number] => {
    const instances = describeInstances({ name, settings, serving, now }, seen);
    return {
      name,
      kind: settings.kind,
      wanted,
      healthy: instances.filter((instance) => instance.state === "healthy").length,
      schedule: settings.schedule && scheduleOf(name, settings),
      scaling: context.deployment.services[name]?.scaling && (readings[name] ?? []),
      instances,
    };
  };
  return [
    ...Object.entries(services).map(([name, settings]) => report(name, settings, wantedOf(name, settings))),
    ...Object.entries(findOthers(context, services, seen.processes)).map(([name, settings]) => report(name, settings, 0)),
  ];
}

/** Services of which instances run though what serves has them no more, or not yet: after a rename, or within a rollout. */
function findOthers({ paths, deployment }: Context, services: object, processes: ProcessRecord[]): Record<string, DeployedService> {
  const others = processes.filter(({ spec }) => spec.kind === "instance" && spec.service && !Object.hasOwn(services, spec.service));
  return Object.fromEntries(
    others.flatMap(({ spec: { service = "", release = "" } }) => {
      const settings = findRelease(paths, release)?.services[service] ?? deployment.services[service];
      return settings ? [[service, settings]] : [];
    }),
  );
}

interface Described {
  name: string;
  settings: Service;
  serving: Release | undefined;
  now: number;
}

function describeInstances({ name, settings, serving, now }: Described, { processes, upstreams, missing }: Observations): InstanceReport[] {
  const hasData = missing.every((part) => part.name !== serviceDataName(name));
  return processes
    .filter(({ spec }) => spec.kind === "instance" && spec.service === name)
    .map((process) => {
      const upstream = upstreams.find(({ id }) => id === process.spec.id);
      const state = describeState({ process, upstream }, settings, now);
      const report = describeInstance(process, state === "healthy" && !hasData ? "unhealthy" : state, upstream);
      // Of several releases with the same processes it is the one that serves.
      return report.release === serving?.processes ? { ...report, release: serving.id } : report;
    });
}

function describeInstance(process: ProcessRecord, state: InstanceReport["state"], upstream: UpstreamStatus | undefined): InstanceReport {
  const { spec, pid, port, since, restarts, lastExit } = process;
  return {
    id: spec.id,
    service: spec.service ?? "",
    release: spec.release ?? "",
    slot: spec.slot ?? 0,
    state,
    pid,
    port,
    since,
    restarts,
    inHand: upstream?.inHand,
    lastExit,
  };
}

interface ObservedInstance {
  process: ProcessRecord;
  /** As the balancer sees it. */
  upstream: UpstreamStatus | undefined;
}

function describeState({ process, upstream }: ObservedInstance, settings: Service, now: number): InstanceReport["state"] {
  const { state, traffic, warm } = process;
  if (state === "restarting" || state === "stopping" || state === "failed") return state;
  if (state !== "running") return "stopped";
  if (warm) return "warm";
  if (traffic === "draining" && upstream) return "draining";
  if (traffic !== "attached") return "warm";
  if (hasJustRestarted(process, settings, now)) return "restarting";
  if (settings.port === undefined) return "healthy";
  return upstream === undefined ? "unknown" : upstream.healthy ? "healthy" : "unhealthy";
}
