// The fleets of an environment in an account: CloudFormation moves machines, containers and requests, and the balancer and CloudWatch say how
// it goes.
import { LandfallError } from "../../../../error.ts";
import { runOn } from "../../account/remote-command.ts";
import { applyStacks } from "../../cloudformation/apply.ts";
import { observeEnvironment } from "../../cloudformation/describe-stacks.ts";
import { removeStacks } from "../../cloudformation/remove.ts";
import type { Context } from "../../context.ts";
import { type EnvironmentOutputs, loadEnvironmentOutputs } from "../../environment-outputs.ts";
import { observeStatus } from "../../queries/status.ts";
import { countWanted } from "../../queries/task-status.ts";
import { observeServing } from "../../running.ts";
import { type Running, servingSlot } from "../../templates/shared/running.ts";
import type { FleetDriver, FleetHealth, FleetName, HeardOutcomes, RoutesChange, Trial } from "../driver.ts";
import { observeOutcomes } from "./canary-metrics.ts";
import { diagnose, explainTargets } from "./diagnose.ts";
import { foreseeTasks } from "./watch-tasks.ts";

/** What CloudFormation takes. */
const ALARMS_MAX = 5;
const WATCH_MAX_MINUTES = 180;
/** An alarm needs five minutes to ring, and CloudWatch a little longer to know. */
const WATCH_MIN_MINUTES = 7;
const RUN_SECONDS = 30;

/** `looked`: what somebody has just looked at. */
export function accountFleets(context: Context, looked?: EnvironmentOutputs): FleetDriver {
  let known = looked;
  /** As they are since the last change. */
  const outputs = async () => {
    known ??= await loadEnvironmentOutputs(context);
    return known;
  };
  const changed = async (act: (before: EnvironmentOutputs) => Promise<void>) => {
    const before = await outputs();
    known = undefined;
    await act(before);
  };
  return {
    observe: async () => observeServing(context, (await outputs()).stacks),
    change: (running, from, { isBack = false } = {}) => changed((before) => changeFleets(context, before, { running, from, isBack })),
    route: (change) => changed((before) => changeRoutes(context, before, change)),
    health: async (fleets) => {
      const found = await outputs();
      return Promise.all(fleets.map((fleet) => observeHealth(context, found, fleet)));
    },
    async *outcomes(trials: Trial[]): AsyncGenerator<HeardOutcomes> {
      yield* observeOutcomes(context, await outputs(), trials);
    },
    serving: (release) => findServing(context, release),
    run: async (instance, script) => {
      const { stdout } = await runOn(context, instance, { script, about: `landfall checks ${context.deployment.environment}`, seconds: RUN_SECONDS });
      return stdout;
    },
  };
}

interface FleetsChange {
  running: Running;
  from: Running;
  isBack: boolean;
}

async function changeFleets(context: Context, outputs: EnvironmentOutputs, { running, from, isBack }: FleetsChange): Promise<void> {
  const { makeStacks } = await import("../../templates/index.ts");
  const alarms = await quietAlarms(context, outputs, servingFleets(running));
  try {
    await applyStacks(context, makeStacks(context.deployment, running), {
      only: ({ role }) => role === "service",
      watch: ({ service }) => ({ alarms: alarms.filter((alarm) => alarm.service === service).map(({ arn }) => arn), minutes: 0 }),
      ...(isBack ? {} : { foresee: foreseeTasks(context, running) }),
    });
  } catch (error) {
    throw await diagnose(context, error);
  }
  await removeRetired(context, { running, from });
}

/** The stacks of services that neither run any more nor are configured. What cannot be removed takes no request, and fails no rollout. */
async function removeRetired(context: Context, { running, from }: Omit<FleetsChange, "isBack">): Promise<void> {
  const { app, environment, services } = context.deployment;
  const retired = Object.keys(from).filter((service) => !Object.hasOwn(running, service) && !Object.hasOwn(services, service));
  if (retired.length === 0) return;
  const stacks = await observeEnvironment(context.clients, { app, environment });
  try {
    await removeStacks(
      context,
      [...stacks.values()].filter(({ tags }) => retired.includes(tags["landfall:service"] ?? "")),
    );
  } catch (error) {
    if (!(error instanceof LandfallError) || context.signal?.aborted) throw error;
    context.emit({ type: "warning", text: `${error.parts.what}: landfall commission ${environment} removes what is left of ${retired.join(", ")}` });
  }
}

