// Data that is not where the record says: moved away, an empty folder in its place as where a disk is not mounted, or another environment's.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Status } from "../../src/index.ts";
import { openSecrets } from "../../src/targets/local/data/secret-store.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { ensureSupervisor } from "../../src/targets/local/supervisor/start.ts";
import { Keeper } from "./keeper.ts";
import { makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/keeper");
const paths = pathsOf(sandbox.home, "keeper", "local");
const other = pathsOf(sandbox.home, "keeper", "other");
const keeper = new Keeper(paths, "worker");
const away = join(sandbox.folder, "away");

const landfall = (...args: string[]): Promise<Outcome> => sandbox.run(app, ...args);
async function must(...args: string[]): Promise<Outcome> {
  const outcome = await landfall(...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const status = async () => JSON.parse((await must("status", "local", "--json")).stdout) as Status;

beforeAll(async () => {
  for (const name of ["local", "other"]) {
    await must("commission", name);
    await must("deploy", name);
  }
  await keeper.fill();
  await must("decommission", "other", "--yes", "--keep-data");
});
afterAll(() => sandbox.dispose());

/** Each place of data below an environment's folder, and what it is called. */
const PLACES: [path: string, name: string, what: string][] = [
  ["data/database", "database", 'the data of postgres "database"'],
  ["data/database/pgdata", "database", 'the data of postgres "database"'],
  ["data/objects/buckets/keeper-uploads", "uploads", 'the data of bucket "uploads"'],
  ["data/objects/queues", "jobs", 'the data of queue "jobs"'],
  ["data/services/worker", "services/worker", 'the data folder of service "worker"'],
  ["secrets.json", "secrets", "the secrets"],
];

describe.each(PLACES)("%s", (path, name, what) => {
  const place = join(paths.environment, path);
  const isFolder = !path.endsWith(".json");

  async function expectRefused(commands: string[], found: RegExp): Promise<void> {
    for (const command of commands) {
      const { code, stderr } = await landfall(command, "local");
      expect([command, code, stderr]).toEqual([command, 3, expect.stringContaining("DATA_MISSING")]);
      expect(stderr).toContain(`${what} of environment "local"`);
      expect(stderr).toMatch(/since +20\d\d-/);
      expect(stderr).toMatch(found);
      expect(stderr).toContain(`landfall commission local --empty ${name}`);
    }
  }

  async function bringBack(): Promise<void> {
    rmSync(place, { recursive: true, force: true });
    renameSync(away, place);
    await must("resume", "local");
    expect(await keeper.listLosses()).toEqual([]);
    expect((await status()).missing).toBeUndefined();
  }

  it("is never made anew, nor taken for an empty folder or for that of another environment in its place", async () => {
    renameSync(place, away);
    try {
      await expectRefused(["commission", "deploy", "resume"], /found +nothing/);
      expect(existsSync(place)).toBe(false);
      const standing = await status();
      expect(standing.missing?.map((one) => one.name)).toContain(name);
      const states = standing.resources.filter((one) => one.name === name).map(({ state }) => state);
      expect(states).toEqual(["database", "uploads", "jobs"].includes(name) ? ["missing"] : []);
      expect((await must("status", "local")).stdout).toContain(what);

      if (isFolder) {
        mkdirSync(place);
        await expectRefused(["commission"], /found +(nothing|an empty folder)/);
        expect(readdirSync(place)).toEqual([]);
        rmSync(place, { recursive: true });
      }

      execFileSync("cp", ["-a", join(other.kept, path), place]);
      await expectRefused(["commission"], /found +another one/);
    } finally {
      await bringBack();
    }
  });
});

describe("a machine that was started again without its disk", () => {
  /** All processes of the environment are gone, as after a power cut. */
  async function cutPower(): Promise<void> {
    const { supervisor, processes } = await (await ensureSupervisor(paths)).observe();
    process.kill(supervisor.pid, "SIGKILL");
    for (const { group } of processes) if (group) process.kill(-group.pid, "SIGKILL");
  }

  it("starts nothing on an empty folder, and goes on once the disk is back", async () => {
    await cutPower();
    renameSync(paths.data, away);
    mkdirSync(paths.data);
    const supervisor = await ensureSupervisor(paths);
    const stateOf = async (id: string) => (await supervisor.observe({ ids: [id] })).processes[0];
    await sleep(3_000);
    for (const id of [
      "resource.database",
      "resource.objects",
      (await supervisor.observe()).processes.find(({ spec }) => spec.service)?.spec.id ?? "",
    ]) {
      expect(await stateOf(id), id).toMatchObject({ state: "restarting", lastExit: { lastLines: [expect.stringContaining("is not there")] } });
    }
    expect(readdirSync(paths.data)).toEqual([]);
    expect((await landfall("resume", "local")).stderr).toContain("DATA_MISSING");

    rmSync(paths.data, { recursive: true });
    renameSync(away, paths.data);
    await expect.poll(async () => (await stateOf("resource.database"))?.state, { timeout: 30_000 }).toBe("running");
    await must("resume", "local");
    expect(await keeper.listLosses()).toEqual([]);
  });
});

describe("--empty", () => {
  it("changes nothing that is there, and refuses what it does not know", async () => {
    const { stderr } = await must("commission", "local", "--empty", "database");
    expect(stderr).toContain('the data of postgres "database" is there');
    expect(await keeper.listLosses()).toEqual([]);
    expect(await landfall("commission", "local", "--empty", "databse")).toMatchObject({ code: 2, stderr: expect.stringContaining("database") });
  });

  it("removes nothing of what stands in the place", async () => {
    const place = join(paths.data, "objects/buckets/keeper-uploads");
    renameSync(place, away);
    mkdirSync(place);
    const { stderr } = await landfall("commission", "local", "--empty", "database");
    expect(stderr).toContain("DATA_MISSING");
    renameSync(place, join(sandbox.folder, basename(place)));
    renameSync(away, place);
    await must("commission", "local");
    expect(await keeper.listLosses()).toEqual([]);
  });

  it("of the secrets leaves the rows, under new passwords", async () => {
    rmSync(paths.secrets);
    const { stderr } = await must("commission", "local", "--empty", "secrets");
    expect(stderr).toContain('giving the postgres "database" a new password');
    expect(await keeper.listLosses()).toEqual([expect.stringContaining("the secret is gone")]);
    openSecrets(paths).set("API_KEY", "key of Ada");
  });

  it("begins with an empty one, of that alone", async () => {
    renameSync(join(paths.data, "database"), away);
    await must("commission", "local", "--empty", "database");
    expect(await keeper.query("SELECT to_regclass('guests') AS guests")).toEqual([{ guests: null }]);
    expect(await keeper.listLosses()).toEqual([expect.stringContaining("the row is gone")]);
    expect((await status()).missing).toBeUndefined();
    rmSync(away, { recursive: true });
  });
});
