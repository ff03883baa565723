// The rollout's hands on this machine: each step becomes calls to the supervisor.
import type { Fleet } from "../../../rollout/run.ts";
import { instanceId } from "../../../rollout/steps.ts";
import { assertNotEnded, waitHealthy, waitSteady } from "../diagnosis/wait-healthy.ts";
import { recordEvent } from "../record.ts";
import { edgeOf } from "./balancer-config.ts";
import { observeOutcomes } from "./canary-traffic.ts";
import { askInstances, drainInstances, keepInstancesWarm, stopInstances } from "./end-instances.ts";
import { type FleetContext, type FleetInput, type FleetOptions, forEachProcess, makeFleetContext, watchedOf } from "./fleet-context.ts";
import { scheduleJobs, unscheduleJobs } from "./jobs.ts";
import { observeEdge, observeJobs, observeStanding } from "./observe-fleet.ts";
import { startInstance } from "./start-instance.ts";

export type { FleetOptions };

/** What a person says by `--force`. */
export const drainPolicyOf = ({ force = false }: { force?: boolean }): FleetOptions["drainPolicy"] => (force ? "ignore" : "obey");

export async function openFleet(input: FleetInput): Promise<Fleet> {
  const { supervisor } = input;
  const fleet = await makeFleetContext(input);
  // An instance that an interrupted rollout started must not have ended at all.
  const sinceStart = (id: string) => ({ since: fleet.startedAt.get(id) ?? 0 });
  return {
    standing: () => observeStanding(supervisor),
    jobs: () => observeJobs(supervisor),
    edge: () => observeEdge(supervisor),
    start: (place) => startInstance(fleet, place),
    check: (place) => waitHealthy({ ...watchedOf(fleet, place, { since: 0 }), servesAlready: true }),
    watch: (place) => waitSteady(watchedOf(fleet, place, sinceStart(instanceId(place)))),
    lookAgain: (place) => assertNotEnded(watchedOf(fleet, place, sinceStart(instanceId(place)))),
    attach: async ({ ids, share }) => {
      await forEachProcess(fleet, ids, async ({ spec }) => {
        if (spec.port !== undefined) fleet.gotRequests.add(spec.release ?? "");
        await supervisor.attach({ id: spec.id, share });
      });
    },
    ask: (step) => askInstances(fleet, step),
    hear: (step) => observeOutcomes(fleet, step),
    drain: (step) => drainInstances(fleet, step),
    stop: (step) => stopInstances(fleet, step),
    keepWarm: (step) => keepInstancesWarm(fleet, step),
    switchEdge: ({ release }) => switchEdge(fleet, release),
    schedule: (step) => scheduleJobs(fleet, step),
    unschedule: (step) => unscheduleJobs(fleet, step),
  };
}

async function switchEdge(fleet: FleetContext, release: string): Promise<void> {
  const { context, supervisor, edgeBefore } = fleet;
  await supervisor.setEdge(await edgeOf(fleet, release, edgeBefore));
  if (release) recordEvent(context, "rules-switched", `the balancer goes by the rules of release ${release}`, release);
}
