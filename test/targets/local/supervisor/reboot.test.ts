// The machine was started again: the records say what ran, and no pid in them means anything.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { observeStart } from "../../../../src/system/processes.ts";
import { linesOf, makeEnvironment, program, type TestEnvironment, until } from "./environment.ts";

let environment: TestEnvironment;
beforeEach(async () => {
  environment = await makeEnvironment();
});
afterEach(() => environment.remove());

const SLEEP = "setInterval(() => {}, 1000)";

test("everything that ran is started again, resources first, and is not taken for crashed", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("web.1", `console.log("up"); ${SLEEP}`, { port: "free" }));
  await supervisor.start(program("balancer", SLEEP, { kind: "balancer" }));
  await supervisor.start(program("resource.database", SLEEP, { kind: "resource" }));
  await supervisor.start(program("once", SLEEP, { kind: "job", restart: "never" }));
  await until(() => linesOf(environment.paths, "web.1").includes("up"));
  await environment.reboot();
  await environment.supervisor();
  const starts = environment.events().flatMap(({ type, id }) => (type === "restarted" ? [id] : []));
  expect(starts).toEqual(["resource.database", "balancer", "web.1"]);
  expect(await environment.record("web.1")).toMatchObject({ state: "running", lastExit: { lost: true } });
  expect(await environment.record("once")).toMatchObject({ state: "exited", lastExit: { lost: true } });
  let crashes: number | undefined;
  await environment.crashSupervisor();
  environment.editRecords((record) => {
    if (record.spec.id === "web.1") crashes = record.crashes;
  });
  expect(crashes).toBe(0);
});

test("a stranger that has a pid of ours by now is left alone", async () => {
  const stranger = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
  const pid = stranger.pid as number;
  try {
    await (await environment.supervisor()).start(program("web.1", SLEEP));
    await (await environment.supervisor()).start(program("web.2", SLEEP));
    await environment.reboot();
    environment.editRecords((record) => {
      // One from before the restart of the machine, and one whose pid was used again since.
      if (record.spec.id === "web.1") record.group = { pid, startedAt: observeStart(pid) ?? "" };
      if (record.spec.id === "web.2") record.group = { pid, startedAt: "another" };
    });
    const { processes } = await (await environment.supervisor()).observe();
    expect(processes.map(({ state, group }) => `${state} ${group?.pid === pid}`)).toEqual(["running false", "running false"]);
    expect(observeStart(pid)).toBeDefined();
  } finally {
    stranger.kill("SIGKILL");
  }
});

test("pipes go with the process, and with the end of what ran once", async () => {
  const supervisor = await environment.supervisor();
  const folders = () => readdirSync(join(environment.paths.supervisor, "runs"));
  await supervisor.start(program("web.1", SLEEP));
  await supervisor.run({ spec: program("once", "", { kind: "job" }), timeoutMs: 10_000 });
  expect(folders()).toEqual(["web.1"]);
  await supervisor.stop({ id: "web.1" });
  expect(folders()).toEqual([]);
});

test("a shutdown stops jobs, then instances, the balancer, and resources last, in the reverse order of their start", {
  timeout: 60_000,
}, async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("resource.a", SLEEP, { kind: "resource" }));
  await supervisor.start(program("resource.b", SLEEP, { kind: "resource" }));
  await supervisor.start(program("balancer", SLEEP, { kind: "balancer" }));
  await supervisor.start(program("web.1", SLEEP));
  await supervisor.start(program("job", SLEEP, { kind: "job", restart: "never" }));
  await supervisor.shutdown();
  expect(environment.events().flatMap(({ type, id }) => (type === "stopped" ? [id] : []))).toEqual([
    "job",
    "web.1",
    "balancer",
    "resource.b",
    "resource.a",
  ]);
  expect((await (await environment.supervisor()).observe()).processes).toEqual([]);
});

