// What becomes of the lines of real programs that write in the ways that programs write.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRunning } from "../../../../src/system/processes.ts";
import type { ProcessSpec } from "../../../../src/targets/local/supervisor/api.ts";
import { canMount, fill, mountDisk } from "../../../full-disk.ts";
import { entriesOf, linesOf, makeEnvironment, observeKeeper, program, type TestEnvironment, until } from "./environment.ts";

const numbers = (from: number, to: number, text: string) => Array.from({ length: to - from + 1 }, (_, index) => `${text} ${from + index}`);

/** By turns to the stream that is open already and to one that is opened again by its name, which for a file would empty it. */
const REOPENING: [name: string, argv: string[]][] = [
  [
    "a shell",
    [
      "/bin/sh",
      "-c",
      'i=1; while [ $i -le 100 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); echo "out $i" > /dev/stdout; echo "err $i" > /dev/stderr; i=$((i+1)); done; exec sleep 1000',
    ],
  ],
  [
    "Node",
    [
      process.execPath,
      "-e",
      `const fs = require("fs");
      const again = { out: fs.createWriteStream("/dev/stdout"), err: fs.createWriteStream("/dev/stderr") };
      const write = (stream, text) => new Promise((resolve) => stream.write(text + "\\n", resolve));
      (async () => {
        for (let i = 1; i <= 100; i += 2) {
          await write(process.stdout, "out " + i); await write(process.stderr, "err " + i);
          await write(again.out, "out " + (i + 1)); await write(again.err, "err " + (i + 1));
        }
      })(); setInterval(() => {}, 1000)`,
    ],
  ],
  [
    "Python",
    [
      "python3",
      "-c",
      `import sys, time
for i in range(1, 101, 2):
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        print(name, i, file=stream, flush=True)
        with open("/dev/std" + name, "w") as again: print(name, i + 1, file=again)
time.sleep(1000)`,
    ],
  ],
];

describe("a program that opens its own output again by its name", () => {
  let environment: TestEnvironment;
  beforeEach(async () => {
    environment = await makeEnvironment();
  });
  afterEach(() => environment.remove());

  const OWNERS: [whose: string, owner: Partial<ProcessSpec>][] = [["its supervisor's", {}]];
  if (process.getuid?.() === 0) OWNERS.push(["another", { uid: 65534, gid: 65534, cwd: "/" }]);

  for (const [whose, owner] of OWNERS)
    test.each(REOPENING)(`loses no line, as ${whose} user: %s`, async (_, argv) => {
      const supervisor = await environment.supervisor();
      await supervisor.start(program("web.1", "", { argv, ...owner }));
      const seen = () => entriesOf(environment.paths, "web.1");
      await until(() => seen().some(({ line }) => line === "out 100") && seen().some(({ line }) => line === "err 100"));
      expect(seen().flatMap(({ stream, line }) => (stream === "stdout" ? [line] : []))).toEqual(numbers(1, 100, "out"));
      expect(seen().flatMap(({ stream, line }) => (stream === "stderr" ? [line] : []))).toEqual(numbers(1, 100, "err"));
    });
});

describe("a program that writes 100,000 lines", () => {
  let environment: TestEnvironment;
  beforeEach(async () => {
    environment = await makeEnvironment();
  });
  afterEach(() => environment.remove());

  /** What the keeper may have had in hand when it was killed: what it had read last, and the line before that had no end yet. */
  const LOST_BYTES_MAX = 128 * 1024;
  const CODE = `let n = 0; (function next() { for (let i = 0; i < 500 && n < 100000; i++) console.log("<" + n++ + ">");
    if (n < 100000) setTimeout(next, 5); else { console.error("done"); setInterval(() => {}, 1000) } })()`;

  async function survive(times: number, kill: () => Promise<void>): Promise<void> {
    const supervisor = await environment.supervisor();
    const { pid } = await supervisor.start(program("web.1", CODE));
    const lines = () => linesOf(environment.paths, "web.1");
    for (let time = 1; time <= times; time++) {
      await until(() => lines().length > time * 15_000);
      await kill();
    }
    await until(() => lines().includes("<99999>") && lines().includes("done"));
    expect(await environment.record("web.1")).toMatchObject({ pid, restarts: 0 });
    const written = lines().flatMap((line) => /^<(\d+)>$/.exec(line)?.slice(1).map(Number) ?? []);
    expect(written.filter((number, index) => number <= (written[index - 1] ?? -1))).toEqual([]);
    // A kill may cut one line in two, of which the end still comes.
    expect(lines().length - 1 - written.length).toBeLessThanOrEqual(times);
    const lostBytes = (100_000 - written.length) * "<12345>\n".length;
    expect(lostBytes).toBeLessThanOrEqual(times * LOST_BYTES_MAX);
  }

  test("loses what a keeper that was killed had in hand, and nothing twice", () => survive(4, () => environment.crashKeeper()));

  test("loses no more when the supervisor is killed as well, and waits for the next one", () =>
    survive(4, async () => {
      await Promise.all([environment.crashSupervisor(), environment.crashKeeper()]);
      await environment.supervisor();
    }));
});

