// The first use of a service in an account: AWS makes the role that the service works with, and does not know it everywhere yet when it needs it.
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = {
  ...SMALL,
  resources: { database: { type: "postgres", readOnlyUser: false }, cache: { type: "cache" } },
  services: { web: { command: "node server.js", port: 3000, container: {} } },
};

/** In AWS's words: aws-cloudformation/cloudformation-coverage-roadmap#818, aws-samples/eks-workshop-v2#1609, aws-controllers-k8s/community#367. */
const FIRST_USES = [
  [
    "AWS::ECS::Cluster",
    'Resource handler returned message: "Invalid request provided: CreateCluster Invalid Request: Unable to assume the service linked role. Please verify that the ECS service linked role exists."',
  ],
  [
    "AWS::RDS::DBInstance",
    "Unable to create the resource. Verify that you have permission to create service linked role. Otherwise wait and try again later (Service: Rds, Status Code: 400)",
  ],
  [
    "AWS::ElastiCache::ReplicationGroup",
    "ServiceLinkedRoleNotFoundFault: This action cannot be completed due to insufficient permissions. (Recommended action) Please create new role using IAM API CreateServiceLinkedRole.",
  ],
] as const;

onEmulator("the first use of a service in an account", (world) => {
  const apply = async () => {
    const slept: number[] = [];
    const clock = {
      now: Date.now,
      sleep: async (ms: number) => void (slept.push(ms), await new Promise((done) => setTimeout(done, Math.min(ms, 50)))),
    };
    const context = world.stage.context(APP, { clock });
    return { slept, outcome: applyStacks(context, makeStacks(context.deployment)) };
  };

  it("is tried again once AWS knows the role, of every service", async () => {
    world.emulator.setRules(FIRST_USES.map(([type, fail]) => ({ when: "create", type, fail, times: 1 })));
    const { slept, outcome } = await apply();
    expect((await outcome).changed).toBe(true);
    expect(slept.filter((ms) => ms >= 10_000)).toHaveLength(FIRST_USES.length);
    expect([...(await world.stage.stacks(APP)).values()].map(({ status }) => status)).toEqual(expect.not.arrayContaining(["ROLLBACK_COMPLETE"]));
  });

  it.each(FIRST_USES)("fails in the end where the role never comes: %s", async (type, fail) => {
    world.emulator.setRules([{ when: "create", type, fail }]);
    await expect((await apply()).outcome).rejects.toMatchObject({
      code: "STACK_FAILED",
      parts: { why: expect.stringMatching(/landfall iam prints what is needed\.$/) },
    });
  });
});
