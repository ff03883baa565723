import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRunning } from "../../../../src/system/processes.ts";
import { readLogs } from "../../../../src/targets/local/log-writer/read-logs.ts";
import { connectSupervisor, ensureSupervisor } from "../../../../src/targets/local/supervisor/start.ts";
import { builtMain } from "../../../build.ts";
import { isGroupAlive } from "../../../groups.ts";
import { linesOf, makeEnvironment, observeKeeper, program, startBalancer, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
});
afterEach(() => environment.remove());

const SLEEP = "setInterval(() => {}, 1000)";

describe("a process", () => {
  test("gets exactly its environment and a port, and is known by its program's pid", async () => {
    const supervisor = await environment.supervisor();
    const record = await supervisor.start(
      program("web.1", `console.log(JSON.stringify({ env: process.env, pid: process.pid })); ${SLEEP}`, {
        port: "free",
        env: { COLOUR: "red", PATH: "/bin" },
      }),
    );
    await until(() => linesOf(environment.paths, "web.1").length > 0);
    const told = JSON.parse(linesOf(environment.paths, "web.1")[0] as string);
    const run = join(environment.paths.runs, "web.1", "1");
    expect(told).toEqual({ env: { COLOUR: "red", PATH: "/bin", PORT: String(record.port), LANDFALL_RUN: run }, pid: record.pid });
  });

  test("that crashes is started again, with its exit and last words kept", async () => {
    const supervisor = await environment.supervisor();
    await supervisor.start(program("web.1", "console.log('one'); console.error('two'); process.exitCode = 7"));
    await environment.event(({ type }) => type === "restarted");
    const { lastExit } = await environment.record("web.1");
    expect(lastExit).toMatchObject({ code: 7 });
    expect([...(lastExit?.lastLines ?? [])].sort()).toEqual(["one", "two"]);
  });

  test("that ignores the stop signal is killed with all it forked", async () => {
    const supervisor = await environment.supervisor();
    const code = `process.on("SIGTERM", () => {}); require("child_process").spawn("sh", ["-c", "trap : TERM; while :; do sleep 1; done"]); console.log("up"); ${SLEEP}`;
    const { group } = await supervisor.start(program("web.1", code));
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    const result = await supervisor.stop({ id: "web.1", stop: { signal: "SIGTERM", timeoutMs: 200 } });
    expect(result.ignored).toBe(true);
    expect(isGroupAlive(group?.pid as number)).toBe(false);
    expect((await supervisor.observe()).processes).toEqual([]);
  });

  test("that stops when asked keeps its own exit status", async () => {
    const supervisor = await environment.supervisor();
    await supervisor.start(program("web.1", `process.on("SIGTERM", () => { console.log("bye"); process.exit(3) }); console.log("up"); ${SLEEP}`));
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    expect(await supervisor.stop({ id: "web.1" })).toMatchObject({ ignored: false, exit: { code: 3, lastLines: ["up", "bye"] } });
  });

  test("whose shim is killed counts as crashed, and leaves nothing of its group", async () => {
    const supervisor = await environment.supervisor();
    const { group } = await supervisor.start(program("web.1", SLEEP));
    process.kill(group?.pid as number, "SIGKILL");
    await environment.event(({ type }) => type === "restarted");
    expect(isGroupAlive(group?.pid as number)).toBe(false);
  });

  test("run once is stopped at its budget", async () => {
    const supervisor = await environment.supervisor();
    const spec = program("migrate", SLEEP, { kind: "job" });
    expect(await supervisor.run({ spec, timeoutMs: 300 })).toMatchObject({ timedOut: true, exit: { signal: "SIGTERM" } });
    expect(environment.events().at(-1)?.text).toBe("stopped at its time-out: ended by SIGTERM");
  });
});

