// The commands around a deploy, through the built program: launch, logs, events, secrets, clean, init.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CheckReport, CleanReport, DeployReport, InitReport, LaunchReport, LogLine, RecordedEvent, Status } from "../../src/index.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

const sandbox = makeSandbox();
const app = sandbox.copyApp("test/fixtures/apps/hello");
const config = readFileSync(join(app, "landfall.config.ts"), "utf8");

async function done(running: Promise<Outcome>): Promise<Outcome> {
  const outcome = await running;
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
}
const landfall = (...args: string[]) => done(sandbox.run(app, ...args));
const report = async <T>(...args: string[]) => JSON.parse((await landfall(...args, "--json")).stdout) as T;
const readLines = (...args: string[]) => report<LogLine[]>("logs", "local", ...args);
const text = (lines: LogLine[]) => lines.map(({ line }) => line);

let launched: LaunchReport;

beforeAll(async () => {
  launched = JSON.parse((await done(sandbox.run(sandbox.folder, "launch", app, "2", "--json"))).stdout);
});
afterAll(() => sandbox.dispose());

describe("launch", () => {
  it("gives as many ready servers as asked for, in one command", async () => {
    expect(launched.servers.map(({ service, state }) => `${service} ${state}`)).toEqual(["web healthy", "web healthy"]);
    const answers = await Promise.all(
      [launched.address, ...launched.servers.map(({ port }) => `http://127.0.0.1:${port}`)].map((url) => fetch(url).then((one) => one.text())),
    );
    for (const answer of answers) expect(answer).toContain(`hello from release ${launched.release}`);
  });

  it("refuses more than the guard allows", async () => {
    const { code, stderr } = await sandbox.run(sandbox.folder, "launch", app, "6");
    expect({ code, stderr }).toEqual({ code: expect.any(Number), stderr: expect.stringContaining("SCALE_OUT_OF_RANGE") });
    expect(code).not.toBe(0);
    expect(stderr).toContain("--max 6");
  });
});

describe("logs", () => {
  it("are of all services in the order of their times, or of one", async () => {
    // The supervisor takes lines over a moment after they were written.
    let all: LogLine[] = [];
    while (!text(all).includes("tock") || text(all).filter((line) => line.startsWith("listening on")).length < 2) all = await readLines();
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((a, b) => a - b));
    const ticker = await readLines("ticker");
    expect(new Set(ticker.map(({ id }) => id))).toEqual(new Set([`ticker.1.${launched.release}`]));
    expect(text(ticker).slice(0, 6)).toEqual([
      `ticker of release ${launched.release} begins, key of 0 characters`,
      ...[1, 2, 3, 4, 5].map((number) => `tick ${number}`),
    ]);
    expect(ticker.find(({ line }) => line === "tock")?.stream).toBe("stderr");
    expect(text(await readLines("web")).every((line) => /^listening on \d+$/.test(line))).toBe(true);
  });

  it("are cut by --grep, --tail and --since", async () => {
    expect(text(await readLines("ticker", "--grep", "^tick [234]$", "--tail", "2"))).toEqual(["tick 3", "tick 4"]);
    expect(await readLines("--tail", "0")).toEqual([]);
    const [tock] = await readLines("ticker", "--grep", "tock");
    const since = await readLines("ticker", "--since", new Date((tock?.at ?? 0) + 1).toISOString());
    expect(text(since)).not.toContain("tick 1");
    expect(text(await readLines("ticker", "--since", "1d", "--grep", "tick"))).toContain("tick 1");
    expect(await readLines("ticker", "--since", "2999-01-01")).toEqual([]);
  });

  it("of a misspelt service are refused, with the names there are", async () => {
    const { code, stderr } = await sandbox.run(app, "logs", "local", "tickr");
    expect(code).toBe(2);
    expect(stderr).toContain('there is no service "tickr" in this app');
    expect(stderr).toContain('it has "web", "ticker", "release"');
  });

  it("are followed until SIGINT, which leaves everything running", async () => {
    const { child, outcome, ended } = sandbox.start(app, "logs", "local", "ticker", "--follow", "--tail", "0");
    await new Promise<void>((resolve) => child.stdout.on("data", () => outcome.stdout.split("beat").length > 3 && resolve()));
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stdout: expect.stringMatching(/^(.*ticker\.1\..* {2}beat\n)+$/), stderr: "" });
    expect((await report<Status>("status", "local")).services.map(({ name, healthy }) => `${name} ${healthy}`)).toEqual(["web 2", "ticker 1"]);
  });
});

