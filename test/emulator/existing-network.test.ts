// An environment in a network that is there already: looked at before anything is made, used, and left as it was.
import type { EC2 } from "@aws-sdk/client-ec2";
import { expect, it } from "vitest";
import type { AppInput } from "../../src/config/schema.ts";
import { LandfallError } from "../../src/error.ts";
import { listPermissions } from "../../src/targets/aws/iam/list.ts";
import { production, SMALL } from "../targets/aws/templates/apps.ts";
import { actionsOf } from "./actions.ts";
import { observeInventory } from "./inventory.ts";
import { onEmulator } from "./suite.ts";

interface Made {
  vpc: string;
  public: string[];
  private: string[];
}

onEmulator("an environment in a network that is there already", (world) => {
  const ec2 = (): Promise<EC2> => world.stage.context(SMALL).clients.ec2();
  const inventory = () => observeInventory(world.stage.context(SMALL));
  const isReading = (action: string) => /^(Describe|Get|List|Head)/.test(action);

  const appIn = (network: object): AppInput => ({
    ...SMALL,
    resources: { database: { type: "postgres", deletionProtection: false, finalSnapshot: false } },
    environments: { production: { target: "aws", region: "eu-central-1", network } },
  });
  const inNetwork = ({ vpc, ...subnets }: Made) => appIn({ vpc, subnets });

  /** As somebody makes one: two zones, a gateway to the internet, a NAT gateway for the private subnets. */
  async function makeNetwork(): Promise<Made> {
    const api = await ec2();
    const vpc = (await api.createVpc({ CidrBlock: "10.77.0.0/16" })).Vpc?.VpcId as string;
    await api.modifyVpcAttribute({ VpcId: vpc, EnableDnsHostnames: { Value: true } });
    const gateway = (await api.createInternetGateway({})).InternetGateway?.InternetGatewayId;
    await api.attachInternetGateway({ VpcId: vpc, InternetGatewayId: gateway });
    const subnet = async (part: number, zone: string) =>
      (await api.createSubnet({ VpcId: vpc, CidrBlock: `10.77.${part}.0/24`, AvailabilityZone: `eu-central-1${zone}` })).Subnet?.SubnetId as string;
    const open = [await subnet(0, "a"), await subnet(1, "b")];
    const inner = [await subnet(2, "a"), await subnet(3, "b")];
    const address = await api.allocateAddress({ Domain: "vpc" });
    const nat = (await api.createNatGateway({ SubnetId: open[0], AllocationId: address.AllocationId })).NatGateway?.NatGatewayId;
    const lead = async (subnets: string[], target: object) => {
      const table = (await api.createRouteTable({ VpcId: vpc })).RouteTable?.RouteTableId;
      await api.createRoute({ RouteTableId: table, DestinationCidrBlock: "0.0.0.0/0", ...target });
      for (const SubnetId of subnets) await api.associateRouteTable({ RouteTableId: table, SubnetId });
    };
    await lead(open, { GatewayId: gateway });
    await lead(inner, { NatGatewayId: nat });
    return { vpc, public: open, private: inner };
  }

  /** All of it that could have been changed, tags too; of a subnet's free addresses nothing, which come and go. */
  async function stateOf({ vpc }: Made) {
    const api = await ec2();
    const Filters = [{ Name: "vpc-id", Values: [vpc] }];
    const { Subnets = [] } = await api.describeSubnets({ Filters });
    return {
      vpcs: (await api.describeVpcs({ Filters })).Vpcs,
      hostnames: (await api.describeVpcAttribute({ VpcId: vpc, Attribute: "enableDnsHostnames" })).EnableDnsHostnames,
      subnets: Subnets.map(({ AvailableIpAddressCount: _, ...rest }) => rest),
      tables: (await api.describeRouteTables({ Filters })).RouteTables,
      endpoints: (await api.describeVpcEndpoints({ Filters })).VpcEndpoints,
      gateways: (await api.describeInternetGateways({})).InternetGateways,
      flowLogs: (await api.describeFlowLogs({})).FlowLogs,
    };
  }

  it("is planned, commissioned and decommissioned there, and the network is what it was", async () => {
    const made = await makeNetwork();
    const app = inNetwork(made);
    const [before, empty] = [await stateOf(made), await inventory()];
    const plan = await world.stage.open(app).plan();
    expect(plan.changes.filter(({ kind }) => /^(VPC|subnet|NAT gateway|route|internet gateway|flow log)/.test(kind))).toEqual([]);
    expect(JSON.stringify(plan.cost)).not.toContain("NAT");

    world.proxy.clear();
    await world.stage.open(app).commission();
    const called = new Set(world.proxy.calls.flatMap(actionsOf));
    const allowed = listPermissions(production(app))
      .permissions.filter(({ commands }) => commands.includes("commission"))
      .flatMap(({ policies }) => policies.flatMap(({ Statement }) => Statement.flatMap(({ Action }) => Action)));
    expect([...called].filter((action) => !allowed.includes(action))).toEqual([]);
    expect(allowed).toEqual(expect.arrayContaining(["ec2:DescribeVpcAttribute", "ec2:CreateSecurityGroup"]));
    expect(allowed.filter((action) => /^ec2:(Create|Modify|Delete)(Vpc|Subnet|NatGateway|Route|InternetGateway|FlowLogs)/.test(action))).toEqual([]);

    expect(await stateOf(made)).toEqual(before);
    const { LoadBalancers } = await (await world.stage.context(app).clients.balancing()).describeLoadBalancers({});
    expect(LoadBalancers?.map(({ AvailabilityZones }) => AvailabilityZones?.map(({ SubnetId }) => SubnetId).sort())).toEqual([
      [...made.public].sort(),
    ]);
    const outputs = (await world.stage.stacks(app)).get("hello-production-network")?.outputs;
    expect(outputs).toMatchObject({ InstanceSubnets: made.private.join(","), IsolatedSubnets: made.private.join(",") });
    expect(await world.stage.open(app).status()).toMatchObject({ commissioned: true, network: made.vpc });
    expect((await world.stage.open(app).commission()).changed).toBe(false);

    const elsewhere = await failure(world.stage.open(appIn({})).commission());
    expect(elsewhere.parts).toMatchObject({
      code: "CHANGE_IMPOSSIBLE",
      what: "an environment cannot move to another network",
      why: `It stands in "${made.vpc}", and would come into one of its own. Nothing in it can be taken along.`,
      standing: "Nothing was changed.",
    });

    const stays = { what: `network ${made.vpc} with 4 subnets that were used`, why: "it was there before, and is not Landfall's" };
    expect((await world.stage.open(app).listRemoval({})).kept).toContainEqual(stays);
    expect((await world.stage.open(app).decommission({})).kept).toContainEqual(stays);
    expect(await stateOf(made)).toEqual(before);
    expect(await inventory()).toEqual(empty);
  });

  it("that does not fit is refused with all that is missing, by plan, preflight and commission, before anything is changed", async () => {
    const made = await makeNetwork();
    const api = await ec2();
    await api.modifyVpcAttribute({ VpcId: made.vpc, EnableDnsHostnames: { Value: false } });
    const [first, second] = made.private as [string, string];
    const app = inNetwork({ ...made, public: [made.public[0] as string, first], private: [made.public[1] as string, second] });
    world.proxy.clear();
    const refused = await failure(world.stage.open(app).commission());
    expect([refused, ...refused.more].map(({ parts }) => [parts.code, parts.what, parts.standing])).toEqual(
      [
        `network "${made.vpc}" does not resolve names: enableDnsHostnames is false`,
        `subnet "${first}" is not public`,
        `subnet "${made.public[1]}" is public`,
        `the subnets under "public" are all in one zone, eu-central-1a`,
        `the subnets under "private" are all in one zone, eu-central-1b`,
        `subnet "${made.public[1]}" is in zone eu-central-1b, which none under "public" is in`,
        `subnet "${second}" is in zone eu-central-1b, which none under "public" is in`,
      ].map((what) => ["NETWORK_UNFIT", what, "Nothing was changed."]),
    );
    expect(refused.parts.next).toBe(`aws ec2 modify-vpc-attribute --vpc-id ${made.vpc} --enable-dns-hostnames`);
    expect((await failure(world.stage.open(app).plan())).parts).toEqual(refused.parts);
    expect(world.proxy.calls.filter(({ service, action }) => service === "ec2" && !isReading(action))).toEqual([]);
    const { answers } = await world.stage.open(app).preflight();
    expect(answers.find(({ about }) => about === "network")?.findings).toHaveLength(7);
    expect((await world.stage.stacks(app)).size).toBe(0);

    const absent = { ...made, vpc: "vpc-00000000" };
    expect((await failure(world.stage.open(inNetwork(absent)).commission())).parts.what).toBe(
      'there is no network "vpc-00000000" in this account and region',
    );
  });
});

async function failure(promise: Promise<unknown>): Promise<LandfallError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof LandfallError) return error;
  throw error ?? new Error("nothing failed");
}
