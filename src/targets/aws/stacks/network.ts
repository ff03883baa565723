// The environment's own network: two or three zones, each with a public, a private and an isolated subnet. Zones are those that
// the region has first: nothing is looked up.
import type { aws_ec2 as ec2 } from "aws-cdk-lib";
import { Blueprint, type Site } from "./blueprint.ts";
import { drawBucket } from "./bucket.ts";
import { cdk } from "./cdk.ts";
import { ZONE_LETTERS } from "./names.ts";
import { drawNatInstance } from "./nat-instance.ts";
import { arn, type Statement } from "./policies.ts";
import { FIRST_PART, sixteenth, wholeRange } from "./subnets.ts";

const DAY_MS = 86_400_000;
const EVERYWHERE = "0.0.0.0/0";

export function drawNetwork(site: Site): Blueprint {
  const blueprint = new Blueprint(site, { role: "network" });
  const { stack } = blueprint;
  const { cidr, nat } = site.environment.network;
  const vpc = new cdk.aws_ec2.CfnVPC(stack, "Vpc", {
    cidrBlock: wholeRange(cidr),
    enableDnsHostnames: true,
    enableDnsSupport: true,
    tags: [nameTag(site, "")],
  });
  const isolated = drawSubnets(blueprint, site, vpc, "isolated");
  const isolatedTable = new cdk.aws_ec2.CfnRouteTable(stack, "IsolatedRoutes", { vpcId: vpc.ref, tags: [nameTag(site, "isolated")] });
  for (const [index, subnet] of isolated.entries()) associate(blueprint, "Isolated", index, subnet, isolatedTable);

  const open = drawSubnets(blueprint, site, vpc, "public");
  const publicTable = drawPublicRoutes(blueprint, site, vpc, open);
  const inner = nat === "none" ? undefined : drawSubnets(blueprint, site, vpc, "private");
  const innerTables = inner ? drawPrivateRoutes(blueprint, site, vpc, open, inner) : [];
  for (const service of ["s3", "dynamodb"] as const)
    new cdk.aws_ec2.CfnVPCEndpoint(stack, service === "s3" ? "S3Endpoint" : "DynamodbEndpoint", {
      vpcId: vpc.ref,
      serviceName: `com.amazonaws.${cdk.Aws.REGION}.${service}`,
      vpcEndpointType: "Gateway",
      routeTableIds: [publicTable, ...innerTables].map((table) => table.ref),
    });
  const logs = drawLogs(blueprint, site, vpc);

  const list = (subnets: ec2.CfnSubnet[]) => subnets.map((subnet) => subnet.ref).join(",");
  blueprint.give("Vpc", vpc.ref);
  blueprint.give("PublicSubnets", list(open));
  blueprint.give("InstanceSubnets", list(inner ?? open));
  blueprint.give("IsolatedSubnets", list(isolated));
  blueprint.give("LogsBucket", logs.ref);
  blueprint.give("BuilderSecurityGroup", drawBuilderGroup(blueprint, vpc));
  return blueprint;
}

const nameTag = (site: Site, part: string) => ({ key: "Name", value: [site.app.name, site.name, part].filter(Boolean).join("-") });

