// An example app on booted machines, for tests: the image baked by the script as it is, resources of this machine, and services that are
// booted with the user data as it is. Root file system and images are kept beside the installed packages, so that only the first run makes them.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Deployment, deploymentOf } from "../../src/config/deployment.ts";
import { findConfig, loadConfig } from "../../src/config/load.ts";
import type { Progress } from "../../src/progress.ts";
import { publicDownloads } from "../../src/rehearse/downloads.ts";
import { layersOf, openRehearsal, type RehearsalPlace } from "../../src/rehearse/driver.ts";
import type { Recorded } from "../../src/rehearse/endpoints.ts";
import { type Account, fakeAws, makeAccount } from "../../src/rehearse/fake-aws.ts";
import { compileFleets, type FleetTemplate } from "../../src/rehearse/fleet-template.ts";
import { InstanceLife } from "../../src/rehearse/instance-life.ts";
import { MachineFleets } from "../../src/rehearse/machine-fleets.ts";
import { type Instance, type MachineHost, openMachineHost } from "../../src/rehearse/machine-host.ts";
import { objectServer } from "../../src/rehearse/objects.ts";
import { type Resources, startResources } from "../../src/rehearse/resources.ts";
import { ensureRootFilesystem } from "../../src/rehearse/root-filesystem.ts";
import { makeRelease } from "../../src/release/release.ts";
import { loadSource, type Source } from "../../src/release/source.ts";
import { trafficPort } from "../../src/routing/placement.ts";
import { systemClock } from "../../src/system/clock.ts";
import type { ReleaseContext } from "../../src/targets/aws/releases/driver.ts";
import { ensureImages, ensureRecipe } from "../../src/targets/aws/releases/image.ts";
import { ensureRelease, fleetsOf } from "../../src/targets/aws/releases/release-store.ts";
import { runExpand } from "../../src/targets/aws/rollout/phases.ts";
import { secretPath } from "../../src/targets/aws/templates/shared/names.ts";
import type { Fleet } from "../../src/targets/aws/templates/shared/running.ts";
import { Balancer } from "../../src/targets/local/balancer/balancer.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const CACHE = join(ROOT, "node_modules/.cache/landfall/machines");
const SIGNAL_WITHIN_MS = 180_000;
/** Nothing is led to the machines of this stage. */
const NO_EDGE = {
  port: 0,
  metricsPort: 0,
  limits: { bodyBytesMax: 0, headerTimeoutMs: 0, idleTimeoutMs: 0, bodyTimeoutMs: 3_600_000, connectionsMax: 10_000 },
  routes: [],
};

export interface Stage {
  deployment: Deployment;
  account: Account;
  host: MachineHost;
  resources: Resources;
  image: { folder: string };
  source: Source;
  /** What was said meanwhile. */
  progress: Progress[];
  /** Builds a release of these files and runs its release phase. */
  release(id: string, source?: Source): Promise<BootedRelease>;
  boot(service: string, release: BootedRelease): Booted;
  stop(): Promise<void>;
}

/** What instances of each service are started with. */
export interface BootedRelease {
  service(name: string): Fleet;
}

export interface Booted extends Instance {
  /** Its signal, and how long after power-on it came. */
  signal(): Promise<{ call: Recorded; ms: number }>;
  /** As its group ends it, once the balancer has let go. Resolves when it would be switched off, to whether it completed its hook. */
  terminate(letGo?: Promise<unknown>): Promise<boolean>;
  life: InstanceLife;
  /** What a balancer finds of it at the moment when its group takes it into service. */
  launched: Promise<"healthy" | "unhealthy">;
  ask(path: string, init?: RequestInit & { port?: number }): Promise<{ status: number; text: string }>;
}

