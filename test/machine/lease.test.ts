// The lease of a singleton or a job: `lease.py` as it is, on simulated machines with all numbers of the units, under seeded faults; and its keeper
// against a bucket that is as strict as AWS's.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { leaseTermMs } from "../../src/machine/lease.ts";
import { programText } from "../../src/machine/programs.ts";
import { isOnPath } from "../programs.ts";
import { ensurePython, hasPython } from "../python.ts";
import { requires } from "../skips.ts";
import { StrictBucket } from "./strict-bucket.ts";

const PROGRAMS = fileURLToPath(new URL("../../src/machine/programs/", import.meta.url));
const SIMULATION = fileURLToPath(new URL("lease_simulation.py", import.meta.url));

interface Run {
  seed: number;
  wrong: string[];
  starts: number;
  handovers: number;
}

const numberIn = (file: string, pattern: RegExp): number => Number(pattern.exec(programText(file))?.[1]);
const STOP_S = 10;
/** What systemd and the term go by. */
const NUMBERS = {
  watchdog_s: numberIn("landfall-lease.service", /^WatchdogSec=(\d+)s$/m),
  restart_s: numberIn("landfall-lease.service", /^RestartSec=(\d+)s$/m),
  kill_after_s: numberIn("boot.sh", /LANDFALL_STOP_TIMEOUT_MS \+ (\d+)\)\)ms/) / 1000,
  stop_s: STOP_S,
  term_s: leaseTermMs({ stop: { signal: "SIGTERM", timeout: STOP_S * 1000 } }) / 1000,
};

