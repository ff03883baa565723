// An environment in a temporary folder whose resources run as the supervisor would run them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deploymentOf } from "../../../../src/config/deployment.ts";
import { type AppInput, appSchema } from "../../../../src/config/schema.ts";
import { openSecrets, type Secrets } from "../../../../src/targets/local/data/secret-store.ts";
import { type Paths, pathsOf } from "../../../../src/targets/local/paths.ts";
import { type PreparedResource, prepareResources } from "../../../../src/targets/local/resources/index.ts";
import type { ProcessSpec } from "../../../../src/targets/local/supervisor/api.ts";

export interface TestEnvironment {
  home: string;
  paths: Paths;
  secrets: Secrets;
  /** Everything its processes have said. */
  output(): string;
  prepare(resources: AppInput["resources"]): Promise<PreparedResource[]>;
  /** Prepares, starts, waits, establishes: what was created, and the resources. */
  bringUp(resources: AppInput["resources"]): Promise<{ created: string[]; resources: PreparedResource[] }>;
  start(spec: ProcessSpec): ChildProcess;
  process(id: string): ChildProcess;
  /** Ends one process and waits for it. */
  stop(id: string, signal?: NodeJS.Signals): Promise<void>;
  /** The value an instance would get. */
  variable(resource: PreparedResource, name: string): string;
  remove(): Promise<void>;
}

export function makeEnvironment(): TestEnvironment {
  const home = mkdtempSync(join(tmpdir(), "landfall-resources-"));
  const paths = pathsOf(home, "guest-book", "local");
  mkdirSync(paths.environment, { recursive: true, mode: 0o700 });
  const secrets = openSecrets(paths);
  const running = new Map<string, { child: ChildProcess; spec: ProcessSpec }>();
  let output = "";

  const environment: TestEnvironment = {
    home,
    paths,
    secrets,
    output: () => output,
    prepare: (resources) =>
      prepareResources({ paths, deployment: deploymentOf(appSchema.parse({ name: "guest-book", services: {}, resources }), "local"), secrets }),
    async bringUp(input) {
      const resources = await environment.prepare(input);
      const created: string[] = [];
      for (const resource of resources) {
        if (resource.spec && !running.has(resource.spec.id)) environment.start(resource.spec);
        await resource.ready();
        created.push(...(await resource.establish()).created);
      }
      return { created, resources };
    },
    start(spec) {
      const [program, ...args] = spec.argv as [string, ...string[]];
      const secretEnv = Object.fromEntries(Object.entries(spec.secretEnv).map(([name, secret]) => [name, secrets.reveal(secret)]));
      const child = spawn(program, args, {
        cwd: spec.cwd,
        env: { ...spec.env, ...secretEnv },
        uid: spec.uid,
        gid: spec.gid,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
      running.set(spec.id, { child, spec });
      return child;
    },
    process(id) {
      const { child } = running.get(id) ?? {};
      if (!child) throw new Error(`"${id}" does not run`);
      return child;
    },
    async stop(id, signal) {
      const { child, spec } = running.get(id) ?? {};
      running.delete(id);
      if (!child || !spec || child.exitCode !== null || child.signalCode !== null) return;
      const end = once(child, "exit");
      child.kill(signal ?? spec.stop.signal);
      await end;
    },
    variable(resource, name) {
      const { env, secretEnv } = resource.variables;
      return env[name] ?? secrets.reveal(secretEnv[name] as string);
    },
    async remove() {
      for (const id of [...running.keys()]) await environment.stop(id);
      rmSync(home, { recursive: true, force: true });
    },
  };
  return environment;
}
