// A command run by hand, in the folder of the release that serves and with the variables of a service.
import { notDeployed, unknownService } from "../refusals.ts";
import { type Context, loadRecord } from "./context.ts";
import { onceSpec } from "./instances.ts";
import { readLogs } from "./logs.ts";
import { loadRelease } from "./releases.ts";
import type { SupervisorApi } from "./supervisor/api.ts";
import { connectSupervisor } from "./supervisor/start.ts";

/** It is stopped after a day at the latest. */
const EXEC_MS_MAX = 86_400_000;

export async function exec(context: Context, service: string, argv: string[]): Promise<{ code: number; signal?: string }> {
  const record = loadRecord(context);
  if (!record.release) throw notDeployed(context.app.name);
  const release = loadRelease(context.places, record.release);
  if (!release.services[service]) throw unknownService(service, Object.keys(release.services));
  const id = `exec.${context.clock.now()}-${process.pid}`;
  const supervisor = await connectSupervisor(context.places);
  await forgetAbandoned(supervisor, context.clock.now() - EXEC_MS_MAX);
  const { exit } = await supervisor.run({ spec: onceSpec(context, record, release, id, argv, service), timeoutMs: EXEC_MS_MAX });
  for await (const { line } of readLogs(context.places, { instance: id })) context.emit({ type: "output", step: "exec", line });
  await supervisor.forget({ id });
  return { code: exit.code ?? 128, signal: exit.signal };
}

/** Commands whose caller was killed before it could read how they ended. */
async function forgetAbandoned(supervisor: SupervisorApi, before: number): Promise<void> {
  const { processes } = await supervisor.observe();
  const abandoned = processes.filter(({ spec, lastExit }) => spec.id.startsWith("exec.") && lastExit && lastExit.at < before);
  await Promise.all(abandoned.map(({ spec }) => supervisor.forget({ id: spec.id })));
}
