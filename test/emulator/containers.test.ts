// Services as containers, on the emulator: images by digest, tasks, a release phase, rollouts, and nothing left at the end. The engine is
// a program of the tests' own (engine.ts); tasks are records, too.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { observeTasks, reasonOf } from "../../src/targets/aws/account/tasks.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import type { TaskFate } from "./emulator.ts";
import { type Engine, installEngine } from "./engine.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = {
  ...SMALL,
  recipe: { packages: ["nodejs"], files: ["package.json"], steps: ["npm ci"] },
  services: {
    web: { command: "node server.js", port: 8448, instances: 2, environment: { MODE: "fast" }, container: {} },
    worker: { command: "node worker.js", container: { dockerfile: "worker.Dockerfile" } },
    nightly: { command: "node nightly.js", schedule: "15 3 * * *", timeout: "10m", container: {} },
  },
  release: { build: ["npm run assets"], expand: "node migrate.js" },
};

const WEB: AppInput = { ...APP, services: { web: { command: "node server.js", port: 8448, instances: 2, container: {} } }, release: {} };

const EXITED = { stopCode: "EssentialContainerExited", reason: "Essential container in task exited" };
const NOT_STARTED = { stopCode: "TaskFailedToStart" };
const STOPPED = { stopCode: "ServiceSchedulerInitiated" };

/**
 * What is known once one task has stopped for it. Texts from https://docs.aws.amazon.com/AmazonECS/latest/developerguide/: resolve-stopped-errors.html,
 * task_cannot_pull_image.html, out-of-memory.html, resource-initialization-error.html, and https://repost.aws/knowledge-center/ecs-task-stopped.
 */
const FINAL: [TaskFate, { code: string; what: RegExp; evidence: [string, unknown][] }][] = [
  [
    { ...EXITED, exitCode: 1, lines: ["connecting", "Error: connect ECONNREFUSED 10.0.3.7:5432"] },
    {
      code: "INSTANCE_RESOURCE_UNREACHABLE",
      what: /does not reach a server at 10\.0\.3\.7:5432/,
      evidence: [
        ["reason", "Essential container in task exited; status 1"],
        ["last log", "connecting"],
        ["", "Error: connect ECONNREFUSED 10.0.3.7:5432"],
      ],
    },
  ],
  [
    { ...EXITED, exitCode: 137, containerReason: "OutOfMemoryError: Container killed due to memory usage", lines: ["starting"] },
    {
      code: "INSTANCE_OUT_OF_MEMORY",
      what: /ran out of memory/,
      evidence: [["reason", "Essential container in task exited; OutOfMemoryError: Container killed due to memory usage; status 137"]],
    },
  ],
  [
    { ...EXITED, exitCode: 0, lines: ["done"] },
    { code: "INSTANCE_ENDED", what: /came to its end/, evidence: [["last log", "done"]] },
  ],
  [
    {
      ...NOT_STARTED,
      reason:
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 111122223333.dkr.ecr.eu-central-1.amazonaws.com/hello@sha256:0: not found",
    },
    { code: "CONTAINER_PULL_FAILED", what: /image could not be pulled/, evidence: [["reason", expect.stringContaining("not found")]] },
  ],
  [
    {
      ...NOT_STARTED,
      reason:
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
    },
    { code: "CONTAINER_NOT_STARTED", what: /could not be started/, evidence: [["reason", expect.stringContaining("log group does not exist")]] },
  ],
  [
    {
      ...STOPPED,
      reason: "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/hello/0)",
      lines: ["up"],
    },
    { code: "HEALTH_NEVER_PASSED", what: /never passed/, evidence: [["reason", expect.stringContaining("Task failed ELB health checks")]] },
  ],
];

const TIMED_OUT: TaskFate = {
  ...NOT_STARTED,
  reason:
    'CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to do request: Head "https://111122223333.dkr.ecr.eu-central-1.amazonaws.com/v2/hello/manifests/one": dial tcp 10.0.3.17:443: i/o timeout',
};

interface Call {
  argv: string[];
  input: string;
  dockerfile?: string;
  config?: string;
}

