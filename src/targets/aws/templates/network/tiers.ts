// The subnets of one kind, one in each zone: what a network is made of.
import type { aws_ec2 as ec2 } from "aws-cdk-lib";
import { cdk } from "../shared/cdk.ts";
import { ZONE_LETTERS } from "../shared/names.ts";
import type { Site, StackBuilder } from "../shared/stack-builder.ts";
import { FIRST_PART, sixteenth } from "./subnets.ts";

/** Where subnets are added. */
export interface NetworkPlace {
  builder: StackBuilder<"network">;
  site: Site;
  vpc: ec2.CfnVPC;
  /** Of the region, in the order of their letters. */
  zones: string[];
}

type Tier = keyof typeof FIRST_PART;

export interface TierSubnet {
  tier: Tier;
  /** Of its zone. */
  letter: (typeof ZONE_LETTERS)[number];
  subnet: ec2.CfnSubnet;
}

/** The subnets that the internet reaches, and their way to it. */
export interface PublicTier {
  subnets: TierSubnet[];
  table: ec2.CfnRouteTable;
  attachment: ec2.CfnVPCGatewayAttachment;
  route: ec2.CfnRoute;
}

export const nameTag = ({ app, environment }: Site, part: string) => ({ key: "Name", value: [app, environment, part].filter(Boolean).join("-") });

export function addSubnets({ builder, site, vpc, zones }: NetworkPlace, tier: Tier): TierSubnet[] {
  const { cidr, zones: count } = site.settings.network;
  return ZONE_LETTERS.slice(0, count).map((letter, index) => ({
    tier,
    letter,
    subnet: new cdk.aws_ec2.CfnSubnet(builder.stack, `${capital(tier)}Subnet${letter}`, {
      vpcId: vpc.ref,
      cidrBlock: sixteenth(cidr, FIRST_PART[tier] + index),
      availabilityZone: cdk.Fn.select(index, zones),
      mapPublicIpOnLaunch: false,
      tags: [nameTag(site, `${tier}-${letter.toLowerCase()}`)],
    }),
  }));
}

/** The subnet in the zone of this letter. */
export function subnetIn(subnets: readonly TierSubnet[], letter: TierSubnet["letter"]): ec2.CfnSubnet {
  const inZone = subnets.find((subnet) => subnet.letter === letter);
  if (!inZone) throw new TypeError(`no subnet in zone ${letter}`);
  return inZone.subnet;
}

/** Lets a table of routes decide for a subnet. */
export const associate = ({ builder }: NetworkPlace, { tier, letter, subnet }: TierSubnet, table: ec2.CfnRouteTable) =>
  new cdk.aws_ec2.CfnSubnetRouteTableAssociation(builder.stack, `${capital(tier)}Association${letter}`, {
    subnetId: subnet.ref,
    routeTableId: table.ref,
  });

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
