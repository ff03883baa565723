// The laws of the contract on AWS, with the emulator: one environment in one account, its machines played.

import { observeEnvironment, observeTemplate } from "../../src/targets/aws/cloudformation/describe-stacks.ts";
import { makeContext } from "../../src/targets/aws/context.ts";
import { leased } from "../../src/targets/aws/lease.ts";
import { openAws } from "../../src/targets/aws/target.ts";
import type { TargetInput } from "../../src/targets/target.ts";
import { holdToLaws } from "../targets/laws.ts";
import { answerOf } from "./balancer.ts";
import { playMachines } from "./machines.ts";
import { makeStage } from "./stage.ts";
import { onEmulator } from "./suite.ts";

onEmulator("the laws of a target, on AWS", (world) => {
  holdToLaws(async () => {
    const { account, env } = makeStage(world.proxy.port);
    Object.assign(process.env, env);
    const machines = playMachines(account, world.emulator.port);
    let failures = 0;
    return {
      environment: { target: "aws", network: { nat: "none" } },
      open: openAws,
      hold: (input, act) => leased(makeContext(input), "deploy", act),
      batchOf: async (input, service) => batchIn(await templateOf(input, service)),
      ask: (input, path) => answerOf(makeContext(input), path),
      async whileNothingStarts(act) {
        // The text makes it another rule each time, which is counted from the beginning.
        const failing = { type: "AWS::AutoScaling::AutoScalingGroup", fail: `Received FAILURE signal ${++failures}.`, times: 1 };
        world.emulator.setRules([
          { when: "create", ...failing },
          { when: "update", ...failing },
        ]);
        return act().finally(() => world.emulator.setRules([]));
      },
      playNotYet: (isOn) => world.emulator.setHealth(isOn ? "yes\n503" : undefined),
      end: () => machines.stop(),
    };
  });
});

interface Group {
  Type: string;
  UpdatePolicy?: { AutoScalingRollingUpdate?: { MaxBatchSize?: number } };
}

async function templateOf(input: TargetInput, service: string) {
  const { app, environment } = input.deployment;
  const { clients } = makeContext(input);
  const stack = (await observeEnvironment(clients, { app: app, environment: environment })).get(`${app}-${environment}-service-${service}`);
  return stack && observeTemplate(clients, stack);
}

/** What CloudFormation is told of the group of a service. */
function batchIn(template: Awaited<ReturnType<typeof templateOf>>): number {
  const groups = Object.values((template?.Resources ?? {}) as Record<string, Group>).filter(
    ({ Type }) => Type === "AWS::AutoScaling::AutoScalingGroup",
  );
  return Math.max(...groups.map(({ UpdatePolicy }) => Number(UpdatePolicy?.AutoScalingRollingUpdate?.MaxBatchSize)));
}
