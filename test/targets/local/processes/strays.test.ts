// Processes that leave their group: found by what is there, and ended with the run that they came of.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { findStrays } from "../../../../src/targets/local/processes/strays.ts";
import { isOnPath } from "../../../programs.ts";
import { requires } from "../../../skips.ts";
import { linesOf, makeEnvironment, program, type TestEnvironment, until } from "../supervisor/environment.ts";

let environment: TestEnvironment;
let token = "";
let number = 0;
beforeAll(async () => {
  environment = await makeEnvironment();
});
afterEach(() => {
  for (const pid of alive()) process.kill(pid, "SIGKILL");
});
afterAll(() => environment.remove());

/** Whatever runs and has the test's word among its arguments: known by nothing that Landfall knows it by. */
const alive = (word = token): number[] =>
  readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) && argumentsOf(name).includes(word) ? [Number(name)] : []));

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Ignores the signal, and has forked once. */
const STUBBORN = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up");
  if (process.argv[2] !== "child") require("child_process").spawn(process.execPath, ["-e", process.env.STUBBORN, process.argv[1], "child"], { stdio: "inherit" })`;
/** Starts its child in a session of its own or bare of variables, and runs on. */
const HELPED = `const env = process.env.BARE ? {} : process.env; console.log("up"); setInterval(() => {}, 1000);
  require("child_process").spawn(process.execPath, ["-e", process.env.HELPER, process.argv[1]], { detached: true, stdio: "inherit", env })`;
/** Finishes what it has in hand when it is asked. */
const HELPER = `process.on("SIGTERM", () => { console.log("asked"); setTimeout(() => { console.log("done"); process.exit() }, 300) });
  setInterval(() => {}, 1000); console.log("up")`;
/** Leaves a daemon by way of two forks, and ends well. */
const DAEMON = `const [, word, step] = process.argv; const fork = (next) => require("child_process")
    .spawn(process.execPath, ["-e", process.env.DAEMON, word, next], { detached: true, stdio: "ignore" });
  if (step === "daemon") setInterval(() => {}, 1000); else { fork(step ? "daemon" : "between"); setTimeout(() => process.exit(0), 100) }`;

/** A process whose arguments have a word of its own. */
function wordy(code: string, rest: Parameters<typeof program>[2] = {}, before = "exec") {
  const id = `web.${++number}`;
  token = `stray-${process.pid}-${number}`;
  const env = { PATH: process.env.PATH ?? "", STUBBORN, HELPED, HELPER, DAEMON, NODE: process.execPath };
  const argv = ["sh", "-c", `${before} "$NODE" -e "$${code}" ${token}`];
  return program(id, "", { argv, ...rest, env: { ...env, ...rest.env } });
}

const ups = (id: string): number => linesOf(environment.paths, id).filter((line) => line === "up").length;

requires("Linux, setsid and prlimit", process.platform === "linux" && ["setsid", "prlimit"].every(isOnPath))("what left its group", () => {
  it("is killed with its children at the time-out", async () => {
    const spec = wordy("STUBBORN", {}, "exec setsid");
    const supervisor = await environment.supervisor();
    await supervisor.start(spec);
    await until(() => ups(spec.id) === 2);
    expect(await supervisor.stop({ id: spec.id, stop: { signal: "SIGTERM", timeoutMs: 300 } })).toMatchObject({ ignored: true });
    expect(alive()).toEqual([]);
  });

  it("is asked when its parent has ended, and waited for", async () => {
    const spec = wordy("HELPED");
    const supervisor = await environment.supervisor();
    await supervisor.start(spec);
    await until(() => ups(spec.id) === 2);
    expect(await supervisor.stop({ id: spec.id })).toMatchObject({ ignored: false });
    expect(linesOf(environment.paths, spec.id)).toEqual(["up", "up", "asked", "done"]);
    expect(alive()).toEqual([]);
  });

  it("is found by its parent, where it has none of the variables that it was given", async () => {
    const spec = wordy("HELPED", { env: { BARE: "1" } });
    const bare = HELPED.replace("process.env.HELPER", JSON.stringify(HELPER));
    const supervisor = await environment.supervisor();
    await supervisor.start({ ...spec, env: { ...spec.env, HELPED: bare } });
    await until(() => ups(spec.id) === 2);
    expect(await supervisor.stop({ id: spec.id })).toMatchObject({ ignored: false });
    expect(linesOf(environment.paths, spec.id).at(-1)).toBe("done");
    expect(alive()).toEqual([]);
  });

  it("is ended when the supervisor was killed and started again meanwhile", async () => {
    const spec = wordy("HELPED");
    const supervisor = await environment.supervisor();
    await supervisor.start(spec);
    await until(() => ups(spec.id) === 2);
    await environment.crashSupervisor();
    await supervisor.stop({ id: spec.id });
    expect(alive()).toEqual([]);
  });

  it("goes before its command is started again, and that is said", async () => {
    const spec = wordy("DAEMON");
    const supervisor = await environment.supervisor();
    await supervisor.start(spec);
    await environment.event(({ type, id, text }) => type === "restarted" && id === spec.id && text.startsWith("restart 2"));
    await supervisor.stop({ id: spec.id });
    expect(alive()).toEqual([]);
    const crashes = environment.events().filter(({ id, type }) => type === "crashed" && id === spec.id);
    for (const { text } of crashes) expect(text).toMatch(/^exit status 0; what it had left running outside of its group was ended: pid \d+ \(node\)/);
  });

  it("is nothing that is watched, however long the look takes", async () => {
    const spec = wordy("HELPED");
    const supervisor = await environment.supervisor();
    await supervisor.start(spec);
    await until(() => ups(spec.id) === 2);
    let now = performance.now();
    const clock = vi.spyOn(performance, "now").mockImplementation(() => (now *= 10));
    try {
      expect(findStrays(environment.paths).filter(({ id }) => id === spec.id)).toEqual([]);
    } finally {
      clock.mockRestore();
    }
    await supervisor.stop({ id: spec.id });
  });

  it("goes with a command that is run once", async () => {
    const supervisor = await environment.supervisor();
    const spec = wordy("DAEMON", { kind: "job" });
    const { exit } = await supervisor.run({ spec, timeoutMs: 5_000 });
    expect(exit).toMatchObject({ code: 0, left: expect.arrayContaining([{ pid: expect.any(Number), command: "node" }]) });
    expect(alive()).toEqual([]);
  });

  it("is nobody else's: what another environment started under the same name runs on", async () => {
    const other = await makeEnvironment();
    try {
      const spec = wordy("HELPED");
      const [here, there] = [await environment.supervisor(), await other.supervisor()];
      await here.start(spec);
      await there.start(spec);
      await until(() => alive().length === 4);
      await here.stop({ id: spec.id });
      expect(alive().length).toBe(2);
    } finally {
      await other.remove();
    }
    expect(alive()).toEqual([]);
  });

  it("does not make a supervisor that can open no file give up: it looks again", async () => {
    const [other, spec] = [wordy("HELPED"), wordy("HELPED")];
    const supervisor = await environment.supervisor();
    await supervisor.start(other);
    await supervisor.start({ ...spec, stop: { signal: "SIGTERM", timeoutMs: 20_000 } });
    await until(() => ups(spec.id) === 2 && ups(other.id) === 2);
    const { supervisor: identity } = await supervisor.observe();
    const limit = (files: string) => execFileSync("prlimit", ["--pid", String(identity.pid), `--nofile=${files}`]);
    const stop = environment.mortal().stop({ id: spec.id });
    limit("3:");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    limit("1024:");
    expect(await stop).toMatchObject({ ignored: false });
    expect((await supervisor.observe()).supervisor).toEqual(identity);
    expect(await environment.record(other.id)).toMatchObject({ state: "running", restarts: 0 });
    await supervisor.stop({ id: other.id });
  });
});
