// The life of an environment against the emulator, through the real SDK.
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import { findOpen, leased } from "../../src/targets/aws/lease.ts";
import { abort, resume } from "../../src/targets/aws/operations/recovery.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import type { Size } from "../../src/text/units.ts";
import { FULL, SMALL } from "../targets/aws/templates/apps.ts";
import { observeInventory } from "./inventory.ts";
import { makeStage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

const CHANGED: AppInput = {
  ...SMALL,
  services: { web: { command: "node server.js", port: 3000, health: { path: "/ready" } } },
};
/** The database of the full example without protection, so that the test can remove it. */
const WHOLE: AppInput = {
  ...FULL,
  resources: { ...FULL.resources, database: { type: "postgres", deletionProtection: false } },
  environments: { production: { ...FULL.environments?.production, target: "aws", account: undefined, budget: undefined } },
};

onEmulator("an environment on the emulator", (world) => {
  const inventory = () => observeInventory(world.stage.context(SMALL));
  const changes = () => world.proxy.calls.filter(({ action }) => !/^(Describe|Get|List|Head)/.test(action)).map(({ action }) => action);
  const statuses = async (input: AppInput) =>
    Object.fromEntries([...(await world.stage.stacks(input)).values()].map(({ name, status }) => [name, status]));

  it("is commissioned, found as it is, changed and removed without a trace", async () => {
    const empty = await inventory();
    const report = await world.stage.commission(SMALL);
    expect(report).toMatchObject({ app: "hello", environment: "production", changed: true, resources: [] });
    expect(report.address).toMatch(/^http:\/\/hello-production.*amazonaws\.com$/);
    expect(world.stage.progress[0]).toMatchObject({
      type: "note",
      text: expect.stringContaining(`account ${world.stage.account}, region eu-central-1`),
    });
    const standing = await inventory();
    expect(standing).toMatchObject({ stacks: 6, pendingChangeSets: 0, networks: 2, balancers: 1, targetGroups: 1 });

    world.proxy.clear();
    expect((await world.stage.commission(SMALL)).changed).toBe(false);
    // The lease is taken and given back; nothing else is written.
    expect(changes()).toEqual(["PutObject", "PutObject"]);
    expect(world.proxy.calls.length).toBe(15);

    world.proxy.clear();
    expect((await world.stage.commission(CHANGED)).changed).toBe(true);
    expect(changes().filter((action) => action === "ExecuteChangeSet")).toHaveLength(1);
    expect(await inventory()).toEqual(standing);

    await world.stage.remove(CHANGED);
    expect(await inventory()).toEqual(empty);
  });

  it("of every kind of resource is commissioned, found as it is, loses nothing unasked, and is removed", async () => {
    const domain = await makeDomain();
    const whole: AppInput = { ...WHOLE, environments: { production: { ...WHOLE.environments?.production, target: "aws", domain } } };
    const empty = await inventory();
    const report = await world.stage.commission(whole);
    expect(report.address).toBe("https://www.example.com");
    expect(report.resources.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "database running",
      "reports running",
      "cache running",
      "jobs running",
      "uploads running",
      "legacy external",
      "search-1 external",
    ]);
    const standing = await inventory();
    expect((await world.stage.commission(whole)).changed).toBe(false);

    const { jobs: _, ...withoutJobs } = whole.resources ?? {};
    const { worker: __, ...services } = whole.services;
    const smaller: AppInput = { ...whole, resources: withoutJobs, services };
    const refused = await failure(world.stage.commission(smaller));
    expect(refused.code).toBe("STACK_REPLACEMENT_REFUSED");
    expect([refused, ...refused.more].map(({ parts }) => parts.what)).toEqual([
      expect.stringMatching(/queue "Jobs.*" would be removed/),
      expect.stringMatching(/queue "Jobs.*" would be removed/),
    ]);
    expect(await inventory()).toEqual(standing);
    const names = [refused, ...refused.more].map(({ parts }) => /"(\w+)"/.exec(parts.what)?.[1] as string);
    expect((await world.stage.commission(smaller, { confirmReplace: names })).changed).toBe(true);
    expect(await inventory()).toMatchObject({ stacks: standing.stacks! - 1, queues: 0 });

    await world.stage.remove(smaller);
    // Uploads are the user's own: their bucket outlives the stack.
    expect(await inventory()).toEqual({ ...empty, buckets: 1 });
  });

  it("asks to have confirmed exactly what its plan says would be lost", async () => {
    const domain = await makeDomain();
    const whole: AppInput = { ...WHOLE, environments: { production: { ...WHOLE.environments?.production, target: "aws", domain } } };
    await world.stage.commission(whole);
    const { cache: _, reports: __, uploads: ___, ...resources } = whole.resources ?? {};
    const { worker: ____, ...services } = whole.services;
    const smaller: AppInput = { ...whole, resources, services };
    const { changes } = await world.stage.open(smaller).plan();
    const lost = changes.filter(({ data }) => data && !data.includes("stays")).map(({ name }) => name);
    expect(lost.sort()).toEqual(["CacheCache", "ReportsDatabase"]);
    const refused = await failure(world.stage.commission(smaller));
    expect([refused, ...refused.more].map(({ parts }) => /"(\w+)"/.exec(parts.what)?.[1]).sort()).toEqual(lost);
  });

  it("names the first failing resource, and goes on once its cause is gone", async () => {
    world.emulator.setRules([{ when: "create", logicalId: "Balancer", fail: "Maximum number of load balancers has been reached." }]);
    const error = await failure(world.stage.commission(SMALL));
    expect(error.parts).toMatchObject({
      code: "STACK_FAILED",
      what: 'resource "Balancer" (AWS::ElasticLoadBalancingV2::LoadBalancer) failed',
      where: "stack hello-production-edge",
      why: expect.stringMatching(/^CloudFormation says: Maximum number .* reached\.\nThe account has as many/),
      standing: [
        'CloudFormation has removed again what it had made of "hello-production-edge".',
        "Done: hello-shared, hello-production-network, hello-production-alarms.",
        "Not finished: hello-production-edge, hello-production-service-web, hello-production-routes.",
      ].join("\n"),
    });
    world.emulator.setRules([]);
    expect((await world.stage.commission(SMALL)).changed).toBe(true);
    expect(await inventory()).toMatchObject({ stacks: 6, balancers: 1, pendingChangeSets: 0 });
  });

  it("says what CloudFormation found wrong with a change that it does not accept, and executes nothing of it", async () => {
    world.emulator.setRules([
      { when: "validate", logicalId: "Topic", property: "KmsMasterKeyId", fail: "#/KmsMasterKeyId: expected type: String, found: JSONArray" },
      { when: "validate", logicalId: "Topic", fail: "Resource of type 'AWS::SNS::Topic' with identifier 'alarms' already exists." },
      { when: "validate", logicalId: "Topic", warn: true, fail: "The account has 3 of 3 topics." },
    ]);
    const error = await failure(world.stage.commission(SMALL));
    expect(error.parts).toMatchObject({
      code: "STACK_FAILED",
      what: 'CloudFormation does not accept resource "Topic" (AWS::SNS::Topic)',
      where: "stack hello-production-alarms",
      why: [
        'property "KmsMasterKeyId" of "Topic": #/KmsMasterKeyId: expected type: String, found: JSONArray',
        "\"Topic\": Resource of type 'AWS::SNS::Topic' with identifier 'alarms' already exists.",
      ].join("\n"),
      standing: expect.stringMatching(/^The stack stands as it was\.\n/),
    });
    expect(await inventory()).toMatchObject({ pendingChangeSets: 0 });

    // Who may not ask is told that, and what CloudFormation says without being asked.
    world.proxy.rule = ({ action }) => (action === "DescribeEvents" ? { answer: "denied" } : undefined);
    expect((await failure(world.stage.commission(SMALL))).parts.why).toMatch(
      /^The following hook\(s\)\/validation failed: .*\nAWS does not allow "cloudformation:DescribeEvents"/,
    );
    world.proxy.clear();
    world.emulator.setRules([{ when: "validate", logicalId: "Topic", warn: true, fail: "The account has 3 of 3 topics." }]);
    expect((await world.stage.commission(SMALL)).changed).toBe(true);
  });

  it("takes a failed update back, and what fails to go back is left out", async () => {
    await world.stage.commission(SMALL);
    const standing = await inventory();
    world.emulator.setRules([{ when: "update", logicalId: "FromBalancer8080", fail: "No." }]);
    expect((await failure(world.stage.commission(CHANGED))).parts.standing).toContain("has taken the change back");
    expect(await inventory()).toEqual(standing);
    expect((await statuses(SMALL))["hello-production-service-web"]).toBe("UPDATE_ROLLBACK_COMPLETE");

    // Its way back fails as well, each time.
    world.emulator.setRules([
      { when: "update", type: "AWS::ElasticLoadBalancingV2::TargetGroup", skip: 1, fail: "Not back either." },
      { when: "update", logicalId: "FromBalancer8080", fail: "No again." },
    ]);
    await failure(world.stage.commission(CHANGED));
    expect((await statuses(SMALL))["hello-production-service-web"]).toBe("UPDATE_ROLLBACK_COMPLETE");
    world.emulator.setRules([]);
    expect((await world.stage.commission(CHANGED)).changed).toBe(true);
  });

  it("joins what is under way, and abort takes it back", async () => {
    world.emulator.setRules([{ when: "create", type: "AWS::EC2::VPC", delayMs: 1500 }]);
    const interrupted = new AbortController();
    const context = world.stage.context(SMALL, { signal: interrupted.signal });
    world.proxy.rule = ({ action }) => (action === "DescribeStackEvents" ? { before: () => interrupted.abort() } : undefined);
    expect((await failure(applyStacks(context, makeStacks(context.deployment)))).code).toBe("INTERRUPTED");
    expect((await statuses(SMALL))["hello-production-network"]).toBe("CREATE_IN_PROGRESS");
    world.proxy.clear();
    const recovered = await resume(world.stage.context(SMALL), {
      commission: () => world.stage.commission(SMALL),
      decommission: async () => {},
      deploy: async () => {},
    });
    expect(recovered.did).toBe("finished");
    // Joined: no second change was made to it.
    expect(changes().filter((action) => action === "ExecuteChangeSet")).toHaveLength(3);
    expect(await abort(world.stage.context(SMALL))).toEqual({ did: "nothing" });
  });

  it("that never came up is removed by abort", async () => {
    world.emulator.setRules([{ when: "create", logicalId: "Balancer", fail: "No." }]);
    await failure(world.stage.commission(SMALL));
    expect(await abort(world.stage.context(SMALL))).toEqual({ did: "undone", operation: "commission" });
    expect(Object.keys(await statuses(SMALL))).not.toContain("hello-production-edge");
    expect((await failure(abort(makeStage(world.proxy.port).context(SMALL)))).code).toBe("ENVIRONMENT_NOT_COMMISSIONED");
  });

  it("is not touched where a stack of its name is somebody else's, or the account is another", async () => {
    const context = world.stage.context(SMALL);
    const template = { Resources: { Topic: { Type: "AWS::SNS::Topic" } } };
    await (await context.clients.cloudFormation()).createStack({ StackName: "hello-production-network", TemplateBody: JSON.stringify(template) });
    world.proxy.clear();
    expect((await failure(world.stage.commission(SMALL))).code).toBe("STACK_FOREIGN");
    const elsewhere: AppInput = { ...SMALL, environments: { production: { target: "aws", account: "999999999999" } } };
    expect((await failure(world.stage.commission(elsewhere))).parts).toMatchObject({
      code: "AWS_ACCOUNT_DIFFERS",
      what: `environment "production" belongs to account "999999999999", and these credentials are of "${world.stage.account}"`,
    });
    expect(changes()).toEqual([]);
  });

  it("that cannot be removed says what blocks it", async () => {
    const protectedDatabase: AppInput = { ...SMALL, resources: { database: { type: "postgres" } } };
    await world.stage.commission(protectedDatabase);
    const error = await failure(world.stage.remove(protectedDatabase));
    expect(error.parts).toMatchObject({
      code: "STACK_STUCK",
      what: 'stack "hello-production-data" stays in the state DELETE_FAILED for resource "DatabaseDatabase" (AWS::RDS::DBInstance)',
      why: expect.stringContaining("set deletionProtection to false"),
    });
  });

  it("refuses a disk of a database that RDS would not change to, before anything is changed, and takes the next size", async () => {
    const withDisk = (disk: Size): AppInput => ({ ...SMALL, resources: { database: { type: "postgres", disk, deletionProtection: false } } });
    await world.stage.commission(withDisk("40GB"));
    world.proxy.clear();
    for (const [disk, why] of [
      ["43GB", "RDS enlarges a disk by a tenth at least; it has 40 GiB, and would get 43"],
      ["30GB", "a disk of RDS never gets smaller; it has 40 GiB, and would get 30"],
    ] as const) {
      const error = await failure(world.stage.commission(withDisk(disk)));
      expect(error.parts).toMatchObject({
        code: "CHANGE_IMPOSSIBLE",
        what: 'AWS cannot change database "DatabaseDatabase" so',
        where: "stack hello-production-data",
        why,
        standing: "Nothing was changed.",
        next: disk === "43GB" ? 'set "disk" to "44GB" or more, or leave it at "40GB"' : 'leave "disk" at "40GB"',
      });
      expect((await failure(world.stage.open(withDisk(disk)).plan())).parts).toEqual(error.parts);
    }
    // The lease is all that was written.
    expect([...new Set(changes())]).toEqual(["PutObject"]);
    expect((await world.stage.commission(withDisk("44GB"))).changed).toBe(true);
  });

  it("with a protected database that never came up is made anew", async () => {
    const withDatabase: AppInput = { ...SMALL, resources: { database: { type: "postgres" } } };
    world.emulator.setRules([{ when: "create", logicalId: "DatabaseCpuAlarm", fail: "No." }]);
    await failure(world.stage.commission(withDatabase));
    expect((await statuses(withDatabase))["hello-production-data"]).toBe("ROLLBACK_FAILED");
    world.emulator.setRules([]);
    expect((await world.stage.commission(withDatabase)).changed).toBe(true);
    expect(await inventory()).toMatchObject({ databases: 1, pendingChangeSets: 0 });
  });

  it("takes a template that is too large to be sent through the artifact bucket", async () => {
    const context = world.stage.context(SMALL);
    const large = JSON.stringify({ Metadata: { padding: "x".repeat(60_000) }, Resources: { Topic: { Type: "AWS::SNS::Topic" } } });
    const tags = { "landfall:app": "hello", "landfall:environment": "production" };
    const name = "hello-production-service-large";
    const templates = [
      ...makeStacks(context.deployment),
      { name, role: "service" as const, body: large, parameters: [], dependsOn: ["hello-shared"], tags },
    ];
    expect((await applyStacks(context, templates)).stacks.get(name)).toBe("created");
    expect((await applyStacks(world.stage.context(SMALL), templates)).changed).toBe(false);
    // A stack that no template is for any more is removed.
    expect((await applyStacks(world.stage.context(SMALL), makeStacks(context.deployment))).stacks.get(name)).toBe("removed");
  });

  it("is held by one operation at a time", async () => {
    await world.stage.commission(SMALL);
    const context = world.stage.context(SMALL);
    const held = await leased(context, "commission", () => failure(leased(context, "decommission", async () => {})));
    expect(held.parts).toMatchObject({ code: "LEASE_HELD", what: '"decommission" has to wait: another operation holds this environment' });
    // A holder that is gone from this machine, and one elsewhere that has not written for long, hold it no more.
    const s3 = await context.clients.s3();
    const Bucket = (await world.stage.stacks(SMALL)).get("hello-shared")?.outputs.ArtifactsBucket;
    const note = { id: "x", operation: "commission", user: "u", host: "elsewhere", pid: 1, startedAt: "1", since: Date.now(), beatAt: Date.now() };
    const put = (beatAt: number) => s3.putObject({ Bucket, Key: "leases/production.json", Body: JSON.stringify({ ...note, beatAt }) });
    await put(Date.now());
    expect((await failure(leased(context, "commission", async () => {}))).code).toBe("LEASE_HELD");
    await put(Date.now() - 91_000);
    expect(await leased(context, "commission", async () => "mine")).toBe("mine");
    // One of this process's own whose end could not be written.
    let puts = 0;
    world.proxy.rule = ({ action }) => (action === "PutObject" && ++puts > 1 ? { answer: "failed" } : undefined);
    expect(await leased(world.stage.context(SMALL), "commission", async () => "unwritten")).toBe("unwritten");
    world.proxy.clear();
    expect(await findOpen(context)).toMatchObject({ operation: "commission", running: false });
    expect(await leased(context, "decommission", async () => "mine again")).toBe("mine again");
  });

  /** A domain in a zone of the account: its id is not ours to choose. */
  async function makeDomain() {
    const cloudFormation = await world.stage.context(SMALL).clients.cloudFormation();
    const TemplateBody = JSON.stringify({
      Resources: { Zone: { Type: "AWS::Route53::HostedZone", Properties: { Name: "example.com" } } },
      Outputs: { Zone: { Value: { Ref: "Zone" } } },
    });
    await cloudFormation.createStack({ StackName: "zone", TemplateBody });
    const { Stacks } = await cloudFormation.describeStacks({ StackName: "zone" });
    return { name: "www.example.com", aliases: ["api.example.com"], zone: Stacks?.[0]?.Outputs?.[0]?.OutputValue };
  }
});

async function failure(promise: Promise<unknown>): Promise<LandfallError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LandfallError) return error;
    throw error;
  }
  throw new Error("nothing failed");
}
