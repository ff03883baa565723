// Accounts with more of something than services give in one call, and things in states in which services do not take every call.
import pLimit from "p-limit";
import { expect, it } from "vitest";
import { discoverResources } from "../../src/targets/aws/inventory/discover.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const OWN = { "landfall:app": "hello", "landfall:environment": "production" };
const TAGS = Object.entries(OWN).map(([Key, Value]) => ({ Key, Value }));

onEmulator("an account", (world) => {
  async function countKinds(): Promise<Record<string, number>> {
    const { resources } = await discoverResources(world.stage.context(SMALL));
    const names = resources.map(({ kind }) => kind.name);
    return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((one) => one === name).length]));
  }
  /** One more than fits; the emulator takes few connections at once. */
  const oneMoreThan = (most: number, make: (number: number) => Promise<unknown>) => pLimit(4).map([...Array(most + 1).keys()], make);

  it("with more than AWS describes in one call is seen whole", async () => {
    const { clients } = world.stage.context(SMALL);
    const [ec2, cloudWatch, autoScaling] = [await clients.ec2(), await clients.cloudWatch(), await clients.autoScaling()];
    await oneMoreThan(200, () =>
      ec2.createVolume({ Size: 1, AvailabilityZone: "eu-central-1a", TagSpecifications: [{ ResourceType: "volume", Tags: TAGS }] }),
    );
    await oneMoreThan(100, (number) =>
      cloudWatch.putMetricAlarm({ AlarmName: `left-${number}`, Tags: TAGS, EvaluationPeriods: 1, ComparisonOperator: "GreaterThanThreshold" }),
    );
    await oneMoreThan(50, (number) => {
      const AutoScalingGroupName = `left-${number}`;
      const tags = TAGS.map((tag) => ({ ...tag, ResourceId: AutoScalingGroupName, ResourceType: "auto-scaling-group", PropagateAtLaunch: false }));
      return autoScaling.createAutoScalingGroup({ AutoScalingGroupName, MinSize: 0, MaxSize: 0, AvailabilityZones: ["eu-central-1a"], Tags: tags });
    });
    expect(await countKinds()).toMatchObject({ volume: 201, alarm: 101, "Auto Scaling group": 51 });
  });

  it("with task definitions that are out of use already is rid of them, and of those in use", async () => {
    const ecs = await world.stage.context(SMALL).clients.ecs();
    const tags = Object.entries(OWN).map(([key, value]) => ({ key, value }));
    const register = async () =>
      (await ecs.registerTaskDefinition({ family: "hello-production-web", tags, containerDefinitions: [{ name: "web", image: "x", memory: 64 }] }))
        .taskDefinition?.taskDefinitionArn;
    await ecs.deregisterTaskDefinition({ taskDefinition: await register() });
    await register();
    expect(await countKinds()).toEqual({ "task definition": 2 });
    await world.stage.open(SMALL).decommission({});
    expect(await countKinds()).toEqual({});
  });

  it("with automated snapshots of a database says nothing of them: they are RDS's own", async () => {
    const { clients } = world.stage.context(SMALL);
    const ResourceName = `arn:aws:rds:eu-central-1:${world.stage.account}:snapshot:rds:hello-production-data-databasedatabase-x1y2-2026-11-29-03-10`;
    await (await clients.rds()).addTagsToResource({ ResourceName, Tags: TAGS });
    expect((await discoverResources(world.stage.context(SMALL))).unrecognized).toEqual([]);
  });
});
