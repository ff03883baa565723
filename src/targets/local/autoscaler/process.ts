// The autoscaler as a process under the supervisor: there as long as some service of the environment has `scaling`.
import { fileURLToPath } from "node:url";
import { removeAll } from "../../../system/files.ts";
import type { Context } from "../context.ts";
import type { ProcessSpec, SupervisorApi } from "../supervisor/api.ts";
import { writeOrders } from "./files.ts";

const ID = "autoscaler";

/** Starts it, tells it of a configuration that has changed, or removes it. True when it was started or removed. */
export async function bringUpAutoscaler(context: Context, supervisor: SupervisorApi): Promise<boolean> {
  const { processes } = await supervisor.observe();
  const runs = processes.some(({ spec }) => spec.id === ID);
  const isWanted = Object.values(context.app.app.services).some(({ scaling }) => scaling);
  if (isWanted) {
    writeOrders(context.places, context);
    await supervisor.start(autoscalerSpec(context));
  } else {
    if (runs) await supervisor.stop({ id: ID });
    removeAll(context.places.autoscaler);
  }
  return runs !== isWanted;
}

function autoscalerSpec({ app, places }: Context): ProcessSpec {
  return {
    id: ID,
    kind: "job",
    argv: [process.execPath, fileURLToPath(new URL("./main.js", import.meta.url)), app.app.name, app.name],
    cwd: places.environment,
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LANDFALL_HOME: places.home },
    secretEnv: {},
    restart: "always",
    stop: { signal: "SIGTERM", timeoutMs: 15_000 },
  };
}
