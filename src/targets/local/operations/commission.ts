// Brings up the environment: supervisor, resources, balancer. Every step looks first whether it is done.

import { isDeepStrictEqual } from "node:util";
import { present } from "../../../error.ts";
import type { CommissionReport } from "../../../reports.ts";
import type { Journal } from "../../../state/journal.ts";
import { assertSecretsSet } from "../../preconditions.ts";
import type { CommissionOptions } from "../../target.ts";
import { bringUpAutoscaler } from "../autoscaler/process.ts";
import { bringUpCaretaker } from "../caretaker/process.ts";
import type { Context } from "../context.ts";
import { assertDataPresent, loadDataRecord, noteParts, SECRETS_PART } from "../data/data-record.ts";
import { findKept, hasData, secretPlacesOf, takeUpKept } from "../data/retained-data.ts";
import { openSecrets } from "../data/secret-store.ts";
import type { JournaledOperation } from "../lease.ts";
import { keptPorts, requireOwnListener } from "../ports/resource-port.ts";
import { assertNoNames, onlyOnAws } from "../preconditions.ts";
import { addressOf, type EnvironmentRecord, findRecord, recordEvent, writeRecord } from "../record.ts";
import { type PreparedResource, prepareResources, requireResources } from "../resources/index.ts";
import { assertCertificate, balancerSpec, edgeOnCommission, observeBalancer } from "../rollout/balancer-config.ts";
import type { SupervisorApi } from "../supervisor/api.ts";
import { ensureSupervisor } from "../supervisor/start.ts";
import { beginEmpty } from "./begin-empty.ts";
import { removeEnvironment } from "./decommission.ts";
import { findReadable, portsOf, takePlace } from "./place.ts";

export const commission: JournaledOperation<[CommissionOptions?], { empty?: string[]; hadData?: boolean }, CommissionReport> = {
  name: "commission",
  begin(context, { empty, confirmReplace, revertDrift } = {}) {
    if (revertDrift) throw onlyOnAws(context, "drift that an account could put back");
    assertNoNames(context, "--confirm-replace", confirmReplace);
    assertCertificate(context);
    // Secrets that are gone can be set once it is said that they are.
    if (!empty?.includes("secrets")) assertUrlsSet(context);
    return { empty };
  },
  perform: bringUpEnvironment,
  finish: bringUpEnvironment,
  /** Whatever stood before it was only added to. Data that it did not make itself is nobody's to remove. */
  async undo(context, journal, { hadData }) {
    if (findRecord(context.paths)) return;
    for (const { what } of (await removeEnvironment(context, journal, { keepData: hadData !== false })).kept)
      context.emit({ type: "note", text: `its data is kept in ${what}` });
  },
};

/** Errors: SECRET_MISSING, for the URL of a resource. */
function assertUrlsSet({ paths, deployment: { environment, resources } }: Context): void {
  assertSecretsSet({ services: {}, routes: [], resources }, environment, openSecrets(secretPlacesOf(paths)).has);
}

interface BringUpOptions {
  /** Data that is not there any more, by name: it is begun anew. */
  empty?: string[];
  /** Leave the balancer at the port and with the TLS that it has: for an operation that is about something else. */
  keepEntrance?: boolean;
}

export async function bringUpEnvironment(
  context: Context,
  journal: Journal,
  { empty = [], keepEntrance = false }: BringUpOptions = {},
): Promise<CommissionReport> {
  const { deployment } = context;
  const before = findReadable(context);
  const record = await takePlace(context, before, keepEntrance);
  // Of what stands others may need this less than that the rest comes up.
  if (!before) await requireResources(context.deployment.resources, openSecrets(secretPlacesOf(context.paths)));
  // What had data before must not lose it when this is undone; once it is known, it stays known however often this is taken up.
  if (!before) journal.learn({ hadData: journal.operation.input.hadData ?? hasData(context.paths) });
  await bringUpData(context, journal, empty);
  const supervisor = await journal.perform("start the supervisor", () => ensureSupervisor(context.paths));
  await supervisor.requirePorts({ ports: portsOf(record) });
  const ran = new Set((await supervisor.observe()).processes.filter(({ state }) => state === "running").map(({ spec }) => spec.id));
  const bringing: Bringing = { context, journal, supervisor, record, ran };
  const resources = await prepare(context, record);
  const changes = [...(await bringUpResources(bringing, resources)), ...(await bringUpBalancerAndAutoscaler(bringing))];
  const described = resources.map(describe);
  const changed = !before || changes.includes(true) || JSON.stringify(before.resources) !== JSON.stringify(described);
  await journal.perform("record what stands", () => {
    noteParts(context.paths, { secrets: SECRETS_PART }, context.clock.now());
    writeRecord(context.paths, { ...record, folder: context.folder, resources: described, variables: mergeVariables(resources) });
    if (changed) recordEvent(context, "commissioned", `environment "${deployment.environment}" of "${deployment.app}" stands`);
  });
  return {
    app: deployment.app,
    environment: deployment.environment,
    changed,
    address: addressOf(record),
    ...(record.tls === "local" && { authority: context.paths.authority }),
    resources: described.map(({ processId: _, ...report }) => report),
  };
}