const servingFleets = (running: Running): FleetName[] =>
  Object.entries(running).flatMap(([service, fleets]) => {
    const slot = servingSlot(fleets);
    return slot ? [{ service, slot }] : [];
  });

async function changeRoutes(context: Context, outputs: EnvironmentOutputs, { running, rules, watchMs = 0, slots = [] }: RoutesChange): Promise<void> {
  const { makeStacks } = await import("../../templates/index.ts");
  const alarms = watchMs > 0 ? (await quietAlarms(context, outputs, slots)).map(({ arn }) => arn).slice(0, ALARMS_MAX) : [];
  const minutes = alarms.length > 0 ? Math.min(WATCH_MAX_MINUTES, Math.max(WATCH_MIN_MINUTES, Math.ceil(watchMs / 60_000))) : 0;
  if (minutes > 0) {
    const text = `CloudFormation watches ${alarms.length} alarms for ${minutes} minutes and switches back if one rings; the old fleet stays warm`;
    context.emit({ type: "note", text });
  }
  await applyStacks(context, makeStacks(context.deployment, running, rules), {
    only: ({ role }) => role === "routes",
    watch: () => ({ alarms, minutes }),
  });
}

interface Alarm {
  service: string;
  arn: string;
}

/**
 * The alarms of these fleets on errors, latency and health, that stand and do not ring: one that rings already would take back the very
 * change that is to end it.
 */
async function quietAlarms(context: Context, outputs: EnvironmentOutputs, fleets: FleetName[]): Promise<Alarm[]> {
  const alarms = fleets.flatMap(({ service, slot }) => {
    const arns = outputs.find("service", service, slot, "Alarms")?.split(",") ?? [];
    return arns.map((arn, importance) => ({ service, arn, importance }));
  });
  if (alarms.length === 0) return [];
  const AlarmNames = alarms.map(({ arn }) => arn.split(":alarm:")[1] as string);
  const { MetricAlarms = [] } = await (await context.clients.cloudWatch()).describeAlarms({ AlarmNames, MaxRecords: 100 });
  const quiet = new Set(MetricAlarms.filter(({ StateValue }) => StateValue !== "ALARM").map(({ AlarmName }) => AlarmName));
  return alarms.filter(({ arn }) => quiet.has(arn.split(":alarm:")[1])).sort((a, b) => a.importance - b.importance);
}

/** As many targets should be healthy as the fleet is to have. */
async function observeHealth(context: Context, outputs: EnvironmentOutputs, fleet: FleetName): Promise<FleetHealth> {
  const TargetGroupArn = outputs.get("service", fleet.service, fleet.slot, "TargetGroup");
  const balancing = await context.clients.balancing();
  const [wanted, { TargetHealthDescriptions: targets = [] }] = await Promise.all([
    observeWanted(context, outputs, fleet),
    balancing.describeTargetHealth({ TargetGroupArn }),
  ]);
  const healthy = targets.filter(({ TargetHealth }) => TargetHealth?.State === "healthy").length;
  return { healthy, wanted, explain: () => explainTargets(context, fleet, targets) };
}

async function observeWanted(context: Context, outputs: EnvironmentOutputs, { service, slot }: FleetName): Promise<number> {
  // Containers have one, and machines none.
  const cluster = outputs.find("service", service, "Cluster");
  if (cluster !== undefined) return countWanted(context, cluster, [outputs.get("service", service, slot, "Tasks")]);
  const autoScaling = await context.clients.autoScaling();
  const AutoScalingGroupNames = [outputs.get("service", service, slot, "Group")];
  const { AutoScalingGroups = [] } = await autoScaling.describeAutoScalingGroups({ AutoScalingGroupNames });
  return AutoScalingGroups[0]?.DesiredCapacity ?? 0;
}

async function findServing(context: Context, exceptRelease: string): Promise<{ instance: string; service: string }[]> {
  const { services } = await observeStatus(context);
  return services.flatMap(({ name: service, instances }) =>
    instances.filter(({ state, release }) => state === "healthy" && release !== exceptRelease).map(({ id }) => ({ instance: id, service })),
  );
}
