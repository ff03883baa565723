// A rehearsal: what AWS would do with the app, on this machine. The code that deploys on AWS drives real machines under a constant load; and at
// the end nothing of it is left but the image and the bare root file system, for the next one.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DeployedService, Deployment } from "../config/deployment.ts";
import type { Resource } from "../config/schema.ts";
import { LandfallError } from "../error.ts";
import { during, type Emit } from "../progress.ts";
import type { RehearsalReport, RehearsedPhase } from "../reports.ts";
import type { Strategy } from "../rollout/strategy.ts";
import { type Clock, systemClock } from "../system/clock.ts";
import type { FileLock } from "../system/file-lock.ts";
import { removeAll } from "../system/files.ts";
import { findHome } from "../system/home.ts";
import { findFreePort } from "../system/network.ts";
import { type Prepared, prepareRelease, rollback, rollTo } from "../targets/aws/operations/deploy.ts";
import { loadRecord, writeRecord } from "../targets/aws/record.ts";
import type { ReleaseContext } from "../targets/aws/releases/driver.ts";
import { rulesOf } from "../targets/aws/releases/release-store.ts";
import { secretPath } from "../targets/aws/templates/shared/names.ts";
import type { Rules } from "../targets/aws/templates/shared/running.ts";
import type { Edge } from "../targets/local/balancer/api.ts";
import { Balancer } from "../targets/local/balancer/balancer.ts";
import { makeContext } from "../targets/local/context.ts";
import { openSecrets } from "../targets/local/data/secret-store.ts";
import { pathsOf } from "../targets/local/paths.ts";
import { makeEdge } from "../targets/local/rollout/balancer-config.ts";
import { describeDuration } from "../text/units.ts";
import { publicDownloads } from "./downloads.ts";
import { openRehearsal, type RehearsalPlace } from "./driver.ts";
import { type Account, fakeAws, makeAccount } from "./fake-aws.ts";
import { findTargets, type Load, startLoad } from "./load.ts";
import { MachineFleets } from "./machine-fleets.ts";
import { openMachineHost } from "./machine-host.ts";
import { objectServer } from "./objects.ts";
import { folderOf, lockFolder, rehearsalHome, removeRemains } from "./remains.ts";
import { startResources } from "./resources.ts";
import { ensureRootFilesystem } from "./root-filesystem.ts";

const STEADY_MS = 5_000;
const BALANCER_STOP_MS = 5_000;
/** What is waited for is on this machine: nobody is asked too often. */
const PAUSE_MS_MAX = 500;
/** Of a step of a canary: enough to see that it is judged, and that a broken one is found. */
const CANARY_STEP_MS = 20_000;
const CANARY_REQUESTS = 20;
const CANARY_TIMEOUT_MS = 2 * 60_000;

export interface RehearsalInput {
  deployment: Deployment;
  folder: string;
  /** Only these services; all of them when left out. */
  services?: string[];
  /** No fleet has more machines, whatever its minimum is. */
  max: number;
  /** Requests a second. */
  rate: number;
  strategies: Strategy[];
  /** The working tree as it is. */
  dirty: boolean;
  /** A git reference: the release that serves before. What is rehearsed is rolled out over it; without one, over itself. */
  from?: string;
  emit: Emit;
  signal?: AbortSignal;
  /** Wait for another rehearsal of the environment, instead of rejecting with LEASE_HELD. */
  wait?: boolean;
}

type Endings = (() => Promise<unknown> | unknown)[];

/**
 * Deploys, rolls out and rolls back. Errors: REHEARSAL_IMPOSSIBLE, LEASE_HELD, and all that a deploy on AWS can fail with. Nothing is left in any
 * case.
 */
export async function rehearse(input: RehearsalInput): Promise<RehearsalReport> {
  const began = performance.now();
  const home = rehearsalHome();
  const deployment = asRehearsed(input);
  const { app, environment } = deployment;
  const folder = folderOf(home, app, environment);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const lock = await takeLock(folder, input);
  const endings: Endings = [() => lock.release({ removeFile: true }), () => removeAll(folder)];
  try {
    const stage = await openStage(input, deployment, { home, folder, endings });
    const report = await perform(input, stage, endings);
    return { ...report, durationMs: Math.round(performance.now() - began) };
  } catch (error) {
    throw input.signal?.aborted ? interrupted(environment, input.signal) : withStanding(error);
  } finally {
    await endAll(endings.reverse());
  }
}

