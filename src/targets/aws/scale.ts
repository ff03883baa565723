// How many instances a service has: noted in its template, so that later deploys keep it and template and account never disagree.
import type { Service } from "../../config/schema.ts";
import { notDeployed, refuseCount } from "../refusals.ts";
import type { Context } from "./context.ts";
import { performStages } from "./releases/perform.ts";
import { observeRunning } from "./running.ts";
import type { Running } from "./stacks/running.ts";
import { servingSlot } from "./stacks/running.ts";

/** Errors: SERVICE_UNKNOWN, SCALE_OUT_OF_RANGE, RELEASE_UNKNOWN without a release, STACK_FAILED. */
export async function scale(context: Context, counts: Record<string, number>): Promise<void> {
  const { app } = context.app;
  for (const [service, count] of Object.entries(counts)) refuseCount(app.services, service, count);
  const running = await observeRunning(context);
  const next: Running = { ...running };
  for (const [service, count] of Object.entries(counts)) next[service] = withCount(context, running, service, count);
  const text = Object.entries(counts).map(([service, count]) => `${service} to ${count}`);
  await performStages(context, [{ kind: "fleets", text: text.join(", "), running: next }], { before: running });
  const scaled = Object.entries(counts).filter(([service]) => app.services[service]?.scaling);
  for (const [service, count] of scaled) context.emit({ type: "note", text: `scaling by load keeps service ${service} from ${count} on` });
}

function withCount({ app: { app, name } }: Context, running: Running, service: string, count: number): Running[string] {
  const fleets = running[service] ?? {};
  const slot = servingSlot(fleets);
  const fleet = slot && fleets[slot];
  if (!fleet) throw notDeployed(name);
  const { max } = (app.services[service] as Service).instances;
  return { ...fleets, [slot]: { ...fleet, instances: { min: count, max: Math.max(count, max) } } };
}
