// Schedules of jobs. A run of a job is not cut off: it has its own time-out.
import { loadRelease } from "../releases/release-store.ts";
import { type FleetContext, noteEvent } from "./fleet-context.ts";
import { jobSpec, scheduleId } from "./instances.ts";

export async function scheduleJobs(fleet: FleetContext, { release, services }: { release: string; services: string[] }): Promise<void> {
  const { context, record, supervisor } = fleet;
  for (const service of services) {
    await supervisor.start(jobSpec({ context, record, release: loadRelease(context.paths, release) }, service));
    await noteRuns(fleet, service, "and the next run waits for that");
  }
}

export async function unscheduleJobs(fleet: FleetContext, { services }: { services: string[] }): Promise<void> {
  for (const service of services) {
    await fleet.supervisor.forget({ id: scheduleId(service) });
    await noteRuns(fleet, service, "and there are no more runs");
  }
}

async function noteRuns(fleet: FleetContext, service: string, then: string): Promise<void> {
  const { processes } = await fleet.supervisor.observe();
  const runs = processes.filter(({ spec }) => spec.id.startsWith(`${scheduleId(service)}.`));
  for (const { spec } of runs) {
    const text = `${spec.id} of release ${spec.release} is running: it comes to its own end, ${then}`;
    noteEvent(fleet, "job-runs-on", { text, release: spec.release });
  }
}
