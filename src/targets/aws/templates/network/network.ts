// The environment's own network: two or three zones, each with a public, a private and an isolated subnet. Which zones, whoever makes it says once
// (cloudformation/zones.ts). Of a network that is there already there is only what Landfall needs beside it.
import type { aws_ec2 as ec2, aws_s3 as s3 } from "aws-cdk-lib";
import { addBucket } from "../shared/bucket.ts";
import { cdk } from "../shared/cdk.ts";
import { arn, type Statement } from "../shared/policies.ts";
import { type Site, StackBuilder } from "../shared/stack-builder.ts";
import { type ExistingNetwork, existingNetwork } from "./existing.ts";
import { addNatAddress, addNatInstance } from "./nat-instance.ts";
import { wholeRange } from "./subnets.ts";
import { addSubnets, associate, type NetworkPlace, nameTag, type PublicTier, subnetIn, type TierSubnet } from "./tiers.ts";

const DAY_MS = 86_400_000;
const EVERYWHERE = "0.0.0.0/0";

export function addNetwork(site: Site): StackBuilder<"network"> {
  const builder = new StackBuilder(site, { role: "network" });
  const existing = existingNetwork(site.settings.network);
  const ids = existing ? { ...existing, isolated: existing.instances } : addOwnNetwork(builder, site);
  const logs = addLogs(builder, site, existing ? undefined : ids.vpc);
  builder.output(ids.vpc, "Vpc");
  builder.output(ids.public.join(","), "PublicSubnets");
  builder.output(ids.instances.join(","), "InstanceSubnets");
  builder.output(ids.isolated.join(","), "IsolatedSubnets");
  builder.output(logs.ref, "LogsBucket");
  builder.output(addBuilderGroup(builder, ids.vpc), "BuilderSecurityGroup");
  return builder;
}

/** Ids, as later stacks are given them. */
interface NetworkIds extends ExistingNetwork {
  isolated: string[];
}

function addOwnNetwork(builder: StackBuilder<"network">, site: Site): NetworkIds {
  const { stack } = builder;
  const { cidr, nat } = site.settings.network;
  const vpc = new cdk.aws_ec2.CfnVPC(stack, "Vpc", {
    cidrBlock: wholeRange(cidr),
    enableDnsHostnames: true,
    enableDnsSupport: true,
    tags: [nameTag(site, "")],
  });
  const place: NetworkPlace = { builder, site, vpc, zones: builder.ownList("Zones") };
  const isolated = addIsolatedTier(place);
  const open = addPublicTier(place);
  const inner = nat === "none" ? undefined : addPrivateTier(place, open);
  for (const service of ["s3", "dynamodb"] as const)
    new cdk.aws_ec2.CfnVPCEndpoint(stack, service === "s3" ? "S3Endpoint" : "DynamodbEndpoint", {
      vpcId: vpc.ref,
      serviceName: `com.amazonaws.${cdk.Aws.REGION}.${service}`,
      vpcEndpointType: "Gateway",
      routeTableIds: [open.table, ...(inner?.tables ?? [])].map((table) => table.ref),
    });
  const list = (subnets: TierSubnet[]) => subnets.map(({ subnet }) => subnet.ref);
  return { vpc: vpc.ref, public: list(open.subnets), instances: list(inner?.subnets ?? open.subnets), isolated: list(isolated) };
}

function addIsolatedTier(place: NetworkPlace): TierSubnet[] {
  const { builder, site, vpc } = place;
  const subnets = addSubnets(place, "isolated");
  const table = new cdk.aws_ec2.CfnRouteTable(builder.stack, "IsolatedRoutes", { vpcId: vpc.ref, tags: [nameTag(site, "isolated")] });
  for (const subnet of subnets) associate(place, subnet, table);
  return subnets;
}

function addPublicTier(place: NetworkPlace): PublicTier {
  const { builder, site, vpc } = place;
  const { stack } = builder;
  const subnets = addSubnets(place, "public");
  const gateway = new cdk.aws_ec2.CfnInternetGateway(stack, "InternetGateway", { tags: [nameTag(site, "")] });
  const attachment = new cdk.aws_ec2.CfnVPCGatewayAttachment(stack, "InternetGatewayAttachment", { vpcId: vpc.ref, internetGatewayId: gateway.ref });
  const table = new cdk.aws_ec2.CfnRouteTable(stack, "PublicRoutes", { vpcId: vpc.ref, tags: [nameTag(site, "public")] });
  const route = new cdk.aws_ec2.CfnRoute(stack, "PublicRoute", {
    routeTableId: table.ref,
    destinationCidrBlock: EVERYWHERE,
    gatewayId: gateway.ref,
  });
  route.addResourceDependency(attachment);
  for (const subnet of subnets) associate(place, subnet, table);
  return { subnets, table, attachment, route };
}

interface PrivateTier {
  subnets: TierSubnet[];
  tables: ec2.CfnRouteTable[];
}

