// VPC: the network of an environment, its ways out, and what is let through. In the order in which it can go.
import { permissions } from "./entry/cloudformation-permissions.ts";
import { ec2Inventory, ec2Of, ec2Permissions, FILTER_VALUES_MAX } from "./entry/ec2-inventory.ts";
import { leavingWhen, lotsOf, rows, tagsOf } from "./entry/lookup.ts";
import { ALL_MONTH, byUse, hourly } from "./entry/price.ts";
import type { Candidate, Inventory, ResourceKind, ResourceType, Service } from "./entry/resource-type.ts";

const FLOW_LOG: Inventory = ec2Inventory(
  { removal: "network", ec2: "vpc-flow-log", filter: "flow-log-id" },
  async (ec2, { Filters: Filter }) => rows((await ec2.describeFlowLogs({ Filter })).FlowLogs, ({ FlowLogId }) => [FlowLogId, {}]),
  (ec2, id) => ec2.deleteFlowLogs({ FlowLogIds: [id] }),
);

const NAT_GATEWAY: Inventory = ec2Inventory(
  { removal: "network", ec2: "natgateway", filter: "nat-gateway-id" },
  async (ec2, { Filters: Filter }) =>
    rows((await ec2.describeNatGateways({ Filter })).NatGateways, ({ NatGatewayId, State: state }) => [
      NatGatewayId,
      state === "deleted" ? undefined : leavingWhen(state === "deleting"),
    ]),
  (ec2, id) => ec2.deleteNatGateway({ NatGatewayId: id }),
);

const ENDPOINT: Inventory = ec2Inventory(
  { removal: "network", ec2: "vpc-endpoint", filter: "vpc-endpoint-id" },
  async (ec2, input) =>
    rows((await ec2.describeVpcEndpoints(input)).VpcEndpoints, ({ VpcEndpointId, ServiceName, State: state }) => [
      VpcEndpointId,
      state?.toLowerCase() === "deleted" ? undefined : { detail: ServiceName, ...leavingWhen(state?.toLowerCase() === "deleting") },
    ]),
  (ec2, id) => ec2.deleteVpcEndpoints({ VpcEndpointIds: [id] }),
);

/** No template has one: they are left behind by machines, and by services of AWS. */
const NETWORK_INTERFACE: ResourceKind = {
  ...ec2Inventory(
    { removal: "network", name: "network interface", ec2: "network-interface", filter: "network-interface-id" },
    async (ec2, input) =>
      rows((await ec2.describeNetworkInterfaces(input)).NetworkInterfaces, ({ NetworkInterfaceId, Description, RequesterManaged, Status }) => [
        NetworkInterfaceId,
        // AWS takes back by itself what its services have attached, once they are gone.
        { detail: Description, ...leavingWhen(RequesterManaged === true && Status === "in-use") },
      ]),
    (ec2, id) => ec2.deleteNetworkInterface({ NetworkInterfaceId: id }),
  ),
  find: async (discovery) => {
    const networks = [...discovery.stackResources.values()].filter(({ type, standing }) => type === "AWS::EC2::VPC" && !standing).map(({ id }) => id);
    const ec2 = await ec2Of(discovery);
    const candidates: Candidate[] = [];
    for (const Values of lotsOf(networks, FILTER_VALUES_MAX)) {
      const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({ Filters: [{ Name: "vpc-id", Values }] });
      candidates.push(
        ...NetworkInterfaces.map(({ NetworkInterfaceId: id = "", VpcId = "", TagSet }) => ({ id, parents: [VpcId], tags: tagsOf(TagSet) })),
      );
    }
    return candidates;
  },
};

const ADDRESS: Inventory = ec2Inventory(
  { removal: "network", ec2: "elastic-ip", filter: "allocation-id" },
  async (ec2, input) => rows((await ec2.describeAddresses(input)).Addresses, ({ AllocationId, PublicIp }) => [AllocationId, { detail: PublicIp }]),
  async (ec2, id) => {
    const { Addresses = [] } = await ec2.describeAddresses({ AllocationIds: [id] });
    const { AssociationId } = Addresses[0] ?? {};
    if (AssociationId) await ec2.disassociateAddress({ AssociationId });
    await ec2.releaseAddress({ AllocationId: id });
  },
);

const SECURITY_GROUP: Inventory = ec2Inventory(
  { removal: "network", ec2: "security-group", filter: "group-id" },
  async (ec2, input) => rows((await ec2.describeSecurityGroups(input)).SecurityGroups, ({ GroupId, GroupName }) => [GroupId, { detail: GroupName }]),
  async (ec2, id) => {
    // Two that name each other would each wait for the other.
    const { SecurityGroups = [] } = await ec2.describeSecurityGroups({ GroupIds: [id] });
    const IpPermissions = (SecurityGroups[0]?.IpPermissions ?? []).filter(({ UserIdGroupPairs = [] }) => UserIdGroupPairs.length > 0);
    if (IpPermissions.length > 0) await ec2.revokeSecurityGroupIngress({ GroupId: id, IpPermissions });
    await ec2.deleteSecurityGroup({ GroupId: id });
  },
);

