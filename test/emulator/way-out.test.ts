// The machine that private subnets reach the internet through: another one takes its place, and its address.
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { applyStacks } from "../../src/targets/aws/cloudformation/apply.ts";
import { makeStacks } from "../../src/targets/aws/templates/index.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const APP: AppInput = { ...SMALL, environments: { production: { target: "aws", network: { nat: "instance" } } } };

onEmulator("the machine that is the way out", (world) => {
  const observe = async () => {
    const ec2 = await world.stage.context(APP).clients.ec2();
    const { Reservations = [] } = await ec2.describeInstances({ Filters: [{ Name: "instance-state-name", Values: ["pending", "running"] }] });
    const { RouteTables = [] } = await ec2.describeRouteTables({ Filters: [{ Name: "tag:landfall:app", Values: ["hello"] }] });
    const { Addresses = [] } = await ec2.describeAddresses({});
    return {
      machines: Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId)),
      routes: [...new Set(RouteTables.flatMap(({ Routes = [] }) => Routes.flatMap(({ InstanceId }) => InstanceId ?? [])))],
      addresses: Addresses.map(({ PublicIp, InstanceId }) => [PublicIp, InstanceId]),
    };
  };

  it("is replaced when anything of it changes, keeps its address, and all routes lead to the new one", async () => {
    await world.stage.commission(APP);
    const before = await observe();
    const [machine] = before.machines;
    const [[address] = []] = before.addresses;
    expect(before).toEqual({ machines: [machine], routes: [machine], addresses: [[address, machine]] });

    // As another version of Landfall draws it.
    const context = world.stage.context(APP);
    const stacks = makeStacks(context.deployment).map((stack) => ({ ...stack, body: stack.body.replace("table ip nat", "table ip out") }));
    expect((await applyStacks(context, stacks)).changed).toBe(true);
    const after = await observe();
    const [next] = after.machines;
    expect(next).not.toBe(machine);
    expect(after).toEqual({ machines: [next], routes: [next], addresses: [[address, next]] });
  });
});
