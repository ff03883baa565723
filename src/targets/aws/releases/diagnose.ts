// Why a fleet did not come up, in the words of the machines themselves: each that fails to start ships what it knows before it says so.
import type { TargetHealthDescription } from "@aws-sdk/client-elastic-load-balancing-v2";
import { LandfallError } from "../../../error.ts";
import { observeEvents } from "../cloudformation/events.ts";
import type { Context } from "../context.ts";
import { logicalName } from "../stacks/names.ts";
import { logGroupName } from "../stacks/settings.ts";
import { exitCodeOf, observeTasks, readTask, reasonOf, taskId } from "../tasks.ts";
import { readConsole } from "./errand.ts";
import { findObject } from "./objects.ts";
import { loadSite } from "./site.ts";
import type { FleetName } from "./stages.ts";

const MACHINES_SHOWN = 3;
const LINES_SHOWN = 8;

/** What a machine that could not start has written. */
export interface BootReport {
  /** What it was at: `fetch the release`, `health`. */
  step?: string;
  why?: string;
  /** Of its health check: what was asked, and what was answered, equal answers told once. */
  asked?: string;
  answered?: string[];
  tail: string[];
}

/** A failed change to a service's stack, with what its machines said; anything else as it is. */
export async function diagnose(context: Context, error: unknown): Promise<unknown> {
  if (!(error instanceof LandfallError) || error.code !== "STACK_FAILED") return error;
  const stack = /stack (\S+)/.exec(String(error.parts.where ?? ""))?.[1];
  if (stack === undefined) return error;
  const { stacks, bucket } = await loadSite(context);
  const containers = await diagnoseTasks(context, stack, stacks.get(stack)?.outputs ?? {});
  if (containers) return new LandfallError({ ...error.parts, ...containers }, error.more);
  const id = stacks.get(stack)?.id;
  const events = id === undefined ? [] : await observeEvents(context.clients, id);
  const machines = [...new Set(events.flatMap(({ reason = "" }) => /FAILURE signal with UniqueId (i-[0-9a-f]+)/.exec(reason)?.[1] ?? []))];
  const reports = await Promise.all(
    machines.slice(0, MACHINES_SHOWN).map(async (machine) => ({ machine, report: await loadReport(context, bucket, stack, machine) })),
  );
  const evidence = reports.flatMap(({ machine, report }) => describeReport(machine, report));
  const activities = evidence.length > 0 ? [] : await failedActivities(context, stack);
  if (evidence.length + activities.length === 0) return error;
  const first = reports.find(({ report }) => report)?.report;
  return new LandfallError(
    {
      ...error.parts,
      code: first?.step === "health" ? "HEALTH_NEVER_PASSED" : first ? "INSTANCE_CRASHED" : error.code,
      what: first ? `the new instances of ${stack} did not become healthy` : error.parts.what,
      evidence: [...evidence, ...activities],
    },
    error.more,
  );
}

/** What the newest tasks that stopped have said; undefined when it is no stack of containers, or none stopped. */
async function diagnoseTasks(context: Context, stack: string, outputs: Record<string, string>) {
  const { app, name } = context.app;
  const service = stack.slice(`${app.name}-${name}-service-`.length);
  const cluster = outputs[`${logicalName(service)}Cluster`];
  if (cluster === undefined) return undefined;
  const stopped = (await observeTasks(context, { cluster, stopped: true })).slice(0, MACHINES_SHOWN);
  const rows = await Promise.all(
    stopped.map(async (task): Promise<[string, string][]> => {
      const { lines } = await readTask(context, logGroupName(context.app, service), taskId(task));
      return [
        ["task", taskId(task)],
        ["reason", reasonOf(task) || `status ${exitCodeOf(task)}`],
        ...lines.slice(-LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
      ];
    }),
  );
  if (stopped.length === 0) return undefined;
  const unhealthy = stopped.some((task) => /health check/i.test(reasonOf(task)));
  return {
    code: unhealthy ? ("HEALTH_NEVER_PASSED" as const) : ("INSTANCE_CRASHED" as const),
    what: `the new containers of ${stack} did not stay up`,
    evidence: rows.flat(),
  };
}

async function loadReport(context: Context, bucket: string, stack: string, machine: string): Promise<BootReport | undefined> {
  const text = await findObject(context, bucket, `reports/${stack}/${machine}.json`);
  return text === undefined ? undefined : (JSON.parse(text) as BootReport);
}

function describeReport(machine: string, report: BootReport | undefined): [string, string][] {
  if (!report) return [["machine", `${machine} left no report`]];
  const { step, why, asked, answered = [], tail } = report;
  return [
    ["machine", `${machine}${step === undefined ? "" : ` failed at: ${step}`}`],
    ...(why ? [["reason", why] as [string, string]] : []),
    ...(asked ? [["asked", asked] as [string, string]] : []),
    ...answered.map((answer): [string, string] => ["answered", answer]),
    ...tail.slice(-LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "last log" : "", line]),
  ];
}

/** Machines that never started leave no report, but the group says why: no capacity, no such image, a quota. */
async function failedActivities({ clients, app: { app, name } }: Context, stack: string): Promise<[string, string][]> {
  const service = stack.slice(`${app.name}-${name}-service-`.length);
  const autoScaling = await clients.autoScaling();
  const { AutoScalingGroups = [] } = await autoScaling.describeAutoScalingGroups({
    Filters: [
      { Name: "tag:landfall:app", Values: [app.name] },
      { Name: "tag:landfall:environment", Values: [name] },
      { Name: "tag:landfall:service", Values: [service] },
    ],
  });
  const said: string[] = [];
  for (const { AutoScalingGroupName } of AutoScalingGroups) {
    const { Activities = [] } = await autoScaling.describeScalingActivities({ AutoScalingGroupName, MaxRecords: 20 });
    said.push(...Activities.filter(({ StatusCode }) => StatusCode === "Failed").map(({ StatusMessage = "" }) => StatusMessage));
  }
  return [...new Set(said)].slice(0, MACHINES_SHOWN).map((text): [string, string] => ["the group says", text]);
}

/** The balancer does not find a fleet healthy that says of itself that it is. */
export async function explainTargets(context: Context, { service, slot }: FleetName, targets: TargetHealthDescription[]): Promise<LandfallError> {
  const unhealthy = targets.filter(({ TargetHealth }) => TargetHealth?.State !== "healthy");
  const machine = unhealthy[0]?.Target?.Id;
  // The balancer knows a container by its address, and that has no console.
  const said = machine?.startsWith("i-") ? await readConsole(context, machine) : [];
  return new LandfallError({
    code: "HEALTH_NEVER_PASSED",
    what: `the balancer does not find the new instances of service "${service}" (${slot}) healthy`,
    evidence: [
      ...unhealthy
        .slice(0, MACHINES_SHOWN)
        .map(({ Target, TargetHealth }): [string, string] => [
          Target?.Id ?? "",
          [TargetHealth?.State, TargetHealth?.Reason, TargetHealth?.Description].filter(Boolean).join(": "),
        ]),
      ...said.slice(-LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "console" : "", line]),
    ],
    why: "They pass the check from their own machine. Mostly the app listens on 127.0.0.1 only, or answers otherwise to another host name.",
    standing: "The old release serves all requests.",
    next: `landfall logs ${context.app.name} ${service}`,
  });
}