test("a schedule goes on after a crash of the supervisor, and runs once for each of its times", async () => {
  const ran = join(environment.paths.environment, "ran");
  mkdirSync(ran);
  // Makes a folder that must not be there yet: a second run for the same second would end with status 1.
  const code = `require("fs").mkdirSync(${JSON.stringify(ran)} + "/" + Math.floor(Date.now() / 1000) + "." + process.pid)`;
  await (await environment.supervisor()).start(program("tick", code, { kind: "job", schedule: { cron: "* * * * * *", timeoutMs: 10_000 } }));
  for (let crash = 1; crash <= 3; crash++) {
    await until(async () => {
      await environment.supervisor();
      return environment.events().filter(({ type }) => type === "job-run").length > crash;
    });
    await environment.crashSupervisor();
  }
  await (await environment.supervisor()).stop({ id: "tick" });
  const started = environment.events().flatMap(({ type, id }) => (type === "started" && id.startsWith("tick.") ? [id] : []));
  expect(new Set(started).size).toBe(started.length);
  expect(readdirSync(ran)).toHaveLength(started.length);
});

test("a run that ended unseen by its schedule does not stand in the way of the next", async () => {
  const supervisor = await environment.supervisor();
  await supervisor.start(program("tick", SLEEP, { kind: "job", schedule: { cron: "* * * * * *", timeoutMs: 3_600_000 } }));
  const { id } = await environment.event(({ type, id }) => type === "started" && id.startsWith("tick."));
  await environment.crashSupervisor();
  // As if it had been killed between the run's end and the schedule's note of it.
  environment.editRecords((record) => {
    if (record.spec.id !== id) return;
    if (record.group) process.kill(-record.group.pid, "SIGKILL");
    Object.assign(record, { state: "exited", endedRun: record.run, group: undefined, lastExit: { at: Date.now(), code: 0, lastLines: [] } });
  });
  await environment.supervisor();
  await environment.event((event) => event.type === "started" && event.id.startsWith("tick.") && event.id !== id);
  expect(environment.events().filter(({ type }) => type === "job-run")).toMatchObject([{ id, text: "exit status 0" }]);
});

test("a port that somebody took while the process was down is given up for another", async () => {
  const supervisor = await environment.supervisor();
  // It never listens itself, so that its port can be taken from it.
  const { pid, port } = await supervisor.start(program("web.1", `console.log(process.env.PORT); ${SLEEP}`, { port: "free" }));
  await until(() => linesOf(environment.paths, "web.1").length === 1);
  const { createServer } = await import("node:net");
  const taker = createServer();
  await new Promise<void>((resolve) => taker.listen(port, "127.0.0.1", resolve));
  process.kill(pid as number, "SIGKILL");
  await until(() => linesOf(environment.paths, "web.1").length === 2);
  const record = await environment.record("web.1");
  expect(record.port).not.toBe(port);
  expect(linesOf(environment.paths, "web.1")).toEqual([String(port), String(record.port)]);
  taker.close();
});

test("a secret reaches the program alone", async () => {
  const { openSecrets } = await import("../../../../src/targets/local/data/secret-store.ts");
  openSecrets(environment.paths).set("TOKEN", "hunter2-hunter2");
  const supervisor = await environment.supervisor();
  const { group } = await supervisor.start(
    program("web.1", `console.log(process.env.APP_TOKEN.length); ${SLEEP}`, { secretEnv: { APP_TOKEN: "TOKEN" } }),
  );
  await until(() => linesOf(environment.paths, "web.1").length > 0);
  expect(linesOf(environment.paths, "web.1")).toEqual(["15"]);
  const files = readdirSync(environment.paths.environment, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of files) expect(readFileSync(join(file.parentPath, file.name), "latin1")).not.toContain("hunter2");
  if (existsSync("/proc")) expect(readFileSync(`/proc/${group?.pid}/cmdline`, "latin1")).not.toContain("hunter2");
});

test.runIf(process.getuid?.() === 0)("a process of another user writes its output all the same", async () => {
  const supervisor = await environment.supervisor();
  const code = `console.log(process.getuid(), process.getgid()); require("fs").appendFileSync("/dev/stderr", "opened\\n"); ${SLEEP}`;
  await supervisor.start(program("resource.database", code, { kind: "resource", uid: 65534, gid: 65534, cwd: "/" }));
  await until(() => linesOf(environment.paths, "resource.database").length > 1);
  expect(linesOf(environment.paths, "resource.database").sort()).toEqual(["65534 65534", "opened"]);
});
