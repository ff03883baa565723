// The outcomes of requests at a canary and its baseline, since they were asked last.
import { LandfallError } from "../../../error.ts";
import type { Compared } from "../../../rollout/steps.ts";
import type { Judged } from "../../../rollout/verdict.ts";
import type { Exit } from "../supervisor/api.ts";
import { describeExit } from "../supervisor/managed-process.ts";
import type { FleetContext } from "./fleet-context.ts";

/** By service. Rejects with CANARY_WORSE when a canary crashed. */
export async function observeOutcomes(fleet: FleetContext, { trials }: { trials: Compared[] }): Promise<Record<string, Judged>> {
  const { supervisor, heard } = fleet;
  const canaries = trials.flatMap(({ canary }) => canary);
  const traffic = await supervisor.observeTraffic({ ids: [...canaries, ...trials.flatMap(({ baseline }) => baseline)], after: heard });
  for (const { id, next } of traffic) heard[id] = next;
  const { processes } = await supervisor.observe({ ids: canaries });
  for (const { spec, lastExit, restarts } of processes) if (restarts > 0) throw canaryCrashed(fleet, spec.id, lastExit);
  const outcomes = (ids: string[]) => traffic.filter(({ id }) => ids.includes(id)).flatMap(({ samples }) => samples);
  return Object.fromEntries(trials.map(({ service, canary, baseline }) => [service, { canary: outcomes(canary), baseline: outcomes(baseline) }]));
}

function canaryCrashed({ context, record }: FleetContext, id: string, exit: Exit | undefined) {
  return new LandfallError({
    code: "CANARY_WORSE",
    what: `the canary "${id}" crashed while it had requests`,
    evidence: [
      ["process", describeExit(exit)],
      ...(exit?.lastLines ?? []).slice(-8).map((line, index): [string, string] => [index ? "" : "last log", line]),
    ],
    standing: `Release ${record.release} is still serving. The canary was stopped.`,
    next: `landfall logs ${context.deployment.environment} --instance ${id}`,
  });
}
