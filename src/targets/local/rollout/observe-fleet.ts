// Observes a fleet, as the supervisor has it.
import type { ScheduledJob, Standing } from "../../../rollout/steps.ts";
import type { Paths } from "../paths.ts";
import type { ProcessRecord, SupervisorApi } from "../supervisor/api.ts";
import { observeBalancer } from "./balancer-config.ts";

export async function observeStanding(supervisor: SupervisorApi): Promise<Standing[]> {
  const { processes } = await supervisor.observe();
  return processes.flatMap(({ spec, traffic, share, warm }) =>
    spec.kind === "instance" && spec.service && spec.release && spec.slot
      ? [
          {
            id: spec.id,
            service: spec.service,
            release: spec.release,
            slot: spec.slot,
            attached: traffic === "attached",
            share,
            warm: warm !== undefined,
            web: spec.port !== undefined,
          },
        ]
      : [],
  );
}

export async function observeJobs(supervisor: SupervisorApi): Promise<ScheduledJob[]> {
  const { processes } = await supervisor.observe();
  return processes.flatMap(({ spec: { schedule, service, release } }) => (schedule && service && release ? [{ service, release }] : []));
}

export const observeEdge = async (supervisor: SupervisorApi): Promise<string> => (await supervisor.observe({ ids: [] })).edge?.release ?? "";

/** Of the instances that should serve as that release those that do not run, or not so that the balancer would give them requests. */
export async function findUnwell(paths: Paths, supervisor: SupervisorApi, release: string): Promise<ProcessRecord[]> {
  const [{ processes }, balancer] = await Promise.all([supervisor.observe(), observeBalancer(paths)]);
  const healthy = new Set(balancer?.upstreams.filter((upstream) => upstream.healthy).map(({ id }) => id));
  return processes.filter(
    ({ spec, traffic, state, port }) =>
      traffic === "attached" && spec.release === release && (state !== "running" || (port !== undefined && !healthy.has(spec.id))),
  );
}
