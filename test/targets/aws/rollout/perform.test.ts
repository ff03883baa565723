import { expect, it } from "vitest";
import { LandfallError } from "../../../../src/error.ts";
import { systemClock } from "../../../../src/system/clock.ts";
import type { PerformContext } from "../../../../src/targets/aws/releases/driver.ts";
import { performStages } from "../../../../src/targets/aws/rollout/perform.ts";
import type { Stage } from "../../../../src/targets/aws/rollout/stages.ts";
import type { Standing } from "../../../../src/targets/aws/templates/shared/running.ts";
import { production, SMALL } from "../templates/apps.ts";

it("tells the driver of the way back, which is not to be ended early", async () => {
  const deployment = production(SMALL);
  const fleet = (release: string) => ({ web: { blue: { release, image: "ami-1", sha256: release, settings: deployment.services.web } } });
  const changes: [string | undefined, boolean][] = [];
  const change = async (running: ReturnType<typeof fleet>, _: unknown, { isBack = false } = {}) => {
    changes.push([running.web.blue.release, isBack]);
    if (changes.length === 1) throw new LandfallError({ code: "INSTANCE_CRASHED", what: "it crashed", standing: "" });
  };
  const context = { deployment, clock: systemClock, emit: () => {}, driver: { fleets: { change } } } as unknown as PerformContext;
  const before = { running: fleet("a") } as unknown as Standing;
  const stage = { kind: "fleets", text: "services web", running: fleet("b") } as unknown as Stage;
  await expect(performStages(context, [stage], { before })).rejects.toMatchObject({ code: "INSTANCE_CRASHED" });
  expect(changes).toEqual([
    ["b", false],
    ["a", true],
  ]);
});