describe("secrets", () => {
  const SECRET = "correct horse battery staple";
  let release = "";

  it("are asked for before a deploy changes anything", async () => {
    change(app, "landfall.config.ts", config.replace('node ticker.js",', 'node ticker.js", secrets: ["API_KEY"],'));
    const { code, stderr } = await sandbox.run(app, "deploy", "local");
    expect(code).toBe(2);
    expect(stderr).toContain("SECRET_MISSING");
    expect(stderr).toContain('secret "API_KEY" of service "ticker" is not set in environment "local"');
    expect(stderr).toContain("landfall secrets set local API_KEY");
    expect(await report<Status>("status", "local")).toMatchObject({ release: launched.release });
  });

  it("come from stdin, reach the process, and are never shown", async () => {
    const set = await done(sandbox.runWithInput(`${SECRET}\n`, app, "secrets", "set", "local", "API_KEY"));
    const deployed = await landfall("deploy", "local", "--json", "--verbose");
    ({ release } = JSON.parse(deployed.stdout) as DeployReport);
    expect(release).not.toBe(launched.release);
    await waitForLine(`ticker of release ${release} begins, key of ${SECRET.length} characters`);
    const listed = await landfall("secrets", "list", "local");
    expect(listed.stdout).toMatch(/^API_KEY +set /);
    const shown = await Promise.all([landfall("logs", "local"), landfall("events", "local", "--json"), landfall("status", "local", "--json")]);
    for (const { stdout, stderr } of [set, deployed, listed, ...shown]) expect(stdout + stderr).not.toContain(SECRET);
    expect(filesWith(SECRET)).toEqual([]);
  });

  it("make a new release when one was set again", async () => {
    expect(await report<DeployReport>("deploy", "local")).toMatchObject({ changed: false, release });
    await done(sandbox.runWithInput("shorter", app, "secrets", "set", "local", "API_KEY"));
    const deployed = await report<DeployReport>("deploy", "local");
    expect(deployed).toMatchObject({ changed: true, previous: release });
    await waitForLine(`ticker of release ${deployed.release} begins, key of 7 characters`);
  });

  it("are forgotten by name, once the release that serves has none of it", async () => {
    const used = await sandbox.run(app, "secrets", "remove", "local", "API_KEY");
    expect(used).toMatchObject({ code: 3, stderr: expect.stringContaining("SECRET_IN_USE") });
    change(app, "landfall.config.ts", config);
    await landfall("deploy", "local");
    await landfall("secrets", "remove", "local", "API_KEY");
    expect((await landfall("secrets", "list", "local")).stdout).toBe("No secrets are set in local.\n");
    const again = await sandbox.run(app, "secrets", "remove", "local", "API_KEY");
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('there is no secret "API_KEY" in environment "local"') });
    const empty = await sandbox.run(app, "secrets", "set", "local", "API_KEY");
    expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining("stdin was empty") });
  });

  const waitForLine = async (line: string) => {
    while (!text(await readLines("ticker")).includes(line));
  };

  /** Files of the home, logs and records too, in which the value can be read. */
  const filesWith = (value: string) =>
    readdirSync(sandbox.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file).includes(value));
});

describe("events", () => {
  it("tell what happened, oldest first, cut by --tail and --since", async () => {
    const all = await report<RecordedEvent[]>("events", "local");
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((a, b) => a - b));
    expect(all.filter(({ type }) => type === "deployed").map((event) => event.release)[0]).toBe(launched.release);
    expect(all.filter(({ type }) => type === "deployed")).toHaveLength(4);
    expect(await report<RecordedEvent[]>("events", "local", "--tail", "2")).toEqual(all.slice(-2));
    expect((await landfall("events", "local", "--since", "2999-01-01")).stdout).toBe("No events.\n");
  });
});

describe("clean", () => {
  it("removes releases that are no way back, and leaves what serves", async () => {
    const before = await report<Status>("status", "local");
    const { removed } = await report<CleanReport>("clean", "local");
    expect([removed.length, removed]).toEqual([2, expect.arrayContaining([`release ${launched.release}`])]);
    expect((await landfall("clean")).stdout).toBe("Nothing to clean.\n");
    expect(await report<Status>("status", "local")).toMatchObject({ release: before.release, previous: before.previous });
    expect((await fetch(launched.address)).status).toBe(200);
  });
});

describe("init", () => {
  it("writes a configuration that check accepts, once", async () => {
    const folder = join(sandbox.folder, "fresh");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "Fresh App", scripts: { start: "node server.js" } }));
    const written = JSON.parse((await done(sandbox.run(folder, "init", "--json"))).stdout) as InitReport;
    expect(written).toMatchObject({ file: join(folder, "landfall.config.ts"), text: readFileSync(join(folder, "landfall.config.ts"), "utf8") });
    const checked = JSON.parse((await done(sandbox.run(folder, "check", "--json"))).stdout) as CheckReport;
    expect(checked).toMatchObject({ app: "fresh-app", services: ["web"], environments: ["local"] });
    const again = await sandbox.run(folder, "init");
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining("CONFIG_EXISTS") });
  });
});