const SUBNET: Inventory = ec2Inventory(
  { removal: "network", ec2: "subnet", filter: "subnet-id" },
  async (ec2, input) => rows((await ec2.describeSubnets(input)).Subnets, ({ SubnetId, CidrBlock }) => [SubnetId, { detail: CidrBlock }]),
  (ec2, id) => ec2.deleteSubnet({ SubnetId: id }),
);

const ROUTE_TABLE: Inventory = ec2Inventory(
  { removal: "network", ec2: "route-table", filter: "route-table-id" },
  async (ec2, input) => rows((await ec2.describeRouteTables(input)).RouteTables, ({ RouteTableId }) => [RouteTableId, {}]),
  (ec2, id) => ec2.deleteRouteTable({ RouteTableId: id }),
);

const INTERNET_GATEWAY: Inventory = ec2Inventory(
  { removal: "network", ec2: "internet-gateway", filter: "internet-gateway-id" },
  async (ec2, input) => rows((await ec2.describeInternetGateways(input)).InternetGateways, ({ InternetGatewayId }) => [InternetGatewayId, {}]),
  async (ec2, id) => {
    const { InternetGateways = [] } = await ec2.describeInternetGateways({ InternetGatewayIds: [id] });
    for (const { VpcId } of InternetGateways[0]?.Attachments ?? []) await ec2.detachInternetGateway({ InternetGatewayId: id, VpcId });
    await ec2.deleteInternetGateway({ InternetGatewayId: id });
  },
);

const VPC_INVENTORY: Inventory = ec2Inventory(
  { removal: "network", ec2: "vpc", filter: "vpc-id" },
  async (ec2, input) => rows((await ec2.describeVpcs(input)).Vpcs, ({ VpcId, CidrBlock }) => [VpcId, { detail: CidrBlock }]),
  (ec2, id) => ec2.deleteVpc({ VpcId: id }),
);

/** Those that nothing is attached to any more: what is in use goes with what uses it. */
const removeInterfaces =
  (filter: string): NonNullable<ResourceType["unblock"]> =>
  async ({ clients }, { id }) => {
    const ec2 = await clients.ec2();
    const Filters = [
      { Name: filter, Values: [id] },
      { Name: "status", Values: ["available"] },
    ];
    const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({ Filters });
    for (const { NetworkInterfaceId } of NetworkInterfaces) await ec2.deleteNetworkInterface({ NetworkInterfaceId });
  };

const RULES_IN = "AuthorizeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsIngress";
const RULES_OUT = "AuthorizeSecurityGroupEgress UpdateSecurityGroupRuleDescriptionsEgress";