interface Stage {
  context: ReleaseContext;
  fleets: MachineFleets;
  edgeOf(rules?: Rules): Promise<Edge>;
  /** From here on the same content is another release. */
  nextRevision(): void;
}

interface Where {
  home: string;
  folder: string;
  endings: Endings;
}

/** Everything that a release needs and that is no machine of its own. */
async function openStage(input: RehearsalInput, deployment: Deployment, { home, folder, endings }: Where): Promise<Stage> {
  const { emit, signal } = input;
  const rootFilesystem = await ensureRootFilesystem(home, emit);
  for (const name of await removeRemains(home, deployment)) emit({ type: "note", text: `removed what a killed rehearsal had left: ${name}` });
  signal?.throwIfAborted();
  const account = makeAccount();
  const resources = await startResources({ ...input, deployment }, account);
  endings.push(() => resources.stop());
  setSecrets(account, deployment, emit);
  const answerers = [publicDownloads(rootFilesystem.certificate), objectServer(resources.objectServer), fakeAws(account)];
  const host = await openMachineHost({ folder, rootFilesystem, answerers, resources: resources.served, signal });
  endings.push(() => host.stop());
  const balancer = new Balancer(folder);
  endings.push(() => balancer.stop(BALANCER_STOP_MS));
  const edgeOf = await openEdge(input, deployment, resources.paths.environment);
  const place: RehearsalPlace = { deployment, host, resources, images: join(home, "images"), clock: impatientClock, emit, signal };
  const fleets = new MachineFleets({ ...place, balancer, edgeOf });
  endings.push(() => fleets.close());
  let revision = 1;
  const driver = openRehearsal(place, { fleets, secretsRevision: () => `rehearsal ${revision}` });
  const context: ReleaseContext = { deployment, folder: input.folder, clock: impatientClock, emit, signal, driver };
  return { context, fleets, edgeOf, nextRevision: () => void revision++ };
}

const impatientClock: Clock = { now: systemClock.now, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, PAUSE_MS_MAX), signal) };

async function perform(input: RehearsalInput, stage: Stage, endings: Endings): Promise<Omit<RehearsalReport, "durationMs">> {
  const { context, fleets } = stage;
  const first = await prepareRelease(context, input.from === undefined ? { dirty: input.dirty } : { ref: input.from });
  stage.nextRevision();
  const second = await prepareRelease(context, { dirty: input.dirty });
  await rollTo(context, { ...first, from: context.clock.now() });
  const load = loadOf(input, context.deployment, await stage.edgeOf(rulesOf(second.stored)));
  endings.push(() => load?.stop());
  const phases: RehearsedPhase[] = [];
  const measured = async (name: string, text: string, act: () => Promise<unknown>): Promise<void> => {
    input.signal?.throwIfAborted();
    phases.push(await measure(input.emit, load, { name, text, act }));
  };
  await measured("steady", "no change", () => systemClock.sleep(STEADY_MS, input.signal));
  for (const strategy of input.strategies)
    await rehearseStrategy({ ...context, deployment: withStrategy(context.deployment, strategy) }, { first, second }, measured);
  return {
    app: context.deployment.app,
    environment: context.deployment.environment,
    image: { hash: second.stored.recipe?.hash ?? "", made: first.imageMade || second.imageMade },
    releases: { before: first.stored.release.id, after: second.stored.release.id },
    machines: fleets.started.length,
    signals: fleets.started,
    phases,
    requests: sum(phases, "requests"),
    lost: sum(phases, "lost"),
  };
}

