// A network that is there already, as the account has it: looked at, and never changed.
import type { Route, RouteTable } from "@aws-sdk/client-ec2";
import { LandfallError } from "../../error.ts";
import { rowsOf } from "./account/pages.ts";
import type { Context } from "./context.ts";
import { type ExistingNetwork, existingNetwork } from "./templates/network/existing.ts";
import { judgeNetwork, type ObservedNetwork, type ObservedSubnet, type Unfit } from "./templates/network/fitness.ts";

/** What does not fit; nothing of an environment that gets a network of its own, for which nothing is asked. */
export async function findUnfit(context: Context): Promise<Unfit[]> {
  const existing = existingNetwork(context.deployment.settings.network);
  return existing ? judgeNetwork(context.deployment, existing, await observeNetwork(context, existing)) : [];
}

/** To be called before anything is changed. Errors: NETWORK_UNFIT, with all others of the kind after the first. */
export async function assertNetworkFits(context: Context): Promise<void> {
  const where = `network of environment "${context.deployment.environment}"`;
  const [first, ...others] = (await findUnfit(context)).map(
    (unfit) => new LandfallError({ code: "NETWORK_UNFIT", ...unfit, where, standing: "Nothing was changed." }),
  );
  if (first) throw new LandfallError(first.parts, others);
}

/** That it stands, as a look at it says; empty for a network of the environment's own. */
export async function describeKeptNetwork(context: Context): Promise<{ what: string; why: string }[]> {
  const existing = existingNetwork(context.deployment.settings.network);
  if (!existing) return [];
  const { vpc, subnets } = await observeNetwork(context, existing);
  const count = subnets.size === 1 ? "1 subnet" : `${subnets.size} subnets`;
  return vpc ? [{ what: `network ${existing.vpc} with ${count} that were used`, why: "it was there before, and is not Landfall's" }] : [];
}

async function observeNetwork({ clients }: Context, existing: ExistingNetwork): Promise<ObservedNetwork> {
  const ec2 = await clients.ec2();
  const ofVpc = [{ Name: "vpc-id", Values: [existing.vpc] }];
  const { Vpcs: [vpc] = [] } = await ec2.describeVpcs({ Filters: ofVpc });
  if (!vpc) return { subnets: new Map() };
  const attributeOf = (Attribute: "enableDnsSupport" | "enableDnsHostnames") => ec2.describeVpcAttribute({ VpcId: existing.vpc, Attribute });
  const named = [{ Name: "subnet-id", Values: [...new Set([...existing.public, ...existing.instances])] }];
  const [support, hostnames, subnets, tables] = await Promise.all([
    attributeOf("enableDnsSupport"),
    attributeOf("enableDnsHostnames"),
    rowsOf(ec2.paginateDescribeSubnets({ Filters: named }), ({ Subnets }) => Subnets),
    rowsOf(ec2.paginateDescribeRouteTables({ Filters: ofVpc }), ({ RouteTables }) => RouteTables),
  ]);
  return {
    vpc: {
      tenancy: vpc.InstanceTenancy ?? "default",
      dnsSupport: support.EnableDnsSupport?.Value === true,
      dnsHostnames: hostnames.EnableDnsHostnames?.Value === true,
      tags: Object.fromEntries((vpc.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
    },
    subnets: new Map(
      subnets.map(({ SubnetId: id = "", VpcId = "", AvailabilityZone = "", AvailableIpAddressCount: free = 0 }) => [
        id,
        { vpc: VpcId, zone: AvailabilityZone, free, ...wayOf(id, tables) },
      ]),
    ),
  };
}

const EVERYWHERE = "0.0.0.0/0";

/** By the table that the subnet is associated with, or else by the network's main one. */
function wayOf(subnet: string, tables: RouteTable[]): Pick<ObservedSubnet, "way" | "broken"> {
  const has = (is: (association: NonNullable<RouteTable["Associations"]>[number]) => boolean) =>
    tables.find(({ Associations = [] }) => Associations.some(is));
  const table = has(({ SubnetId }) => SubnetId === subnet) ?? has(({ Main }) => Main === true);
  const route = table?.Routes?.find(({ DestinationCidrBlock }) => DestinationCidrBlock === EVERYWHERE);
  return route ? { way: targetOf(route), broken: route.State === "blackhole" } : {};
}

const targetOf = (route: Route): string =>
  route.GatewayId ??
  route.NatGatewayId ??
  route.TransitGatewayId ??
  route.InstanceId ??
  route.NetworkInterfaceId ??
  route.VpcPeeringConnectionId ??
  route.LocalGatewayId ??
  route.CarrierGatewayId ??
  route.CoreNetworkArn ??
  "something unknown";
