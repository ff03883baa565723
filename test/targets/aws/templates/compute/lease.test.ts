// What the stack of a service says of its lease: who may touch the object, how long the next instance may wait for it, and that no group has the next
// one in service first: https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
import { expect, test } from "vitest";
import { type DeployedService, serviceOf } from "../../../../../src/config/deployment.ts";
import type { AppInput } from "../../../../../src/config/schema.ts";
import { bootScript } from "../../../../../src/machine/index.ts";
import { handoverMs } from "../../../../../src/machine/lease.ts";
import { makeStacks } from "../../../../../src/targets/aws/templates/index.ts";
import { production, SMALL } from "../apps.ts";

type ServiceInput = NonNullable<AppInput["services"]>[string];
interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  CreationPolicy?: { ResourceSignal: { Timeout: string } };
  UpdatePolicy?: { AutoScalingRollingUpdate: { PauseTime: string } };
}

const appWith = (service: Partial<ServiceInput>) => production({ ...SMALL, services: { batch: { command: "node batch.js", ...service } } });
const resourcesOf = (service: Partial<ServiceInput>, settings?: DeployedService): Resource[] => {
  const app = appWith(service);
  const stacks = makeStacks(app, { batch: { blue: { release: "a", image: "ami-1", script: "", settings: settings ?? serviceOf(app, "batch") } } });
  const body = stacks.find(({ role }) => role === "service")?.body ?? "";
  return Object.values((JSON.parse(body) as { Resources: Record<string, Resource> }).Resources);
};
const groupOf = (service: Partial<ServiceInput>) =>
  resourcesOf(service).find(({ Type }) => Type === "AWS::AutoScaling::AutoScalingGroup") as Resource;
const mayTouch = (resources: Resource[]) =>
  [...JSON.stringify(resources).matchAll(/"Action":(\["s3:[^\]]*\]),"Resource":[^[]*\["",\[[^\]]*"(\/singletons\/[^"]*)"/g)].map(
    ([, actions, key]) => [...JSON.parse(actions as string), key],
  );
const ALONE: [string, Partial<ServiceInput>][] = [
  ["a singleton", { singleton: true }],
  ["a job", { schedule: "15 3 * * *" }],
];

test.each(ALONE)("%s may read and write its lease, and no other object of that kind", (_, service) => {
  expect(mayTouch(resourcesOf(service))).toEqual([["s3:GetObject", "s3:PutObject", "/singletons/production/batch.json"]]);
});

test("others have none; and what runs keeps its own when it is to be one of several", () => {
  expect(mayTouch(resourcesOf({}))).toEqual([]);
  expect(mayTouch(resourcesOf({}, serviceOf(appWith({ singleton: true }), "batch")))).toHaveLength(1);
});

test.each(ALONE)("the next instance of %s has the time that a handover takes, and is told of it", (_, service) => {
  const slow = { ...service, stop: { timeout: "10m" as const } };
  const app = appWith(slow);
  const waitMs = handoverMs(serviceOf(app, "batch"));
  expect(waitMs).toBeGreaterThan(10 * 60_000);
  const script = bootScript({ deployment: app, service: "batch", release: { id: "a", key: "k", sha256: "s" } });
  expect(script).toContain(`LANDFALL_LEASE_WAIT_MS='${waitMs}'\n`);
  expect(script).toContain("LANDFALL_LEASE_KEY='singletons/production/batch.json'\n");
  const numbersOf = ({ Properties, CreationPolicy, UpdatePolicy }: Resource) => {
    const hooks = Properties.LifecycleHookSpecificationList as { LifecycleHookName: string; HeartbeatTimeout: number }[];
    const minutes = (text?: string) => Number(/^PT(\d+)M$/.exec(text ?? "")?.[1]) * 60;
    return [
      hooks.find(({ LifecycleHookName }) => LifecycleHookName === "boot")?.HeartbeatTimeout as number,
      minutes(CreationPolicy?.ResourceSignal.Timeout),
      minutes(UpdatePolicy?.AutoScalingRollingUpdate.PauseTime),
    ];
  };
  const without = numbersOf(groupOf({ stop: { timeout: "10m" } }));
  for (const [index, seconds] of numbersOf(groupOf(slow)).entries())
    expect(seconds - (without[index] as number)).toBeGreaterThanOrEqual(waitMs / 1000 - 60);
});

test.each(ALONE)("no group has the next instance of %s in service before the one that waits for it to go", (_, service) => {
  for (const machine of [{}, { spot: true }]) {
    const { Properties } = groupOf({ ...service, machine });
    expect(Properties.InstanceMaintenancePolicy).toEqual({ MinHealthyPercentage: 0, MaxHealthyPercentage: 100 });
    expect(Properties.CapacityRebalance).toBeUndefined();
  }
  expect(groupOf({ machine: { spot: true } }).Properties).toMatchObject({ CapacityRebalance: true });
});
