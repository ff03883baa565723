// Every key of an environment that reaches a template, changed one after the other in an environment that stands and runs.
import { beforeAll, expect, it } from "vitest";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { runningIn } from "../targets/aws/templates/apps.ts";
import { CHANGES, merge, START } from "./changes.ts";
import { observeInventory } from "./inventory.ts";
import { makeStage, type Stage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

onEmulator("an environment that stands takes a change of", (world) => {
  // One account for all of them: each change comes on top of those before it.
  let stage: Stage;
  let input = START;
  const apply = async (confirmReplace?: string[]) => {
    const context = stage.context(input);
    return applyStacks(context, makeStacks(context.deployment, runningIn(context.deployment)), { confirmReplace });
  };

  beforeAll(async () => {
    stage = makeStage(world.proxy.port);
    await apply();
  });

  it.each(CHANGES)("%s", async (_, change, confirm) => {
    input = merge(input, change);
    expect((await apply(confirm)).changed).toBe(true);
    expect((await apply()).changed).toBe(false);
    const { pendingChangeSets } = await observeInventory(stage.context(input));
    expect(pendingChangeSets).toBe(0);
  });

  it("everything back to the least, confirmed by name", async () => {
    input = merge({ ...input, services: { web: { command: "exec node web.js", port: 8080 } }, resources: {}, routes: [] }, {});
    await expect(apply()).rejects.toMatchObject({ code: "STACK_REPLACEMENT_REFUSED" });
  });
});
