// A rehearsal: what AWS would do with the app, on this machine. The same image, the same user data, real machines under a constant load;
// and at the end nothing of it is left but the image and the bare tree, for the next one.
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentApp } from "../config/app.ts";
import type { Resource, Service } from "../config/schema.ts";
import { LandfallError } from "../error.ts";
import { during, type Emit } from "../progress.ts";
import { makeRelease } from "../release/release.ts";
import { loadSource, type Source } from "../release/source.ts";
import type { RehearsalReport, RehearsedPhase } from "../reports.ts";
import { systemClock } from "../system/clock.ts";
import { tryFileLock } from "../system/file-lock.ts";
import { removeAll } from "../system/files.ts";
import { findHome } from "../system/home.ts";
import { findFreePort } from "../system/network.ts";
import { secretPath } from "../targets/aws/stacks/names.ts";
import type { Edge } from "../targets/local/balancer/api.ts";
import { Balancer } from "../targets/local/balancer/balancer.ts";
import { makeContext } from "../targets/local/context.ts";
import { makeEdge } from "../targets/local/edge.ts";
import { placesOf } from "../targets/local/places.ts";
import { openSecrets } from "../targets/local/secrets.ts";
import { publicDownloads } from "./downloads.ts";
import { ensureImage, type Image, makeArtifact, runPhase, type Workplace } from "./errands.ts";
import { Fleets, type Rehearsed, type Running } from "./fleet.ts";
import { openGround } from "./ground.ts";
import { type Load, startLoad } from "./load.ts";
import { objectServer } from "./objects.ts";
import { startResources } from "./resources.ts";
import { type Account, makeAccount, standIn } from "./stand-in.ts";
import { ensureTree } from "./tree.ts";
import { compileUserData } from "./user-data.ts";

const STEADY_MS = 5_000;
const BALANCER_STOP_MS = 5_000;
export type Strategy = "rolling" | "blueGreen";

export interface RehearsalInput {
  app: EnvironmentApp;
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
}

/**
 * Boots, deploys, rolls and rolls back. Errors: REHEARSAL_IMPOSSIBLE, LEASE_HELD, what a source, a recipe, a build or a release phase can
 * fail with, HEALTH_NEVER_PASSED with the instance's own report. Nothing is left in any case.
 */
export async function rehearse(input: RehearsalInput): Promise<RehearsalReport> {
  const began = performance.now();
  const home = join(findHome(), "rehearse");
  const app = asRehearsed(input);
  const folder = join(home, "running", `${app.app.name}-${app.name}`);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const lock = tryFileLock(`${folder}.lock`);
  if (!lock) throw underWay(app.name);
  const endings: (() => Promise<unknown> | unknown)[] = [() => lock.release({ removeFile: true }), () => removeAll(folder)];
  try {
    const tree = await ensureTree(home, input.emit);
    const account = makeAccount();
    const source = await loadSource({ folder: input.folder, dirty: input.dirty });
    const before = input.from === undefined ? source : await loadSource({ folder: input.folder, ref: input.from, dirty: false });
    input.signal?.throwIfAborted();
    const resources = await startResources({ ...input, app }, account);
    endings.push(() => resources.stop());
    setSecrets(account, app, input.emit);
    const answerers = [publicDownloads(tree.certificate), objectServer(resources.endpoint), standIn(account)];
    const ground = await openGround({ folder, tree, answerers, resources: resources.served, signal: input.signal });
    endings.push(() => ground.stop());
    const place: Workplace = { app, ground, resources, images: join(home, "images"), emit: input.emit, signal: input.signal };

    const names = await nameReleases(app, before, source);
    const first = await prepare(place, before, names[0]);
    const second = await prepare(place, source, names[1], before === source ? first.image : undefined);
    const balancer = new Balancer(folder);
    endings.push(() => balancer.stop(BALANCER_STOP_MS));
    const edge = await makeEdgeOf(input, app, resources.places.environment);
    const fleets = new Fleets({ ...place, balancer, edge });
    endings.push(() => fleets.close());
    const phases = await perform({ input, app, place, fleets, edge, first, second, endings });
    return {
      app: app.app.name,
      environment: app.name,
      image: { hash: second.image.hash, made: second.image.made },
      releases: { before: first.artifact.id, after: second.artifact.id },
      machines: fleets.started.length,
      signals: fleets.started,
      phases,
      requests: sum(phases, "requests"),
      lost: sum(phases, "lost"),
      durationMs: Math.round(performance.now() - began),
    };
  } catch (error) {
    throw input.signal?.aborted ? interrupted(app.name, input.signal) : error;
  } finally {
    await endAll(endings.reverse());
  }

  async function prepare(place: Workplace, source: Source, id: string, known?: Image): Promise<Rehearsed> {
    const image = known ?? (await ensureImage(place, source));
    const artifact = await makeArtifact(place, image, { id, source });
    return { artifact, image, userData: compileUserData({ app, release: artifact, look: place.resources.look }) };
  }
}

