// What makes a rollout one that can be trusted: phases, vetoes, trials, one operation at a time, and a machine that was restarted.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeployReport, RecordedEvent, RecoveryReport, Status } from "../../src/index.ts";
import { change, makeSandbox, type Outcome } from "./sandbox.ts";

let sandbox: ReturnType<typeof makeSandbox>;
let app: string;

beforeEach(async () => {
  sandbox = makeSandbox();
  app = sandbox.copyApp("test/fixtures/apps/moody");
  await must("commission", "local");
});
afterEach(() => sandbox.dispose());

const landfall = (...args: string[]) => sandbox.run(app, ...args);

async function must(...args: string[]): Promise<Outcome> {
  const outcome = await landfall(...args);
  expect(outcome, `landfall ${args.join(" ")}`).toMatchObject({ code: 0 });
  return outcome;
}

const report = async <T>(...args: string[]): Promise<T> => JSON.parse((await must(...args, "--json")).stdout) as T;
const deploy = (...args: string[]) => report<DeployReport>("deploy", "local", ...args);
const status = () => report<Status>("status", "local");

/** Adds keys to the configuration, and makes another release of it. */
function configure(keys: string): void {
  const config = readFileSync(join(app, "landfall.config.ts"), "utf8").replace(/\n {2}\/\/ more\n[\s\S]*(?=\n\}\);)/, "");
  change(app, "landfall.config.ts", config.replace(/\n\}\);/, `\n  // more\n  ${keys}\n});`));
}

const dataFolder = () => join(sandbox.home, "apps/moody/environments/local/data/services/web");

function setMood(mood: "busy" | "broken", is: boolean): void {
  mkdirSync(dataFolder(), { recursive: true });
  if (is) writeFileSync(join(dataFolder(), mood), "");
  else rmSync(join(dataFolder(), mood), { force: true });
}

const fails = (code: string) => ({ code: 1, stderr: expect.stringContaining(code) });

describe("the release phase", () => {
  it("bars the way back once its contract phase has run", async () => {
    configure('release: { contract: "echo contracting" },');
    const first = await deploy();
    change(app, "version.txt", "2");
    const second = await deploy("--contract");
    expect(second.contracted).toBe(true);
    expect(await landfall("rollback", "local")).toMatchObject(fails("RELEASE_BARRED"));
    const { stderr } = await landfall("deploy", "local", "HEAD~1");
    expect(stderr).toContain(`release ${first.release} cannot come back: the schema it needs is gone`);
    expect(stderr).toContain(`the contract phase of release ${second.release} has run since`);
    // A second time there is nothing to run.
    expect((await deploy("--contract")).contracted).toBe(false);
  });

  it("waits for the end of the soak without keeping anybody from rolling back", async () => {
    configure('release: { contract: "echo contracting" }, rollout: { strategy: "blueGreen", soak: "1h" },');
    const first = await deploy();
    change(app, "version.txt", "2");
    const waiting = sandbox.start(app, "deploy", "local", "--contract");
    await expect.poll(() => waiting.outcome.stderr, { timeout: 20_000 }).toContain("the old fleet stays warm until");
    expect((await report<DeployReport>("rollback", "local")).release).toBe(first.release);
    expect(await waiting.ended).toMatchObject(fails("RELEASE_BARRED"));
  });

  it("ends the rollout when the release that serves cannot live with the new schema", async () => {
    const first = await deploy();
    configure('release: { expand: "mkdir -p $LANDFALL_DATA/../web && touch $LANDFALL_DATA/../web/broken" },');
    const failed = await landfall("deploy", "local");
    expect(failed).toMatchObject(fails("EXPAND_BROKE_RELEASE"));
    expect(failed.stderr).toContain('500 "no such column"');
    expect(failed.stderr).toContain("landfall deploy local  again, which rolls out all the same");
    // Forward: here the new release cannot live with it either.
    expect(await landfall("deploy", "local")).toMatchObject(fails("HEALTH_STATUS"));
    const events = await report<RecordedEvent[]>("events", "local");
    expect(events.filter(({ type }) => type === "deploy-failed").map(({ text }) => text.split(": ")[0])).toEqual([
      "EXPAND_BROKE_RELEASE",
      "HEALTH_STATUS",
    ]);
    setMood("broken", false);
    expect(await status()).toMatchObject({ release: first.release });
  });
});

