// What the emulator cannot be brought into: a state that CloudFormation did not have when this was written.
import { expect, it } from "vitest";
import { systemClock } from "../../../../src/system/clock.ts";
import { reconcileStack } from "../../../../src/targets/aws/cloudformation/reconcile-stack.ts";
import type { Context } from "../../../../src/targets/aws/context.ts";
import { production, SMALL } from "../templates/apps.ts";

it("changes nothing in a stack whose state AWS has added since, and names the state", async () => {
  // Any other call would find no method.
  const cloudFormation = { async *paginateDescribeStackEvents() {} };
  const clients = { cloudFormation: () => cloudFormation };
  const context = { deployment: production(SMALL), clients, clock: systemClock, emit: () => {} } as unknown as Context;
  const standing = {
    name: "hello-production-edge",
    id: "arn",
    status: "REFRESH_FAILED",
    reason: "It could not be refreshed.",
    outputs: {},
    parameters: {},
    tags: {},
  };
  await expect(reconcileStack({ context, standing, goal: "applied" })).rejects.toMatchObject({
    parts: {
      code: "STACK_STUCK",
      what: 'stack "hello-production-edge" stays in the state REFRESH_FAILED',
      why: "CloudFormation says: It could not be refreshed.\nAWS has added this state; from it, this version of Landfall only removes a stack.",
      standing: "What is in it goes on as it is.",
    },
  });
});
