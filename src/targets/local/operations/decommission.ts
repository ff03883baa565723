// Removes all of an environment and looks again: a process, port or path that is still there is an error, named.
import { existsSync, renameSync } from "node:fs";
import { LandfallError } from "../../../error.ts";
import { during } from "../../../progress.ts";
import type { DecommissionReport, Stray } from "../../../reports.ts";
import type { Journal } from "../../../state/journal.ts";
import { removeAll } from "../../../system/files.ts";
import { isPortFree } from "../../../system/network.ts";
import { isRunning, type ProcessIdentity } from "../../../system/processes.ts";
import { removeSocket } from "../../../system/socket-path.ts";
import { isDamaged } from "../../../system/state-file.ts";
import type { Context } from "../context.ts";
import { assertDataPresent } from "../data/data-record.ts";
import { assertKeepable, setAsideData } from "../data/retained-data.ts";
import type { JournaledOperation } from "../lease.ts";
import type { Paths } from "../paths.ts";
import { assertNoNames } from "../preconditions.ts";
import { canFindStrays, endStarted, findStarted } from "../processes/strays.ts";
import { type EnvironmentRecord, findRecord } from "../record.ts";
import type { SupervisorState } from "../supervisor/api.ts";
import { loadEdge } from "../supervisor/records.ts";
import { ensureSupervisor } from "../supervisor/start.ts";
import { describeKept, type RemovalOptions, removeKept, removeShared } from "./remains.ts";

export const decommission: JournaledOperation<[RemovalOptions], { keepData?: boolean }, DecommissionReport> = {
  name: "decommission",
  begin(context, { keepData, confirmRemove }) {
    assertNoNames(context, "--confirm-remove", confirmRemove);
    // What is not there can neither be kept nor said to be.
    if (keepData) assertDataPresent(context.paths);
    return { keepData };
  },
  perform: removeEnvironment,
  finish: removeEnvironment,
};

export async function removeEnvironment(context: Context, journal: Journal, { keepData }: { keepData?: boolean }): Promise<DecommissionReport> {
  const { paths } = context;
  const record = findPorts(paths);
  if (keepData) assertKeepable(paths);
  // A dead supervisor is started again first: only it knows which processes are ours.
  const state = await (await ensureSupervisor(paths)).observe();
  const strays = await stopAll(context, journal, state);
  // The journal goes with the folder: a result that is written after this would make the folder anew.
  if (keepData) setAsideData(paths);
  else moveAway(paths);
  removeAll(paths.removing);
  const shared = [...(keepData ? [] : removeKept(paths)), ...(await removeShared(context))];
  const identities = [state.supervisor, ...state.processes.flatMap(({ group }) => group ?? [])];
  const ports = [...state.processes.flatMap(({ port }) => port ?? []), ...(record ? [record.port, record.metricsPort] : [])];
  await assertNothingLeft(context, identities, ports);
  if (!canFindStrays)
    context.emit({ type: "note", text: "this system does not show what left its process group and its parent: that was not looked for" });
  return {
    app: context.deployment.app,
    environment: context.deployment.environment,
    removed: [
      ...describeProcesses(state),
      ...strays.map(describeStray),
      ...ports.map((port) => `port ${port}`),
      `folder ${paths.environment}`,
      ...shared,
    ],
    kept: describeKept(context),
    checked: { processes: identities.length + strays.length, ports: ports.length, paths: 1 + shared.length },
  };
}

/** A record that is damaged keeps nobody from removing what it is about. */
function findPorts(paths: Paths): Pick<EnvironmentRecord, "port" | "metricsPort"> | undefined {
  try {
    return findRecord(paths);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    return loadEdge(paths);
  }
}

/** Gives what the supervisor did not know of. */
async function stopAll(context: Context, journal: Journal, { supervisor, processes }: SupervisorState): Promise<Stray[]> {
  const { paths } = context;
  const strays: Stray[] = [];
  await during(context.emit, "stop", "stopping all processes", async () => {
    await journal.perform("stop all processes", async () => {
      await (await ensureSupervisor(paths)).shutdown();
      await waitGone(context, supervisor);
      strays.push(...(await endStarted(paths)));
      for (const socket of [paths.supervisorSocket, paths.keeperSocket, paths.balancerSocket, paths.objectSocket]) removeSocket(socket);
    });
    return `${processes.length} processes and the supervisor stopped`;
  });
  return strays;
}

/** From here on there is no environment; a crash leaves what was moved away, and `removeRemains` removes it. */
function moveAway(paths: Paths): void {
  removeAll(paths.removing);
  renameSync(paths.environment, paths.removing);
}

async function waitGone(context: Context, identity: ProcessIdentity): Promise<void> {
  for (let waited = 0; waited < 10_000 && isRunning(identity); waited += 20) await context.clock.sleep(20);
}

async function assertNothingLeft({ deployment, paths }: Context, identities: ProcessIdentity[], ports: number[]): Promise<void> {
  const busy = await Promise.all(ports.map(async (port) => ((await isPortFree(port)) ? [] : [`port ${port}`])));
  const leftovers = [
    ...identities.filter(isRunning).map((identity) => `process ${identity.pid}`),
    ...findStarted(paths).map(describeStray),
    ...busy.flat(),
    ...(existsSync(paths.environment) ? [`folder ${paths.environment}`] : []),
  ];
  if (leftovers.length === 0) return;
  throw new LandfallError({
    code: "LEFT_BEHIND",
    what: `environment "${deployment.environment}" is not completely gone`,
    evidence: leftovers.map((text): [string, string] => ["left", text]),
    standing: "Everything else of it was removed.",
    next: `landfall decommission ${deployment.environment}`,
  });
}

const describeStray = ({ pid, command }: Stray): string => `process ${pid} (${command}), which had left its group`;

const describeProcesses = (state: SupervisorState): string[] => [
  ...state.processes.flatMap(({ spec, pid, group }) => (group ? [`process ${spec.id} (pid ${pid ?? group.pid})`] : [])),
  `process supervisor (pid ${state.supervisor.pid})`,
];
