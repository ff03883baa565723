// A command run by hand on one instance of a service, through AWS's own channels: no port is open for it. docs/decisions/0049 has what each can do.
import type { ExecReport, InstanceReport, Status } from "../../../reports.ts";
import { attendedOf } from "../../../system/attend.ts";
import { assertKnown, instanceUnreachable, notDeployed } from "../../preconditions.ts";
import type { ExecOptions } from "../../target.ts";
import { requireEnvironment } from "../cloudformation/describe-stacks.ts";
import { announce, type Context } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { observeStatus } from "../queries/status.ts";
import { execInTask } from "./exec-in-task.ts";
import { execOnMachine, execOnTerminal } from "./exec-on-machine.ts";

/** Errors: ENVIRONMENT_NOT_COMMISSIONED, SERVICE_UNKNOWN, RELEASE_UNKNOWN before the first release, INSTANCE_UNREACHABLE when none of the service's instances can be asked. */
export async function exec(context: Context, service: string, argv: string[], options: ExecOptions): Promise<ExecReport> {
  const { region } = await announce(context);
  const stacks = await requireEnvironment(context);
  const { id: instance, release } = chooseInstance(context, await observeStatus(context), { service, wanted: options.instance });
  context.emit({ type: "note", text: `on ${instance}, release ${release}` });
  const outputs = outputsOf(context.deployment, stacks.values());
  const cluster = outputs.find("service", service, "Cluster");
  const command = { service, instance, argv, region };
  const attended = { ...attendedOf(options), terminal: options.terminal };
  if (cluster !== undefined) return { instance, release, ...(await execInTask(context, { ...command, cluster }, attended)) };
  const run = options.terminal === undefined ? execOnMachine : execOnTerminal;
  return { instance, release, ...(await run(context, { ...command, bucket: outputs.find("shared", "ArtifactsBucket") ?? "" }, attended)) };
}

interface Wanted {
  service: string;
  wanted: string | undefined;
}

/** Of a service that only the live release has, or only the file. */
function chooseInstance({ deployment: { environment } }: Context, status: Status, { service, wanted }: Wanted): InstanceReport {
  assertKnown(
    service,
    status.services.map(({ name }) => name),
  );
  if (status.release === undefined) throw notDeployed(environment);
  const instances = status.services.find(({ name }) => name === service)?.instances ?? [];
  const asked = wanted === undefined ? instances : instances.filter(({ id }) => id === wanted);
  const instance = asked.find(({ state }) => state === "healthy") ?? asked.find(({ state }) => state === "unhealthy");
  if (instance) return instance;
  throw instanceUnreachable(environment, service, { wanted, standing: instances.map(({ id, state }) => `${id} ${state}`) });
}
