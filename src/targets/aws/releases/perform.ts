// Performs the stages of a rollout: CloudFormation moves fleets and requests, and the balancer and CloudWatch say how it goes. What fails is
// taken back to what ran before, stage by stage as well.
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import { applyStacks } from "../cloudformation/apply.ts";
import { pollEvery } from "../cloudformation/poll.ts";
import type { Context } from "../context.ts";
import type { Running } from "../stacks/index.ts";
import { logicalName } from "../stacks/names.ts";
import { servingSlot } from "../stacks/running.ts";
import { countWanted } from "../task-status.ts";
import { diagnose, explainTargets } from "./diagnose.ts";
import { judge } from "./judge.ts";
import { loadSite } from "./site.ts";
import { compileBack, type FleetName, type Stage } from "./stages.ts";

/** What the balancer needs to check a new target, beside the service's own deadline. */
const ATTACH_MS = 2 * 60_000;
/** What CloudFormation takes. */
const ALARMS_MAX = 5;
const WATCH_MAX_MINUTES = 180;
/** An alarm needs five minutes to ring, and CloudWatch a little longer to know. */
const WATCH_MIN_MINUTES = 7;

/** Errors: those of `diagnose`, CANARY_*, WAY_BACK_FAILED. */
export async function performStages(context: Context, stages: Stage[], { before }: { before: Running }): Promise<void> {
  let at = before;
  try {
    for (const stage of stages) {
      // Noted first: of a stage that fails half of it may stand.
      if ("running" in stage) at = joinRunning(at, stage.running);
      await performStage(context, stage);
      if ("running" in stage) at = stage.running;
    }
  } catch (error) {
    if (context.signal?.aborted) throw error;
    throw await goBack(context, { at, before, error });
  }
}

/** Both: what a failed stage may have left of either. */
function joinRunning(one: Running, other: Running): Running {
  const services = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(services.map((service) => [service, { ...one[service], ...other[service] }]));
}

async function performStage(context: Context, stage: Stage): Promise<void> {
  if (stage.kind === "fleets" || stage.kind === "routes")
    return during(context.emit, stage.text, stage.text, async () => {
      await (stage.kind === "fleets" ? changeFleets(context, stage.running) : changeRoutes(context, stage));
      return stage.text;
    });
  if (stage.kind === "healthy") return during(context.emit, "health", stage.text, () => waitHealthy(context, stage.fleets));
  return during(context.emit, "canary", stage.text, () => judge(context, stage.trials));
}

async function changeFleets(context: Context, running: Running): Promise<void> {
  const { makeStacks } = await import("../stacks/index.ts");
  const alarms = await quietAlarms(context, servingFleets(running));
  try {
    await applyStacks(context, makeStacks(context.app, running), {
      only: ({ role }) => role === "service",
      watch: ({ service }) => ({ alarms: alarms.filter((one) => one.service === service).map(({ arn }) => arn), minutes: 0 }),
    });
  } catch (error) {
    throw await diagnose(context, error);
  }
}

const servingFleets = (running: Running): FleetName[] =>
  Object.entries(running).flatMap(([service, fleets]) => {
    const slot = servingSlot(fleets);
    return slot ? [{ service, slot }] : [];
  });

async function changeRoutes(context: Context, { running, watchMs = 0, slots = [] }: Extract<Stage, { kind: "routes" }>): Promise<void> {
  const { makeStacks } = await import("../stacks/index.ts");
  const alarms = watchMs > 0 ? (await quietAlarms(context, slots)).map(({ arn }) => arn).slice(0, ALARMS_MAX) : [];
  const minutes = alarms.length > 0 ? Math.min(WATCH_MAX_MINUTES, Math.max(WATCH_MIN_MINUTES, Math.ceil(watchMs / 60_000))) : 0;
  if (minutes > 0) {
    const text = `CloudFormation watches ${alarms.length} alarms for ${minutes} minutes and switches back if one rings; the old fleet stays warm`;
    context.emit({ type: "note", text });
  }
  await applyStacks(context, makeStacks(context.app, running), { only: ({ role }) => role === "routes", watch: () => ({ alarms, minutes }) });
}

/**
 * The alarms of these fleets on errors, latency and health, that stand and do not ring: one that rings already would take back the very
 * change that is to end it.
 */
