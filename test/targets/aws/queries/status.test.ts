// What stands, from what an account answers about stacks, fleets and machines.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/system/clock.ts";
import type { Context } from "../../../../src/targets/aws/context.ts";
import { observeHistory, observeHosts, observeStatus } from "../../../../src/targets/aws/queries/status.ts";
import { production } from "../templates/apps.ts";

const deployment = production({
  name: "shop",
  resources: { jobs: { type: "queue" } },
  services: { web: { command: "node web.js", port: 3000, instances: 2 }, worker: { command: "node worker.js" } },
  environments: { production: { target: "aws", region: "eu-central-1" } },
});

const tags = (more: Record<string, string> = {}) => Object.entries({ "landfall:app": "shop", ...more }).map(([Key, Value]) => ({ Key, Value }));
const own = { "landfall:environment": "production" };
const output = (OutputKey: string, OutputValue: string) => ({ OutputKey, OutputValue });

const stack = (name: string, more: Record<string, unknown> = {}) => ({
  StackName: name,
  StackId: `id of ${name}`,
  StackStatus: "UPDATE_COMPLETE",
  CreationTime: new Date(1000),
  Tags: tags(own),
  ...more,
});

const STACKS = [
  stack("shop-shared", { Tags: tags(), Outputs: [output("ArtifactsBucket", "shop-artifacts")] }),
  stack("shop-production-data", { Outputs: [output("JobsQueueUrl", "https://sqs.example/jobs")] }),
  stack("shop-production-edge", { Outputs: [output("Address", "https://www.example.com")] }),
  stack("shop-production-service-web", { Tags: tags({ ...own, "landfall:service": "web" }), Outputs: [output("WebRelease", "7f3c2a")] }),
  { StackName: "other", StackStatus: "CREATE_COMPLETE", Tags: [] },
];

const machine = (InstanceId: string, Name: string, at: number) => ({
  InstanceId,
  State: { Name },
  LaunchTime: new Date(at),
  PrivateIpAddress: `10.0.0.${at}`,
  Tags: tags({ ...own, "landfall:service": "web", "landfall:release": "7f3c2a" }),
});

interface Account {
  stacks?: unknown[];
  lease?: object;
  events?: object[];
}

function contextOf({ stacks = STACKS, lease, events = [] }: Account = {}): Context {
  const region = { config: { region: async () => "eu-central-1" } };
  const clients = {
    cloudFormation: {
      ...region,
      describeStacks: async ({ StackName }: { StackName?: string }) => {
        const Stacks = stacks.filter((one) => StackName === undefined || (one as { StackName: string }).StackName === StackName);
        if (StackName !== undefined && Stacks.length === 0)
          throw Object.assign(new Error(`Stack ${StackName} does not exist`), { name: "ValidationError" });
        return { Stacks };
      },
      paginateDescribeStacks: () => [{ Stacks: stacks }],
      paginateDescribeStackResourceDrifts: () => [{ StackResourceDrifts: [] }],
      paginateDescribeStackEvents: ({ StackName }: { StackName: string }) => [{ StackEvents: StackName.endsWith("service-web") ? events : [] }],
    },
    sts: { ...region, getCallerIdentity: async () => ({ Account: "123456789012", Arn: "arn:aws:iam::123456789012:user/ada" }) },
    s3: {
      ...region,
      getObject: async ({ Key }: { Key: string }) => {
        if (!lease || !Key.startsWith("leases/")) throw Object.assign(new Error("no such key"), { name: "NoSuchKey" });
        return { ETag: "1", Body: { transformToString: async () => JSON.stringify(lease) } };
      },
    },
    autoScaling: {
      paginateDescribeAutoScalingGroups: async function* () {
        yield {
          AutoScalingGroups: [
            {
              DesiredCapacity: 3,
              Tags: tags({ "landfall:service": "web" }),
              Instances: [
                { InstanceId: "i-old", LifecycleState: "InService", HealthStatus: "Healthy" },
                { InstanceId: "i-sick", LifecycleState: "InService", HealthStatus: "Unhealthy" },
                { InstanceId: "i-new", LifecycleState: "Pending:Wait", HealthStatus: "Healthy" },
              ],
            },
          ],
        };
      },
    },
    ec2: {
      paginateDescribeInstances: async function* () {
        yield {
          Reservations: [
            { Instances: [machine("i-new", "running", 30), machine("i-old", "running", 10)] },
            { Instances: [machine("i-sick", "running", 20)] },
          ],
        };
      },
    },
  };
  const lazy = Object.fromEntries(Object.entries(clients).map(([name, client]) => [name, async () => client]));
  return { deployment, folder: "/nowhere", clients: lazy as unknown as Context["clients"], clock: systemClock, emit: () => {} };
}

const kept = { ...process.env };
beforeEach(() => {
  process.env.AWS_ACCESS_KEY_ID = "test";
});
afterEach(() => {
  process.env = { ...kept };
});