onEmulator("containers on the emulator", (world) => {
  let folder: string;
  let engine: Engine;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-containers-"));
    engine = installEngine();
    writeFileSync(join(folder, "package.json"), "{}\n");
    writeFileSync(join(folder, "worker.Dockerfile"), "FROM scratch\nCOPY . .\n");
    write("one");
  });
  afterEach(() => {
    engine.remove();
    delete process.env.FAKE_ENGINE_FAILS;
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (text: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "server.js"), `console.log(${JSON.stringify(text)});\n`);
  };
  const calls = (): Call[] =>
    readFileSync(engine.log, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Call);
  const verbs = () => calls().flatMap(({ argv }) => (argv[0] === "version" || argv[0] === "context" ? [] : [argv[0]]));
  const open = (input: AppInput) => world.stage.open(input, folder);
  const running = async (input: AppInput) =>
    Object.entries(await observeRunning(world.stage.context(input)))
      .flatMap(([service, fleets]) => Object.entries(fleets).map(([slot, { release, image }]) => ({ at: `${service}.${slot}`, release, image })))
      .sort((one, other) => (one.at < other.at ? -1 : 1));

  it("are made once, pushed by digest, rolled over and back, and leave nothing", async () => {
    await world.stage.commission(APP);
    const first = await open(APP).deploy({ dirty: true });
    expect(first).toMatchObject({ changed: true, imageMade: false });
    expect(verbs()).toEqual(["build", "login", "push", "build", "login", "push"]);
    const [recipe, login] = calls().filter(({ argv }) => ["build", "login"].includes(argv[0] as string)) as [Call, Call];
    expect(recipe.argv).toEqual(expect.arrayContaining(["--platform", "linux/arm64"]));
    expect(recipe.dockerfile).toContain('RUN ["/bin/sh","-c","npm ci"]');
    // The token is nowhere but on standard input, and what the engine keeps of it is in a folder that is gone.
    expect(login.argv).toEqual(["login", "--username", "AWS", "--password-stdin", expect.stringMatching(/\.dkr\.ecr\./)]);
    expect(login.input.length).toBeGreaterThan(10);
    for (const { argv } of calls()) expect(argv.join(" ")).not.toContain(login.input);
    expect(() => readFileSync(login.config as string)).toThrow("ENOENT");

    const images = (await running(APP)).map(({ image }) => image);
    for (const image of images) expect(image).toMatch(/@sha256:[0-9a-f]{64}$/);
    expect(new Set(images).size).toBe(2);
    const status = await open(APP).status();
    expect(status.services).toMatchObject([
      { name: "web", kind: "web", wanted: 2, healthy: 2 },
      { name: "worker", kind: "worker", wanted: 1, healthy: 1 },
      { name: "nightly", kind: "job", wanted: 0 },
    ]);
    expect(status.services[0]?.instances.map(({ release }) => release)).toEqual([first.release, first.release]);

    const phases = () => world.stage.progress.filter((event) => event.type === "finished" && event.step === "release phase").length;
    expect(phases()).toBe(1);
    const made = calls().length;
    expect(await open(APP).deploy({ dirty: true })).toMatchObject({ changed: false });
    expect(calls()).toHaveLength(made);
    write("two");
    const second = await open(APP).deploy({ dirty: true });
    expect(second).toMatchObject({ changed: true, previous: first.release });
    expect((await running(APP)).map(({ image }) => image)).not.toEqual(images);
    const before = calls().length;
    expect(phases()).toBe(2);
    expect(await open(APP).rollback({})).toMatchObject({ release: first.release });
    expect(calls()).toHaveLength(before);
    expect(phases()).toBe(2);
    expect((await running(APP)).map(({ image }) => image)).toEqual(images);

    expect((await open(APP).scale({ web: 4 })).services[0]).toMatchObject({ wanted: 4, healthy: 4 });
    await open(APP).decommission({});
    expect([...(await world.stage.stacks(APP)).keys()]).toEqual([]);
    // What AWS keeps of each release that ever ran is gone as well.
    const { clients } = world.stage.context(APP);
    const ecs = await clients.ecs();
    expect((await ecs.listClusters({})).clusterArns).toEqual([]);
    for (const status of ["ACTIVE", "INACTIVE"] as const) expect((await ecs.listTaskDefinitions({ status })).taskDefinitionArns).toEqual([]);
    expect((await (await clients.ecr()).describeRepositories({})).repositories).toEqual([]);
    expect((await (await clients.logs()).describeLogGroups({ logGroupNamePrefix: "/landfall/hello/" })).logGroups).toEqual([]);
  }, 240_000);

  it("move requests from fleet to fleet as machines do", async () => {
    const input: AppInput = { ...APP, rollout: { strategy: "blueGreen", soak: "1m" } };
    await world.stage.commission(input);
    const first = await open(input).deploy({ dirty: true });
    write("two");
    const second = await open(input).deploy({ dirty: true });
    expect((await running(input)).map(({ at, release }) => `${at} ${release}`)).toEqual([
      `nightly.blue ${second.release}`,
      `web.green ${second.release}`,
      `worker.blue ${second.release}`,
    ]);
    expect(await open(input).rollback({})).toMatchObject({ release: first.release });
    expect((await running(input)).map(({ at }) => at)).toContain("web.blue");
  }, 240_000);

  it("whose release phase fails roll nothing out, and leave no description of its task", async () => {
    const input: AppInput = { ...APP, release: { expand: "exit 7" } };
    await world.stage.commission(input);
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({
      code: "MIGRATION_FAILED",
      parts: { evidence: expect.arrayContaining([["ended", "status 7 at: exit 7"]]) },
    });
    expect(await running(input)).toEqual([]);
    const ecs = await world.stage.context(input).clients.ecs();
    for (const status of ["ACTIVE", "INACTIVE"] as const) expect((await ecs.listTaskDefinitions({ status })).taskDefinitionArns).toEqual([]);
  });

  it("whose Dockerfile is not there are refused", async () => {
    await world.stage.commission(APP);
    rmSync(join(folder, "worker.Dockerfile"));
    await expect(open(APP).deploy({ dirty: true })).rejects.toMatchObject({ code: "CONTAINER_FILE_MISSING" });
    expect(await running(APP)).toEqual([]);
  });

  it("whose build fails say so with its last lines, and change nothing", async () => {
    await world.stage.commission(APP);
    process.env.FAKE_ENGINE_FAILS = "1";
    await expect(open(APP).deploy({ dirty: true })).rejects.toMatchObject({
      code: "CONTAINER_BUILD_FAILED",
      parts: { evidence: [["last lines", "npm error missing script: assets"]] },
    });
    expect(await running(APP)).toEqual([]);
  });

  const standing = async () => {
    const { services } = await open(WEB).status();
    return services.map(({ healthy, instances }) => ({ healthy, releases: [...new Set(instances.map(({ release }) => release))] }));
  };
  /** The tasks that stopped for this, whatever came of it. */
  const stoppedFor = async (reason: string) => {
    const context = world.stage.context(WEB);
    const { clusterArns = [] } = await (await context.clients.ecs()).listClusters({});
    const tasks = await observeTasks(context, { cluster: clusterArns[0] as string, stopped: true });
    return tasks.filter((task) => reasonOf(task).startsWith(reason)).length;
  };

  it("that cannot run end the rollout with the first task, which says why, and what served serves", async () => {
    await world.stage.commission(WEB);
    const { release } = await open(WEB).deploy({ dirty: true });
    for (const [index, [fate, { code, what, evidence }]] of FINAL.entries()) {
      write(`bad ${index}`);
      // Long enough that nobody waits for a second one by chance; ECS's breaker would count three.
      world.emulator.setTasks({ ...fate, everyMs: 40_000 });
      const before = await stoppedFor(fate.reason as string);
      const failure = await open(WEB)
        .deploy({ dirty: true })
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      expect(failure).toMatchObject({ code, parts: { what: expect.stringMatching(what), evidence: expect.arrayContaining(evidence) } });
      expect(failure).toMatchObject({ parts: { standing: expect.stringContaining("CloudFormation has taken the change back") } });
      expect((await stoppedFor(fate.reason as string)) - before).toBe(1);
      expect(await standing()).toEqual([{ healthy: 2, releases: [release] }]);
      expect((await world.stage.stacks(WEB)).get("hello-production-service-web")?.status).toBe("UPDATE_ROLLBACK_COMPLETE");
    }
    world.emulator.setTasks();
    write("good");
    const next = await open(WEB).deploy({ dirty: true });
    expect(await standing()).toEqual([{ healthy: 2, releases: [next.release] }]);
  }, 600_000);

  it("of the first release end it as soon, and nothing of them is left", async () => {
    await world.stage.commission(WEB);
    world.emulator.setTasks({ ...EXITED, exitCode: 1, lines: ["Error: no"], everyMs: 40_000 });
    await expect(open(WEB).deploy({ dirty: true })).rejects.toMatchObject({
      code: "INSTANCE_CRASHED",
      parts: { what: expect.stringMatching(/status 1/) },
    });
    expect(await stoppedFor("Essential container")).toBe(1);
    const ecs = await world.stage.context(WEB).clients.ecs();
    const { clusterArns = [] } = await ecs.listClusters({});
    expect((await ecs.listServices({ cluster: clusterArns[0] as string })).serviceArns).toEqual([]);
  }, 240_000);

  it("end a commission as soon that gives what serves another resource, and it serves as before", async () => {
    await world.stage.commission(WEB);
    const { release } = await open(WEB).deploy({ dirty: true });
    world.emulator.setTasks({ ...EXITED, exitCode: 1, lines: ["Error: no"], everyMs: 40_000 });
    const more = { ...WEB, resources: { files: { type: "bucket" as const } } };
    await expect(world.stage.commission(more)).rejects.toMatchObject({
      code: "INSTANCE_CRASHED",
      parts: { where: "stack hello-production-service-web" },
    });
    expect(await stoppedFor("Essential container")).toBe(1);
    expect(await standing()).toEqual([{ healthy: 2, releases: [release] }]);
  }, 240_000);

  it("whose image is pulled at another try are waited for, as is a place for them, and both are said", async () => {
    await world.stage.commission(WEB);
    world.emulator.setTasks({ ...TIMED_OUT, times: 2, everyMs: 6_000 });
    const first = await open(WEB).deploy({ dirty: true });
    expect(await stoppedFor("CannotPullContainerError")).toBe(2);
    expect(await standing()).toEqual([{ healthy: 2, releases: [first.release] }]);
    const notes = () => world.stage.progress.flatMap((event) => (event.type === "note" ? [event.text] : []));
    expect(notes()).toContainEqual(expect.stringMatching(/web: .*i\/o timeout.*ECS tries again/));
    write("two");
    const event =
      "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.";
    world.emulator.setTasks({ event, times: 2, everyMs: 6_000 });
    const second = await open(WEB).deploy({ dirty: true });
    expect(await standing()).toEqual([{ healthy: 2, releases: [second.release] }]);
    expect(notes().filter((text) => /web: ECS waits for a place/.test(text))).toHaveLength(1);
  }, 240_000);

  it("that fail for what may pass are ended by ECS's breaker, with what they said", async () => {
    await world.stage.commission(WEB);
    world.emulator.setTasks(TIMED_OUT);
    // Half of eight, and three where half is less.
    await expect(open(WEB).deploy({ dirty: true, instances: { web: 8 } })).rejects.toMatchObject({ code: "CONTAINER_PULL_FAILED" });
    expect(await stoppedFor("CannotPullContainerError")).toBe(4);
    await expect(open(WEB).deploy({ dirty: true })).rejects.toMatchObject({
      code: "CONTAINER_PULL_FAILED",
      parts: { evidence: expect.arrayContaining([["reason", expect.stringContaining("i/o timeout")]]) },
    });
    expect(await stoppedFor("CannotPullContainerError")).toBe(4 + 3);
  }, 240_000);
});
