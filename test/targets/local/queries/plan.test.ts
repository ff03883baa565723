// What commission and deploy would change on this machine, from a record and a release that stand.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { validateText } from "../../../../src/config/check.ts";
import { deploymentOf } from "../../../../src/config/deployment.ts";
import type { AppInput } from "../../../../src/config/schema.ts";
import { recipeHash } from "../../../../src/release/recipe.ts";
import { loadSource } from "../../../../src/release/source.ts";
import { systemClock } from "../../../../src/system/clock.ts";
import { writeState } from "../../../../src/system/state-file.ts";
import type { Context } from "../../../../src/targets/local/context.ts";
import { pathsOf } from "../../../../src/targets/local/paths.ts";
import { planLocal } from "../../../../src/targets/local/queries/plan.ts";
import type { EnvironmentRecord } from "../../../../src/targets/local/record.ts";
import { writeRecord } from "../../../../src/targets/local/record.ts";

const APP: AppInput = {
  name: "shop",
  resources: { jobs: { type: "queue" } },
  services: {
    web: { command: "node web.js", port: 3000, instances: 2 },
    tidy: { command: "node tidy.js", schedule: "0 3 * * *" },
  },
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "landfall-plan-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const localApp = (input: AppInput) => deploymentOf(validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input), "local");

const contextOf = (input: AppInput): Context => ({
  deployment: localApp(input),
  folder,
  paths: pathsOf(join(folder, "home"), "shop", "local"),
  clock: systemClock,
  emit: () => {},
  hide: (text) => text,
});

/** As a commission and a deploy of `APP` leave it. */
function stand(): void {
  const { paths, deployment } = contextOf(APP);
  mkdirSync(paths.environment, { recursive: true });
  const record: EnvironmentRecord = {
    app: "shop",
    environment: "local",
    folder,
    commissionedAt: 0,
    port: 20080,
    metricsPort: 20081,
    tls: false,
    resources: [{ name: "jobs", type: "queue", address: "127.0.0.1:1", state: "running", processId: "objects" }],
    variables: { env: {}, secretEnv: {} },
    release: "aaaaaaaaaa",
    rolledOut: [],
    counts: {},
  };
  writeRecord(paths, record);
  const release = {
    id: "aaaaaaaaaa",
    description: "one",
    recipeHash: "r",
    sourceHash: "s",
    processHash: "p",
    edgeHash: "e",
    createdAt: 0,
    processes: "aaaaaaaaaa",
    services: deployment.services,
    release: deployment.release,
    routes: deployment.routes,
    limits: deployment.settings.limits,
    trustedProxies: deployment.settings.trustedProxies,
  };
  mkdirSync(join(paths.releases, release.id), { recursive: true });
  writeState(join(paths.releases, `${release.id}.json`), release);
}

const noRelease = { note: expect.stringContaining("not in a git repository") };

describe("the plan of a local environment", () => {
  it("that does not stand is to make all of it", async () => {
    const plan = await planLocal(contextOf(APP));
    expect(plan.changes.map(({ action, of, kind }) => `${action} ${of}: ${kind}`)).toEqual([
      "add resource jobs: queue",
      "add balancer: balancer",
      "add service web: 2 instances",
      "add service tidy: job",
    ]);
    expect(plan).toMatchObject({ exists: false, unchanged: 0, release: noRelease, notes: ['"local" does not stand on this machine yet'] });
  });

  it("that stands as configured is nothing", async () => {
    stand();
    expect(await planLocal(contextOf(APP))).toMatchObject({
      exists: true,
      changes: [],
      unchanged: 4,
      release: { before: "aaaaaaaaaa", ...noRelease },
    });
  });

  it("says that an image has to be made, until one is there", async () => {
    stand();
    const git = (...args: string[]) => execFileSync("git", args, { cwd: folder, stdio: "ignore" });
    writeFileSync(join(folder, ".gitignore"), "home\n");
    git("init", "-q");
    git("add", ".");
    git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one");
    const context = contextOf(APP);
    expect((await planLocal(context)).release?.note).toBe("its image has to be made first");
    const { images } = context.paths;
    const hash = await recipeHash(context.deployment.recipe, await loadSource({ folder, dirty: false }));
    mkdirSync(join(images, hash), { recursive: true });
    writeState(join(images, `${hash}.json`), {});
    expect((await planLocal(context)).release).toMatchObject({ after: expect.any(String) });
    expect((await planLocal(context)).release).not.toHaveProperty("note");
  });

  it("names what is different, key by key", async () => {
    stand();
    const changed: AppInput = {
      ...APP,
      resources: { uploads: { type: "bucket" } },
      services: { web: { ...APP.services.web, command: "node new.js", instances: 3 } as AppInput["services"][string] },
      environments: { local: { target: "local", tls: "local" } },
    };
    const plan = await planLocal(contextOf(changed));
    // A commission does not remove it, so that is no change.
    expect(plan.notes).toEqual([
      'queue "jobs" is not in the configuration any more: it runs on, with its data, until the environment is decommissioned',
    ]);
    expect(plan.changes).toEqual([
      { of: "resource uploads", kind: "bucket", name: "uploads", action: "add", differences: [] },
      { of: "balancer", kind: "balancer", name: "balancer", action: "change", differences: [{ property: "tls", before: "false", after: "local" }] },
      {
        of: "service web",
        kind: "instances",
        name: "web",
        action: "change",
        differences: [
          { property: "instances", before: "2", after: "3" },
          { property: "command", before: "node web.js", after: "node new.js" },
        ],
      },
      { of: "service tidy", kind: "job", name: "tidy", action: "remove", differences: [] },
    ]);
  });

  it("says what comes first, and what no canary is tried of", async () => {
    stand();
    const site = { site: { command: "node site.js", port: 3001 }, ...APP.services };
    const rollout = { strategy: "canary" } as const;
    const plan = await planLocal(contextOf({ ...APP, services: site, routes: [{ path: "/site/*", service: "site" }], rollout }));
    expect(plan.next).toBe("deploy");
    expect(plan.notes).toEqual([expect.stringContaining('service "site" is new under this name: no canary of it is tried')]);
    const resources = { jobs: { type: "queue" as const, url: "https://sqs.example.com/1/jobs" } };
    const elsewhere = await planLocal(contextOf({ ...APP, resources }));
    expect(elsewhere.next).toBe("commission");
    expect(elsewhere.changes[0]?.differences).toEqual([{ property: "from", before: "this machine", after: "https://sqs.example.com/1/jobs" }]);
  });

  it("can be made as if nothing stood", async () => {
    stand();
    expect(await planLocal(contextOf(APP), { fresh: true })).toMatchObject({ exists: false, unchanged: 0, notes: [] });
  });
});