describe("the status of an environment on aws", () => {
  it("has address, release, resources, and each machine by age with its state", async () => {
    const status = await observeStatus(contextOf());
    expect(status).toMatchObject({
      commissioned: true,
      target: "aws",
      address: "https://www.example.com",
      release: "7f3c2a",
      resources: [{ name: "jobs", type: "queue", address: "https://sqs.example/jobs", state: "running" }],
      drift: [],
    });
    expect(status.services.map(({ name, kind, wanted, healthy }) => ({ name, kind, wanted, healthy }))).toEqual([
      { name: "web", kind: "web", wanted: 3, healthy: 1 },
      { name: "worker", kind: "worker", wanted: 0, healthy: 0 },
    ]);
    expect(status.services[0]?.instances.map(({ id, slot, state, address }) => [id, slot, state, address])).toEqual([
      ["i-old", 1, "healthy", "10.0.0.10"],
      ["i-sick", 2, "unhealthy", "10.0.0.20"],
      ["i-new", 3, "starting", "10.0.0.30"],
    ]);
    expect(status.unfinished ?? status.underWay).toBeUndefined();
  });

  it("that was never commissioned says so, though another of the app's stands", async () => {
    const shared = STACKS[0] as object;
    expect(await observeStatus(contextOf({ stacks: [shared] }))).toMatchObject({ commissioned: false, services: [], resources: [] });
    expect((await observeStatus(contextOf({ stacks: [] }))).commissioned).toBe(false);
  });

  it("tells what runs now from what was cut off", async () => {
    const note = { id: "a", operation: "commission", user: "ada", host: "elsewhere", pid: 4711, startedAt: "", since: 5000, beatAt: Date.now() };
    expect((await observeStatus(contextOf({ lease: note }))).underWay).toEqual({
      operation: "commission",
      since: 5000,
      pid: 4711,
      user: "ada on elsewhere",
    });
    expect((await observeStatus(contextOf({ lease: { ...note, beatAt: 0 } }))).unfinished).toEqual({ operation: "commission", since: 5000 });
    expect((await observeStatus(contextOf({ lease: { ...note, endedAt: 6000 } }))).unfinished).toBeUndefined();
  });

  it("takes a stuck stack for something unfinished, and names it", async () => {
    const stuck = stack("shop-production-network", { StackStatus: "UPDATE_ROLLBACK_FAILED" });
    expect((await observeStatus(contextOf({ stacks: [...STACKS, stuck] }))).unfinished).toEqual({
      operation: "commission",
      since: 1000,
      step: "stack shop-production-network is UPDATE_ROLLBACK_FAILED",
    });
  });

  it("shows a state that AWS has added since as it is, and is not troubled by one of somebody else's", async () => {
    const strange = { StackStatus: "REFRESH_FAILED" };
    expect((await observeStatus(contextOf({ stacks: [...STACKS, stack("other", { ...strange, Tags: [] })] }))).unfinished).toBeUndefined();
    expect((await observeStatus(contextOf({ stacks: [...STACKS, stack("shop-production-network", strange)] }))).unfinished).toMatchObject({
      step: "stack shop-production-network is REFRESH_FAILED",
    });
  });
});

it("the inventory has a group for each service that runs, reached without SSH", async () => {
  const inventory = await observeHosts(contextOf());
  expect(inventory.all).toEqual({ children: ["web"] });
  expect(inventory.web).toEqual({ hosts: ["i-old", "i-sick", "i-new"] });
  expect(inventory._meta.hostvars["i-old"]).toEqual({
    ansible_connection: "amazon.aws.aws_ssm",
    ansible_aws_ssm_instance_id: "i-old",
    ansible_aws_ssm_region: "eu-central-1",
    ansible_aws_ssm_bucket_name: "shop-artifacts",
    ansible_host: "i-old",
    landfall_app: "shop",
    landfall_environment: "production",
    landfall_service: "web",
    landfall_release: "7f3c2a",
    landfall_state: "healthy",
    landfall_address: "10.0.0.10",
  });
});

it("the events are beginnings, ends and failures of stacks, in the order of time", async () => {
  const event = (EventId: string, at: number, ResourceStatus: string, more: object = {}) => ({
    EventId,
    StackId: "id of shop-production-service-web",
    PhysicalResourceId: "id of shop-production-service-web",
    LogicalResourceId: "shop-production-service-web",
    ResourceType: "AWS::CloudFormation::Stack",
    Timestamp: new Date(at),
    ResourceStatus,
    ...more,
  });
  const resource = (at: number, ResourceStatus: string, ResourceStatusReason?: string) =>
    event(`r${at}`, at, ResourceStatus, {
      LogicalResourceId: "BlueGroup",
      PhysicalResourceId: "g",
      ResourceType: "AWS::AutoScaling::AutoScalingGroup",
      ResourceStatusReason,
    });
  const events = [
    event("c", 4000, "UPDATE_ROLLBACK_COMPLETE"),
    resource(3000, "UPDATE_FAILED", "1 of 2 signals"),
    resource(2500, "UPDATE_IN_PROGRESS"),
    event("a", 2000, "UPDATE_IN_PROGRESS"),
  ];
  const found = await observeHistory(contextOf({ events }), {});
  expect(found.map(({ at, type, text, service }) => [at, type, text, service])).toEqual([
    [2000, "update in progress", "stack shop-production-service-web", "web"],
    [3000, "update failed", "BlueGroup of stack shop-production-service-web: 1 of 2 signals", "web"],
    [4000, "update rollback complete", "stack shop-production-service-web", "web"],
  ]);
  expect(await observeHistory(contextOf({ events }), { since: new Date(3000), tail: 1 })).toMatchObject([{ at: 4000 }]);
});
