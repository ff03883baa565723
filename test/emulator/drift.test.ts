// What was changed by hand, put back by CloudFormation's drift-aware change sets.
import type { CloudFormation } from "@aws-sdk/client-cloudformation";
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import type { LandfallError } from "../../src/error.ts";
import { planAws } from "../../src/targets/aws/queries/plan.ts";
import { FULL, SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const WITH_QUEUE: AppInput = { ...SMALL, resources: { jobs: { type: "queue" } } };
const STACK = "hello-production-data";

onEmulator("what was changed by hand", (world) => {
  const cloudFormation = (): Promise<CloudFormation> => world.stage.context(WITH_QUEUE).clients.cloudFormation();

  async function queue() {
    const url = (await world.stage.stacks(WITH_QUEUE)).get(STACK)?.outputs.JobsQueueUrl;
    const sqs = await world.stage.context(WITH_QUEUE).clients.sqs();
    return {
      hide: async (seconds: number) => void (await sqs.setQueueAttributes({ QueueUrl: url, Attributes: { VisibilityTimeout: String(seconds) } })),
      hidden: async () => (await sqs.getQueueAttributes({ QueueUrl: url, AttributeNames: ["VisibilityTimeout"] })).Attributes?.VisibilityTimeout,
      remove: async () => void (await sqs.deleteQueue({ QueueUrl: url })),
    };
  }

  /** As CloudFormation itself is asked, without any of ours. */
  async function changeSet(ChangeSetName: string, edit: (template: Template) => void, more: { DeploymentMode?: "REVERT_DRIFT" } = {}) {
    const api = await cloudFormation();
    const { TemplateBody = "" } = await api.getTemplate({ StackName: STACK });
    const { Stacks } = await api.describeStacks({ StackName: STACK });
    const template = JSON.parse(TemplateBody) as Template;
    edit(template);
    const { Parameters, Tags } = Stacks?.[0] ?? {};
    await api.createChangeSet({ StackName: STACK, ChangeSetName, TemplateBody: JSON.stringify(template), Parameters, Tags, ...more });
    return api.describeChangeSet({ StackName: STACK, ChangeSetName, IncludePropertyValues: true });
  }

  async function execute(ChangeSetName: string): Promise<void> {
    const api = await cloudFormation();
    await api.executeChangeSet({ StackName: STACK, ChangeSetName });
    await expect.poll(async () => (await api.describeStacks({ StackName: STACK })).Stacks?.[0]?.StackStatus).toMatch(/^UPDATE_COMPLETE$/);
  }

  it("stays so by a change set without the mode, and is put back by one with it", async () => {
    await world.stage.commission(WITH_QUEUE);
    const { hide, hidden } = await queue();
    await hide(77);
    expect(await changeSet("same", () => {})).toMatchObject({ Status: "FAILED", StatusReason: expect.stringContaining("didn't contain changes") });
    const other = await changeSet("other", ({ Resources }) => {
      Object.assign(Resources.JobsDeadLettersAlarm?.Properties ?? {}, { Threshold: 7 });
    });
    expect(other.Changes?.map(({ ResourceChange }) => ResourceChange?.LogicalResourceId)).toEqual(["JobsDeadLettersAlarm"]);
    await execute("other");
    expect(await hidden()).toBe("77");

    const back = await changeSet("back", () => {}, { DeploymentMode: "REVERT_DRIFT" });
    expect(back).toMatchObject({ Status: "CREATE_COMPLETE", DeploymentMode: "REVERT_DRIFT", StackDriftStatus: "DRIFTED" });
    expect(back.Changes?.map(({ ResourceChange }) => ResourceChange)).toMatchObject([
      {
        Action: "Modify",
        LogicalResourceId: "JobsQueue",
        ResourceDriftStatus: "MODIFIED",
        Details: [
          {
            Target: {
              Name: "VisibilityTimeout",
              BeforeValue: "77",
              BeforeValueFrom: "ACTUAL_STATE",
              AfterValue: "30",
              Drift: { PreviousValue: "30", ActualValue: "77" },
            },
          },
        ],
      },
    ]);
    await execute("back");
    expect(await hidden()).toBe("30");
    expect(await changeSet("again", () => {}, { DeploymentMode: "REVERT_DRIFT" })).toMatchObject({ Status: "FAILED", StackDriftStatus: "IN_SYNC" });
  });

  it("is only noted where the template says the same by now, and refused where it would be replaced", async () => {
    await world.stage.commission(WITH_QUEUE);
    const { hide, hidden } = await queue();
    await hide(77);
    const same = await changeSet(
      "same",
      ({ Resources }) => {
        Object.assign(Resources.JobsQueue?.Properties ?? {}, { VisibilityTimeout: 77 });
      },
      { DeploymentMode: "REVERT_DRIFT" },
    );
    const ofQueue = same.Changes?.filter(({ ResourceChange }) => ResourceChange?.LogicalResourceId === "JobsQueue");
    expect(ofQueue?.map(({ ResourceChange }) => ResourceChange?.Action)).toEqual(["SyncWithActual"]);
    const replaced = await changeSet(
      "replaced",
      ({ Resources }) => {
        Object.assign(Resources.JobsQueue?.Properties ?? {}, { QueueName: "another" });
      },
      { DeploymentMode: "REVERT_DRIFT" },
    );
    expect(replaced).toMatchObject({ Status: "FAILED", StatusReason: expect.stringContaining("replacement of drifted resources") });
    expect(await hidden()).toBe("77");
  });

  it("is put back by a commission that is told so, which shows it first, and by none that is not", async () => {
    await world.stage.commission(WITH_QUEUE);
    const { hide, hidden } = await queue();
    await hide(77);
    expect((await world.stage.commission(WITH_QUEUE)).changed).toBe(false);
    expect(await hidden()).toBe("77");

    world.emulator.setRules([{ when: "detect", type: "AWS::SNS::Topic" }]);
    const context = world.stage.context(WITH_QUEUE);
    const { changed, drift } = await world.stage.open(WITH_QUEUE).commission({ revertDrift: true });
    expect(await hidden()).toBe("30");
    expect(changed).toBe(true);
    expect(drift).toMatchObject({
      reverted: [
        { of: "resource jobs", kind: "queue", name: "JobsQueue", differences: [{ property: "VisibilityTimeout", before: "30", after: "77" }] },
      ],
      left: [],
    });
    expect(drift?.unchecked).toContainEqual({ of: "alerts", kind: "topic", name: "Topic" });
    const shown = world.stage.progress.findIndex(
      (one) => one.type === "note" && one.text.includes('"JobsQueue" goes back: VisibilityTimeout from 77 to 30'),
    );
    expect(shown).toBeGreaterThan(0);
    // The next look finds nothing, and the status does not say any more what was.
    expect((await world.stage.open(WITH_QUEUE).status()).drift).toEqual([]);
    const again = await world.stage.open(WITH_QUEUE).commission({ revertDrift: true });
    expect(again).toMatchObject({ changed: false, drift: { reverted: [], left: [] } });
    expect((await (await context.clients.cloudFormation()).listChangeSets({ StackName: STACK })).Summaries).toHaveLength(1);
  });

  it("is put back together with what is configured anew", async () => {
    await world.stage.commission(WITH_QUEUE);
    const { hide, hidden } = await queue();
    await hide(77);
    const changed: AppInput = { ...SMALL, resources: { jobs: { type: "queue", maxReceiveCount: 9 } } };
    expect((await world.stage.open(changed).commission({ revertDrift: true })).drift).toMatchObject({ reverted: [{ name: "JobsQueue" }], left: [] });
    expect(await hidden()).toBe("30");
    expect((await world.stage.commission(changed)).changed).toBe(false);
  });

  it("is refused where what held data is gone, until it is named", async () => {
    await world.stage.commission(WITH_QUEUE);
    await (await queue()).remove();
    const refused = await world.stage
      .open(WITH_QUEUE)
      .commission({ revertDrift: true })
      .catch((error: LandfallError) => error);
    expect(refused).toMatchObject({
      parts: {
        code: "STACK_REPLACEMENT_REFUSED",
        what: 'the change would lose data: queue "JobsQueue" would be made anew',
        why: "Somebody has deleted it by hand. A new one would be empty.",
        standing: "Nothing of the stack was changed.",
        next: "look for a backup or a snapshot of it, then  landfall commission production --revert-drift --confirm-replace JobsQueue",
      },
    });
    const done = await world.stage.open(WITH_QUEUE).commission({ revertDrift: true, confirmReplace: ["JobsQueue"] });
    expect(done.drift).toMatchObject({ reverted: [{ name: "JobsQueue", differences: [] }], left: [] });
    expect(await (await queue()).hidden()).toBe("30");
  });

  it("is not what stacks of ours add to each other", async () => {
    const whole: AppInput = {
      ...FULL,
      environments: { production: { ...FULL.environments?.production, target: "aws", account: undefined, budget: undefined, domain: undefined } },
    };
    await world.stage.commission(whole);
    expect((await planAws(world.stage.context(whole), { drift: true })).drift).toEqual([]);
  });
});

interface Template {
  Resources: Record<string, { Properties?: object }>;
}
