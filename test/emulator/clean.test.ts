// What an interrupted past left of an environment that goes on: found and removed, and nothing that anybody uses.
import { expect, it } from "vitest";
import { prepareChange } from "../../src/targets/aws/cloudformation/change-set.ts";
import { observeStack } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import type { Context } from "../../src/targets/aws/context.ts";
import { clean } from "../../src/targets/aws/operations/clean.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";
import { LEFTOVERS, makeImage, type Owner } from "./leftovers.ts";
import type { Stage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

const CHANGED = { ...SMALL, services: { web: { command: "node server.js", port: 3000, health: { path: "/ready" } } } };
const HOUR_MS = 3_600_000;
const OLD = ["a machine of a one-off task", "a machine without a group", "a volume", "a snapshot without an image"];

onEmulator("a clean", (world) => {
  /** The clock is put forward, because what is young may be somebody's who works now. */
  const later = (stage: Stage): Context => {
    const context = stage.context(SMALL);
    return { ...context, clock: { ...context.clock, now: () => Date.now() + 3 * HOUR_MS } };
  };
  const ownerOf = (who: Pick<Owner, "slug" | "app" | "environment">): Owner => ({
    ...who,
    database: "",
    group: "",
    host: "",
    zone: "",
    port: world.emulator.port,
    account: world.stage.account,
  });

  it("finds what is left, and nothing that is in use, young, or somebody else's", async () => {
    const { stage } = world;
    await stage.commission(SMALL);
    const { clients } = stage.context(SMALL);
    const owners = [
      ownerOf({ slug: "own", app: "hello", environment: "production" }),
      ownerOf({ slug: "app", app: "hello" }),
      ownerOf({ slug: "staging", app: "hello", environment: "staging" }),
      ownerOf({ slug: "other", app: "other", environment: "production" }),
      ownerOf({ slug: "nobody" }),
    ];
    const seeded = await Promise.all(
      LEFTOVERS.filter(({ name }) => OLD.includes(name)).flatMap((leftover) =>
        owners.map(async (owner) => ({ leftover, owner, id: await leftover.seed(clients, owner) })),
      ),
    );
    const standing = async () => {
      const found: string[] = [];
      for (const { leftover, owner, id } of seeded) if (await leftover.stands(clients, id, owner)) found.push(`${owner.slug}: ${leftover.name}`);
      return found.sort();
    };
    const all = await standing();
    expect(all).toHaveLength(OLD.length * owners.length);

    // Of the environment itself there is nothing young: the lease is ours.
    await stage.open(SMALL).clean();
    const young = all.filter((one) => !one.startsWith("own: ") || one.endsWith("a snapshot without an image"));
    expect(await standing()).toEqual(young);
    await clean(later(stage));
    expect(await standing()).toEqual(all.filter((one) => !/^(own|app): /.test(one)));
    expect(await clean(later(stage))).toEqual({ removed: [] });
  });

  it("keeps three images and those that something names", async () => {
    const { stage } = world;
    await stage.commission(SMALL);
    const { clients } = stage.context(SMALL);
    const ec2 = await clients.ec2();
    const images: { image: string; snapshot: string }[] = [];
    for (const number of [1, 2, 3, 4, 5, 6]) images.push(await makeImage(clients, ownerOf({ slug: "hello", app: "hello" }), `image-${number}`));
    const others = await makeImage(clients, ownerOf({ slug: "other", app: "other" }));
    const used = images[0]?.image;
    const TagSpecifications = [{ ResourceType: "launch-template" as const, Tags: [{ Key: "landfall:app", Value: "hello" }] }];
    await ec2.createLaunchTemplate({ LaunchTemplateName: "fleet", LaunchTemplateData: { ImageId: used }, TagSpecifications });

    const { removed } = await clean(later(stage));
    const { Images = [] } = await ec2.describeImages({ Owners: ["self"] });
    const left = Images.map(({ ImageId }) => ImageId ?? "").filter((id) => [...images, others].some(({ image }) => image === id));
    // Three, and the one that is named unless it is among those: all are of one second. Which are the newest is tested without an emulator.
    expect([4, 5]).toContain(left.length);
    expect(left).toEqual(expect.arrayContaining([used, others.image]));
    const gone = images.filter(({ image }) => !left.includes(image));
    expect(
      removed
        .filter((one) => one.startsWith("AMI "))
        .map((one) => one.split(" ")[1])
        .sort(),
    ).toEqual(gone.map(({ image }) => image).sort());
    const { Snapshots = [] } = await ec2.describeSnapshots({ OwnerIds: ["self"] });
    const disks = Snapshots.map(({ SnapshotId }) => SnapshotId);
    expect(disks).not.toEqual(expect.arrayContaining(gone.map(({ snapshot }) => snapshot)));
    expect(disks).toEqual(expect.arrayContaining([others.snapshot, ...images.filter((one) => !gone.includes(one)).map(({ snapshot }) => snapshot)]));
  });

  it("discards change sets that were never executed, and stacks that have nothing else", async () => {
    const { stage } = world;
    await stage.commission(SMALL);
    const context = stage.context(CHANGED);
    const template = makeStacks(production(CHANGED)).find(({ service }) => service === "web");
    if (!template) throw new Error("there is no service");
    const before = await observeStack(context.clients, template.name);
    const prepared = await prepareChange(context, before, { template, parameters: before.parameters });
    const cloudFormation = await context.clients.cloudFormation();
    await cloudFormation.createChangeSet({
      StackName: "hello-production-service-new",
      ChangeSetName: "landfall-new",
      ChangeSetType: "CREATE",
      TemplateBody: JSON.stringify({ Resources: { Queue: { Type: "AWS::SQS::Queue" } } }),
    });
    await cloudFormation.createChangeSet({
      StackName: template.name,
      ChangeSetName: "by-hand",
      ChangeSetType: "UPDATE",
      TemplateBody: template.body,
      Parameters: Object.entries(before.parameters).map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
      Capabilities: ["CAPABILITY_IAM"],
    });
    const { removed } = await stage.open(SMALL).clean();
    expect(removed.sort()).toEqual([
      `change set ${prepared?.name} of stack hello-production-service-web`,
      "stack hello-production-service-new, which had nothing in it",
    ]);
    const { Summaries = [] } = await cloudFormation.listChangeSets({ StackName: template.name });
    expect(Summaries.filter(({ ExecutionStatus }) => ExecutionStatus === "AVAILABLE").map(({ ChangeSetName }) => ChangeSetName)).toEqual(["by-hand"]);
  });

  it("removes objects that no environment uses", async () => {
    const { stage } = world;
    await stage.commission(SMALL);
    const { clients } = stage.context(SMALL);
    const s3 = await clients.s3();
    const { outputs } = await observeStack(clients, "hello-shared");
    const Bucket = outputs.ArtifactsBucket;
    const record = { rolledOut: ["r1r1r1", "r2r2r2", "r3r3r3", "r4r4r4"], expanded: [] };
    const objects: Record<string, string> = {
      "environments/production.json": JSON.stringify(record),
      "environments/gone.json": JSON.stringify({ rolledOut: ["r5r5r5"], expanded: [] }),
      "leases/gone.json": JSON.stringify({ id: "x", operation: "deploy", beatAt: 0, endedAt: 1 }),
      "releases/r1r1r1.tar.zst": "",
      "releases/r2r2r2.tar.zst": "",
      "releases/r4r4r4/files": "",
      "reports/bake-1/output.txt": "",
      "recipes/abc": "",
      "templates/abc.json": "",
      "kept/by-hand": "",
    };
    for (const [Key, Body] of Object.entries(objects)) await s3.putObject({ Bucket, Key, Body });
    expect((await stage.open(SMALL).clean()).removed).toEqual([]);
    const { removed } = await clean(later(stage));
    expect(removed.sort()).toEqual(
      ["environments/gone.json", "leases/gone.json", "recipes/abc", "releases/r1r1r1.tar.zst", "reports/bake-1/output.txt", "templates/abc.json"].map(
        (key) => `object ${key}`,
      ),
    );
    const { Contents = [] } = await s3.listObjectsV2({ Bucket });
    expect(Contents.map(({ Key }) => Key).sort()).toEqual(
      ["environments/production.json", "kept/by-hand", "leases/production.json", "releases/r2r2r2.tar.zst", "releases/r4r4r4/files"].sort(),
    );
  });
});
