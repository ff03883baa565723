// What stands, read from the record, the supervisor and the balancer. Works when any of them is down.

import type { InstanceReport, Inventory, Status } from "../../reports.ts";
import { findUnfinished, operationName } from "../../state/journal.ts";
import { observeHolder } from "../../state/lease.ts";
import { controlClient } from "../../system/control.ts";
import { loadReadings } from "./autoscaler/files.ts";
import type { BalancerApi, UpstreamStatus } from "./balancer/api.ts";
import { addressOf, type Context, type EnvironmentRecord, findRecord, wantedCount } from "./context.ts";
import { loadRelease } from "./releases.ts";
import type { ProcessRecord, SupervisorApi } from "./supervisor/api.ts";
import { socketPathOf } from "./supervisor/socket.ts";

export async function observeStatus(context: Context): Promise<Status> {
  const { name, app } = context.app;
  const record = findRecord(context.places);
  const base = { app: app.name, environment: name, target: "local" as const };
  const holder = observeHolder(context.places.lease);
  const underWay = holder && { operation: holder.operation, since: Date.parse(holder.since), pid: holder.pid, user: holder.user };
  const interrupted = holder ? undefined : findUnfinished(context.places.journal);
  const unfinished = interrupted && { operation: operationName(interrupted.operation), since: interrupted.since, step: interrupted.step };
  if (!record) return { ...base, commissioned: false, supervisor: "stopped", services: [], resources: [], underWay, unfinished };
  const [processes, upstreams] = await Promise.all([observeProcesses(context), observeUpstreams(context)]);
  return {
    ...base,
    commissioned: true,
    address: addressOf(record),
    metrics: `http://127.0.0.1:${record.metricsPort}/metrics`,
    release: record.release,
    previous: record.previous,
    description: record.release && loadRelease(context.places, record.release).description,
    supervisor: processes ? "running" : "stopped",
    services: describeServices(context, record, processes ?? [], upstreams),
    resources: record.resources.map(({ processId, ...report }) => ({
      ...report,
      state: processId
        ? processes?.some((one) => one.spec.id === processId && one.state === "running")
          ? ("running" as const)
          : ("stopped" as const)
        : report.state,
    })),
    underWay,
    unfinished,
  };
}

/** Undefined when no supervisor answers. */
async function observeProcesses(context: Context): Promise<ProcessRecord[] | undefined> {
  try {
    return (await controlClient<SupervisorApi>(socketPathOf(context.places.supervisorSocket)).observe()).processes;
  } catch {
    return undefined;
  }
}

async function observeUpstreams(context: Context): Promise<UpstreamStatus[]> {
  try {
    return (await controlClient<BalancerApi>(socketPathOf(context.places.balancerSocket)).observe()).upstreams;
  } catch {
    return [];
  }
}

function describeServices(context: Context, record: EnvironmentRecord, processes: ProcessRecord[], upstreams: UpstreamStatus[]): Status["services"] {
  const services = record.release ? loadRelease(context.places, record.release).services : {};
  const readings = loadReadings(context.places, context.clock.now());
  return Object.entries(services).map(([name, settings]) => {
    const instances = processes
      .filter(({ spec }) => spec.kind === "instance" && spec.service === name)
      .map((one) =>
        describeInstance(
          one,
          Boolean(settings.port),
          upstreams.find((upstream) => upstream.id === one.spec.id),
        ),
      );
    return {
      name,
      kind: settings.schedule ? "job" : settings.port ? "web" : settings.singleton ? "scheduler" : "worker",
      wanted: settings.schedule ? 0 : wantedCount(context, record, name, settings),
      healthy: instances.filter((one) => one.state === "healthy").length,
      schedule: settings.schedule,
      scaling: context.app.app.services[name]?.scaling && (readings[name] ?? []),
      instances,
    };
  });
}

function describeInstance(one: ProcessRecord, web: boolean, upstream: UpstreamStatus | undefined): InstanceReport {
  const { spec, pid, port, since, restarts, lastExit } = one;
  return {
    id: spec.id,
    service: spec.service ?? "",
    release: spec.release ?? "",
    slot: spec.slot ?? 0,
    state: describeState(one, web, upstream),
    pid,
    port,
    since,
    restarts,
    inHand: upstream?.inHand,
    lastExit,
  };
}

function describeState({ state, traffic, warm }: ProcessRecord, web: boolean, upstream: UpstreamStatus | undefined): InstanceReport["state"] {
  if (state === "restarting" || state === "failed") return state;
  if (state !== "running") return "stopped";
  if (warm) return "warm";
  if (traffic === "draining" && upstream) return "draining";
  if (traffic !== "attached") return "warm";
  return !web || upstream?.healthy ? "healthy" : "unhealthy";
}

/** Ansible's dynamic inventory: one group a service, one host an instance, all reached on this machine. */
export function describeInventory(status: Status): Inventory {
  const instances = status.services.flatMap((service) => service.instances);
  const groups = status.services.filter((service) => service.instances.length > 0);
  return {
    _meta: {
      hostvars: Object.fromEntries(
        instances.map((one) => [
          one.id,
          {
            ansible_connection: "local",
            ansible_host: "127.0.0.1",
            landfall_app: status.app,
            landfall_environment: status.environment,
            landfall_service: one.service,
            landfall_release: one.release,
            landfall_state: one.state,
            ...(one.port ? { landfall_port: one.port } : {}),
            ...(one.pid ? { landfall_pid: one.pid } : {}),
          },
        ]),
      ),
    },
    all: { children: groups.map((service) => service.name) },
    ...Object.fromEntries(groups.map((service) => [service.name, { hosts: service.instances.map((one) => one.id) }])),
  };
}