describe("after kill -9 of the supervisor", () => {
  test("no line of a writing process is lost or doubled, and it is not restarted", async () => {
    const supervisor = await environment.supervisor();
    const code = `let n = 0; (function next() { for (let i = 0; i < 500 && n < 100000; i++) console.log(n++); if (n < 100000) setTimeout(next, 5); else setInterval(() => {}, 1000) })()`;
    const { pid } = await supervisor.start(program("web.1", code));
    await until(() => linesOf(environment.paths, "web.1").length > 10_000);
    await environment.crashSupervisor();
    await environment.supervisor();
    await until(() => linesOf(environment.paths, "web.1").length > 50_000);
    await environment.crashSupervisor();
    await environment.supervisor();
    await until(() => linesOf(environment.paths, "web.1").at(-1) === "99999");
    const lines = linesOf(environment.paths, "web.1");
    expect(lines.length).toBe(100_000);
    expect(lines.every((line, index) => line === String(index))).toBe(true);
    expect(await environment.record("web.1")).toMatchObject({ pid, restarts: 0, state: "running" });
  });

  test("an exit in the gap is seen with its status", async () => {
    const supervisor = await environment.supervisor();
    const { pid } = await supervisor.start(
      program("web.1", `process.on("SIGUSR2", () => { console.log("last"); process.exit(9) }); console.log("up"); ${SLEEP}`),
    );
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    await environment.crashSupervisor();
    process.kill(pid as number, "SIGUSR2");
    await until(() => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z"));
    const record = await environment.record("web.1");
    expect(record.lastExit).toMatchObject({ code: 9, lastLines: ["up", "last"] });
    expect(record.restarts).toBe(1);
  });
});

describe("the supervisor", () => {
  test("is never there twice", async () => {
    const clients = await Promise.all([
      ensureSupervisor(environment.paths),
      ensureSupervisor(environment.paths),
      ensureSupervisor(environment.paths),
    ]);
    const pids = await Promise.all(clients.map(async (client) => (await client.observe()).supervisor.pid));
    const second = spawn(process.execPath, [builtMain("targets/local/supervisor/main.js"), environment.paths.environment]);
    expect(await new Promise((resolve) => second.once("exit", resolve))).toBe(0);
    expect(new Set(pids).size).toBe(1);
  });

  test("is unreachable after a shutdown, and everything has stopped", async () => {
    const supervisor = await environment.supervisor();
    const { group } = await supervisor.start(program("web.1", SLEEP));
    const keeper = await observeKeeper(environment.paths);
    await supervisor.shutdown();
    expect(isGroupAlive(group?.pid as number)).toBe(false);
    expect(isRunning(keeper)).toBe(false);
    await expect(connectSupervisor(environment.paths)).rejects.toMatchObject({ code: "SUPERVISOR_UNREACHABLE" });
  });

  test("keeps its records to its user", async () => {
    await (await environment.supervisor()).start(program("web.1", `console.log("up"); ${SLEEP}`));
    expect(statSync(join(environment.paths.supervisor, "processes.changes.jsonl")).mode & 0o077).toBe(0);
    const file = join(environment.paths.supervisor, "processes.json");
    await until(() => existsSync(file));
    expect(statSync(file).mode & 0o077).toBe(0);
    await until(() => linesOf(environment.paths, "web.1").includes("up"));
    expect(statSync(join(environment.paths.logs, "web.1.jsonl")).mode & 0o077).toBe(0);
  });
});

test("a folder too deep for a socket path works", async () => {
  const deep = await makeEnvironment({ depth: "x".repeat(120) });
  expect((await (await deep.supervisor()).observe()).processes).toEqual([]);
  await deep.remove();
});

test("a run that would overlap the one before is skipped, and one that takes too long is stopped", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("report", SLEEP, { kind: "job", schedule: { cron: "* * * * * *", timeoutMs: 1_500 } }));
  await environment.event(({ type }) => type === "job-skipped");
  expect((await environment.event(({ type }) => type === "job-run")).text).toBe("stopped at its time-out: ended by SIGTERM");
  await supervisor.stop({ id: "report" });
});

