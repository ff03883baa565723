// What reads an account: plan, status, hosts and events, before and after a commission.
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { loadStacks } from "../../src/targets/aws/export/standing.ts";
import { planAws } from "../../src/targets/aws/queries/plan.ts";
import { observeHistory, observeHosts, observeStatus } from "../../src/targets/aws/queries/status.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const WITH_QUEUE: AppInput = {
  ...SMALL,
  resources: { jobs: { type: "queue" } },
  environments: { production: { target: "aws", network: { nat: "none" }, budget: 500 } },
};

onEmulator("an environment that is read", (world) => {
  const isReading = (action: string) => /^(Describe|Get|List|Head)/.test(action);

  it("is all new, then as configured, then different by what was changed, and reading changes nothing", async () => {
    const before = await planAws(world.stage.context(SMALL));
    expect(before).toMatchObject({ exists: false, unchanged: 0 });
    expect(await observeStatus(world.stage.context(SMALL))).toMatchObject({ commissioned: false });

    await world.stage.commission(SMALL);
    world.proxy.clear();
    const after = await planAws(world.stage.context(SMALL));
    expect(after).toMatchObject({ exists: true, changes: [], drift: [] });
    expect(after.unchanged).toBeGreaterThan(40);

    const different = await planAws(world.stage.context(WITH_QUEUE));
    expect(new Set(different.changes.map(({ of, action }) => `${action} ${of}`))).toContain("add resource jobs");
    expect(different.changes.filter(({ action }) => action === "replace" || action === "remove")).toEqual([]);

    const status = await observeStatus(world.stage.context(SMALL));
    expect(status).toMatchObject({ commissioned: true, address: expect.stringMatching(/^http:/), services: [{ name: "web", wanted: 0 }] });
    expect(status.unfinished).toBeUndefined();
    // Nobody looked yet, and so nothing is known of changes by hand.
    expect(status.driftLookedAt).toBeUndefined();
    expect((await observeHosts(world.stage.context(SMALL))).all.children).toEqual([]);
    expect((await loadStacks(world.stage.context(SMALL))).map(({ name, body }) => [name, body]).sort()).toEqual(
      makeStacks(production(SMALL))
        .map(({ name, body }) => [name, body])
        .sort(),
    );
    const events = await observeHistory(world.stage.context(SMALL), {});
    expect(events.filter(({ type }) => type === "create complete")).toHaveLength(6);
    expect(world.proxy.calls.filter(({ action }) => !isReading(action))).toEqual([]);
    await world.stage.remove(SMALL);
  });

  it("shows what was changed by hand, once AWS has looked", async () => {
    await world.stage.commission(WITH_QUEUE);
    const context = world.stage.context(WITH_QUEUE);
    const outputs = (await world.stage.stacks(WITH_QUEUE)).get("hello-production-data")?.outputs;
    await (await context.clients.sqs()).setQueueAttributes({ QueueUrl: outputs?.JobsQueueUrl, Attributes: { VisibilityTimeout: "77" } });
    const { drift } = await planAws(context, { drift: true });
    expect(drift).toMatchObject([
      { of: "resource jobs", kind: "queue", name: "JobsQueue", differences: [{ property: "VisibilityTimeout", before: "30", after: "77" }] },
    ]);
    const status = await observeStatus(world.stage.context(WITH_QUEUE));
    expect(status).toMatchObject({ drift, driftLookedAt: expect.any(Number) });
    expect(Math.abs(Date.now() - (status.driftLookedAt as number))).toBeLessThan(60_000);
    await world.stage.remove(WITH_QUEUE);
  });

  it("is refused above its budget before anything is changed", async () => {
    const dear: AppInput = { ...WITH_QUEUE, environments: { production: { target: "aws", region: "eu-central-1", budget: 5 } } };
    await expect(world.stage.commission(dear)).rejects.toMatchObject({ code: "COST_ABOVE_BUDGET" });
    expect(world.proxy.calls.filter(({ action }) => !isReading(action))).toEqual([]);
  });
});