export const VPC: Service = {
  types: {
    "AWS::EC2::FlowLog": {
      label: "flow log",
      replacedBy: ["LogDestination", "ResourceId", "TrafficType", "LogDestinationType", "ResourceType", "MaxAggregationInterval"],
      permissions: ec2Permissions({
        create: "CreateFlowLogs logs:CreateLogDelivery s3:GetBucketPolicy s3:PutBucketPolicy",
        read: "DescribeFlowLogs DescribeTags",
        remove: "DeleteFlowLogs logs:DeleteLogDelivery",
      }),
      price: byUse({ key: "logs:delivered-GB", what: "flow logs, delivered to a bucket", unit: "GB" }),
      inventory: FLOW_LOG,
    },
    "AWS::EC2::NatGateway": {
      label: "NAT gateway",
      replacedBy: ["SubnetId", "AllocationId"],
      slow: "a NAT gateway takes 2 to 3 minutes",
      permissions: ec2Permissions({ create: "CreateNatGateway", read: "DescribeNatGateways", remove: "DeleteNatGateway" }),
      price: () => ({
        charges: [hourly("nat:hour", "NAT gateways", { assumption: `${ALL_MONTH}, one in each zone` })],
        uses: [{ key: "nat:GB", what: "data through the NAT gateways", unit: "GB" }],
      }),
      inventory: NAT_GATEWAY,
    },
    "AWS::EC2::VPCEndpoint": {
      label: "VPC endpoint",
      replacedBy: ["ServiceName", "VpcEndpointType", "VpcId"],
      permissions: ec2Permissions({
        create: "CreateVpcEndpoint",
        read: "DescribeVpcEndpoints DescribeSecurityGroups DescribeSubnets DescribeVpcs",
        update: "ModifyVpcEndpoint",
        remove: "DeleteVpcEndpoints DeleteTags",
      }),
      price: "free", // Of the gateway kind, which is the only one in the templates.
      inventory: ENDPOINT,
    },
    "AWS::EC2::EIP": {
      label: "Elastic IP address",
      replacedBy: [],
      permissions: ec2Permissions({
        create: "AllocateAddress",
        read: "DescribeAddresses DescribeTags",
        update: "AssociateAddress DisassociateAddress",
        remove: "ReleaseAddress DisassociateAddress",
      }),
      price: () => ({ charges: [hourly("address:hour", "public IPv4 addresses")] }),
      inventory: ADDRESS,
    },
    "AWS::EC2::EIPAssociation": {
      label: "Elastic IP address association",
      replacedBy: ["AllocationId", "InstanceId"],
      permissions: permissions("ec2", { create: "AssociateAddress", read: "DescribeAddresses", remove: "DisassociateAddress" }),
      price: "free",
      inventory: { partOf: "AWS::EC2::EIP" },
    },
    "AWS::EC2::SecurityGroup": {
      label: "security group",
      replacedBy: ["GroupDescription", "VpcId"],
      unblock: removeInterfaces("group-id"),
      permissions: ec2Permissions({
        create: "CreateSecurityGroup AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
        read: "DescribeSecurityGroups DescribeSecurityGroupRules DescribeInstances",
        update: `${RULES_IN} ${RULES_OUT} RevokeSecurityGroupIngress RevokeSecurityGroupEgress`,
        remove: "DeleteSecurityGroup",
      }),
      price: "free",
      inventory: SECURITY_GROUP,
    },
    "AWS::EC2::SecurityGroupIngress": {
      label: "ingress rule",
      replacedBy: ["IpProtocol", "SourceSecurityGroupId", "ToPort", "FromPort", "GroupId"],
      permissions: permissions("ec2", {
        create: "AuthorizeSecurityGroupIngress",
        read: "DescribeSecurityGroups DescribeSecurityGroupRules",
        update: RULES_IN,
        remove: "RevokeSecurityGroupIngress",
      }),
      price: "free",
      inventory: { partOf: "AWS::EC2::SecurityGroup" },
    },
    "AWS::EC2::Subnet": {
      label: "subnet",
      replacedBy: ["VpcId", "AvailabilityZone", "CidrBlock"],
      unblock: removeInterfaces("subnet-id"),
      permissions: ec2Permissions({
        create: "CreateSubnet ModifySubnetAttribute",
        read: "DescribeSubnets DescribeNetworkAcls",
        update: "ModifySubnetAttribute",
        remove: "DeleteSubnet",
      }),
      price: "free",
      inventory: SUBNET,
    },
    "AWS::EC2::SubnetRouteTableAssociation": {
      label: "route table association",
      replacedBy: ["SubnetId", "RouteTableId"],
      permissions: permissions("ec2", {
        create: "AssociateRouteTable",
        read: "DescribeRouteTables DescribeSubnets",
        update: "ReplaceRouteTableAssociation",
        remove: "DisassociateRouteTable",
      }),
      price: "free",
      inventory: { partOf: "AWS::EC2::Subnet" },
    },
    "AWS::EC2::RouteTable": {
      label: "route table",
      replacedBy: ["VpcId"],
      permissions: ec2Permissions({ create: "CreateRouteTable", read: "DescribeRouteTables", remove: "DeleteRouteTable" }),
      price: "free",
      inventory: ROUTE_TABLE,
    },
    "AWS::EC2::Route": {
      label: "route",
      replacedBy: ["RouteTableId", "DestinationCidrBlock"],
      permissions: permissions("ec2", {
        create: "CreateRoute",
        read: "DescribeRouteTables DescribeNetworkInterfaces",
        update: "ReplaceRoute",
        remove: "DeleteRoute",
      }),
      price: "free",
      inventory: { partOf: "AWS::EC2::RouteTable" },
    },
    "AWS::EC2::InternetGateway": {
      label: "internet gateway",
      replacedBy: [],
      permissions: ec2Permissions({ create: "CreateInternetGateway", read: "DescribeInternetGateways", remove: "DeleteInternetGateway" }),
      price: "free",
      inventory: INTERNET_GATEWAY,
    },
    "AWS::EC2::VPCGatewayAttachment": {
      label: "internet gateway attachment",
      replacedBy: ["VpcId"],
      permissions: permissions("ec2", {
        create: "AttachInternetGateway",
        read: "DescribeInternetGateways DescribeVpnGateways",
        remove: "DetachInternetGateway",
      }),
      price: "free",
      inventory: { partOf: "AWS::EC2::InternetGateway" },
    },
    "AWS::EC2::VPC": {
      label: "VPC",
      replacedBy: ["CidrBlock"],
      unblock: removeInterfaces("vpc-id"),
      permissions: ec2Permissions({
        create: "CreateVpc ModifyVpcAttribute",
        read: "DescribeVpcs DescribeVpcAttribute DescribeNetworkAcls DescribeSecurityGroups DescribeVpcEncryptionControls",
        update: "ModifyVpcAttribute",
        remove: "DeleteVpc",
      }),
      price: "free",
      inventory: VPC_INVENTORY,
    },
  },
  beside: [NETWORK_INTERFACE],
};