describe("an instance that is asked", () => {
  it("ends the rollout by never allowing it, unless it is forced", async () => {
    const first = await deploy();
    setMood("busy", true);
    change(app, "version.txt", "2");
    const failed = await landfall("deploy", "local");
    expect(failed).toMatchObject(fails("DRAIN_VETOED"));
    expect(failed.stderr).toContain('409 "two uploads under way"');
    expect(failed.stderr).toContain("landfall deploy local --force");
    expect(await status()).toMatchObject({ release: first.release, services: [{ healthy: 2 }] });

    const second = await deploy("--force");
    expect(second.previous).toBe(first.release);
    const events = await report<RecordedEvent[]>("events", "local");
    expect(events.filter(({ type }) => type === "drain-overridden")).toHaveLength(2);
  });
});

describe("a canary", () => {
  const TRIAL = 'rollout: { strategy: "canary", soak: "1s", canary: { weights: ["50%"], step: "12s", minRequests: 100, timeout: "60s" } },';

  /** Requests one after another, on several connections, until it is told to stop. Returns what did not go well. */
  function startLoad(address: string) {
    const problems: string[] = [];
    let going = true;
    const loops = Array.from({ length: 4 }, async () => {
      while (going) {
        const answer = await fetch(address).catch((error: Error) => error);
        if (!(answer instanceof Response) || answer.status !== 200) problems.push(String(answer));
        else await answer.text();
      }
    });
    return {
      async stop(): Promise<string[]> {
        going = false;
        await Promise.all(loops);
        return problems;
      },
    };
  }

  it("is promoted when it is as good as the old release, and refused when it is slower", async () => {
    configure(TRIAL);
    const first = await deploy();
    const load = startLoad(first.address);
    try {
      change(app, "version.txt", "2");
      const second = await deploy();
      expect(second.previous).toBe(first.release);
      change(app, "delay.txt", "60");
      const refused = await landfall("deploy", "local");
      expect(refused).toMatchObject(fails("CANARY_WORSE"));
      expect(refused.stderr).toMatch(/it is slower than its baseline: its median is the slower one in \d+ of \d+ stretches/);
      expect(await status()).toMatchObject({ release: second.release, services: [{ healthy: 2 }] });
    } finally {
      expect(await load.stop()).toEqual([]);
    }
  });

  it("is refused when nobody sends it requests", async () => {
    configure(TRIAL.replace("12s", "500ms").replace('"60s"', '"1s", undecided: "refuse"'));
    await deploy();
    change(app, "version.txt", "2");
    expect(await landfall("deploy", "local")).toMatchObject(fails("CANARY_UNKNOWN"));
  });
});

describe("one operation at a time", () => {
  it("refuses a second one or lets it wait, and says in the status what is under way", async () => {
    configure('release: { expand: "sleep 4" },');
    const first = sandbox.start(app, "deploy", "local");
    await expect.poll(async () => (await status()).underWay?.operation, { timeout: 20_000 }).toBe("deploy");
    expect(await landfall("scale", "local", "web=3")).toMatchObject({ code: 3, stderr: expect.stringContaining("LEASE_HELD") });
    const waited = await must("scale", "local", "web=3", "--wait");
    expect(waited.stderr).toContain('waiting: "deploy" runs since');
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(await status()).toMatchObject({ services: [{ healthy: 3 }] });
  });
});

describe("a machine that was restarted", () => {
  /** Every process of the environment, from the kernel. */
  const pids = () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => {
        try {
          return [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((file) => readFileSync(file, "utf8").includes(sandbox.home));
        } catch {
          return false;
        }
      })
      .map(Number);

  it("is brought back to what stood by resume", async () => {
    const { release } = await deploy();
    for (const pid of pids()) process.kill(pid, "SIGKILL");
    await expect.poll(pids).toEqual([]);
    expect(await status()).toMatchObject({ supervisor: "stopped" });
    const { did, status: after } = await report<RecoveryReport>("resume", "local");
    expect({ did, release: after.release, healthy: after.services[0]?.healthy }).toEqual({ did: "brought back", release, healthy: 2 });
    expect((await must("resume", "local")).stdout).toContain("Nothing was interrupted in local, and all stands as it should.");
    expect((await must("abort", "local")).stdout).toContain("Nothing was interrupted in local");
  });
});

describe("a decommission that was killed while it removed the folder", () => {
  it("cannot be undone any more, and is finished by resume", async () => {
    await must("decommission", "local", "--yes");
    const left = join(sandbox.home, "apps/moody/removing-local");
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, "environment.json"), "{}");
    expect(await landfall("abort", "local")).toMatchObject(fails("ABORT_IMPOSSIBLE"));
    const { did, status: after } = await report<RecoveryReport>("resume", "local");
    expect({ did, commissioned: after.commissioned, left: existsSync(left) }).toEqual({ did: "finished", commissioned: false, left: false });
  });
});
