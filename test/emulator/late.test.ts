// An account in which EC2 and IAM know everything some calls late: whatever an operation asks too early, it ends as if it had not.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { openAws } from "../../src/targets/aws/target.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { observeInventory } from "./inventory.ts";
import { type Late, makeLate } from "./late.ts";
import { type Machines, playMachines } from "./machines.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = { ...SMALL, release: { build: ["make"], expand: "make migrations" } };

onEmulator("an account that knows everything late", (world) => {
  let folder: string;
  let late: Late;
  let machines: Machines;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "landfall-late-"));
  });
  beforeEach(() => {
    late = makeLate(world.proxy);
  });
  afterEach(async () => {
    late.stop();
    await machines.stop();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const write = (text: string) => writeFileSync(join(folder, "server.js"), text);
  /** What there is, and not what is told. */
  const asIs = async <Found>(look: () => Promise<Found>): Promise<Found> => {
    const { rule } = world.proxy;
    world.proxy.rule = undefined;
    return look().finally(() => {
      world.proxy.rule = rule;
    });
  };
  const held = () => asIs(() => observeInventory(world.stage.context(APP)));
  const running = async () => {
    late.stop();
    const ec2 = await world.stage.context(APP).clients.ec2();
    const { Reservations = [] } = await ec2.describeInstances({
      Filters: [{ Name: "instance-state-name", Values: ["pending", "running", "stopped"] }],
    });
    return Reservations.flatMap(({ Instances = [] }) => Instances.map(({ Tags = [] }) => Tags.find(({ Key }) => Key === "landfall:task")?.Value));
  };

  it("is commissioned, deployed to twice, cleaned and left as any other, and has one image", async () => {
    machines = playMachines(world.stage.account, world.emulator.port);
    const empty = await held();
    const environment = world.stage.open(APP, folder);
    await environment.commission();
    write("one");
    expect((await environment.deploy({ dirty: true })).changed).toBe(true);
    expect(machines.tasks.map(({ kind }) => kind)).toEqual(["bake", "build", "phase"]);
    write("two");
    expect((await environment.deploy({ dirty: true })).changed).toBe(true);
    // It is not told yet that there is an image, and is when it makes another.
    expect(machines.tasks.slice(3).map(({ kind }) => kind)).toEqual(["bake", "build", "phase"]);
    expect((await held()).images).toBe(1);
    await environment.clean();
    await environment.decommission({});
    expect(Object.keys(late.told)).toEqual(
      expect.arrayContaining(["RunInstances unknown", "DescribeInstances unknown", "DescribeImages unknown", "DescribeInstances before"]),
    );
    expect(await running()).toEqual([]);
    expect(await held()).toEqual(empty);
  }, 600_000);

  it("has no machine left of a command that was interrupted as soon as it had asked for one", async () => {
    machines = playMachines(world.stage.account, world.emulator.port, () => undefined);
    await world.stage.commission(APP);
    const asked = new AbortController();
    const { rule } = world.proxy;
    world.proxy.rule = (call, body) => {
      const fault = rule?.(call, body);
      return call.action === "RunInstances" && !fault ? { after: () => asked.abort() } : fault;
    };
    write("three");
    const context = world.stage.context(APP, { folder, signal: asked.signal });
    await expect(openAws(context).deploy({ dirty: true })).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(await running()).toEqual([]);
  });
});