test("a run outlives the replacement and the removal of its schedule, and there is no other beside it", async () => {
  const supervisor = await environment.supervisor();
  const schedule = { cron: "* * * * * *", timeoutMs: 600_000 };
  const at = async (release: string) => supervisor.start(program("tidy", SLEEP, { kind: "job", service: "tidy", release, schedule }));
  const runs = async () => (await supervisor.observe()).processes.filter(({ spec }) => spec.id.startsWith("tidy.")).map(({ spec }) => spec.release);
  await at("a");
  const { id } = await environment.event((event) => event.type === "started" && event.id.startsWith("tidy."));
  await at("b");
  await environment.event((event) => event.type === "job-skipped" && event.id.startsWith("tidy."));
  expect(await runs()).toEqual(["a"]);
  await supervisor.stop({ id });
  await until(async () => (await runs()).join() === "b");
  await supervisor.forget({ id: "tidy" });
  expect((await supervisor.observe()).processes.some(({ spec }) => spec.id === "tidy")).toBe(false);
  expect(await runs()).toEqual(["b"]);
  await Promise.all((await supervisor.observe()).processes.map(({ spec }) => spec.id.startsWith("tidy.") && supervisor.stop({ id: spec.id })));
});

test("the balancer is told of every change before a call returns", async () => {
  const supervisor = await environment.supervisor();
  const balancer = await startBalancer(environment);
  const { pid } = await supervisor.start(
    program("web.1", `require("http").createServer((_, answer) => answer.end()).listen(process.env.PORT, "127.0.0.1")`, { port: "free" }),
  );
  await supervisor.attach({ id: "web.1" });
  expect(balancer.upstreams()).toEqual(["web.1 attached"]);
  process.kill(pid as number, "SIGKILL");
  await environment.event(({ type }) => type === "suspended");
  await until(() => balancer.upstreams().length === 0);
  await environment.event(({ type }) => type === "resumed");
  await until(() => balancer.upstreams().length === 1);
  expect(await supervisor.drain({ id: "web.1", timeoutMs: 100 })).toEqual({ inHand: 2 });
  expect(balancer.upstreams()).toEqual(["web.1 draining"]);
  await supervisor.stop({ id: "web.1" });
  await until(() => balancer.upstreams().length === 0);
  balancer.close();
});

test("a balancer that crashed is given everything again", async () => {
  const supervisor = await environment.supervisor();
  const balancer = await startBalancer(environment);
  await supervisor.start(program("web.1", SLEEP, { port: "free" }));
  await supervisor.start(program("web.2", SLEEP, { port: "free" }));
  await supervisor.attach({ id: "web.1" });
  await supervisor.attach({ id: "web.2", share: 0.1 });
  await supervisor.drain({ id: "web.1", timeoutMs: 0 });
  const whole = balancer.told.at(-1);
  const times = balancer.told.length;
  process.kill((await environment.record("balancer")).pid as number, "SIGKILL");
  await environment.event(({ type, id }) => type === "restarted" && id === "balancer");
  await until(() => balancer.told.length > times);
  expect(balancer.told.at(-1)).toEqual(whole);
  expect(whole?.upstreams.map(({ id, state, share }) => ({ id, state, share }))).toEqual([
    { id: "web.1", state: "draining", share: undefined },
    { id: "web.2", state: "attached", share: 0.1 },
  ]);
  balancer.close();
});

test("logs are read as one, and followed", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("web.1", `console.log("a"); setTimeout(() => console.log("c"), 300); ${SLEEP}`));
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const { id, line } of readLogs(environment.paths, { follow: true, signal: stop.signal })) {
    seen.push(`${id} ${line}`);
    if (seen.length === 2) await supervisor.start(program("web.2", `console.log("d"); ${SLEEP}`));
    if (seen.length === 3) stop.abort();
  }
  expect(seen).toEqual(["web.1 a", "web.1 c", "web.2 d"]);
});
