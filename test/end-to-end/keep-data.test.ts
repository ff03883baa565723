// Decommissioning with --keep-data: the question before it, what stays where, and the next commission that takes it up with every row.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DecommissionReport } from "../../src/reports.ts";
import { placesOf } from "../../src/targets/local/places.ts";
import { connectSupervisor } from "../../src/targets/local/supervisor/start.ts";
import { requires } from "../skips.ts";
import { makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/keeper");
const places = placesOf(sandbox.home, "keeper", "local");

const landfall = async (...args: string[]): Promise<Outcome> => {
  const outcome = await sandbox.run(app, ...args);
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
};
const decommission = async (...options: string[]) =>
  JSON.parse((await landfall("decommission", "local", "--yes", "--json", ...options)).stdout) as DecommissionReport;

async function query(sql: string): Promise<unknown[]> {
  const connectionString = (await landfall("exec", "local", "worker", "--", "printenv", "DATABASE_URL")).stdout.trim();
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function bringUp(): Promise<Outcome> {
  const commissioned = await landfall("commission", "local");
  await landfall("deploy", "local");
  return commissioned;
}

async function expectEverythingThere(): Promise<void> {
  expect(await query("SELECT name FROM guests")).toEqual([{ name: "Ada" }]);
  expect((await landfall("secrets", "list", "local")).stdout).toMatch(/^API_KEY /);
  expect((await landfall("exec", "local", "worker", "--", "sh", "-c", 'cat "$LANDFALL_DATA/note"')).stdout).toBe("kept\n");
}

beforeAll(async () => {
  await bringUp();
  await query("CREATE TABLE guests (name text)");
  await query("INSERT INTO guests VALUES ('Ada')");
  await landfall("exec", "local", "worker", "--", "sh", "-c", 'echo kept > "$LANDFALL_DATA/note"');
  expect(await sandbox.runWithInput("secret", app, "secrets", "set", "local", "API_KEY")).toMatchObject({ code: 0 });
});
afterAll(() => sandbox.dispose());

describe("without a terminal", () => {
  it("is refused without --yes, and the way on keeps the data too", async () => {
    const { code, stderr } = await sandbox.run(app, "decommission", "local", "--keep-data");
    expect([code, stderr.replace(/ {2,}(?=[A-Z_]+\n)/, "  ")]).toEqual([
      3,
      `error: decommissioning "local" was not confirmed  CONFIRMATION_DECLINED

  It removes its processes and addresses; its data is kept, and there is no terminal to ask on.
  Nothing was changed.
  Next: landfall decommission local --yes --keep-data
`,
    ]);
    await expectEverythingThere();
  });
});

const hasScript = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0;

requires("script of util-linux", hasScript)("on a terminal", () => {
  /** Types an answer once the question is there, and resolves with the exit status. */
  async function answer(text: string): Promise<{ code: number; shown: string }> {
    const command = `"${process.execPath}" "${join(import.meta.dirname, "../../bin/landfall.js")}" decommission local`;
    const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: app, env: { ...process.env, LANDFALL_HOME: sandbox.home, NO_COLOR: "1" } });
    let shown = "";
    let answered = false;
    child.stdout.on("data", (chunk) => {
      shown += chunk;
      if (answered || !shown.includes("Type its name to go on: ")) return;
      answered = true;
      child.stdin.write(`${text}\n`);
    });
    const [code] = await once(child, "close");
    return { code, shown: shown.replaceAll("\r", "") };
  }

  it.each(["lokal", "y", ""])("the answer %j changes nothing", async (text) => {
    const { code, shown } = await answer(text);
    expect(code).toBe(3);
    expect(shown).toContain('This removes environment "local": all of it, its data too.');
    expect(shown).toContain(`The answer was "${text}", the environment's name is "local".`);
    expect(shown).toContain("Nothing was changed.");
    await expectEverythingThere();
  });
});

describe("--keep-data", () => {
  const kept = () => ({ what: `folder ${places.kept}`, why: "its data and secrets, taken up again by  landfall commission local" });

  it("says where the data is, twice in a row", async () => {
    const done = await decommission("--keep-data");
    expect(done.kept).toEqual([kept()]);
    expect(done.removed).toContain(`folder ${places.environment}`);
    expect(existsSync(places.environment)).toBe(false);
    expect(await decommission("--keep-data")).toMatchObject({ removed: [], kept: [kept()] });
    expect((await landfall("decommission", "local", "--yes", "--keep-data")).stdout).toBe(
      `keeper local does not stand: nothing to remove\n  kept     ${kept().what}: ${kept().why}\n`,
    );
  });

  it("is taken up by the next commission", async () => {
    const { stderr } = await bringUp();
    expect(stderr).toContain(`taking up the data kept in ${places.kept}`);
    expect(existsSync(places.kept)).toBe(false);
    await expectEverythingThere();
  });

  it("goes on after it was cut off between two moves, and so does a commission", async () => {
    await (await connectSupervisor(places)).shutdown();
    rmSync(places.record);
    mkdirSync(places.kept, { recursive: true });
    renameSync(places.data, join(places.kept, "data"));
    expect((await decommission("--keep-data")).kept).toEqual([kept()]);
    expect(existsSync(join(places.kept, basename(places.secretsKey)))).toBe(true);

    mkdirSync(places.environment, { recursive: true, mode: 0o711 });
    renameSync(join(places.kept, "data"), places.data);
    await bringUp();
    await expectEverythingThere();
  });

  it("lasts until a decommission without it", async () => {
    await decommission("--keep-data");
    expect(readFileSync(join(places.kept, "data", "database", "port"), "utf8")).toMatch(/^\d+\n$/);
    expect(await decommission()).toMatchObject({ removed: expect.arrayContaining([`folder ${places.kept}`]), kept: [] });
    expect(existsSync(places.app)).toBe(false);
  });
});