/** All of them, whatever one of them meets. */
async function endAll(endings: (() => Promise<unknown> | unknown)[]): Promise<void> {
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

const sum = (phases: RehearsedPhase[], of: "requests" | "lost") => phases.reduce((total, phase) => total + phase[of], 0);

interface Performance {
  input: RehearsalInput;
  app: EnvironmentApp;
  place: Workplace;
  fleets: Fleets;
  edge: Edge;
  first: Rehearsed;
  second: Rehearsed;
  endings: (() => Promise<unknown> | unknown)[];
}

async function perform({ input, app, place, fleets, edge, first, second, endings }: Performance): Promise<RehearsedPhase[]> {
  const { emit, signal, strategies } = input;
  const services = Object.entries(app.app.services);
  const phases: RehearsedPhase[] = [];
  await runPhase(place, first.image, first.artifact);
  await during(emit, "start", "booting the machines of all fleets", async () => {
    await Promise.all(services.map(([name, service]) => fleets.start(name, first, countOf(service))));
    await fleets.attach(fleets.running);
    return `${fleets.running.length} machines run release ${first.artifact.id}`;
  });
  const load = loadOf(app, edge, input.rate);
  endings.push(() => load?.stop());

  const phase = async (name: string, text: string, act: () => Promise<unknown>) => {
    signal?.throwIfAborted();
    const began = performance.now();
    await during(emit, name, text, async () => {
      await act();
      const counts = (await load?.take()) ?? NO_LOAD;
      phases.push({ name, ...counts, durationMs: Math.round(performance.now() - began) });
      return `${text}: ${counts.lost} of ${counts.requests} requests lost`;
    });
  };

  await phase("steady", "no change", () => systemClock.sleep(STEADY_MS, signal));
  await runPhase(place, second.image, second.artifact);
  if (strategies.includes("rolling")) {
    await phase("rolling", `rolling to ${second.artifact.id}`, () => roll(app, fleets, second));
    await phase("rolling back", `rolling back to ${first.artifact.id}`, () => roll(app, fleets, first));
  }
  if (strategies.includes("blueGreen")) {
    let green: Running[] = [];
    await phase("blueGreen", `switching to a fleet of ${second.artifact.id}`, async () => {
      green = await switchOver(app, fleets, second);
    });
    await phase("switching back", `switching back to ${first.artifact.id}`, async () => {
      await fleets.attach(fleets.running.filter((one) => !green.includes(one)));
      await fleets.end(green);
    });
  }
  return phases;
}

const countOf = ({ instances, singleton, schedule }: Service): number => (singleton || schedule ? 1 : instances.min);
const isWeb = ({ port }: Service): boolean => port !== undefined;

/** Requests for the health check of each web service; without such a service there are none to lose. */
function loadOf({ app }: EnvironmentApp, { port }: Edge, rate: number): Load | undefined {
  const paths = new Set(Object.values(app.services).flatMap((service) => (isWeb(service) ? [service.health.path] : [])));
  return paths.size > 0 ? startLoad(`http://127.0.0.1:${port}`, [...paths], rate) : undefined;
}

/** Batch by batch, the new before the old; of a singleton and a job there are never two. */
async function roll(app: EnvironmentApp, fleets: Fleets, to: Rehearsed): Promise<void> {
  for (const [name, service] of Object.entries(app.app.services)) {
    const alone = service.singleton || service.schedule !== undefined;
    const size = alone ? 1 : batchOf(app, countOf(service));
    for (const old = fleets.of(name); old.length > 0; ) {
      const batch = old.splice(0, size);
      if (alone) await fleets.end(batch);
      const fresh = await fleets.start(name, to, batch.length);
      await fleets.attach([...fleets.running.filter((one) => one.state === "attached" && !batch.includes(one)), ...fresh]);
      if (!alone) await fleets.end(batch);
    }
  }
}

/** A whole fleet of each web service beside the one that serves, and all requests to it at once. Returns it. */
async function switchOver(app: EnvironmentApp, fleets: Fleets, to: Rehearsed): Promise<Running[]> {
  const webs = Object.entries(app.app.services).filter(([, service]) => isWeb(service));
  const blue = webs.flatMap(([name]) => fleets.of(name));
  const green = (await Promise.all(webs.map(([name, service]) => fleets.start(name, to, countOf(service))))).flat();
  await fleets.attach([...fleets.running.filter((one) => one.state === "attached" && !blue.includes(one)), ...green]);
  return green;
}

const NO_LOAD = { requests: 0, lost: 0, medianMs: 0, p99Ms: 0, slowestMs: 0, losses: {} };

function batchOf({ app: { rollout } }: EnvironmentApp, count: number): number {
  const size = typeof rollout.batch === "number" ? rollout.batch : Math.ceil((count * Number.parseInt(rollout.batch, 10)) / 100);
  return Math.max(1, Math.min(count, size));
}

/** Two releases of one content are one; here they must be told apart, so the second gets another name. */
async function nameReleases(app: EnvironmentApp, before: Source, after: Source): Promise<[string, string]> {
  const nameOf = async (source: Source) => (await makeRelease({ app, source, secretsRevision: "rehearsal" })).id;
  const [first, second] = [await nameOf(before), await nameOf(after)];
  return [first, first === second ? `${second}b` : second];
}

const onlyContainers = (services: string[]) =>
  new LandfallError({
    code: "REHEARSAL_IMPOSSIBLE",
    what: `there is no machine to rehearse: ${services.join(", ")} ${services.length === 1 ? "runs" : "run"} as containers`,
    why: "A rehearsal boots the machines that AWS would start.",
    standing: "Nothing was changed.",
    next: "run the image with the engine that made it",
  });

/** The environment with resources of its own, no more machines than asked for, and only the services that are rehearsed. */
function asRehearsed({ app: { app, environment, name }, services, max, emit }: RehearsalInput): EnvironmentApp {
  const asked = Object.entries(app.services).filter(([id]) => services === undefined || services.includes(id));
  const contained = asked.filter(([, { container }]) => container).map(([id]) => `"${id}"`);
  const kept = asked.filter(([, { container }]) => !container);
  if (kept.length === 0) throw onlyContainers(contained);
  if (contained.length > 0)
    emit({ type: "note", text: `not rehearsed, because they run as containers and not on machines: ${contained.join(", ")}` });
  const limited = kept.map(([id, service]): [string, Service] => {
    const min = Math.max(1, Math.min(service.instances.min, max));
    return [id, { ...service, instances: { min, max: Math.max(min, service.instances.max) } }];
  });
  const resources = Object.entries(app.resources).map(([id, resource]): [string, Resource] => [id, { ...resource, url: undefined }]);
  return { name, environment, app: { ...app, services: Object.fromEntries(limited), resources: Object.fromEntries(resources) } };
}

/** What was set for the local environment; what was not gets a value of its own, because no secret of another environment is known here. */
function setSecrets({ parameters }: Account, { app, name }: EnvironmentApp, emit: Emit): void {
  const own = openSecrets(placesOf(findHome(), app.name, "local"));
  const wanted = [
    ...Object.values(app.services).flatMap(({ secrets }) => secrets),
    ...app.routes.flatMap(({ basicAuth }) => (basicAuth ? [basicAuth.password] : [])),
  ];
  const unknown = [...new Set(wanted)].filter((secret) => !own.has(secret));
  for (const secret of new Set(wanted))
    parameters.set(secretPath(app.name, name, secret), own.has(secret) ? own.reveal(secret) : randomBytes(24).toString("hex"));
  if (unknown.length > 0) emit({ type: "note", text: `not set in "local", so made up: ${unknown.join(", ")}` });
}

/** As AWS's balancer has it: what it cannot do is done by the proxy on each machine. */
async function makeEdgeOf(input: RehearsalInput, app: EnvironmentApp, folder: string): Promise<Edge> {
  const port = await findFreePort();
  const routes = app.app.routes.filter(({ service, deny, redirect }) => deny || redirect || (service !== undefined && service in app.app.services));
  const plain = routes.map((route) => ({ ...route, basicAuth: undefined, headers: {} }));
  const context = makeContext({
    ...input,
    folder,
    app: { ...app, environment: { ...app.environment, tls: false }, app: { ...app.app, routes: plain } },
  });
  const record = { port, metricsPort: await findFreePort(new Set([port])) };
  return makeEdge(context, record as Parameters<typeof makeEdge>[1]);
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
    standing: "Nothing of it is left, and nothing else was changed.",
  });
