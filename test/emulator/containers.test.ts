// Services as containers, on the emulator: images by digest, tasks, a release phase, rollouts, and nothing left at the end. The engine is
// a program of the tests' own (engine.ts); tasks are records, too.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
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
});