function drawSubnets({ stack }: Blueprint, site: Site, vpc: ec2.CfnVPC, kind: keyof typeof FIRST_PART): ec2.CfnSubnet[] {
  const { cidr, zones } = site.environment.network;
  return ZONE_LETTERS.slice(0, zones).map(
    (letter, index) =>
      new cdk.aws_ec2.CfnSubnet(stack, `${capital(kind)}Subnet${letter}`, {
        vpcId: vpc.ref,
        cidrBlock: sixteenth(cidr, FIRST_PART[kind] + index),
        availabilityZone: cdk.Fn.select(index, cdk.Fn.getAzs()),
        mapPublicIpOnLaunch: false,
        tags: [nameTag(site, `${kind}-${letter.toLowerCase()}`)],
      }),
  );
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const associate = ({ stack }: Blueprint, kind: string, index: number, subnet: ec2.CfnSubnet, table: ec2.CfnRouteTable) =>
  new cdk.aws_ec2.CfnSubnetRouteTableAssociation(stack, `${kind}Association${ZONE_LETTERS[index]}`, {
    subnetId: subnet.ref,
    routeTableId: table.ref,
  });

function drawPublicRoutes(blueprint: Blueprint, site: Site, vpc: ec2.CfnVPC, subnets: ec2.CfnSubnet[]): ec2.CfnRouteTable {
  const { stack } = blueprint;
  const gateway = new cdk.aws_ec2.CfnInternetGateway(stack, "InternetGateway", { tags: [nameTag(site, "")] });
  const attachment = new cdk.aws_ec2.CfnVPCGatewayAttachment(stack, "InternetGatewayAttachment", { vpcId: vpc.ref, internetGatewayId: gateway.ref });
  const table = new cdk.aws_ec2.CfnRouteTable(stack, "PublicRoutes", { vpcId: vpc.ref, tags: [nameTag(site, "public")] });
  const route = new cdk.aws_ec2.CfnRoute(stack, "PublicRoute", {
    routeTableId: table.ref,
    destinationCidrBlock: EVERYWHERE,
    gatewayId: gateway.ref,
  });
  route.addResourceDependency(attachment);
  for (const [index, subnet] of subnets.entries()) associate(blueprint, "Public", index, subnet, table);
  return table;
}

/** One table per zone with gateways, so that a zone that fails takes only its own way out with it. */
function drawPrivateRoutes(blueprint: Blueprint, site: Site, vpc: ec2.CfnVPC, open: ec2.CfnSubnet[], inner: ec2.CfnSubnet[]): ec2.CfnRouteTable[] {
  const { stack } = blueprint;
  const out = site.environment.network.nat === "gateway" ? undefined : drawNatInstance(blueprint, site, vpc.ref, (open[0] as ec2.CfnSubnet).ref);
  return inner.map((subnet, index) => {
    const letter = ZONE_LETTERS[index];
    const table = new cdk.aws_ec2.CfnRouteTable(stack, `PrivateRoutes${letter}`, {
      vpcId: vpc.ref,
      tags: [nameTag(site, `private-${letter?.toLowerCase()}`)],
    });
    new cdk.aws_ec2.CfnRoute(stack, `PrivateRoute${letter}`, {
      routeTableId: table.ref,
      destinationCidrBlock: EVERYWHERE,
      ...(out ? { networkInterfaceId: out } : { natGatewayId: drawNatGateway(blueprint, site, index, open[index] as ec2.CfnSubnet) }),
    });
    associate(blueprint, "Private", index, subnet, table);
    return table;
  });
}

function drawNatGateway({ stack }: Blueprint, site: Site, index: number, subnet: ec2.CfnSubnet): string {
  const letter = ZONE_LETTERS[index];
  const tags = [nameTag(site, `nat-${letter?.toLowerCase()}`)];
  const address = new cdk.aws_ec2.CfnEIP(stack, `NatAddress${letter}`, { domain: "vpc", tags });
  // An address is allowed only once the network has its gateway to the internet.
  address.addResourceDependency(stack.node.findChild("InternetGatewayAttachment") as ec2.CfnVPCGatewayAttachment);
  return new cdk.aws_ec2.CfnNatGateway(stack, `NatGateway${letter}`, { subnetId: subnet.ref, allocationId: address.attrAllocationId, tags }).ref;
}

/** One bucket for the logs that AWS itself writes: of the network, of the balancer, and of access to other buckets. */
function drawLogs({ stack }: Blueprint, site: Site, vpc: ec2.CfnVPC) {
  const days = Math.max(1, Math.ceil(site.environment.logs.keep / DAY_MS));
  const logs = drawBucket(stack, "Logs", {
    lifecycle: [{ id: "expire", status: "Enabled", expirationInDays: days }],
    accessLog: { none: "It holds the access logs of the others; a log of its own would log itself." },
    statements: logWriters,
  });
  const flow = new cdk.aws_ec2.CfnFlowLog(stack, "FlowLog", {
    resourceType: "VPC",
    resourceId: vpc.ref,
    trafficType: "ALL",
    logDestinationType: "s3",
    logDestination: `${logs.attrArn}/network`,
    maxAggregationInterval: 600,
  });
  flow.addResourceDependency(stack.node.findChild("LogsPolicy") as import("aws-cdk-lib").CfnResource);
  return logs;
}

/** AWS's own writers, each under its prefix and only for this account. */
function logWriters(bucket: string): Statement[] {
  const own = { StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID } };
  const writer = (Sid: string, Service: string, prefix: string, Condition: unknown): Statement => ({
    Sid,
    Effect: "Allow",
    Principal: { Service },
    Action: "s3:PutObject",
    Resource: `${bucket}/${prefix}/*`,
    Condition,
  });
  return [
    writer("Balancer", "logdelivery.elasticloadbalancing.amazonaws.com", `balancer/AWSLogs/${cdk.Aws.ACCOUNT_ID}`, {
      ArnLike: { "aws:SourceArn": arn("elasticloadbalancing", "loadbalancer/*") },
    }),
    writer("Buckets", "logging.s3.amazonaws.com", "buckets", own),
    writer("Network", "delivery.logs.amazonaws.com", `network/AWSLogs/${cdk.Aws.ACCOUNT_ID}`, {
      StringEquals: { "aws:SourceAccount": cdk.Aws.ACCOUNT_ID, "s3:x-amz-acl": "bucket-owner-full-control" },
    }),
    {
      Sid: "NetworkAsks",
      Effect: "Allow",
      Principal: { Service: "delivery.logs.amazonaws.com" },
      Action: ["s3:GetBucketAcl", "s3:ListBucket"],
      Resource: bucket,
      Condition: own,
    },
  ];
}

/** The machines that images are made on: they reach out and nobody reaches them. */
function drawBuilderGroup({ stack }: Blueprint, vpc: ec2.CfnVPC): string {
  const group = new cdk.aws_ec2.CfnSecurityGroup(stack, "BuilderSecurityGroup", {
    groupDescription: "Landfall builders: nothing comes in",
    vpcId: vpc.ref,
    securityGroupEgress: [{ ipProtocol: "-1", cidrIp: EVERYWHERE, description: "Packages and AWS" }],
  });
  return group.attrGroupId;
}
