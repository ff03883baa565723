// The zones of an environment's subnets: chosen when it is made, whatever AWS says of its zones later.
import { afterEach, expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { SMALL } from "../targets/aws/templates/apps.ts";
import { onEmulator } from "./suite.ts";

const withNetwork = (network: object): AppInput => ({
  ...SMALL,
  environments: { production: { target: "aws", network: { nat: "none", ...network } } },
});
const OTHER: AppInput = withNetwork({ nat: "gateway" });

onEmulator("the zones of an environment", (world) => {
  afterEach(() => world.emulator.setZones());
  const subnets = async () => {
    const ec2 = await world.stage.context(SMALL).clients.ec2();
    const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: "tag:landfall:app", Values: ["hello"] }] });
    return Object.fromEntries(Subnets.map(({ SubnetId = "", AvailabilityZone = "" }) => [SubnetId, AvailabilityZone.at(-1)]));
  };

  it.each(["dabc", "cba", "bc"])("stay where they are once AWS says %s, and so do its subnets", async (letters) => {
    await world.stage.commission(SMALL);
    const before = await subnets();
    expect(Object.values(before).sort()).toEqual(["a", "a", "b", "b"]);
    world.emulator.setZones(letters);
    expect((await world.stage.commission(SMALL)).changed).toBe(false);
    expect((await world.stage.open(OTHER).plan()).changes.filter(({ action }) => action !== "add" && action !== "change")).toEqual([]);
    await world.stage.commission(OTHER);
    expect(await subnets()).toMatchObject(before);
    await world.stage.commission(SMALL);
    expect(await subnets()).toEqual(before);
  });

  it("are joined by a third where it is asked for, and by none of those that it has", async () => {
    world.emulator.setZones("ab");
    await world.stage.commission(SMALL);
    const before = await subnets();
    world.emulator.setZones("cba");
    await world.stage.commission(withNetwork({ zones: 3 }));
    expect(await subnets()).toMatchObject(before);
    expect(Object.values(await subnets()).sort()).toEqual(["a", "a", "b", "b", "c", "c"]);
  });
});
