// Performs the autoscaler's decision as a command would.
import type { Change } from "../autoscaler/autoscaler.ts";
import type { Context } from "../context.ts";
import type { JournaledOperation } from "../lease.ts";
import { loadRecord, wantedCount } from "../record.ts";
import { bringUpEnvironment } from "./commission.ts";
import { setCounts } from "./scale.ts";

type Input = { counts: Record<string, number>; why: Record<string, string>; from: Record<string, number> };

export const autoscale: JournaledOperation<[Change[]], Input, void> = {
  name: "autoscale",
  begin: (_, changes) => ({
    counts: Object.fromEntries(changes.map(({ service, count }) => [service, count])),
    why: Object.fromEntries(changes.map(({ service, why }) => [service, why])),
    from: Object.fromEntries(changes.map(({ service, from }) => [service, from])),
  }),
  async perform(context, journal, input) {
    if (isCurrent(context, input)) await setCounts(context, journal, input);
  },
  async finish(context, journal, input) {
    await bringUpEnvironment(context, journal, { keepEntrance: true });
    await setCounts(context, journal, input);
  },
};

/** Somebody may have changed a number since it was looked at. */
function isCurrent(context: Context, { from }: Input): boolean {
  const record = loadRecord(context);
  return Object.entries(from).every(([service, count]) => {
    const settings = context.deployment.services[service];
    return settings && wantedCount({ deployment: context.deployment, record }, service, settings) === count;
  });
}
