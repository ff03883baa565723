// Sets the number of instances of a service: noted in its template, so that later deploys keep it and template and account never disagree.
import { serviceOf } from "../../../config/deployment.ts";
import { assertCounts, type Counts, countNotes, keptCounts } from "../../counts.ts";
import { objectsIn } from "../account/objects.ts";
import { requireEnvironment, type StackState } from "../cloudformation/describe-stacks.ts";
import type { Context } from "../context.ts";
import { loadEnvironmentOutputs, outputsOf } from "../environment-outputs.ts";
import { holdToBudget } from "../queries/plan.ts";
import { loadRecord, writeRecord } from "../record.ts";
import { accountFleets } from "../releases/account/fleets.ts";
import { performStages } from "../rollout/perform.ts";
import { observeServing } from "../running.ts";
import { type Fleet, type Running, rangeFrom, type Slot, servingRelease, servingSlot } from "../templates/shared/running.ts";

/** Errors: ENVIRONMENT_NOT_COMMISSIONED, SERVICE_UNKNOWN, SCALE_OUT_OF_RANGE, STACK_FAILED. */
export async function scale(context: Context, counts: Counts): Promise<void> {
  const { services } = context.deployment;
  const stacks = await requireEnvironment(context);
  assertCounts(services, counts);
  const before = await observeServing(context, stacks);
  const { running } = before;
  const hasFleet = ([service]: [string, number]) => servingSlot(running[service] ?? {}) !== undefined;
  const standing = Object.entries(counts).filter(hasFleet);
  const next = Object.fromEntries(standing.map(([service, count]) => [service, withCount(context, running, service, count)]));
  const text = standing.map(([service, count]) => `${service} to ${count}`).join(", ");
  await holdToBudget(context, { ...running, ...next });
  if (standing.length > 0) {
    const fleets = accountFleets(context, await loadEnvironmentOutputs(context));
    await performStages({ ...context, driver: { fleets } }, [{ kind: "fleets", text, running: { ...running, ...next } }], { before });
  }
  // A plain number that a fleet has by now ends with it.
  await noteCounts(context, stacks, {
    ...keptCounts(services, counts),
    ...Object.fromEntries(Object.entries(counts).filter((entry) => !hasFleet(entry))),
  });
  const scaled = Object.entries(counts).filter(([service]) => services[service]?.scaling);
  for (const [service, count] of scaled) context.emit({ type: "note", text: `scaling by load keeps service ${service} from ${count} on` });
  for (const text of countNotes(services, counts, servingRelease(before) !== undefined)) context.emit({ type: "note", text });
}

/** A service's first fleet begins with it, and one that comes back under a name that was gone. */
async function noteCounts(context: Context, stacks: Map<string, StackState>, counts: Counts): Promise<void> {
  const bucket = outputsOf(context.deployment, stacks.values()).find("shared", "ArtifactsBucket");
  if (bucket === undefined || Object.keys(counts).length === 0) return;
  const { environment } = context.deployment;
  const objects = objectsIn(context, bucket);
  const record = await loadRecord(objects, environment);
  await writeRecord(objects, environment, { ...record, counts: { ...record.counts, ...counts } });
}

function withCount({ deployment: { services } }: Context, running: Running, service: string, count: number): Running[string] {
  const fleets = running[service] ?? {};
  const slot = servingSlot(fleets) as Slot;
  return { ...fleets, [slot]: { ...(fleets[slot] as Fleet), instances: rangeFrom(serviceOf({ services }, service), count) } };
}
