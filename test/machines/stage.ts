// An example app on booted machines, for tests: the image baked by the script as it is, resources of this machine, and services that are
// booted with the user data as it is. Tree and images are kept beside the installed packages, so that only the first run makes them.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { appIn, type EnvironmentApp } from "../../src/config/app.ts";
import { findConfig, loadConfig } from "../../src/config/load.ts";
import type { ReleaseArtifact } from "../../src/machine/index.ts";
import type { Progress } from "../../src/progress.ts";
import { publicDownloads } from "../../src/rehearse/downloads.ts";
import type { Recorded } from "../../src/rehearse/endpoints.ts";
import { ensureImage, type Image, makeArtifact, runPhase, type Workplace } from "../../src/rehearse/errands.ts";
import { type Ground, type Instance, openGround } from "../../src/rehearse/ground.ts";
import { objectServer } from "../../src/rehearse/objects.ts";
import { type Resources, startResources } from "../../src/rehearse/resources.ts";
import { type Account, makeAccount, standIn } from "../../src/rehearse/stand-in.ts";
import { ensureTree } from "../../src/rehearse/tree.ts";
import { compileUserData, type UserData } from "../../src/rehearse/user-data.ts";
import { loadSource, type Source } from "../../src/release/source.ts";
import { secretPath } from "../../src/targets/aws/stacks/names.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const CACHE = join(ROOT, "node_modules/.cache/landfall/machines");
const SIGNAL_WITHIN_MS = 180_000;

export interface Stage {
  app: EnvironmentApp;
  account: Account;
  ground: Ground;
  resources: Resources;
  image: Image;
  source: Source;
  /** What was said meanwhile. */
  progress: Progress[];
  /** Builds a release of these files and runs its release phase. */
  release(id: string, source?: Source): Promise<ReleaseArtifact>;
  boot(service: string, release: ReleaseArtifact): Booted;
  stop(): Promise<void>;
}

export interface Booted extends Instance {
  /** Its signal, and how long after power-on it came. */
  signal(): Promise<{ call: Recorded; ms: number }>;
  ask(path: string, init?: RequestInit & { port?: number }): Promise<{ status: number; text: string }>;
}

/** `secrets` are set in the account and asked for by every service. */
export async function openStage(example: string, { secrets = {} }: { secrets?: Record<string, string> } = {}): Promise<Stage> {
  const home = mkdtempSync(join(tmpdir(), "landfall-machines-"));
  // Postgres' own user passes through it.
  chmodSync(home, 0o711);
  process.env.LANDFALL_HOME = home;
  const folder = join(ROOT, "examples", example);
  const progress: Progress[] = [];
  const emit = (event: Progress) => void progress.push(event);
  const app = withSecrets(appIn((await loadConfig(findConfig(folder))).app, "local"), Object.keys(secrets));
  const account = makeAccount();
  for (const [name, value] of Object.entries(secrets)) account.parameters.set(secretPath(app.app.name, app.name, name), value);
  const tree = await ensureTree(CACHE, emit);
  const resources = await startResources({ app, folder, emit }, account);
  const ground = await openGround({
    folder: home,
    tree,
    answerers: [publicDownloads(tree.certificate), objectServer(resources.endpoint), standIn(account)],
    resources: resources.served,
  });
  const stop = async () => {
    await ground.stop().finally(() => resources.stop());
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const place: Workplace = { app, ground, resources, images: join(CACHE, "images"), emit };
    const source = await loadSource({ folder, dirty: true });
    const image = await ensureImage(place, source);
    return {
      ...{ app, account, ground, resources, image, source, progress, stop },
      async release(id, files = source) {
        const artifact = await makeArtifact(place, image, { id, source: files });
        await runPhase(place, image, artifact);
        return artifact;
      },
      boot: (service, release) => boot({ app, ground, resources, image }, service, release),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withSecrets({ app, ...rest }: EnvironmentApp, secrets: string[]): EnvironmentApp {
  const services = Object.fromEntries(Object.entries(app.services).map(([name, service]) => [name, { ...service, secrets }]));
  return { ...rest, app: { ...app, services } };
}

function boot(
  { app, ground, resources, image }: Pick<Stage, "app" | "ground" | "resources" | "image">,
  service: string,
  release: ReleaseArtifact,
): Booted {
  const { text, tags } = compileUserData({ app, release, look: resources.look })[service] as UserData;
  const began = performance.now();
  const instance = ground.boot({ role: service, userData: text, layers: [image.folder], tags });
  return {
    ...instance,
    async signal() {
      const call = await ground.called((one) => one.action === "SignalResource" && one.input.UniqueId === instance.id, SIGNAL_WITHIN_MS);
      return { call, ms: Math.round(performance.now() - began) };
    },
    ask: (path, init) => ask(ground, instance.address, path, init),
  };
}

/** One HTTP request over a connection into the network. */
async function ask(
  ground: Ground,
  address: string,
  path: string,
  { port = 8080, method = "GET", headers, body }: RequestInit & { port?: number } = {},
) {
  const socket = await ground.dial(address, port);
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