/** One table per zone with gateways, so that a zone that fails takes only its own way out with it. */
function addPrivateTier(place: NetworkPlace, open: PublicTier): PrivateTier {
  const { builder, site, vpc } = place;
  const { stack } = builder;
  const subnets = addSubnets(place, "private");
  const instance = site.settings.network.nat === "gateway" ? undefined : addNatInstance(place, open);
  const ways = subnets.map((subnet) => {
    const { letter } = subnet;
    const table = new cdk.aws_ec2.CfnRouteTable(stack, `PrivateRoutes${letter}`, {
      vpcId: vpc.ref,
      tags: [nameTag(site, `private-${letter.toLowerCase()}`)],
    });
    const route = new cdk.aws_ec2.CfnRoute(stack, `PrivateRoute${letter}`, {
      routeTableId: table.ref,
      destinationCidrBlock: EVERYWHERE,
      ...(instance ? { instanceId: instance.ref } : { natGatewayId: addNatGateway(place, open, letter) }),
    });
    associate(place, subnet, table);
    return { table, route };
  });
  if (instance) addNatAddress(place, open, { instance, routes: ways.map(({ route }) => route) });
  return { subnets, tables: ways.map(({ table }) => table) };
}

function addNatGateway({ builder, site }: NetworkPlace, { subnets, attachment }: PublicTier, letter: TierSubnet["letter"]): string {
  const { stack } = builder;
  const tags = [nameTag(site, `nat-${letter.toLowerCase()}`)];
  const address = new cdk.aws_ec2.CfnEIP(stack, `NatAddress${letter}`, { domain: "vpc", tags });
  // An address is allowed only once the network has its gateway to the internet.
  address.addResourceDependency(attachment);
  const subnetId = subnetIn(subnets, letter).ref;
  return new cdk.aws_ec2.CfnNatGateway(stack, `NatGateway${letter}`, { subnetId, allocationId: address.attrAllocationId, tags }).ref;
}

/** One bucket for the logs that AWS itself writes: of the network, of the balancer, and of access to other buckets. `vpc`: whose traffic is logged. */
function addLogs(builder: StackBuilder<"network">, site: Site, vpc: string | undefined): s3.CfnBucket {
  const { stack } = builder;
  const days = Math.max(1, Math.ceil(site.settings.logs.keep / DAY_MS));
  const { bucket, policy } = addBucket(stack, "Logs", {
    lifecycle: [{ id: "expire", status: "Enabled", expirationInDays: days }],
    accessLog: { none: "It holds the access logs of the others; a log of its own would log itself." },
    statements: logWriters,
  });
  if (vpc === undefined) return bucket;
  const flow = new cdk.aws_ec2.CfnFlowLog(stack, "FlowLog", {
    resourceType: "VPC",
    resourceId: vpc,
    trafficType: "ALL",
    logDestinationType: "s3",
    logDestination: `${bucket.attrArn}/network`,
    maxAggregationInterval: 600,
  });
  flow.addResourceDependency(policy);
  return bucket;
}

interface LogWriter {
  Sid: string;
  /** Of AWS. */
  Service: string;
  prefix: string;
  Condition: unknown;
}

/** AWS's own writers, each under its prefix and only for this account. */
function logWriters(bucket: string): Statement[] {
  const condition = { StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID } };
  const writer = ({ Sid, Service, prefix, Condition }: LogWriter): Statement => ({
    Sid,
    Effect: "Allow",
    Principal: { Service },
    Action: "s3:PutObject",
    Resource: `${bucket}/${prefix}/*`,
    Condition,
  });
  return [
    writer({
      Sid: "Balancer",
      Service: "logdelivery.elasticloadbalancing.amazonaws.com",
      prefix: `balancer/AWSLogs/${cdk.Aws.ACCOUNT_ID}`,
      Condition: { ArnLike: { "aws:SourceArn": arn("elasticloadbalancing", "loadbalancer/*") } },
    }),
    writer({ Sid: "Buckets", Service: "logging.s3.amazonaws.com", prefix: "buckets", Condition: condition }),
    writer({
      Sid: "Network",
      Service: "delivery.logs.amazonaws.com",
      prefix: `network/AWSLogs/${cdk.Aws.ACCOUNT_ID}`,
      Condition: { StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID, "s3:x-amz-acl": "bucket-owner-full-control" } },
    }),
    {
      Sid: "NetworkAsks",
      Effect: "Allow",
      Principal: { Service: "delivery.logs.amazonaws.com" },
      Action: ["s3:GetBucketAcl", "s3:ListBucket"],
      Resource: bucket,
      Condition: condition,
    },
  ];
}

/** The machines that images are made on: they reach out and nobody reaches them. */
function addBuilderGroup(builder: StackBuilder<"network">, vpcId: string): string {
  const group = new cdk.aws_ec2.CfnSecurityGroup(builder.stack, "BuilderSecurityGroup", {
    groupDescription: "Landfall builders: nothing comes in",
    vpcId,
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: EVERYWHERE, description: "Packages and AWS" }],
  });
  return group.attrGroupId;
}
