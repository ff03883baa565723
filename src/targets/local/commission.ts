// Brings up the environment: supervisor, resources, balancer. Every step looks first whether it is done.
import { isDeepStrictEqual } from "node:util";
import { LandfallError } from "../../error.ts";
import type { CommissionReport } from "../../reports.ts";
import type { Journal } from "../../state/journal.ts";
import { findFreePort, isPortFree } from "../../system/network.ts";
import { bringUpAutoscaler } from "./autoscaler/process.ts";
import { addressOf, type Context, type EnvironmentRecord, findRecord, recordEvent, writeRecord } from "./context.ts";
import { balancerSpec, makeEdge } from "./edge.ts";
import { takeUpKept } from "./keep.ts";
import { type PreparedResource, prepareResources } from "./resources/index.ts";
import { openSecrets } from "./secrets.ts";
import type { SupervisorApi } from "./supervisor/api.ts";
import { ensureSupervisor } from "./supervisor/start.ts";

export async function commission(context: Context, journal: Journal): Promise<CommissionReport> {
  const { name, app } = context.app;
  const before = findRecord(context.places);
  if (takeUpKept(context.places)) context.emit({ type: "note", text: `taking up the data kept in ${context.places.kept}` });
  const record = before ?? (await makeRecord(context));
  await refuseTakenPort(context, record, before !== undefined);
  const supervisor = await journal.perform("start the supervisor", () => ensureSupervisor(context.places));
  const ran = new Set((await supervisor.observe()).processes.filter((one) => one.state === "running").map((one) => one.spec.id));

  const resources = await prepareResources({
    places: context.places,
    app,
    secrets: openSecrets(context.places),
    emit: (text) => context.emit({ type: "note", text }),
  });
  const changes = await Promise.all(
    resources.map((resource) => journal.perform(`bring up resource ${resource.name}`, () => bringUp(context, supervisor, resource, ran))),
  );
  const described = resources.map(describe);
  const variables = mergeVariables(resources);
  const balancer = await journal.perform("bring up the balancer", () => bringUpBalancer(context, supervisor, record, ran));
  const autoscaler = await journal.perform("bring up the autoscaler", () => bringUpAutoscaler(context, supervisor));
  const changed = !before || balancer || autoscaler || changes.includes(true) || JSON.stringify(before.resources) !== JSON.stringify(described);
  await journal.perform("record what stands", () => {
    const tls = Boolean(context.app.environment.tls);
    writeRecord(context.places, { ...record, folder: context.folder, tls, resources: described, variables });
    if (changed) recordEvent(context, "commissioned", `environment "${name}" of "${app.name}" stands`);
  });
  return { app: app.name, environment: name, changed, address: addressOf(record), resources: described.map(({ processId: _, ...report }) => report) };
}

async function makeRecord(context: Context): Promise<EnvironmentRecord> {
  const port = context.app.environment.port || (await findFreePort());
  return {
    app: context.app.app.name,
    environment: context.app.name,
    folder: context.folder,
    commissionedAt: context.clock.now(),
    port,
    metricsPort: await findFreePort(new Set([port])),
    tls: Boolean(context.app.environment.tls),
    resources: [],
    variables: { env: {}, secretEnv: {} },
    rolledOut: [],
    expanded: [],
    counts: {},
  };
}

async function refuseTakenPort(context: Context, record: EnvironmentRecord, ours: boolean): Promise<void> {
  if (ours || (await isPortFree(record.port))) return;
  throw new LandfallError({
    code: "PORT_TAKEN",
    what: `port ${record.port} of environment "${context.app.name}" is taken`,
    why: "another process listens on 127.0.0.1 there",
    standing: "Nothing was changed.",
    next: `set another port for "${context.app.name}" under environments, or 0 for any free one`,
  });
}

/** True when something was made or started. */
async function bringUp(context: Context, supervisor: SupervisorApi, resource: PreparedResource, ran: Set<string>): Promise<boolean> {
  const { name, type, spec, address } = resource;
  return bringUpStep(context, `resource ${name}`, `${type} "${name}" answers at ${address}`, async () => {
    if (spec) await supervisor.start(spec);
    await resource.ready();
    const { created } = await resource.establish();
    return created.length > 0 || (spec !== undefined && !ran.has(spec.id));
  });
}

/** Says that something stands; `act` tells whether it had to be made or started for that. */
async function bringUpStep(context: Context, step: string, text: string, act: () => Promise<boolean>): Promise<boolean> {
  const from = performance.now();
  const changed = await act();
  context.emit(changed ? { type: "finished", step, text, durationMs: Math.round(performance.now() - from) } : { type: "unchanged", step, text });
  return changed;
}

const describe = ({ name, type, spec, address }: PreparedResource) => ({
  name,
  type,
  address,
  state: spec ? ("running" as const) : ("external" as const),
  processId: spec?.id,
});

function mergeVariables(resources: PreparedResource[]): EnvironmentRecord["variables"] {
  return {
    env: Object.assign({}, ...resources.map((resource) => resource.variables.env)),
    secretEnv: Object.assign({}, ...resources.map((resource) => resource.variables.secretEnv)),
  };
}

const bringUpBalancer = (context: Context, supervisor: SupervisorApi, record: EnvironmentRecord, ran: Set<string>): Promise<boolean> =>
  bringUpStep(context, "balancer", `balancer listens at ${addressOf(record)}`, async () => {
    const wanted = balancerSpec(context, record);
    const { spec } = await supervisor.start(wanted);
    await supervisor.setEdge(await makeEdge(context, record));
    const changed = !isDeepStrictEqual([spec.argv, spec.listen], [wanted.argv, wanted.listen]);
    if (changed) await supervisor.renew(wanted);
    return changed || !ran.has("balancer");
  });
