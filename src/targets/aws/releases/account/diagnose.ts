// Why a fleet did not come up, in the words of the machines themselves: each that fails to start ships what it knows before it says so.
import type { TargetHealthDescription } from "@aws-sdk/client-elastic-load-balancing-v2";
import { LandfallError } from "../../../../error.ts";
import { findObject } from "../../account/objects.ts";
import { observeTasks } from "../../account/tasks.ts";
import { observeEvents } from "../../cloudformation/events.ts";
import type { Context } from "../../context.ts";
import { loadEnvironmentOutputs } from "../../environment-outputs.ts";
import { stackName } from "../../templates/shared/names.ts";
import { type BootReport, describeReport, wordsOf } from "../boot-report.ts";
import type { FleetName } from "../driver.ts";
import { readConsole } from "./instances.ts";
import { bearingOf } from "./stopped-task.ts";
import { explainStopped } from "./watch-tasks.ts";

const MACHINES_SHOWN = 3;
const LINES_SHOWN = 8;

/** A failed change to a service's stack, with what its machines said; anything else as it is. */
export async function diagnose(context: Context, error: unknown): Promise<unknown> {
  if (!(error instanceof LandfallError) || error.code !== "STACK_FAILED") return error;
  const stack = /stack (\S+)/.exec(String(error.parts.where ?? ""))?.[1];
  if (stack === undefined) return error;
  const { stacks, bucket, find } = await loadEnvironmentOutputs(context);
  const service = serviceOf(context, stack);
  const cluster = find("service", service, "Cluster");
  if (cluster !== undefined) return diagnoseTasks(context, error, { service, cluster });
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
      ...(first ? wordsOf(first, `the new instances of ${stack}`) : {}),
      evidence: [...evidence, ...activities],
    },
    error.more,
  );
}

/** Of a service's stack. */
const serviceOf = ({ deployment }: Context, stack: string): string => stack.slice(stackName(deployment, "service", "").length);

/** What ECS gave up on, with what the newest of its tasks that failed have said. */
async function diagnoseTasks(
  context: Context,
  error: LandfallError,
  { service, cluster }: { service: string; cluster: string },
): Promise<LandfallError> {
  if (!error.parts.what.includes("AWS::ECS::Service")) return error;
  const stopped = await observeTasks(context, { cluster, stopped: true });
  const failed = stopped.filter((task) => task.startedBy?.startsWith("ecs-svc/") && bearingOf(task) !== "none");
  if (failed.length === 0) return error;
  const { parts } = await explainStopped(context, service, failed);
  const why = [parts.why, error.parts.why].filter(Boolean).join("\n");
  return new LandfallError({ ...error.parts, ...parts, why, standing: error.parts.standing }, error.more);
}

async function loadReport(context: Context, bucket: string, stack: string, machine: string): Promise<BootReport | undefined> {
  const text = await findObject(context, bucket, `reports/${stack}/${machine}.json`);
  return text === undefined ? undefined : (JSON.parse(text) as BootReport);
}

/** Machines that never started leave no report, but the group says why: no capacity, no such image, a quota. */
async function failedActivities(context: Context, stack: string): Promise<[string, string][]> {
  const { app, environment } = context.deployment;
  const autoScaling = await context.clients.autoScaling();
  const { AutoScalingGroups = [] } = await autoScaling.describeAutoScalingGroups({
    Filters: [
      { Name: "tag:landfall:app", Values: [app] },
      { Name: "tag:landfall:environment", Values: [environment] },
      { Name: "tag:landfall:service", Values: [serviceOf(context, stack)] },
    ],
  });
  const lines: string[] = [];
  for (const { AutoScalingGroupName } of AutoScalingGroups) {
    const { Activities = [] } = await autoScaling.describeScalingActivities({ AutoScalingGroupName, MaxRecords: 20 });
    lines.push(...Activities.filter(({ StatusCode }) => StatusCode === "Failed").map(({ StatusMessage = "" }) => StatusMessage));
  }
  return [...new Set(lines)].slice(0, MACHINES_SHOWN).map((text): [string, string] => ["the group says", text]);
}

/** The balancer does not find a fleet healthy that says of itself that it is. */
export async function explainTargets(context: Context, { service, slot }: FleetName, targets: TargetHealthDescription[]): Promise<LandfallError> {
  const unhealthy = targets.filter(({ TargetHealth }) => TargetHealth?.State !== "healthy");
  const machine = unhealthy[0]?.Target?.Id;
  // The balancer knows a container by its address, and that has no console.
  const output = machine?.startsWith("i-") ? await readConsole(context, machine) : [];
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
      ...output.slice(-LINES_SHOWN).map((line, index): [string, string] => [index === 0 ? "console" : "", line]),
    ],
    why: "They pass the check from their own machine. Mostly the app listens on 127.0.0.1 only, or answers otherwise to another host name.",
    standing: "The old release serves all requests.",
    next: `landfall logs ${context.deployment.environment} ${service}`,
  });
}