function simulate(count: number, settings: Record<string, unknown> = {}): Run[] {
  const args = ["-B", "-W", "ignore", SIMULATION, PROGRAMS, "1", String(count), JSON.stringify({ ...NUMBERS, ...settings })];
  return execFileSync("python3", args, { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Run);
}

const wrongIn = (runs: Run[]): string[] => runs.flatMap(({ seed, wrong }) => wrong.map((what) => `seed ${seed}: ${what}`));
const sum = (runs: Run[], of: "starts" | "handovers") => runs.reduce((total, run) => total + run[of], 0);

requires("python3 on PATH", isOnPath("python3"))("a lease", () => {
  test("is longer than two words of its keeper and the whole stop of the app take, by a tenth of it and more", () => {
    const { watchdog_s, stop_s, kill_after_s, term_s } = NUMBERS;
    expect(2 * watchdog_s + stop_s + kill_after_s).toBeLessThan(0.9 * term_s);
    // It is waited for as long before the lease is held: the first word comes with it.
    expect(numberIn("landfall-lease.service", /^TimeoutStartSec=(\d+)s$/m)).toBe(watchdog_s);
    // A process that is stopped knows no other signal, and an app that has had its time no second one.
    expect(programText("landfall-lease.service")).toMatch(/^TimeoutStartFailureMode=kill\nWatchdogSec=30s\nWatchdogSignal=SIGKILL$/m);
    expect(programText("landfall-app.service")).toMatch(/^TimeoutStopFailureMode=kill$/m);
  });

  test("has one holder at a time, through replacements, rebalances, partitions, pauses, reboots and outages of S3; and somebody in the end", () => {
    const runs = simulate(200);
    expect(wrongIn(runs)).toEqual([]);
    expect(runs).toHaveLength(200);
    expect(sum(runs, "starts")).toBeGreaterThan(2000);
    expect(sum(runs, "handovers")).toBeGreaterThan(500);
  });

  describe("is found wrong", () => {
    test.each([
      ["when its term is shorter than what it has to outlast", { term_s: 45 }],
      ["when who wants it does not watch it for a term", { watches: false }],
      ["when the app is not bound to its keeper", { binds: false }],
      ["when it is given back while the app runs", { asks_app: false }],
    ])("%s", (_, settings) => {
      expect(wrongIn(simulate(60, settings)).join("\n")).toMatch(/starts while i-\d+ runs/);
    });
  });
});

/** Those of Debian 13. */
const PACKAGES = ["botocore==1.37.9", "jmespath==1.0.1", "python-dateutil==2.9.0.post0", "six==1.17.0", "urllib3==2.3.0"];
/** systemd's end of the line: prints what the keeper says to it, and passes a signal on. */
const HEARS = `
import os, signal, socket, subprocess, sys
way = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
way.bind(os.environ["NOTIFY_SOCKET"])
keeper = subprocess.Popen([sys.executable, sys.argv[1]])
signal.signal(signal.SIGTERM, lambda *_: keeper.terminate())
way.settimeout(0.1)
while True:
    try:
        print("systemd hears", way.recv(4096).decode().replace("\\n", " "), flush=True)
    except TimeoutError:
        if keeper.poll() is not None:
            sys.exit(keeper.returncode)
`;
/** It may have ended by itself. */
function killGroup(pid: number | undefined): void {
  try {
    process.kill(-(pid as number), "SIGKILL");
  } catch {}
}

const LONG = { timeout: 60_000 };
const poll = <T>(look: () => T) => expect.poll(look, LONG);

requires("python3 with venv", process.platform === "linux" && hasPython())("the keeper of a lease", () => {
  let python: string;
  let folder: string;
  let bucket: StrictBucket;
  let endpoint: string;
  const keepers = new Set<ChildProcess>();

  beforeAll(() => {
    python = ensurePython(PACKAGES);
  }, 300_000);
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "landfall-lease-"));
    const text = Object.entries({ RENEW_S: 0.3, LOOK_S: 0.1, RETRY_S: 0.1 }).reduce(
      (at, [name, value]) => at.replace(new RegExp(`^${name} = .*$`, "m"), `${name} = ${value}`),
      programText("lease.py"),
    );
    writeFileSync(join(folder, "lease.py"), text);
    writeFileSync(join(folder, "lease-keeper"), programText("lease-keeper.py"));
    writeFileSync(join(folder, "systemctl"), `#!/bin/sh\necho "$*" >>${folder}/called\n[ "$1" != is-active ] || cat ${folder}/active\n`);
    writeFileSync(join(folder, "called"), "");
    chmodSync(join(folder, "systemctl"), 0o755);
    app("active");
    bucket = new StrictBucket();
    endpoint = await bucket.open();
  });
  afterEach(() => {
    for (const { pid } of keepers) killGroup(pid);
    keepers.clear();
    bucket.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const app = (state: string) => writeFileSync(join(folder, "active"), `${state}\n`);
  const called = () => readFileSync(join(folder, "called"), "utf8").trim().split("\n");

  interface Keeping {
    said: string[];
    heard(word: string): number;
    stop(): void;
    /** Its status. */
    ended: Promise<number | null>;
  }

  function keep(waitMs = 600_000): Keeping {
    const env = {
      PATH: `${folder}:${process.env.PATH}`,
      NOTIFY_SOCKET: join(folder, `notify-${keepers.size}`),
      WATCHDOG_USEC: "30000000",
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_DEFAULT_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "key",
      AWS_SECRET_ACCESS_KEY: "secret",
      LANDFALL_ARTIFACTS: "artifacts",
      LANDFALL_INSTANCE: "i-me",
      LANDFALL_LEASE_KEY: "singletons/production/batch.json",
      LANDFALL_LEASE_TERM_MS: "100000",
      LANDFALL_LEASE_WAIT_MS: String(waitMs),
    };
    const keeper = spawn(python, ["-c", HEARS, join(folder, "lease-keeper")], { env, stdio: ["ignore", "pipe", "inherit"], detached: true });
    keepers.add(keeper);
    const said: string[] = [];
    keeper.stdout.on("data", (chunk: Buffer) => said.push(...chunk.toString().split("\n").filter(Boolean)));
    return {
      said,
      heard: (word) => said.filter((line) => line.startsWith("systemd hears") && line.includes(word)).length,
      stop: () => void keeper.kill("SIGTERM"),
      ended: new Promise((resolve) => keeper.once("close", resolve)),
    };
  }

  test("takes what nobody has, tells systemd of each renewal, and gives it back once the app has stopped", async () => {
    const keeper = keep();
    await poll(() => bucket.writes.length).toBeGreaterThan(3);
    expect(bucket.writes[0]).toEqual({ condition: "none *", status: 200, owner: "i-me" });
    expect(bucket.note).toMatchObject({ owner: "i-me", term: 100 });
    // What systemd hears and what is said come by two ways.
    const told = ["systemd hears EXTEND_TIMEOUT_USEC=30000000 WATCHDOG=1", "systemd hears READY=1", "it has its lease"];
    await poll(() => keeper.said).toEqual(expect.arrayContaining(told));
    app("inactive");
    // Beyond this a renewal that was under way and the giving back may meet.
    const renewals = [...bucket.writes];
    keeper.stop();
    expect(await keeper.ended).toBe(0);
    expect(bucket.note).toMatchObject({ owner: null });
    expect(renewals.every(({ status }) => status === 200)).toBe(true);
    expect(new Set(renewals.map(({ condition }) => condition)).size).toBe(renewals.length);
  });

  test("gives it back although a renewal that was under way comes in between", async () => {
    const keeper = keep();
    await poll(() => keeper.heard("READY")).toBe(1);
    bucket.beforeGivenBack = () => bucket.put({ owner: "i-me", term: 100 });
    app("inactive");
    keeper.stop();
    expect(await keeper.ended).toBe(0);
    expect(bucket.note).toMatchObject({ owner: null });
    expect(bucket.writes.slice(-2)).toMatchObject([{ status: 412 }, { status: 200 }]);
  });

  test("gives nothing back while the app runs, and has it again at once when it is started again", async () => {
    const keeper = keep();
    await poll(() => keeper.heard("READY")).toBe(1);
    keeper.stop();
    expect(await keeper.ended).toBe(0);
    expect(bucket.note).toMatchObject({ owner: "i-me" });
    const again = keep();
    await poll(() => again.heard("READY")).toBe(1);
  });

  test("says nothing to systemd while S3 is not to be reached, and goes on when it is", async () => {
    const keeper = keep();
    await poll(() => keeper.heard("WATCHDOG")).toBeGreaterThan(2);
    bucket.state = "broken";
    await poll(() => keeper.said.filter((line) => line.includes("could not be renewed")).length).toBeGreaterThan(1);
    const words = keeper.heard("WATCHDOG");
    const troubles = keeper.said.length;
    await poll(() => keeper.said.length).toBeGreaterThan(troubles + 3);
    expect(keeper.heard("WATCHDOG")).toBe(words);
    bucket.state = "well";
    await poll(() => keeper.heard("WATCHDOG")).toBeGreaterThan(words + 1);
  });

  test("knows a write of its own again, whose answer was lost", async () => {
    const keeper = keep();
    await poll(() => keeper.heard("READY")).toBe(1);
    bucket.state = "deaf";
    await poll(() => keeper.said.filter((line) => line.includes("could not be renewed")).length).toBeGreaterThan(0);
    bucket.state = "well";
    const words = keeper.heard("WATCHDOG");
    await poll(() => keeper.heard("WATCHDOG")).toBeGreaterThan(words + 1);
    expect(bucket.writes.some(({ status }) => status === 412)).toBe(true);
    expect(bucket.note).toMatchObject({ owner: "i-me" });
  });

  test.each([
    ["another one has taken it", () => bucket.put({ owner: "i-other", term: 100 }), "its lease is i-other's: the app was killed"],
    ["it was removed", () => (bucket.text = undefined), "its lease is gone: the app was killed"],
  ])("kills the app when %s", async (_, befalls, said) => {
    const keeper = keep();
    await poll(() => keeper.heard("READY")).toBe(1);
    befalls();
    expect(await keeper.ended).toBe(1);
    expect(keeper.said).toContain(said);
    expect(called()).toEqual(["stop --no-block landfall-app.service", "kill --signal=KILL landfall-app.service"]);
  });

  test("waits while another one renews it, and takes it when that one has not for its whole term, however long that is", async () => {
    const [termS, waitMs] = [6, 5000];
    bucket.put({ owner: "i-other", term: termS });
    const keeper = keep(waitMs);
    await poll(() => keeper.said).toContain("it waits for its lease: i-other has it");
    const renewed = performance.now();
    bucket.put({ owner: "i-other", term: termS });
    await poll(() => keeper.heard("READY")).toBe(1);
    expect(performance.now() - renewed).toBeGreaterThan(termS * 1000);
    expect(bucket.note).toMatchObject({ owner: "i-me" });
    // Told all the time that its start goes on.
    expect(keeper.heard("EXTEND_TIMEOUT_USEC")).toBeGreaterThan(5);
  });

  test("gives up when it was renewed all the time, and says who has it", async () => {
    const renew = () => bucket.put({ owner: "i-other", term: 100 });
    renew();
    const renewing = setInterval(renew, 200);
    const keeper = keep(500);
    expect(await keeper.ended).toBe(1);
    clearInterval(renewing);
    expect(keeper.said.at(-1)).toBe("it did not get its lease within 0.5 s: i-other has it");
    expect(keeper.heard("READY")).toBe(0);
    expect(bucket.writes).toEqual([]);
  });
});