interface Bringing {
  context: Context;
  journal: Journal;
  supervisor: SupervisorApi;
  record: EnvironmentRecord;
  /** The processes that ran before anything was done. */
  ran: Set<string>;
}

async function bringUpData(context: Context, journal: Journal, empty: string[]): Promise<void> {
  await adoptKeptData(context, journal);
  if (empty.length > 0) await journal.perform("begin with empty data", () => beginEmpty(context, empty));
  assertDataPresent(context.paths);
}

const prepare = (context: Context, record: EnvironmentRecord): Promise<PreparedResource[]> =>
  prepareResources({
    taken: new Set([...keptPorts(context.paths), ...portsOf(record)]),
    paths: context.paths,
    deployment: context.deployment,
    secrets: openSecrets(context.paths),
    known: new Set(Object.keys(loadDataRecord(context.paths).parts)),
    emit: (text) => context.emit({ type: "note", text }),
  });

const bringUpResources = (bringing: Bringing, resources: PreparedResource[]): Promise<boolean[]> =>
  Promise.all(resources.map((resource) => bringing.journal.perform(`bring up resource ${resource.name}`, () => bringUpResource(bringing, resource))));

async function bringUpBalancerAndAutoscaler(bringing: Bringing): Promise<boolean[]> {
  const { context, journal, supervisor } = bringing;
  const balancer = await journal.perform("bring up the balancer", () => bringUpBalancer(bringing));
  const autoscaler = await journal.perform("bring up the autoscaler", () => bringUpAutoscaler(context, supervisor));
  await journal.perform("bring up the caretaker", () => bringUpCaretaker(context, supervisor));
  return [balancer, autoscaler];
}

async function adoptKeptData({ paths, emit }: Context, journal: Journal): Promise<void> {
  const [kept] = findKept(paths);
  if (!kept) return;
  emit({ type: "note", text: `taking up the data kept in ${kept}` });
  await journal.perform("take up the data kept", () => takeUpKept(paths));
}

/** True when something was made or started. */
async function bringUpResource({ context, supervisor, ran }: Bringing, resource: PreparedResource): Promise<boolean> {
  const { name, type, spec, address } = resource;
  return bringUpStep(context, { step: `resource ${name}`, text: `${type} "${name}" answers at ${address}` }, async () => {
    if (spec) await supervisor.start(spec);
    await resource.ready();
    if (spec) requireOwnListener(name, present((await supervisor.observe({ ids: [spec.id] })).processes[0], `process "${spec.id}"`));
    const { created } = await resource.establish();
    if (resource.data) noteParts(context.paths, { [name]: resource.data }, context.clock.now());
    return created.length > 0 || (spec !== undefined && !ran.has(spec.id));
  });
}

/** Says that something stands; `act` tells whether it had to be made or started for that. */
async function bringUpStep(context: Context, said: { step: string; text: string }, act: () => Promise<boolean>): Promise<boolean> {
  const from = performance.now();
  const changed = await act();
  context.emit(changed ? { type: "finished", ...said, durationMs: Math.round(performance.now() - from) } : { type: "unchanged", ...said });
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

const bringUpBalancer = ({ context, supervisor, record, ran }: Bringing): Promise<boolean> =>
  bringUpStep(context, { step: "balancer", text: `balancer listens at ${addressOf(record)}` }, async () => {
    const desired = balancerSpec(context, record);
    const edge = await edgeOnCommission(context, record, (await supervisor.observe({ ids: [] })).edge);
    const { spec } = await supervisor.start(desired);
    const isOther = !isDeepStrictEqual([spec.argv, spec.listen], [desired.argv, desired.listen]);
    if (isOther) await supervisor.renew({ spec: desired, edge });
    await supervisor.setEdge(edge);
    // Asked of itself: whoever was to tell it may have been killed between noting it and doing it.
    const listening = (await observeBalancer(context.paths))?.listening;
    const isElsewhere = listening !== undefined && (listening.port !== record.port || listening.tls !== Boolean(record.tls));
    if (isElsewhere) await supervisor.renew({ spec: desired, edge });
    const changed = isOther || isElsewhere;
    return changed || !ran.has("balancer");
  });
