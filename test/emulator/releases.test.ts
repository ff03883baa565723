// Releases in an environment on the emulator: images, archives, phases and rollouts, through the real SDK. Machines are played.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import type { LandfallError } from "../../src/error.ts";
import { launch } from "../../src/launch.ts";
import type { LogFilter } from "../../src/reports.ts";
import { observeTemplate } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import { loadEnvironmentOutputs } from "../../src/targets/aws/environment-outputs.ts";
import { leased } from "../../src/targets/aws/lease.ts";
import { deploy } from "../../src/targets/aws/operations/deploy.ts";
import { loadStanding } from "../../src/targets/aws/plan/standing.ts";
import { openAccount } from "../../src/targets/aws/releases/account/driver.ts";
import { observeRunning } from "../../src/targets/aws/running.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
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
  const isOneOffTask = ({ Tags = [] }: { Tags?: { Key?: string }[] }) => Tags.some(({ Key }) => Key === "landfall:task");

  it("refuse a release phase of which a machine cannot be told the whole, and start none", async () => {
    const input: AppInput = { ...APP, release: { expand: `true ${"x".repeat(16_384)}` } };
    await world.stage.commission(input);
    const { tasks } = play();
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({
      parts: {
        code: "AWS_LIMIT",
        what: expect.stringMatching(/^the machine of task "phase" would have \d{5} bytes of user data, and AWS allows 16384$/),
        next: "shorten the commands of the configuration: put them into a file of the app, and run that",
      },
    });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake"]);
    expect(await running(input)).toEqual([]);
  });

  it("make an image once, roll over in place, come back, and are found as they are", async () => {
    await world.stage.commission(APP);
    const { tasks } = play();
    const first = await open(APP).deploy({ dirty: true });
    expect(first).toMatchObject({ changed: true, imageMade: true, previous: undefined });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake"]);
    expect(await images()).toEqual([expect.stringMatching(/^landfall-hello-[0-9a-f]{16}-arm64$/)]);
    expect(await running(APP)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    expect((await instances()).filter(isOneOffTask)).toEqual([]);
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
    expect(tasks).toHaveLength(1);
    expect(await running(APP)).toEqual([`web.blue=${second.release}`, `worker.blue=${second.release}`]);
    expect(await open(APP).rollback({})).toMatchObject({ changed: true, release: first.release, previous: second.release });
    expect(await running(APP)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
  });

  it("keep the number of instances that somebody has set within a range", async () => {
    const ranged: AppInput = {
      ...APP,
      services: { ...APP.services, web: { ...(APP.services.web as AppInput["services"][string]), instances: { min: 2, max: 6 } } },
    };
    await world.stage.commission(ranged);
    play();
    await open(ranged).deploy({ dirty: true });
    expect((await open(ranged).scale({ web: 4 })).services[0]).toMatchObject({ wanted: 4, healthy: 4 });
    write("two");
    await open(ranged).deploy({ dirty: true });
    expect((await open(ranged).status()).services[0]).toMatchObject({ wanted: 4, healthy: 4 });
    expect((await open(ranged).scale({ web: 2 })).services[0]).toMatchObject({ wanted: 2, healthy: 2 });
    await expect(open(ranged).scale({ web: 99 })).rejects.toMatchObject({ code: "SCALE_OUT_OF_RANGE" });
    const production = ranged.environments?.production as { target: "aws" };
    const thrifty: AppInput = { ...APP, environments: { production: { ...production, budget: 200 } } };
    await expect(open(thrifty).scale({ web: 500 })).rejects.toMatchObject({ code: "COST_ABOVE_BUDGET", parts: { standing: "Nothing was changed." } });
    expect((await open(thrifty).status()).services[0]).toMatchObject({ wanted: 2 });
  });

  it("are launched by one command, which refuses what it can before it makes anything, and then says what stands", async () => {
    const web = APP.services.web as AppInput["services"][string];
    const launched = (own: AppInput) => {
      Object.assign(process.env, world.stage.env);
      writeFileSync(join(folder, "landfall.config.mjs"), `export default ${JSON.stringify(own)};\n`);
      return launch(folder, 3, { environment: "production", dirty: true });
    };
    const withWeb = (more: object): AppInput => ({ ...APP, services: { ...APP.services, web: { ...web, ...more } } });
    const stacks = async () => [...(await world.stage.stacks(APP)).keys()];
    const production = (APP.environments as NonNullable<AppInput["environments"]>).production;
    const refused: [string, AppInput][] = [
      ["SECRET_MISSING", withWeb({ secrets: ["API_KEY"] })],
      ["RECIPE_FILE_MISSING", { ...APP, recipe: { files: ["no-such.lock"] } }],
      ["CONTAINER_FILE_MISSING", withWeb({ container: { dockerfile: "Dockerfile" } })],
      ["COST_ABOVE_BUDGET", { ...APP, environments: { production: { ...(production as { target: "aws" }), budget: 1 } } }],
    ];
    for (const [code, own] of refused) {
      await expect(launched(own), code).rejects.toMatchObject({ code, parts: { standing: "Nothing was changed." } });
      expect(await stacks()).toEqual([]);
    }

    play();
    world.emulator.setRules([{ when: "create", type: "AWS::AutoScaling::AutoScalingGroup", fail: "Received 1 FAILURE signal(s)", times: 1 }]);
    await expect(launched(APP)).rejects.toMatchObject({
      parts: {
        standing: expect.stringMatching(/^Environment "production" was commissioned before this and stands; landfall decommission production/),
      },
    });
    world.emulator.setRules([]);
    const { servers, release } = await launched(APP);
    expect(servers.map(({ service, state }) => `${service} ${state}`)).toEqual(Array(3).fill("web healthy"));
    expect(await running(APP)).toContain(`web.blue=${release}`);
  });

  it("put a whole fleet beside the old one, switch, and remove the old one", async () => {
    const input = withRollout({ strategy: "blueGreen", soak: "1m" });
    await world.stage.commission(input);
    play();
    const first = await open(input).deploy({ dirty: true });
    write("two");
    const second = await open(input).deploy({ dirty: true });
    expect(await running(input)).toEqual([`web.green=${second.release}`, `worker.blue=${second.release}`]);
    expect((await instances()).filter((one) => !isOneOffTask(one))).toHaveLength(3);
    expect(await open(input).rollback({})).toMatchObject({ release: first.release });
    expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
  });

  it("whose worker does not come up answer nobody, and leave the workers that serve as they are", async () => {
    const input = withRollout({ strategy: "blueGreen", soak: "1m" });
    await world.stage.commission(input);
    play();
    const first = await open(input).deploy({ dirty: true });
    const worker = async () =>
      (await instances()).filter(({ Tags = [] }) => Tags.some(({ Value }) => Value === "worker")).map(({ InstanceId }) => InstanceId);
    const before = await worker();
    write("two");
    let isLed = false;
    world.proxy.rule = ({ action }, body) => {
      isLed ||= action === "CreateChangeSet" && body.includes("%22green%22%3A999");
      return undefined;
    };
    const ofWorker = {
      type: "AWS::AutoScaling::AutoScalingGroup",
      stack: "hello-production-service-worker",
      fail: "Received 1 FAILURE signal(s)",
      times: 1,
    };
    world.emulator.setRules([
      { when: "create", ...ofWorker },
      { when: "update", ...ofWorker },
    ]);
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({ code: expect.stringMatching(/^(STACK_FAILED|INSTANCE_)/) });
    world.emulator.setRules([]);
    expect(isLed).toBe(false);
    expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    expect(await worker()).toEqual(before);

    const second = await open(input).deploy({ dirty: true });
    expect(isLed).toBe(true);
    expect(await running(input)).toEqual([`web.green=${second.release}`, `worker.blue=${second.release}`]);
  });

  it("in which a web service takes no requests any more lead nobody to what is gone, and back", async () => {
    const web = { command: "node server.js", port: 3000 };
    const before: AppInput = { ...APP, services: { web, site: web } };
    const after: AppInput = { ...APP, services: { web: { command: "node worker.js" }, site: web } };
    await world.stage.commission(before);
    play();
    const first = await open(before).deploy({ dirty: true });

    const balancing = await world.stage.context(APP).clients.balancing();
    const groups = async () => ((await balancing.describeTargetGroups({})).TargetGroups ?? []).length;
    const standing: number[] = [];
    world.proxy.rule = ({ action }, body) =>
      action === "ExecuteChangeSet" && body.includes("-routes") ? { before: async () => void standing.push(await groups()) } : undefined;
    const second = await open(after).deploy({ dirty: true });
    expect(standing).toEqual([2]);
    expect(await running(after)).toEqual([`site.blue=${second.release}`, `web.green=${second.release}`]);
    expect(await groups()).toBe(1);

    await open(after).rollback({});
    expect(standing).toEqual([2, 2]);
    expect(await running(after)).toEqual([`site.blue=${first.release}`, `web.blue=${first.release}`]);
  });

  it("in which a singleton would be asked at another port, or not at all, are refused", async () => {
    const as = (web: Record<string, unknown>, site = {}): AppInput =>
      ({ ...APP, services: { web: { command: "node server.js", singleton: true, ...web }, ...site } }) as AppInput;
    await world.stage.commission(as({ port: 3000 }));
    play();
    const { release } = await open(as({ port: 3000 })).deploy({ dirty: true });
    const standing = await running(APP);
    const failure = (input: AppInput) =>
      open(input)
        .deploy({ dirty: true })
        .then(
          () => undefined,
          ({ parts }: LandfallError) => parts,
        );
    // The proxy before an app at 8080 has another port than the one before all others.
    expect(await failure(as({ port: 8080 }))).toMatchObject({
      code: "STACK_REPLACEMENT_REFUSED",
      what: 'the singleton "web" of environment "production" takes requests, and is to listen at port 8080 instead of 3000',
      why: "Requests come to its instance by port 8080, and would come by port 8081. There are never two of it, so that nobody would answer until the whole release stands.",
      standing: "Nothing was changed.",
      next: "keep its port, or add a service of another name that is as wanted, send it the requests, and then remove this one",
    });
    const withSite = as({}, { site: { command: "node server.js", port: 3000 } });
    await world.stage.commission(withSite);
    expect((await failure(withSite))?.what).toBe('the singleton "web" of environment "production" takes requests, and is to take none');
    expect(await running(APP)).toEqual(standing);
    expect(await open(as({ port: 4000 })).deploy({ dirty: true })).toMatchObject({ changed: true, previous: release });
  });

  it("keep every character that they were given, whoever draws their machines again", async () => {
    const [command, GREETING] = ["node server.js --name 'Café'", "Grüße, 東京 🚀"];
    const input: AppInput = { ...APP, services: { web: { command, port: 3000, instances: { min: 1, max: 4 }, environment: { GREETING } } } };
    await world.stage.commission(input);
    play();
    const { release } = await open(input).deploy({ dirty: true });
    const started = async () => {
      const ec2 = await world.stage.context(input).clients.ec2();
      const { LaunchTemplates: [template] = [] } = await ec2.describeLaunchTemplates({
        Filters: [{ Name: "tag:landfall:service", Values: ["web"] }],
      });
      const { LaunchTemplateVersions: [version] = [] } = await ec2.describeLaunchTemplateVersions({
        LaunchTemplateId: template?.LaunchTemplateId,
        Versions: ["$Latest"],
      });
      const data = Buffer.from(version?.LaunchTemplateData?.UserData ?? "", "base64").toString();
      return { data, at: version?.VersionNumber };
    };
    const first = await started();
    expect(first.data).toContain(GREETING);
    const { web } = await observeRunning(world.stage.context(input));
    expect(web?.blue?.settings).toMatchObject({ command, environment: { GREETING } });
    expect((await world.stage.commission(input)).changed).toBe(false);
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: false, release });
    expect((await open(input).plan()).changes).toEqual([]);
    // What `landfall export --standing` writes, for whoever makes stacks of it.
    for (const { body } of await loadStanding(world.stage.context(input))) expect(body).toMatch(/^[\0-\x7f]*$/);
    // Each draws the fleet again, from what is noted of it.
    await open(input).scale({ web: 3 });
    expect(await started()).toEqual(first);
    write("two");
    await open(input).deploy({ dirty: true });
    await open(input).rollback({});
    expect((await started()).data).toBe(first.data);
  });

  it("are baked into an image of their own where the configuration asks for it", async () => {
    const input: AppInput = { ...APP, recipe: { ...APP.recipe, image: "release" } };
    await world.stage.commission(input);
    const { tasks } = play();
    const first = await open(input).deploy({ dirty: true });
    write("two");
    const second = await open(input).deploy({ dirty: true });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake", "bake", "bake"]);
    expect((await images())?.filter((name) => name?.includes(first.release) || name?.includes(second.release))).toHaveLength(2);
    await open(input).rollback({});
    expect(tasks).toHaveLength(3);
  });

  it("have disks as large as their image, which is as large as Debian's own", async () => {
    const web: AppInput["services"][string] = { command: "node server.js", port: 3000, machine: { disk: "40GB" } };
    const worker: AppInput["services"][string] = { command: "node worker.js", machine: { types: ["t4g.small", "t4g.medium"], spot: true } };
    const input: AppInput = { ...APP, services: { web, worker }, release: { build: ["npm run assets"], expand: "npm run migrate" } };
    world.emulator.setBaseDisk(32);
    await world.stage.commission(input);
    const { tasks } = play();
    await open(input).deploy({ dirty: true });
    world.emulator.setBaseDisk();
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake", "build", "phase"]);
    const ec2 = await world.stage.context(input).clients.ec2();
    const { Snapshots = [] } = await ec2.describeSnapshots({ OwnerIds: ["self"] });
    expect(Snapshots.map(({ VolumeSize }) => VolumeSize)).toEqual([32]);
    const ids = (await instances()).map(({ InstanceId }) => InstanceId);
    const { Volumes = [] } = await ec2.describeVolumes({ Filters: [{ Name: "attachment.instance-id", Values: ids as string[] }] });
    expect(Volumes.map(({ Size }) => Size).sort()).toEqual([32, 40]);
    expect(world.stage.progress).toContainEqual({
      type: "note",
      text: 'the disk of service "worker" in environment "production" is 32GB and not 10GB: no disk is smaller than its image',
    });
  });

  it("are built on a machine of the image, and migrated on one of their own", async () => {
    const input: AppInput = { ...APP, release: { build: ["npm run assets"], expand: "npm run migrate" } };
    await world.stage.commission(input);
    const { tasks } = play();
    await open(input).deploy({ dirty: true });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake", "build", "phase"]);
    expect((await instances()).filter(isOneOffTask)).toEqual([]);
    write("two");
    await open(input).deploy({ dirty: true });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake", "build", "phase", "build", "phase"]);
    // What has served is neither built nor migrated again.
    await open(input).rollback({});
    expect(tasks).toHaveLength(5);
  });

  it("are migrated again once their database is another one", async () => {
    const resources: AppInput["resources"] = { database: { type: "postgres", deletionProtection: false, finalSnapshot: false } };
    const input: AppInput = { ...APP, resources, release: { expand: "npm run migrate" } };
    await world.stage.commission(input);
    const { tasks } = play();
    const { release } = await open(input).deploy({ dirty: true });
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: false });
    const { clients } = world.stage.context(input);
    const stacks = await world.stage.stacks(input);
    const object = { Bucket: stacks.get("hello-shared")?.outputs.ArtifactsBucket, Key: "environments/production.json" };
    const s3 = await clients.s3();
    const record = JSON.parse((await (await s3.getObject(object)).Body?.transformToString()) ?? "");
    expect(record.expanded).toEqual([{ release, on: `database=${stacks.get("hello-production-data")?.outputs.DatabaseAddress}` }]);
    // As it would be, had the database been replaced since.
    await s3.putObject({ ...object, Body: JSON.stringify({ ...record, expanded: [{ release, on: "database=before.example" }] }) });
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: true, release });
    expect(tasks.map(({ kind }) => kind)).toEqual(["bake", "phase", "phase"]);
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: false });
  });

  it.each([
    ["at another address", { type: "postgres", url: "postgres://app@two.example/app" } as const],
    ["from a secret", { type: "postgres", url: { secret: "DATABASE" } } as const],
    ["not at all", undefined],
  ])("move no fleet that serves to a database that is given %s: a commission does", async (_, second) => {
    const at = (database: NonNullable<AppInput["resources"]>[string] | undefined): AppInput => ({ ...APP, resources: database ? { database } : {} });
    const before = at({ type: "postgres", url: "postgres://app@one.example/app" });
    const after = at(second);
    await world.stage.commission(before);
    play();
    await open(before).secrets().set({ DATABASE: "postgres://app@two.example/app" });
    const { release } = await open(before).deploy({ dirty: true });
    const templates = async () => {
      const { clients } = world.stage.context(APP);
      const services = [...(await world.stage.stacks(APP)).values()].filter(({ tags }) => tags["landfall:service"]);
      return Promise.all(services.map(async (stack) => JSON.stringify(await observeTemplate(clients, stack))));
    };
    const serving = await templates();
    expect(serving.every((text) => text.includes("one.example"))).toBe(true);
    write("two");
    const target = open(after);
    for (const act of [() => target.deploy({ dirty: true }), () => target.rollback({ to: release }), () => target.scale({ web: 3 })])
      await expect(act()).rejects.toMatchObject({
        code: "ENVIRONMENT_NOT_COMMISSIONED",
        parts: { standing: "Nothing was changed.", next: "landfall commission production" },
      });
    expect(await templates()).toEqual(serving);
    expect((await target.status()).unfinished).toBeUndefined();
    expect((await target.plan()).next).toBe("commission");

    await world.stage.commission(after);
    expect((await templates()).some((text) => text.includes("one.example"))).toBe(false);
    expect(await target.deploy({ dirty: true })).toMatchObject({ changed: true });
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
    expect(await running(input)).toEqual([`web.blue=${first.release}`, `worker.blue=${first.release}`]);
    // The schema is as the new release needs it: what cannot live with it must not stand in its way for ever.
    expect(await open(input).deploy({ dirty: true })).toMatchObject({ changed: true });
    world.emulator.setHealth();
  });

  it("whose forerunner does not allow its end are not rolled out, unless they are forced", async () => {
    const web = { command: "node server.js", port: 3000, instances: 2, drain: { ask: "/may-i", timeout: "0s" as const } };
    const input: AppInput = { ...APP, services: { ...APP.services, web } };
    await world.stage.commission(input);
    play();
    const { release } = await open(input).deploy({ dirty: true });
    write("two");
    world.emulator.setHealth("one job\n503");
    await expect(open(input).deploy({ dirty: true })).rejects.toMatchObject({
      code: "DRAIN_VETOED",
      parts: { evidence: expect.arrayContaining([["answered", '503 "one job"']]), standing: `Release ${release} is still serving.` },
    });
    expect(await running(input)).toEqual([`web.blue=${release}`, `worker.blue=${release}`]);
    expect((await open(input).status()).unfinished).toBeUndefined();
    expect(await open(input).deploy({ dirty: true, force: true })).toMatchObject({ changed: true });
    world.emulator.setHealth();
  });

  it.each([
    ["bake", "RECIPE_STEP_FAILED"],
    ["build", "BUILD_STEP_FAILED"],
    ["phase", "MIGRATION_FAILED"],
  ])("whose %s fails say so with its last lines, change nothing that serves, and leave no machine", async (kind, code) => {
    const input: AppInput = { ...APP, release: { build: ["npm run assets"], expand: "npm run migrate" } };
    await world.stage.commission(input);
    play((task) => (task.kind === kind ? { ok: false, step: "npm", code: 7, tail: ["no such table"] } : {}));
    const failure = await open(input)
      .deploy({ dirty: true })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, parts: { evidence: expect.arrayContaining([[expect.anything(), "no such table"]]) } });
    expect((await instances()).filter(isOneOffTask)).toEqual([]);
    expect(await running(input)).toEqual([]);
  });

  it("that never become healthy are taken back, with what their machines said", async () => {
    await world.stage.commission(APP);
    play();
    const first = await open(APP).deploy({ dirty: true });
    write("two");
    const { clients } = world.stage.context(APP);
    const bucket = (await world.stage.stacks(APP)).get("hello-shared")?.outputs.ArtifactsBucket;
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
    expect(await secrets.set({ API_KEY: "never-in-a-template" })).toMatchObject({
      names: ["API_KEY"],
      reaches: "when instances start next",
      revokedIn: [],
    });
    expect(await secrets.list()).toMatchObject([{ name: "API_KEY" }]);
    const first = await open(input).deploy({ dirty: true });
    const context = world.stage.context(input);
    for (const { TemplateBody } of await Promise.all(
      [...(await world.stage.stacks(input)).keys()].map(async (StackName) => (await context.clients.cloudFormation()).getTemplate({ StackName })),
    ))
      expect(TemplateBody).not.toContain("never-in-a-template");
    await secrets.set({ API_KEY: "two" });
    const second = await open(input).deploy({ dirty: true });
    expect(second).toMatchObject({ changed: true, previous: first.release });
    await expect(secrets.remove("API_KEY")).rejects.toMatchObject({ code: "SECRET_IN_USE" });
    const without: AppInput = { ...APP, services: { web: { command: "node server.js", port: 3000 } } };
    await open(without).deploy({ dirty: true });
    await secrets.remove("API_KEY");
    expect(await secrets.list()).toEqual([]);
    await expect(open(without).rollback({ to: second.release })).rejects.toMatchObject({ code: "SECRET_MISSING" });
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
      await expect(leased(context, "deploy", async () => deploy(await openAccount(context), { dirty: true }))).rejects.toThrow();
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
    const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
    await expect(open(APP).exec("web", ["true"], streams)).rejects.toMatchObject({ code: "RELEASE_UNKNOWN" });
    await expect(open(APP).exec("wbe", ["true"], streams)).rejects.toMatchObject({ code: "SERVICE_UNKNOWN" });
    play();
    await open(APP).deploy({ dirty: true });
    const more: AppInput = { ...APP, services: { ...APP.services, later: { command: "node later.js" } } };
    await expect(open(more).exec("later", ["true"], streams)).rejects.toMatchObject({ code: "INSTANCE_UNREACHABLE" });
    await expect(open(APP).exec("web", ["true"], { ...streams, instance: "i-0" })).rejects.toMatchObject({ code: "INSTANCE_UNREACHABLE" });
    // The file has lost a service that the live release has.
    const { worker: _, ...fewer } = APP.services;
    const script = 'head -c 30000 /dev/zero | tr "\\0" e >&2; echo "it\'s $0"; exit 3';
    expect(await open({ ...APP, services: fewer }).exec("worker", ["sh", "-c", script, "one two"], streams)).toMatchObject({ code: 3 });
    expect([String(streams.stdout.read()), String(streams.stderr.read()).length]).toEqual(["it's one two\n", 30_000]);
    const outputs = await loadEnvironmentOutputs(world.stage.context(APP));
    const { Contents = [] } = await (await world.stage.context(APP).clients.s3()).listObjectsV2({ Bucket: outputs.bucket });
    expect(Contents.filter(({ Key = "" }) => /exec/.test(Key))).toEqual([]);

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
    await expect(open(APP).deploy({ dirty: true })).rejects.toMatchObject({ code: "TASK_LOST" });
    await silent.stop();
    play();
    expect(await open(APP).deploy({ dirty: true })).toMatchObject({ changed: true });
  });
});