/** Of an example, or of an app in a folder of its own. `secrets` are set in the account and asked for by every service. */
export async function openStage(example: string, { secrets = {} }: { secrets?: Record<string, string> } = {}): Promise<Stage> {
  const home = mkdtempSync(join(tmpdir(), "landfall-machines-"));
  // Postgres' own user passes through it.
  chmodSync(home, 0o711);
  process.env.LANDFALL_HOME = home;
  const folder = resolve(ROOT, "examples", example);
  const progress: Progress[] = [];
  const emit = (event: Progress) => void progress.push(event);
  const deployment = withSecrets(deploymentOf((await loadConfig(findConfig(folder))).app, "local"), Object.keys(secrets));
  const account = makeAccount();
  for (const [name, value] of Object.entries(secrets)) account.parameters.set(secretPath(deployment.app, deployment.environment, name), value);
  const rootFilesystem = await ensureRootFilesystem(CACHE, emit);
  const resources = await startResources({ deployment, folder, emit }, account);
  const host = await openMachineHost({
    folder: home,
    rootFilesystem,
    answerers: [publicDownloads(rootFilesystem.certificate), objectServer(resources.objectServer), fakeAws(account)],
    resources: resources.served,
  });
  const stop = async () => {
    await host.stop().finally(() => resources.stop());
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const images = join(CACHE, "images");
    const place: RehearsalPlace = { deployment, host, resources, images, clock: systemClock, emit };
    const fleets = new MachineFleets({ ...place, balancer: new Balancer(home), edgeOf: async () => NO_EDGE });
    const driver = openRehearsal(place, { fleets, secretsRevision: () => "" });
    const context: ReleaseContext = { deployment, folder, clock: systemClock, emit, driver };
    const source = await loadSource({ folder, dirty: true });
    const recipe = await ensureRecipe(context, source);
    const made = await ensureImages(context, recipe);
    const release = await makeRelease({ deployment, source, secretsRevision: "" });
    const image = { folder: layersOf(place, Object.values(made.images)[0]?.id)[0] as string };
    return {
      ...{ deployment, account, host, resources, image, source, progress, stop },
      async release(id, files = source) {
        const input = { release: { ...release, id }, source: files, recipe, images: made.images, containers: {} };
        const stored = await ensureRelease(context, input);
        await runExpand(context, stored, made.images);
        return { service: (service) => fleetsOf(context, stored, made.images)[service] as Fleet };
      },
      boot: (service, booted) => boot(place, service, booted.service(service)),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withSecrets(deployment: Deployment, secrets: string[]): Deployment {
  const services = Object.fromEntries(Object.entries(deployment.services).map(([name, service]) => [name, { ...service, secrets }]));
  return { ...deployment, services };
}

function boot(place: RehearsalPlace, service: string, fleet: Fleet): Booted {
  const { deployment, host, resources } = place;
  const { userData, tags, image, hooks } = compileFleets(deployment, { [service]: { blue: fleet } }, resources.look)[0] as FleetTemplate;
  const began = performance.now();
  const life = new InstanceLife();
  const instance = host.boot({ role: service, userData, layers: layersOf(place, image), tags, life });
  const { path = "/" } = deployment.services[service]?.health ?? {};
  const check = () =>
    ask(host, instance.address, path, { port: trafficPort(deployment, service) }).then(
      ({ status }) => (status < 300 ? "healthy" : "unhealthy"),
      () => "unhealthy" as const,
    );
  // As a balancer checks it, from outside.
  instance.subject.health = check;
  // The group holds it only once the machine has asked: whoever completes a hook unseen does so too early.
  const launched = host
    .called(({ action, from }) => action === "DescribeAutoScalingInstances" && from === instance.address, SIGNAL_WITHIN_MS)
    .then(() => life.launch(hooks.launch))
    .then(check);
  launched.catch(() => {});
  return {
    ...instance,
    life,
    launched,
    terminate: (letGo = Promise.resolve()) => life.terminate(letGo, hooks.end),
    async signal() {
      const call = await host.called((one) => one.action === "SignalResource" && one.input.UniqueId === instance.id, SIGNAL_WITHIN_MS);
      return { call, ms: Math.round(performance.now() - began) };
    },
    ask: (path, init) => ask(host, instance.address, path, { port: trafficPort(deployment, service), ...init }),
  };
}

/** One HTTP request over a connection into the network. */
async function ask(host: MachineHost, address: string, path: string, { port, method = "GET", headers, body }: RequestInit & { port: number }) {
  const socket = await host.dial(address, port);
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request(
      { createConnection: () => socket, path, method, headers: { host: "machine", ...(headers as Record<string, string>) } },
      async (answer) => {
        let text = "";
        try {
          for await (const chunk of answer) text += String(chunk);
          resolve({ status: answer.statusCode ?? 0, text });
        } catch (error) {
          reject(error);
        }
      },
    );
    sent.once("error", reject).end(body as string | undefined);
  });
}