async function quietAlarms(context: Context, fleets: FleetName[]): Promise<{ service: string; arn: string }[]> {
  const { stacks } = await loadSite(context);
  const { app, name } = context.app;
  const found = fleets.flatMap(({ service, slot }) => {
    const outputs = stacks.get(`${app.name}-${name}-service-${service}`)?.outputs ?? {};
    const arns = outputs[`${logicalName(service)}${logicalName(slot)}Alarms`]?.split(",") ?? [];
    return arns.map((arn, importance) => ({ service, arn, importance }));
  });
  if (found.length === 0) return [];
  const AlarmNames = found.map(({ arn }) => arn.split(":alarm:")[1] as string);
  const { MetricAlarms = [] } = await (await context.clients.cloudWatch()).describeAlarms({ AlarmNames, MaxRecords: 100 });
  const quiet = new Set(MetricAlarms.filter(({ StateValue }) => StateValue !== "ALARM").map(({ AlarmName }) => AlarmName));
  return found.filter(({ arn }) => quiet.has(arn.split(":alarm:")[1])).sort((one, other) => one.importance - other.importance);
}

/** Until the balancer finds as many targets healthy as each fleet is to have. */
async function waitHealthy(context: Context, fleets: FleetName[]): Promise<string> {
  const site = await loadSite(context);
  const from = context.clock.now();
  const waits = fleets.map((fleet) => {
    const prefix = `${logicalName(fleet.service)}${logicalName(fleet.slot)}`;
    const look = (output: string) => site.look(`service-${fleet.service}`, `${prefix}${output}`);
    return {
      ...fleet,
      ...(context.app.app.services[fleet.service]?.container
        ? { cluster: site.look(`service-${fleet.service}`, `${logicalName(fleet.service)}Cluster`), tasks: look("Tasks") }
        : { group: look("Group") }),
      target: look("TargetGroup"),
      deadlineMs: (context.app.app.services[fleet.service]?.health.deadline ?? 0) + ATTACH_MS,
    };
  });
  let left = waits;
  for await (const _ of pollEvery(context)) {
    const looked = await Promise.all(left.map(async (wait) => ({ wait, ...(await observeTargets(context, wait)) })));
    left = looked.filter(({ healthy, wanted }) => healthy < wanted).map(({ wait }) => wait);
    if (left.length === 0) return `${fleets.map(({ service, slot }) => `${service} (${slot})`).join(", ")} healthy`;
    const late = looked.find(({ wait, healthy, wanted }) => healthy < wanted && context.clock.now() - from > wait.deadlineMs);
    if (late) throw await explainTargets(context, late.wait, late.targets);
  }
  throw new TypeError("polling ended by itself");
}

interface Wait extends FleetName {
  /** Of machines: their group. Of containers: their cluster, and the name of the ECS service. */
  group?: string;
  cluster?: string;
  tasks?: string;
  target: string;
}

async function observeTargets(context: Context, wait: Wait) {
  const balancing = await context.clients.balancing();
  const [wanted, { TargetHealthDescriptions = [] }] = await Promise.all([
    observeWanted(context, wait),
    balancing.describeTargetHealth({ TargetGroupArn: wait.target }),
  ]);
  const healthy = TargetHealthDescriptions.filter(({ TargetHealth }) => TargetHealth?.State === "healthy").length;
  return { healthy, wanted, targets: TargetHealthDescriptions };
}

async function observeWanted(context: Context, { group, cluster, tasks }: Wait): Promise<number> {
  if (cluster !== undefined && tasks !== undefined) return countWanted(context, cluster, [tasks]);
  const autoScaling = await context.clients.autoScaling();
  const { AutoScalingGroups = [] } = await autoScaling.describeAutoScalingGroups({ AutoScalingGroupNames: [group as string] });
  return AutoScalingGroups[0]?.DesiredCapacity ?? 0;
}

async function goBack(context: Context, { at, before, error }: { at: Running; before: Running; error: unknown }): Promise<unknown> {
  const stages = compileBack(at, before);
  context.emit({ type: "note", text: "going back to what ran before" });
  try {
    for (const stage of stages) await performStage(context, stage);
  } catch (failure) {
    const first = error instanceof LandfallError ? error : undefined;
    const second = failure instanceof LandfallError ? failure : undefined;
    return new LandfallError(
      {
        code: "WAY_BACK_FAILED",
        what: first?.parts.what ?? String(error),
        why: `going back failed as well: ${second?.parts.what ?? String(failure)}`,
        standing: "What was healthy serves.",
        next: `landfall abort ${context.app.name}`,
      },
      [first, second].filter((one) => one !== undefined),
    );
  }
  return error;
}

/** Brings an environment back to fleets that ran before, from whatever stands. */
export async function performBack(context: Context, at: Running, before: Running): Promise<boolean> {
  const stages = compileBack(at, before);
  for (const stage of stages) await performStage(context, stage);
  return stages.length > 0;
}