describe("the lines of what has ended", () => {
  let environment: TestEnvironment;
  beforeEach(async () => {
    environment = await makeEnvironment();
  });
  afterEach(() => environment.remove());
  const lines = () => linesOf(environment.paths, "web.1");
  const shell = (script: string, rest: Partial<ProcessSpec> = {}) => program("web.1", "", { argv: ["/bin/sh", "-c", script], ...rest });

  test("are all in the log when a run returns, its last line without an end too", async () => {
    const supervisor = await environment.supervisor();
    const spec = shell('i=1; while [ $i -le 20000 ]; do echo "out $i"; i=$((i+1)); done; printf end', { kind: "job" });
    const { exit } = await supervisor.run({ spec, timeoutMs: 60_000 });
    expect(exit).toMatchObject({ code: 0, lastLines: [...numbers(19_962, 20_000, "out"), "end"] });
    expect(lines()).toEqual([...numbers(1, 20_000, "out"), "end"]);
  });

  test("are kept of a process that is renewed, also those it writes while it finishes", async () => {
    const supervisor = await environment.supervisor();
    const script = (name: string) => `trap 'i=1; while [ $i -le 100 ]; do echo "${name} $i"; i=$((i+1)); done; exit' TERM
      echo "${name} up"; while :; do sleep 0.05; done`;
    await supervisor.start(shell(script("first")));
    await until(() => lines().includes("first up"));
    await supervisor.renew({ spec: shell(script("second")) });
    await until(() => lines().includes("second up"));
    expect(lines().filter((line) => line.startsWith("first"))).toEqual(["first up", ...numbers(1, 100, "first")]);
    await environment.crashSupervisor();
    await (await environment.supervisor()).stop({ id: "web.1" });
    expect(lines().filter((line) => line.startsWith("second"))).toEqual(["second up", ...numbers(1, 100, "second")]);
  });

  test("arrive while the supervisor is dead", async () => {
    const cwd = environment.paths.environment;
    await (await environment.supervisor()).start(shell("echo up; while [ ! -e go ]; do sleep 0.02; done; rm go; echo bye; exit 9", { cwd }));
    await until(() => lines().includes("up"));
    await environment.crashSupervisor();
    writeFileSync(join(cwd, "go"), "");
    await until(() => lines().includes("bye"));
    expect((await environment.record("web.1")).lastExit).toMatchObject({ code: 9, lastLines: ["up", "bye"] });
  });

  test("are kept in the pipe when the keeper is dead at that moment", async () => {
    const cwd = environment.paths.environment;
    await (await environment.supervisor()).start(shell("echo up; while [ ! -e go ]; do sleep 0.02; done; rm go; echo FATAL >&2; exit 9", { cwd }));
    await until(() => lines().includes("up"));
    const { group } = await environment.record("web.1");
    const { supervisor } = await (await environment.supervisor()).observe();
    const keeper = await observeKeeper(environment.paths);
    process.kill(keeper.pid, "SIGTERM");
    // Stopped, so that it cannot start another before the program has ended.
    process.kill(supervisor.pid, "SIGSTOP");
    expect(isRunning(keeper)).toBe(true);
    await environment.crashKeeper();
    writeFileSync(join(cwd, "go"), "");
    await until(() => readFileSync(`/proc/${group?.pid}/stat`, "utf8").includes(") Z"));
    process.kill(supervisor.pid, "SIGCONT");
    await until(async () => (await environment.record("web.1")).lastExit !== undefined);
    expect((await environment.record("web.1")).lastExit).toMatchObject({ code: 9, lastLines: ["up", "FATAL"] });
  });

  test("arrive from what it left behind in a session of its own", async () => {
    const supervisor = await environment.supervisor();
    await supervisor.start(shell(`setsid sh -c 'trap "echo late; exit" TERM; echo up; while :; do sleep 0.02; done' & sleep 1000`));
    await until(() => lines().includes("up"));
    await supervisor.stop({ id: "web.1" });
    await until(() => lines().includes("late"));
  });
});

