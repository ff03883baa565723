// Decommissioning with --keep-data: the question before it, what stays where, and the next commission that takes it up with every row.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { DecommissionReport } from "../../src/reports.ts";
import { pathsOf } from "../../src/targets/local/paths.ts";
import { requires } from "../skips.ts";
import { makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/keeper");
const paths = pathsOf(sandbox.home, "keeper", "local");

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

const isRoot = process.platform === "linux" && process.getuid?.() === 0;

requires("Linux and root", isRoot)("on a disk of its own", () => {
  it("data can not be kept, and all goes on as it was", async () => {
    // In a mount namespace of its own, so that nothing of it is left.
    const script = `mkdir "$1" && mount -t tmpfs none "$1" && cp -a "$2/." "$1/" && mount --move "$1" "$2" && exec "$3" "$4" decommission local --yes --keep-data`;
    const program = join(import.meta.dirname, "../../bin/landfall.js");
    const { status, stderr } = spawnSync(
      "unshare",
      ["-m", "sh", "-c", script, "sh", join(sandbox.folder, "disk"), paths.data, process.execPath, program],
      { cwd: app, env: { ...process.env, LANDFALL_HOME: sandbox.home }, encoding: "utf8" },
    );
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining("KEEP_REFUSED") });
    expect(stderr).toContain("It is on another file system");
    await expectEverythingThere();
  });
});

describe("--keep-data", () => {
  const kept = () => ({ what: `folder ${paths.kept}`, why: "its data and secrets, taken up again by  landfall commission local" });

  it("says where the data is, twice in a row", async () => {
    const done = await decommission("--keep-data");
    expect(done.kept).toEqual([kept()]);
    expect(done.removed).toContain(`folder ${paths.environment}`);
    expect(existsSync(paths.environment)).toBe(false);
    expect(await decommission("--keep-data")).toMatchObject({ removed: [], kept: [kept()] });
    expect((await landfall("decommission", "local", "--yes", "--keep-data")).stdout).toBe(
      `keeper local does not stand: nothing to remove\n  kept     ${kept().what}: ${kept().why}\n`,
    );
  });

  it("is taken up by the next commission", async () => {
    // Whoever looks for a free port now looks first at one that a resource keeps and that nothing holds.
    const kept = Number(readFileSync(join(paths.kept, "data/database/port"), "utf8"));
    vi.stubEnv("NODE_OPTIONS", `--import=data:text/javascript,Math.random=()=>${(kept - 20_000 + 0.5) / 12_000}`);
    const { stderr } = await landfall("commission", "local").finally(() => vi.unstubAllEnvs());
    expect(stderr).toContain(`taking up the data kept in ${paths.kept}`);
    expect(Number(readFileSync(join(paths.data, "database/port"), "utf8"))).toBe(kept);
    await bringUp();
    expect(existsSync(paths.kept)).toBe(false);
    await expectEverythingThere();
  });

  it("goes on after it was cut off, and so does a commission", async () => {
    await decommission("--keep-data");
    writeFileSync(join(paths.kept, "events.jsonl"), "");
    expect((await sandbox.run(app, "abort", "local")).stderr).toContain("ABORT_IMPOSSIBLE");
    expect(JSON.parse((await landfall("resume", "local", "--json")).stdout)).toMatchObject({ did: "finished" });
    expect(readdirSync(paths.kept).sort()).toEqual(["data", "data.json", "secrets.json", "secrets.key"]);

    mkdirSync(paths.environment, { recursive: true, mode: 0o711 });
    renameSync(join(paths.kept, "data"), paths.data);
    await bringUp();
    await expectEverythingThere();
  });

  it("is refused where two of one name would meet, by commission too", async () => {
    mkdirSync(paths.kept, { recursive: true });
    writeFileSync(join(paths.kept, "secrets.json"), "of another time");
    const before = readFileSync(paths.secrets, "utf8");
    for (const command of [
      ["decommission", "local", "--yes", "--keep-data"],
      ["commission", "local"],
    ]) {
      const { code, stderr } = await sandbox.run(app, ...command);
      expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining("KEEP_REFUSED") });
    }
    expect([readFileSync(paths.secrets, "utf8"), readFileSync(join(paths.kept, "secrets.json"), "utf8")]).toEqual([before, "of another time"]);
    rmSync(dirname(paths.kept), { recursive: true });
    await expectEverythingThere();
  });

  it("is refused while some of it is missing", async () => {
    const away = join(sandbox.folder, "away");
    renameSync(join(paths.data, "objects"), away);
    const { code, stderr } = await sandbox.run(app, "decommission", "local", "--yes", "--keep-data");
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining("DATA_MISSING") });
    renameSync(away, join(paths.data, "objects"));
    await expectEverythingThere();
  });

  it("is not made anew by a commission that was undone, nor removed", async () => {
    await decommission("--keep-data");
    const preload = new URL("./crash-at.mjs", import.meta.url).href;
    const env = { ...process.env, LANDFALL_HOME: sandbox.home, LANDFALL_CRASH_AT: "moved 1 command" };
    const killed = spawnSync(process.execPath, ["--import", preload, join(import.meta.dirname, "../../bin/landfall.js"), "commission", "local"], {
      cwd: app,
      env,
    });
    expect(killed.signal).toBe("SIGKILL");
    await landfall("abort", "local");
    expect(existsSync(paths.environment)).toBe(false);
    await bringUp();
    await expectEverythingThere();
  });

  it("lasts until a decommission without it", async () => {
    await decommission("--keep-data");
    expect(readFileSync(join(paths.kept, "data", "database", "port"), "utf8")).toMatch(/^\d+\n$/);
    expect(await decommission()).toMatchObject({ removed: expect.arrayContaining([`folder ${paths.kept}`]), kept: [] });
    expect(existsSync(paths.app)).toBe(false);
  });
});
