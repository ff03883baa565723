// What commission and deploy would change on this machine, from a record and a release that stand.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { appIn } from "../../../src/config/app.ts";
import { validateText } from "../../../src/config/check.ts";
import type { AppInput } from "../../../src/config/schema.ts";
import { systemClock } from "../../../src/system/clock.ts";
import type { Context, EnvironmentRecord } from "../../../src/targets/local/context.ts";
import { writeRecord } from "../../../src/targets/local/context.ts";
import { placesOf } from "../../../src/targets/local/places.ts";
import { planLocal } from "../../../src/targets/local/plan.ts";

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

const localApp = (input: AppInput) => appIn(validateText(`export default ${JSON.stringify(input)}`, "landfall.config.ts", input), "local");

const contextOf = (input: AppInput): Context => ({
  app: localApp(input),
  folder,
  places: placesOf(join(folder, "home"), "shop", "local"),
  clock: systemClock,
  emit: () => {},
});

/** As a commission and a deploy of `APP` leave it. */
function stand(): void {
  const { places, app } = contextOf(APP);
  mkdirSync(places.environment, { recursive: true });
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
    expanded: [],
    counts: {},
  };
  writeRecord(places, record);
  const release = {
    id: "aaaaaaaaaa",
    description: "one",
    recipeHash: "r",
    sourceHash: "s",
    configurationHash: "c",
    createdAt: 0,
    services: app.app.services,
    release: app.app.release,
  };
  mkdirSync(join(places.releases, release.id), { recursive: true });
  writeFileSync(join(places.releases, `${release.id}.json`), JSON.stringify(release));
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

  it("names what is different, key by key", async () => {
    stand();
    const changed: AppInput = {
      ...APP,
      resources: { uploads: { type: "bucket" } },
      services: { web: { ...APP.services.web, command: "node new.js", instances: 3 } as AppInput["services"][string] },
      environments: { local: { target: "local", tls: "local" } },
    };
    const plan = await planLocal(contextOf(changed));
    expect(plan.changes).toEqual([
      { of: "resource uploads", kind: "bucket", name: "uploads", action: "add", differences: [] },
      {
        of: "resource jobs",
        kind: "queue",
        name: "jobs",
        action: "remove",
        differences: [],
        data: "it runs on, with its data, until the environment is decommissioned",
      },
      { of: "balancer", kind: "balancer", name: "balancer", action: "change", differences: [{ property: "tls", before: "false", after: "true" }] },
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

  it("can be made as if nothing stood", async () => {
    stand();
    expect(await planLocal(contextOf(APP), { fresh: true })).toMatchObject({ exists: false, unchanged: 0, notes: [] });
  });
});
