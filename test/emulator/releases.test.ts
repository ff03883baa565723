// Releases in an environment on the emulator: images, archives, phases and rollouts, through the real SDK. Machines are played.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import type { LogFilter } from "../../src/reports.ts";
import { leased } from "../../src/targets/aws/lease.ts";
import { deploy } from "../../src/targets/aws/releases/deploy.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/stacks/apps.ts";
import { type Machines, type Play, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = {
  ...SMALL,
  recipe: { packages: ["nodejs"], files: ["package.json"], steps: ["npm ci"] },
  services: { web: { command: "node server.js", port: 3000, instances: 2 }, worker: { command: "node worker.js" } },
};
const withRollout = (rollout: AppInput["rollout"]): AppInput => ({ ...APP, rollout });

onEmulator("releases on the emulator", (world) => {
  let folder: string;
  let machines: Machines | undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-releases-"));
    writeFileSync(join(folder, "package.json"), "{}\n");
    write("one");
  });
  afterEach(async () => {
    await machines?.stop();
    machines = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  const write = (text: string) => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "server.js"), `console.log(${JSON.stringify(text)});\n`);
  };
  const open = (input: AppInput) => world.stage.open(input, folder);
  const play = (how?: Play) => {
    machines = playMachines(world.stage.account, world.emulator.port, how);
    return machines;
  };
  /** What runs, in words: `web.blue=<release>x2`. */
  const running = async (input: AppInput) =>
    Object.entries(await observeRunning(world.stage.context(input)))
      .flatMap(([service, fleets]) =>
        Object.entries(fleets).map(([slot, { release, weight }]) => `${service}.${slot}=${release}${weight === undefined ? "" : `@${weight}`}`),
      )
      .sort();
  const images = async () =>
    (await (await world.stage.context(APP).clients.ec2()).describeImages({ Owners: ["self"] })).Images?.map(({ Name }) => Name);
  const instances = async () => {
    const { Reservations = [] } = await (await world.stage.context(APP).clients.ec2()).describeInstances({
      Filters: [{ Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] }],
    });
    return Reservations.flatMap(({ Instances = [] }) => Instances);
  };
  const isErrand = ({ Tags = [] }: { Tags?: { Key?: string }[] }) => Tags.some(({ Key }) => Key === "landfall:errand");

  it("make an image once, roll over in place, come back, and are found as they are", async () => {
    await world.stage.commission(APP);
    const { errands } = play();
    const first = await open(APP).deploy({ dirty: true });
    expect(first).toMatchObject({ changed: true, imageMade: true, previous: undefined });
    expect(errands.map(({ kind }) => kind)).toEqual(["bake"]);
    expect(await images()).toEqual([expect.stringMatching(/^landfall-hello-[0-9a-f]{16}-arm64$/)]);
    expect(await running(APP)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    expect((await instances()).filter(isErrand)).toEqual([]);
    expect((await open(APP).status()).services).toMatchObject([
      { name: "web", wanted: 2, healthy: 2 },
      { name: "worker", wanted: 1, healthy: 1 },
    ]);

    expect(await open(APP).deploy({ dirty: true })).toMatchObject({ changed: false, release: first.release });
    // A commission leaves what runs as it is.
    expect((await world.stage.commission(APP)).changed).toBe(false);

    write("two");
    const second = await open(APP).deploy({ dirty: true });
    expect(second).toMatchObject({ changed: true, imageMade: false, previous: first.release });
    expect(errands).toHaveLength(1);
    expect(await running(APP)).toEqual([`web.blue=${second.release}`, `worker.blue=${second.release}`]);
    expect(await open(APP).rollback({})).toMatchObject({ changed: true, release: first.release, previous: second.release });
    expect(await running(APP)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
  });

  it("keep the number of instances that somebody has set", async () => {
    await world.stage.commission(APP);
    play();
    await open(APP).deploy({ dirty: true });
    expect((await open(APP).scale({ web: 4 })).services[0]).toMatchObject({ wanted: 4, healthy: 4 });
    write("two");
    await open(APP).deploy({ dirty: true });
    expect((await open(APP).status()).services[0]).toMatchObject({ wanted: 4, healthy: 4 });
    expect((await open(APP).scale({ web: 2 })).services[0]).toMatchObject({ wanted: 2, healthy: 2 });
    await expect(open(APP).scale({ web: 99 })).rejects.toMatchObject({ code: "SCALE_OUT_OF_RANGE" });
  });

  it("put a whole fleet beside the old one, switch, and remove the old one", async () => {
    const input = withRollout({ strategy: "blueGreen", soak: "1m" });
    await world.stage.commission(input);
    play();
    const first = await open(input).deploy({ dirty: true });
    write("two");
    const second = await open(input).deploy({ dirty: true });
    expect(await running(input)).toEqual([`web.green=${second.release}`, `worker.blue=${second.release}`]);
    expect((await instances()).filter((one) => !isErrand(one))).toHaveLength(3);
    expect(await open(input).rollback({})).toMatchObject({ release: first.release });
    expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
  });

  it("are baked into an image of their own where the configuration asks for it", async () => {
    const input: AppInput = { ...APP, recipe: { ...APP.recipe, image: "release" } };
    await world.stage.commission(input);
    const { errands } = play();
    const first = await open(input).deploy({ dirty: true });
    write("two");
    const second = await open(input).deploy({ dirty: true });
    expect(errands.map(({ kind }) => kind)).toEqual(["bake", "bake", "bake"]);
    expect((await images())?.filter((name) => name?.includes(first.release) || name?.includes(second.release))).toHaveLength(2);
    await open(input).rollback({});
    expect(errands).toHaveLength(3);
  });

  it("are built on a machine of the image, and migrated on one of their own", async () => {
    const input: AppInput = { ...APP, release: { build: ["npm run assets"], expand: "npm run migrate" } };
    await world.stage.commission(input);
    const { errands } = play();
    await open(input).deploy({ dirty: true });
    expect(errands.map(({ kind }) => kind)).toEqual(["bake", "build", "phase"]);
    expect((await instances()).filter(isErrand)).toEqual([]);
    write("two");
    await open(input).deploy({ dirty: true });
    expect(errands.map(({ kind }) => kind)).toEqual(["bake", "build", "phase", "build", "phase"]);
    // What has served is neither built nor migrated again.
    await open(input).rollback({});
    expect(errands).toHaveLength(5);
  });

  it("whose migrations the release that serves cannot live with are not rolled out", async () => {
    const input: AppInput = { ...APP, release: { expand: "npm run migrate" } };
    await world.stage.commission(input);
    play();
    const first = await open(input).deploy({ dirty: true });
    write("two");
    world.emulator.setHealth("500");
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({
      code: "EXPAND_BROKE_RELEASE",
      parts: { evidence: expect.arrayContaining([["answered", "500"]]) },
    });
    world.emulator.setHealth();
    expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: true });
  });

  it.each([
    ["bake", "RECIPE_STEP_FAILED"],
    ["build", "BUILD_STEP_FAILED"],
    ["phase", "MIGRATION_FAILED"],
  ])("whose %s fails say so with its last lines, change nothing that serves, and leave no machine", async (kind, code) => {
    const input: AppInput = { ...APP, release: { build: ["npm run assets"], expand: "npm run migrate" } };
    await world.stage.commission(input);
    play((errand) => (errand.kind === kind ? { ok: false, step: "npm", code: 7, tail: ["no such table"] } : {}));
    const failure = await open(input)
      .deploy({ dirty: true })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, parts: { evidence: expect.arrayContaining([[expect.anything(), "no such table"]]) } });
    expect((await instances()).filter(isErrand)).toEqual([]);
    expect(await running(input)).toEqual([]);
  });

  it("that never become healthy are taken back, with what their machines said", async () => {
    await world.stage.commission(APP);
    play();
    const first = await open(APP).deploy({ dirty: true });
    write("two");
    const { clients } = world.stage.context(APP);
    const bucket = (await world.stage.stacks(APP)).get("hello-foundation")?.outputs.ArtifactsBucket;
    await (await clients.s3()).putObject({
      Bucket: bucket,
      Key: "reports/hello-production-service-web/i-0123456789abcdef0.json",
      Body: JSON.stringify({
        ok: false,
        step: "health",
        code: 1,
        why: "the deadline passed",
        asked: "GET /",
        answered: ["3 times: 500"],
        tail: ["TypeError: no"],
      }),
    });
    world.emulator.setRules([
      {
        when: "update",
        type: "AWS::AutoScaling::AutoScalingGroup",
        stack: "hello-production-service-web",
        fail: "Received 1 FAILURE signal(s) out of 2. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement. Received FAILURE signal with UniqueId i-0123456789abcdef0",
        times: 1,
      },
    ]);
    const failure = await open(APP)
      .deploy({ dirty: true })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: "HEALTH_NEVER_PASSED",
      parts: {
        evidence: expect.arrayContaining([
          ["answered", "3 times: 500"],
          ["last log", "TypeError: no"],
        ]),
      },
    });
    expect(await running(APP)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    expect((await open(APP).status()).unfinished).toBeUndefined();
    // And once the cause is gone the same release rolls out.
    expect(await open(APP).deploy({ dirty: true })).toMatchObject({ changed: true });
  });

  it("keep secrets in the account, ask for those that are missing, and are new with each that changes", async () => {
    const input: AppInput = { ...APP, services: { web: { command: "node server.js", port: 3000, secrets: ["API_KEY"] } } };
    await world.stage.commission(input);
    play();
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({ code: "SECRET_MISSING" });
    const secrets = open(input).secrets();
    await secrets.set("API_KEY", "never-in-a-template");
    expect(await secrets.list()).toMatchObject([{ name: "API_KEY" }]);
    const first = await open(input).deploy({ dirty: true });
    const context = world.stage.context(input);
    for (const { TemplateBody } of await Promise.all(
      [...(await world.stage.stacks(input)).keys()].map(async (StackName) => (await context.clients.cloudFormation()).getTemplate({ StackName })),
    ))
      expect(TemplateBody).not.toContain("never-in-a-template");
    await secrets.set("API_KEY", "two");
    const second = await open(input).deploy({ dirty: true });
    expect(second).toMatchObject({ changed: true, previous: first.release });
    await secrets.remove("API_KEY");
    expect(await secrets.list()).toEqual([]);
  });

  it("cut off between two stages are finished by resume, and taken back by abort", async () => {
    const input = withRollout({ strategy: "blueGreen" });
    await world.stage.commission(input);
    play();
    const first = await open(input).deploy({ dirty: true });
    for (const [text, way] of [
      ["two", "abort"],
      ["three", "resume"],
    ] as const) {
      write(text);
      world.proxy.clear();
      // The switch: the new fleet stands, and the requests are not led to it yet.
      const interrupted = new AbortController();
      world.proxy.rule = ({ action }, body) =>
        action === "CreateChangeSet" && body.includes("%22green%22%3A999") ? { answer: "lost", after: () => interrupted.abort() } : undefined;
      const context = world.stage.context(input, { folder, signal: interrupted.signal });
      await expect(leased(context, "deploy", () => deploy(context, { dirty: true }))).rejects.toThrow();
      world.proxy.clear();
      expect((await open(input).status()).unfinished, text).toBeDefined();
      const recovered = await open(input)[way]();
      expect(recovered).toMatchObject({ did: way === "abort" ? "undone" : "finished" });
      if (way === "abort") expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
      else expect(await running(input)).toEqual([expect.stringMatching(/^web\.green=/), expect.not.stringContaining(first.release)]);
    }
    expect((await open(input).status()).unfinished).toBeUndefined();
  });

  it("are looked into: commands run on an instance, and logs are read from all of them", async () => {
    await world.stage.commission(APP);
    await expect(open(APP).exec("web", ["true"])).rejects.toMatchObject({ code: "INSTANCE_UNREACHABLE" });
    await expect(open(APP).exec("wbe", ["true"])).rejects.toMatchObject({ code: "SERVICE_UNKNOWN" });
    play();
    await open(APP).deploy({ dirty: true });
    world.stage.progress.length = 0;
    expect(await open(APP).exec("web", ["sh", "-c", 'echo "it\'s $0"; exit 3', "one two"])).toEqual({ code: 3 });
    expect(world.stage.progress).toContainEqual({ type: "output", step: "exec", line: "it's one two" });

    const logs = await world.stage.context(APP).clients.logs();
    const now = Date.now();
    for (const [service, stream, lines] of [
      ["web", "i-01/app", ["GET /", "GET /late"]],
      ["worker", "i-02/app", ["took a job"]],
    ] as const) {
      const where = { logGroupName: `/landfall/hello/production/${service}`, logStreamName: stream };
      await logs.createLogStream(where);
      await logs.putLogEvents({ ...where, logEvents: lines.map((message, index) => ({ message, timestamp: now - 5000 + index * 2000 })) });
    }
    const read = async (filter: LogFilter) => {
      const lines: string[] = [];
      for await (const { id, line } of open(APP).logs(filter)) lines.push(`${id} ${line}`);
      return lines;
    };
    expect(await read({})).toEqual(["web.i-01/app GET /", "worker.i-02/app took a job", "web.i-01/app GET /late"]);
    expect(await read({ tail: 1 })).toEqual(["web.i-01/app GET /late"]);
    expect(await read({ service: "worker" })).toEqual(["worker.i-02/app took a job"]);
    expect(await read({ grep: /late/ })).toEqual(["web.i-01/app GET /late"]);
    expect(await read({ instance: "i-02" })).toEqual(["worker.i-02/app took a job"]);
  });

  it("whose machine ends without a word say so, and another is tried next time", async () => {
    await world.stage.commission(APP);
    const ec2 = await world.stage.context(APP).clients.ec2();
    const silent = play(({ instance }) => void ec2.terminateInstances({ InstanceIds: [instance] }));
    await expect(open(APP).deploy({ dirty: true })).rejects.toMatchObject({ code: "ERRAND_LOST" });
    await silent.stop();
    play();
    expect(await open(APP).deploy({ dirty: true })).toMatchObject({ changed: true });
  });
});