/** Forth as a release that is new, and back as one that has served. */
async function rehearseStrategy(
  context: ReleaseContext,
  { first, second }: { first: Prepared; second: Prepared },
  measured: (name: string, text: string, act: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const { deployment, driver } = context;
  const [before, after] = [first.stored.release.id, second.stored.release.id];
  const { strategy } = deployment.rollout;
  await writeRecord(driver.objects, deployment.environment, { ...(await loadRecord(driver.objects, deployment.environment)), rolledOut: [before] });
  await measured(strategy, `${strategy}: release ${after}`, () => rollTo(context, { ...second, from: context.clock.now() }));
  const back = strategy === "rolling" ? "rolling back" : "switching back";
  await measured(back, `${back} to release ${before}`, () => rollback(context, {}));
}

const withStrategy = (deployment: Deployment, strategy: Strategy): Deployment => ({
  ...deployment,
  rollout: { ...deployment.rollout, strategy },
});

interface Measured {
  name: string;
  text: string;
  act: () => Promise<unknown>;
}

const NO_LOAD = { requests: 0, lost: 0, medianMs: 0, p99Ms: 0, slowestMs: 0, losses: {} };

async function measure(emit: Emit, load: Load | undefined, { name, text, act }: Measured): Promise<RehearsedPhase> {
  const began = performance.now();
  let phase: RehearsedPhase = { name, ...NO_LOAD, durationMs: 0 };
  await during(emit, name, text, async () => {
    await act();
    phase = { ...phase, ...(await load?.take()), durationMs: Math.round(performance.now() - began) };
    return `${text}: ${phase.lost} of ${phase.requests} requests lost`;
  });
  return phase;
}

const sum = (phases: RehearsedPhase[], of: "requests" | "lost") => phases.reduce((total, phase) => total + phase[of], 0);

/** Requests for each web service; without such a service there are none to lose. */
function loadOf({ emit, rate }: RehearsalInput, deployment: Deployment, edge: Edge): Load | undefined {
  const { targets, unreached } = findTargets(deployment, edge);
  for (const service of unreached) emit({ type: "warning", text: `no route leads to service "${service}": it gets no requests` });
  return targets.length > 0 ? startLoad(`http://127.0.0.1:${edge.port}`, targets, rate) : undefined;
}

const LOOK_AGAIN_MS = 500;

async function takeLock(folder: string, { deployment, wait, signal, emit }: RehearsalInput): Promise<FileLock> {
  for (let announced = false; ; announced = true) {
    const lock = lockFolder(folder);
    if (lock) return lock;
    if (!wait || signal?.aborted) throw underWay(deployment.environment);
    if (!announced) emit({ type: "note", text: `waiting: another rehearsal of environment "${deployment.environment}" runs on this machine` });
    await systemClock.sleep(LOOK_AGAIN_MS, signal).catch(() => {});
  }
}

/** All of them, whatever one of them meets. */
async function endAll(endings: Endings): Promise<void> {
  const failures: unknown[] = [];
  for (const end of endings) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

const noServerFor = (resource: string) =>
  new LandfallError({
    code: "REHEARSAL_IMPOSSIBLE",
    what: `resource "${resource}" cannot be rehearsed: Landfall starts no MySQL on this machine`,
    why: "A rehearsal gives the app resources of its own, so that it touches no data.",
    standing: "Nothing was changed.",
    next: "rehearse another app, or try the release on an environment of its own",
  });

const onlyContainers = (services: string[]) =>
  new LandfallError({
    code: "REHEARSAL_IMPOSSIBLE",
    what: `there is no machine to rehearse: ${services.join(", ")} ${services.length === 1 ? "runs" : "run"} as containers`,
    why: "A rehearsal boots the machines that AWS would start.",
    standing: "Nothing was changed.",
    next: "run the image with the engine that made it",
  });

/** The environment with resources of its own, no more machines than asked for, and only the services that are rehearsed. */
export function asRehearsed({ deployment, services, max, strategies, emit }: RehearsalInput): Deployment {
  const asked = Object.entries(deployment.services).filter(([id]) => services === undefined || services.includes(id));
  const contained = asked.filter(([, { container }]) => container).map(([id]) => `"${id}"`);
  const kept = asked.filter(([, { container }]) => !container);
  if (kept.length === 0) throw onlyContainers(contained);
  if (contained.length > 0)
    emit({ type: "warning", text: `not rehearsed, because they run as containers and not on machines: ${contained.join(", ")}` });
  const mysql = Object.entries(deployment.resources).find(([, { type }]) => type === "mysql");
  if (mysql) throw noServerFor(mysql[0]);
  const limited = kept.map(([id, service]): [string, DeployedService] => {
    const min = Math.max(1, Math.min(service.instances.min, max));
    return [id, { ...service, instances: { min, max: Math.max(min, service.instances.max) } }];
  });
  const resources = Object.entries(deployment.resources).map(([id, resource]): [string, Resource] => [id, { ...resource, url: undefined }]);
  const { canary } = deployment.rollout;
  if (strategies.includes("canary")) emit({ type: "note", text: describeSteps(canary) });
  return {
    ...deployment,
    services: Object.fromEntries(limited),
    resources: Object.fromEntries(resources),
    routes: deployment.routes.filter(({ service }) => service === undefined || kept.some(([id]) => id === service)),
    rollout: {
      ...deployment.rollout,
      canary: {
        ...canary,
        instances: Math.min(canary.instances, max),
        step: Math.min(canary.step, CANARY_STEP_MS),
        minRequests: Math.min(canary.minRequests, CANARY_REQUESTS),
        timeout: Math.min(canary.timeout, CANARY_TIMEOUT_MS),
      },
    },
  };
}

const describeSteps = ({ step, minRequests }: Deployment["rollout"]["canary"]): string =>
  `a step of a canary takes ${describeDuration(Math.min(step, CANARY_STEP_MS))} and ${Math.min(minRequests, CANARY_REQUESTS)} requests here, and ${describeDuration(step)} and ${minRequests} requests on AWS`;

/** What was set for the local environment; what was not gets a value of its own, because no secret of another environment is known here. */
function setSecrets({ parameters }: Account, { app, environment, services, routes }: Deployment, emit: Emit): void {
  const localSecrets = openSecrets(pathsOf(findHome(), app, "local"));
  const names = [
    ...Object.values(services).flatMap(({ secrets }) => secrets),
    ...routes.flatMap(({ basicAuth }) => (basicAuth ? [basicAuth.password] : [])),
  ];
  const unknown = [...new Set(names)].filter((secret) => !localSecrets.has(secret));
  for (const secret of new Set(names))
    parameters.set(secretPath(app, environment, secret), localSecrets.has(secret) ? localSecrets.reveal(secret) : randomBytes(24).toString("hex"));
  if (unknown.length > 0) emit({ type: "warning", text: `not set in "local", so made up: ${unknown.join(", ")}` });
}

/** As AWS's balancer has it: what it cannot do is done by the proxy on each machine. */
async function openEdge(input: RehearsalInput, deployment: Deployment, folder: string): Promise<(rules?: Rules) => Promise<Edge>> {
  const port = await findFreePort();
  const record = { port, metricsPort: await findFreePort(new Set([port])), tls: false as const };
  const context = makeContext({ ...input, folder, deployment });
  const { services } = deployment;
  const { limits, trustedProxies } = deployment.settings;
  return async (rules) => {
    const routes = (rules?.routes ?? []).map((route) => ({ ...route, basicAuth: undefined, headers: {} }));
    const edge = await makeEdge(context, record, { id: rules?.release ?? "", services, routes, limits, trustedProxies });
    return { ...edge, release: rules?.release, defaultService: rules?.defaultService };
  };
}

const NOTHING_LEFT = "Nothing of the rehearsal is left, and nothing else was changed.";

/** An environment that is told of is gone when the error is read. */
function withStanding(error: unknown): unknown {
  if (!(error instanceof LandfallError) || error.parts.standing === "Nothing was changed.") return error;
  const { next } = error.parts;
  return new LandfallError({ ...error.parts, standing: NOTHING_LEFT, next: next?.startsWith("landfall ") ? undefined : next }, error.more);
}

const underWay = (environment: string) =>
  new LandfallError({
    code: "LEASE_HELD",
    what: `another rehearsal of environment "${environment}" is under way on this machine`,
    standing: "Nothing was changed.",
  });

const interrupted = (environment: string, signal: AbortSignal) =>
  new LandfallError({
    code: "INTERRUPTED",
    what: `the rehearsal of environment "${environment}" was ${(signal.reason as Error).message}`,
    standing: NOTHING_LEFT,
  });
