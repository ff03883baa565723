// The policies, proven: what each command calls is allowed by its policy, and what its policy allows Landfall itself is called by it. What
// CloudFormation calls in a person's name is compared with AWS's own schemas (test/targets/aws/iam/handlers.test.ts).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { EC2 } from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import type { Context } from "../../src/targets/aws/context.ts";
import { ownCalls } from "../../src/targets/aws/iam/commands.ts";
import { listPermissions } from "../../src/targets/aws/iam/list.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { type Request, refusalOf } from "../targets/aws/iam/simulate.ts";
import { REGION } from "../targets/aws/resource-types/arns.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";
import { idsIn, requestsOf } from "./authorised.ts";
import { CHANGES, merge, START } from "./changes.ts";
import { playMachines } from "./machines.ts";
import type { Call } from "./proxy.ts";
import { makeStage, type Stage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

/** The first command of each policy. */
const COMMANDS = [
  "plan",
  "preflight",
  "plan --drift",
  "status",
  "logs",
  "exec",
  "secrets",
  "commission",
  "commission --revert-drift",
  "deploy",
  "decommission",
] as const;
type Command = (typeof COMMANDS)[number];

const ABSENT = { "s3:ListBucket": "S3 wants it where an object is not there; nothing is called for it" };
const PRICES = { "pricing:GetProducts": "asked of AWS itself only: with an endpoint of somebody else's the table of prices is used" };
const EMPTYING = "empties a bucket whose stack never came up, and ministack forgets the bucket when it takes such a stack back";
const LEFT_BY_HAND = [
  ...["CreateTags", "DescribeImages", "DeregisterImage", "DescribeSnapshots", "DeleteSnapshot", "DescribeVolumes", "DeleteVolume"].map(
    (action) => `ec2:${action}`,
  ),
  "rds:DeleteDBInstanceAutomatedBackup",
  "cloudwatch:DeleteDashboards",
  "acm:ListCertificates",
  "route53:ListResourceRecordSets",
  "ssm:DeleteParameter",
];
/** In a policy, and called in no run here. */
const UNSEEN: Record<Command, Record<string, string>> = {
  plan: { ...PRICES, ...ABSENT },
  "plan --drift": { ...PRICES, ...ABSENT },
  preflight: {
    "iam:GetRole": "of who has taken on a role; here it is the root of an account",
    "iam:SimulatePrincipalPolicy": "of users and roles; here it is the root of an account",
    "s3:PutObject": "of a template that is too large to be sent as it is",
    "cloudformation:DescribeEvents": "of a change that CloudFormation does not accept, as commission does above",
  },
  status: {},
  logs: { "ec2:DescribeInstances": "for --release, as s3:GetObject is", "s3:GetObject": "for --release, which is looked up", ...ABSENT },
  exec: {
    "cloudformation:DescribeStackResourceDrifts": "of the status that it finds its instance in, once AWS has looked for changes by hand",
    "ssm:CancelCommand": "when the user interrupts",
    "ssm:StartSession": "for a terminal, which the tests have none of",
    ...ABSENT,
  },
  secrets: {},
  deploy: {
    ...PRICES,
    "cloudformation:DescribeStackResourceDrifts": "of the status that scale ends with, once AWS has looked for changes by hand",
    "cloudformation:DeleteChangeSet": "of a change that is refused or overtaken, as commission does above",
    "cloudformation:DescribeEvents": "of a change that CloudFormation does not accept, as commission does above",
    "ec2:DeregisterImage": "for an image that AWS could not make; ministack makes all",
    "cloudwatch:GetMetricData": "of a canary, whose minutes nobody waits for here: test/targets/aws/rollout/judge.test.ts",
    "cloudformation:CancelUpdateStack": "when a change is under way, as abort does above",
    "cloudformation:ContinueUpdateRollback": "when going back failed, as commission does above",
    "cloudformation:RollbackStack": "when somebody told CloudFormation not to go back, as commission does above",
    "cloudformation:DeleteStack": "of a stack that never came up, as commission does above",
    "cloudformation:DescribeStackResources": "when a stack does not go, as commission does above",
    "ec2:DescribeNetworkInterfaces": "when a stack does not go, as commission does above",
    "ec2:DeleteNetworkInterface": "when a stack does not go, as commission does above",
    "s3:ListBucketVersions": EMPTYING,
    "s3:DeleteObject": EMPTYING,
    "s3:DeleteObjectVersion": EMPTYING,
  },
  decommission: {
    "ecs:ListTaskDefinitions": "of services that are containers: containers.test.ts decommissions some",
    "ecs:DeleteTaskDefinitions": "of services that are containers: containers.test.ts decommissions some",
    "cloudformation:DescribeStackResourceDrifts": "for the status that resume ends with",
    "cloudformation:CancelUpdateStack": "when a change is under way, as abort does above",
    "cloudformation:DeleteChangeSet": "when one was made and not executed, as commission does above",
    "ec2:DeleteNetworkInterface": "when one was left behind, as commission does above",
    "rds:CreateDBSnapshot": "with --keep-data, of a database without a final snapshot",
    "rds:AddTagsToResource": "for the tags of that snapshot",
    ...Object.fromEntries(LEFT_BY_HAND.map((action) => [action, "for what was left by hand: leaks.test.ts removes one of each"])),
  },
  "commission --revert-drift": Object.fromEntries(
    [...ownCalls("commission")].map((action) => [action, "as commission does, whose calls are all in it"]),
  ),
  commission: { ...PRICES, "s3:ListBucketVersions": EMPTYING, "s3:DeleteObject": EMPTYING, "s3:DeleteObjectVersion": EMPTYING },
};

const OTHER: AppInput = { ...SMALL, services: { web: { command: "node server.js", port: 3000, health: { path: "/ready" } } } };

onEmulator("the policy of", (world) => {
  const calls = Object.fromEntries(COMMANDS.map((command) => [command, [] as Call[]])) as Record<Command, Call[]>;
  const requests = Object.fromEntries(COMMANDS.map((command) => [command, [] as Request[]])) as Record<Command, Request[]>;
  const folder = mkdtempSync(join(tmpdir(), "landfall-permissions-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What `act` calls counts for the command, however it ends. */
  async function run(command: Command, act: () => Promise<unknown>): Promise<void> {
    world.proxy.calls.length = 0;
    await act().catch(() => {});
    calls[command].push(...world.proxy.calls);
    world.proxy.calls.length = 0;
  }
  /** Not through the proxy, so that it counts for nothing. */
  const beside = async (stage: Stage, act: (clients: Context["clients"]) => Promise<unknown>) => {
    const before = world.proxy.calls.length;
    await act(stage.context(SMALL).clients);
    world.proxy.calls.splice(before);
  };

  /** The tags of what a call is about, asked of the emulator itself. */
  async function look(call: Call): Promise<Call["tags"]> {
    const ids = idsIn(call);
    if (ids.length === 0) return undefined;
    const { Tags = [] } = await new EC2({
      endpoint: `http://127.0.0.1:${world.emulator.port}`,
      region: REGION,
      credentials: { accessKeyId: call.account, secretAccessKey: "emulated" },
    }).describeTags({ Filters: [{ Name: "resource-id", Values: ids }] });
    const tagsOf = (id: string) => Tags.filter(({ ResourceId }) => ResourceId === id).map(({ Key = "", Value = "" }) => [Key, Value]);
    return Object.fromEntries(ids.map((id) => [id, Object.fromEntries(tagsOf(id))]));
  }

  beforeAll(async () => {
    world.proxy.look = look;
    await readAndChange(makeStage(world.proxy.port));
    await failAndRecover(makeStage(world.proxy.port));
    await stopHalfway(makeStage(world.proxy.port));
    await removeWhatBlocks(makeStage(world.proxy.port));
    await release(makeStage(world.proxy.port));
    world.proxy.look = undefined;
    for (const command of COMMANDS) requests[command] = await differing(calls[command]);
  }, 300_000);

  async function readAndChange(stage: Stage): Promise<void> {
    let input = START;
    const read = async () => {
      const environment = stage.open(input);
      await run("plan", () => environment.exportTo(join(folder, String(Math.random())), { standing: true }));
      await run("plan --drift", () => environment.plan({ drift: true }));
      await run("plan", () => environment.plan());
      await run("preflight", () => environment.preflight());
      await run("status", () => environment.status());
      await run("status", () => environment.hosts());
      await run("status", () => environment.events({}));
    };
    await read();
    await run("commission", () => stage.open(input).commission());
    await beside(stage, async (clients) => {
      const { QueueUrls = [] } = await (await clients.sqs()).listQueues({});
      await (await clients.sqs()).setQueueAttributes({
        QueueUrl: QueueUrls.find((url) => url.includes("JobsQueue")),
        Attributes: { VisibilityTimeout: "77" },
      });
    });
    await read();
    await run("commission", () => stage.open(input).resume());
    await run("commission --revert-drift", () => stage.open(input).commission({ revertDrift: true }));
    for (const [, change, confirmReplace] of CHANGES) {
      input = merge(input, change);
      await run("commission", () => stage.open(input).commission({ confirmReplace }));
    }
    // A loss that is refused: its change set is thrown away.
    const { jobs: _, ...resources } = input.resources ?? {};
    const { worker: __, ...services } = input.services;
    await run("commission", () => stage.open({ ...input, services, resources }).commission());
    await readAndKeepSecrets(stage, input);
    await run("decommission", () => stage.open(input).clean());
    await run("decommission", () => stage.open(input).decommission({ confirmRemove: Object.keys(input.resources ?? {}) }));
  }

  async function readAndKeepSecrets(stage: Stage, input: AppInput): Promise<void> {
    const environment = stage.open(input);
    await run("logs", async () => {
      for await (const _ of environment.logs({})) break;
    });
    const secrets = environment.secrets();
    await run("secrets", async () => secrets.set({ SESSION_KEY: "a" }));
    await run("secrets", async () => secrets.set({ SESSION_KEY: "b" }));
    await run("secrets", async () => secrets.list());
    await run("secrets", async () => secrets.remove("SESSION_KEY"));
  }

  /** With every kind of one-off task, one that ends without a word, a release that does not come up, and a switch. */
  async function release(stage: Stage): Promise<void> {
    const input: AppInput = { ...SMALL, release: { build: ["make"], expand: "make migrations" }, rollout: { strategy: "blueGreen" } };
    const app = join(folder, "app");
    mkdirSync(app);
    const write = (text: string) => writeFileSync(join(app, "server.js"), text);
    const deploy = () => run("deploy", () => stage.open(input, app).deploy({ dirty: true }));
    await stage.commission(input);
    write("one");
    const ec2 = await stage.context(input).clients.ec2();
    let lost = true;
    const machines = playMachines(stage.account, world.emulator.port, ({ instance }) => {
      if (!lost) return {};
      lost = false;
      // Not counted: it is what the machine does to itself.
      void beside(stage, () => ec2.terminateInstances({ InstanceIds: [instance] }));
      return undefined;
    });
    await deploy();
    await deploy();
    await run("exec", () => stage.open(input, app).exec("web", ["true"], { stdout: new PassThrough(), stderr: new PassThrough() }));
    write("two");
    world.emulator.setRules([{ when: "create", type: "AWS::AutoScaling::AutoScalingGroup", fail: "Received 1 FAILURE signal(s)", times: 1 }]);
    await deploy();
    world.emulator.setRules([]);
    await deploy();
    await run("plan", () => stage.open(input, app).plan());
    await run("plan --drift", () => stage.open(input, app).plan({ drift: true }));
    await run("deploy", () => stage.open(input, app).rollback({}));
    await run("deploy", () => stage.open(input, app).scale({ web: 3 }));
    await run("deploy", () => stage.open(input, app).resume());
    await machines.stop();
  }

  async function failAndRecover(stage: Stage): Promise<void> {
    await run("commission", () => stage.open(SMALL).commission());
    world.emulator.setRules([{ when: "validate", type: "AWS::ElasticLoadBalancingV2::TargetGroup", property: "Port", fail: "No." }]);
    await run("commission", () => stage.open(OTHER).commission());
    world.emulator.setRules([
      { when: "update", type: "AWS::ElasticLoadBalancingV2::TargetGroup", skip: 1, fail: "Not back." },
      { when: "update", logicalId: "FromBalancer8080", fail: "No." },
    ]);
    await run("commission", () => stage.open(OTHER).commission());
    world.emulator.setRules([]);
    // As somebody else may have left it, who told CloudFormation not to go back.
    await beside(stage, async (clients) => {
      const cloudFormation = await clients.cloudFormation();
      const found = [...(await stage.stacks(SMALL)).values()].find(({ name }) => name === "hello-production-alarms");
      const { TemplateBody = "" } = await cloudFormation.getTemplate({ StackName: found?.name });
      const template = JSON.parse(TemplateBody);
      template.Resources.Topic.Properties.DisplayName = "other";
      world.emulator.setRules([{ when: "update", logicalId: "Topic", fail: "No.", times: 1 }]);
      const tags = Object.entries(found?.tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
      await cloudFormation.updateStack({ StackName: found?.name, TemplateBody: JSON.stringify(template), DisableRollback: true, Tags: tags });
    });
    await run("commission", () => stage.open(SMALL).abort());
    world.emulator.setRules([]);
  }

  async function stopHalfway(stage: Stage): Promise<void> {
    await run("commission", () => stage.open(SMALL).commission());
    world.emulator.setRules([{ when: "update", logicalId: "BlueTargetGroup", delayMs: 2500 }]);
    const interrupted = new AbortController();
    const context = stage.context(OTHER, { signal: interrupted.signal });
    world.proxy.rule = ({ action }) => (action === "ExecuteChangeSet" ? { after: () => interrupted.abort() } : undefined);
    await run("commission", () => applyStacks(context, makeStacks(context.deployment)));
    world.proxy.rule = undefined;
    await run("commission", () => stage.open(SMALL).abort());
    world.emulator.setRules([]);
  }

  /** A service that the configuration has no more, and whose group does not go: an interface that nobody uses is in it. */
  async function removeWhatBlocks(stage: Stage): Promise<void> {
    const two: AppInput = { ...SMALL, services: { ...SMALL.services, worker: { command: "node worker.js" } } };
    await run("commission", () => stage.open(two).commission());
    await beside(stage, addInterfaces);
    world.emulator.setRules([{ when: "delete", type: "AWS::EC2::SecurityGroup", fail: "It is in use.", times: 1 }]);
    await run("commission", () => stage.open(SMALL).commission());
  }

  async function addInterfaces(clients: Context["clients"]): Promise<void> {
    const ec2 = await clients.ec2();
    const [{ Subnets = [] }, { SecurityGroups = [] }] = [await ec2.describeSubnets({}), await ec2.describeSecurityGroups({})];
    for (const { GroupId } of SecurityGroups)
      await ec2.createNetworkInterface({ SubnetId: Subnets[0]?.SubnetId, ...(GroupId === undefined ? {} : { Groups: [GroupId] }) });
  }

  describe.each(COMMANDS)("%s", (command) => {
    // Both apps are somebody's here; nothing of the one is named or tagged as the other's.
    const policies = [START, SMALL].flatMap((input) =>
      listPermissions(production(input))
        .permissions.filter(({ commands }) => commands.includes(command))
        .flatMap((one) => one.policies),
    );

    it("allows every call, on what it is about and with the tags that were there", async () => {
      const refusals: string[] = [];
      for (const request of requests[command]) {
        const refusal = await refusalOf(policies, request);
        if (refusal) refusals.push(refusal);
      }
      expect(requests[command].length).toBeGreaterThan(0);
      expect(refusals).toEqual([]);
    });

    it("allows nothing that is never called", () => {
      const used = new Set(requests[command].map(({ action }) => action));
      expect(ownCalls(command).filter((action) => !used.has(action) && !UNSEEN[command][action])).toEqual([]);
    });
  });
});

/** Each once: most differ in nothing that IAM looks at. */
async function differing(calls: readonly Call[]): Promise<Request[]> {
  const requests = (await Promise.all(calls.map(requestsOf))).flat();
  return [...new Map(requests.map((request) => [JSON.stringify(request), request])).values()];
}