describe.skipIf(!canMount)(`a full disk${canMount ? "" : " (needs root on Linux, to mount one)"}`, { timeout: 60_000 }, () => {
  let environment: TestEnvironment;
  let home: string;
  let unmount: () => void;
  beforeEach(async () => {
    home = join(mkdtempSync(join(tmpdir(), "landfall-test-")), "disk");
    unmount = mountDisk(home, 24);
    environment = await makeEnvironment({ home });
  });
  afterEach(async () => {
    rmSync(join(home, "fill"), { force: true });
    await environment.remove().catch(() => {});
    unmount();
    rmSync(join(home, ".."), { recursive: true });
  });

  /** Of the end that the program chose, and in the same look: a start that the full disk refuses is soon the last end. */
  async function lastLinesOfFailure(): Promise<string[]> {
    let lines: string[] | undefined;
    await until(async () => {
      const { lastExit } = await environment.record("web.1");
      if (lastExit?.code === 7) lines = lastExit.lastLines;
      return lines !== undefined;
    });
    return lines ?? [];
  }

  /** Waits for a signal, writes, says why it ends, and ends; when it is started again it only says so. */
  const failing = (lines: number) => {
    const begun = JSON.stringify(join(home, "..", "begun"));
    return `const fs = require("fs");
      setInterval(() => {}, 1000);
      if (fs.existsSync(${begun})) fs.writeSync(1, "again\\n");
      else process.on("SIGUSR2", () => {
        fs.writeFileSync(${begun}, "");
        let accepted = 0;
        try { for (let i = 1; i <= ${lines}; i++, accepted++) fs.writeSync(1, "line " + i + " " + "x".repeat(90) + "\\n"); } catch {}
        fs.writeFileSync(${begun}, String(accepted));
        try { fs.writeSync(2, "FATAL: no such table\\n"); } catch {}
        process.exit(7);
      }) && fs.writeSync(1, "up\\n")`;
  };

  test("under a program that crashes costs none of its lines, once there is room", async () => {
    const supervisor = await environment.supervisor();
    const { pid } = await supervisor.start(program("web.1", failing(200)));
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    const giveBack = fill(home);
    process.kill(pid as number, "SIGUSR2");
    expect((await lastLinesOfFailure()).at(-1)).toBe("FATAL: no such table");
    giveBack();
    await until(() => linesOf(environment.paths, "web.1").includes("again"));
    const lines = linesOf(environment.paths, "web.1").map((line) => line.replace(/ x+$/, ""));
    expect(lines).toEqual(["up", ...numbers(1, 200, "line"), "FATAL: no such table", "again"]);
  });

  test("does not keep a keeper from being started", async () => {
    const supervisor = await environment.supervisor();
    const { pid } = await supervisor.start(program("web.1", failing(10)));
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    const giveBack = fill(home);
    await environment.crashKeeper();
    process.kill(pid as number, "SIGUSR2");
    expect(await lastLinesOfFailure()).toHaveLength(12);
    giveBack();
    await until(() => linesOf(environment.paths, "web.1").includes("again"));
    expect(linesOf(environment.paths, "web.1")).toHaveLength(13);
  });

  test("under a program that writes more than can wait costs the number of lines that the log names, and never stops it", async () => {
    const supervisor = await environment.supervisor();
    const { pid } = await supervisor.start(program("web.1", failing(30_000)));
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    const giveBack = fill(home);
    process.kill(pid as number, "SIGUSR2");
    await until(async () => (await environment.record("web.1")).lastExit?.code === 7);
    expect(readFileSync(join(home, "..", "begun"), "utf8")).toBe("30000");
    giveBack();
    await until(() => linesOf(environment.paths, "web.1").includes("again"));
    const entries = entriesOf(environment.paths, "web.1");
    const lost = entries.reduce((sum, entry) => sum + (entry.lost ?? 0), 0);
    const arrived = entries.flatMap(({ line }) => (line.startsWith("line ") ? [line] : []));
    expect(lost).toBeGreaterThan(1_000);
    expect(arrived.length + lost).toBe(30_000);
    expect(arrived.at(-1)).toMatch(/^line 30000 /);
    expect(entries.slice(-2).map(({ line }) => line)).toEqual(["FATAL: no such table", "again"]);
  });
});
