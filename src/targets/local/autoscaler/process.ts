// The autoscaler as a process under the supervisor: there as long as some service of the environment has `scaling`.
import { fileURLToPath } from "node:url";
import { removeAll } from "../../../system/files.ts";
import type { Context } from "../context.ts";
import type { ProcessSpec, SupervisorApi } from "../supervisor/api.ts";
import { loadScalingOrders, writeScalingOrders } from "./files.ts";

const ID = "autoscaler";

/** Tells it of the configuration by which a release has come to serve: it is started, or removed where no service is scaled any more. */
export async function tellAutoscaler(context: Context, supervisor: SupervisorApi): Promise<void> {
  if (Object.values(context.deployment.services).some(({ scaling }) => scaling)) writeScalingOrders(context.paths, context);
  else removeAll(context.paths.autoscaler);
  await bringUpAutoscaler(context, supervisor);
}

/** As it was told last. True when it was started or stopped. */
export async function bringUpAutoscaler(context: Context, supervisor: SupervisorApi): Promise<boolean> {
  const { processes } = await supervisor.observe({ ids: [ID] });
  const runs = processes.length > 0;
  const isWanted = loadScalingOrders(context.paths) !== undefined;
  if (isWanted) await supervisor.start(autoscalerSpec(context));
  else if (runs) await supervisor.stop({ id: ID });
  return runs !== isWanted;
}

function autoscalerSpec({ deployment, paths }: Context): ProcessSpec {
  return {
    id: ID,
    kind: "job",
    argv: [process.execPath, fileURLToPath(new URL("./main.js", import.meta.url)), deployment.app, deployment.environment],
    cwd: paths.environment,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LANDFALL_HOME: paths.home },
    secretEnv: {},
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  };
}
