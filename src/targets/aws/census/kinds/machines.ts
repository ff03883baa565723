// Machines, what they run from, and the network that they are in. In the order in which they can go.
import type { EC2 } from "@aws-sdk/client-ec2";
import { pages } from "../../pages.ts";
import type { Kind, State, States, Survey } from "../thing.ts";
import { day, each, rows, tagsOf } from "./look.ts";

const ec2Of = ({ context }: Survey): Promise<EC2> => context.clients.ec2();

interface Words {
  name: string;
  /** As EC2's list of tags and CloudFormation call it. */
  ec2: string;
  type?: string;
  /** The filter that takes ids. */
  filter: string;
}

/** What EC2 describes by a filter of ids. */
function kind(
  { name, ec2, type, filter }: Words,
  describe: (ec2: EC2, input: { Filters: { Name: string; Values: string[] }[] }) => Promise<States>,
  remove: (ec2: EC2, id: string) => Promise<unknown>,
): Kind {
  return {
    name,
    ec2,
    type,
    look: async (survey, ids) => describe(await ec2Of(survey), { Filters: [{ Name: filter, Values: ids }] }),
    remove: async (survey, id) => remove(await ec2Of(survey), id),
  };
}

const HERE: State = {};
const leavingWhen = (leaving: boolean): State => (leaving ? { leaving } : HERE);

export const AUTO_SCALING_GROUP: Kind = {
  name: "auto-scaling group",
  type: "AWS::AutoScaling::AutoScalingGroup",
  find: async ({ context, app }) => {
    const autoScaling = await context.clients.autoScaling();
    const groups = await pages(async (NextToken) => {
      const page = await autoScaling.describeAutoScalingGroups({ NextToken, Filters: [{ Name: "tag:landfall:app", Values: [app] }] });
      return { list: page.AutoScalingGroups, next: page.NextToken };
    });
    return groups.map(({ AutoScalingGroupName: id = "", Tags }) => ({ id, tags: tagsOf(Tags) }));
  },
  look: async ({ context }, ids) => {
    const autoScaling = await context.clients.autoScaling();
    const { AutoScalingGroups } = await autoScaling.describeAutoScalingGroups({ AutoScalingGroupNames: ids });
    return rows(AutoScalingGroups, ({ AutoScalingGroupName, Status }) => [AutoScalingGroupName, leavingWhen(Status !== undefined)]);
  },
  remove: async ({ context }, AutoScalingGroupName) =>
    (await context.clients.autoScaling()).deleteAutoScalingGroup({ AutoScalingGroupName, ForceDelete: true }),
};

export const INSTANCE = kind(
  { name: "instance", ec2: "instance", type: "AWS::EC2::Instance", filter: "instance-id" },
  async (ec2, input) =>
    rows(
      (await ec2.describeInstances(input)).Reservations?.flatMap(({ Instances }) => Instances ?? []),
      ({ InstanceId, InstanceType, LaunchTime, State: power }) => [
        InstanceId,
        power?.Name === "terminated"
          ? undefined
          : {
              detail: `${InstanceType ?? ""}, ${power?.Name}, since ${day(LaunchTime)}`,
              at: LaunchTime?.getTime(),
              ...leavingWhen(power?.Name === "shutting-down"),
            },
      ],
    ),
  (ec2, id) => ec2.terminateInstances({ InstanceIds: [id] }),
);

export const VOLUME = kind(
  { name: "volume", ec2: "volume", type: "AWS::EC2::Volume", filter: "volume-id" },
  async (ec2, input) =>
    rows((await ec2.describeVolumes(input)).Volumes, ({ VolumeId, Size, CreateTime, State: state }) => [
      VolumeId,
      state === "deleted"
        ? undefined
        : { detail: `${Size} GiB`, at: CreateTime?.getTime(), used: state === "in-use", ...leavingWhen(state === "deleting") },
    ]),
  (ec2, id) => ec2.deleteVolume({ VolumeId: id }),
);

export const MACHINE_IMAGE = kind(
  { name: "machine image", ec2: "image", filter: "image-id" },
  async (ec2, input) =>
    rows((await ec2.describeImages({ ...input, Owners: ["self"] })).Images, ({ ImageId, Name, CreationDate, State: state }) => [
      ImageId,
      state === "deregistered" ? undefined : { detail: Name, at: Date.parse(CreationDate ?? "") || undefined },
    ]),
  removeImage,
);

/** Its disk's snapshots may carry no tag, and are known by their image only: so they get its tags before it goes. */
export async function removeImage(ec2: EC2, id: string): Promise<void> {
  const { Images = [] } = await ec2.describeImages({ ImageIds: [id], Owners: ["self"] });
  const own = (Images[0]?.Tags ?? []).filter(({ Key }) => Key?.startsWith("landfall:"));
  const snapshots = (Images[0]?.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []);
  if (snapshots.length > 0 && own.length > 0) await ec2.createTags({ Resources: snapshots, Tags: own });
  await ec2.deregisterImage({ ImageId: id });
}

export const DISK_SNAPSHOT = kind(
  { name: "snapshot", ec2: "snapshot", filter: "snapshot-id" },
  async (ec2, input) =>
    rows((await ec2.describeSnapshots({ ...input, OwnerIds: ["self"] })).Snapshots, ({ SnapshotId, VolumeSize, Description, StartTime }) => [
      SnapshotId,
      { detail: [`${VolumeSize} GiB`, Description].filter(Boolean).join(", "), at: StartTime?.getTime() },
    ]),
  (ec2, id) => ec2.deleteSnapshot({ SnapshotId: id }),
);

export const LAUNCH_TEMPLATE: Kind = {
  name: "launch template",
  ec2: "launch-template",
  type: "AWS::EC2::LaunchTemplate",
  look: async (survey, ids) => {
    const ec2 = await ec2Of(survey);
    return each(ids, async (id) => {
      const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({ LaunchTemplateIds: [id] });
      return LaunchTemplates[0] && { detail: LaunchTemplates[0].LaunchTemplateName };
    });
  },
  remove: async (survey, id) => (await ec2Of(survey)).deleteLaunchTemplate({ LaunchTemplateId: id }),
};

const NETWORK_INTERFACE: Kind = {
  ...kind(
    { name: "network interface", ec2: "network-interface", type: "AWS::EC2::NetworkInterface", filter: "network-interface-id" },
    async (ec2, input) =>
      rows((await ec2.describeNetworkInterfaces(input)).NetworkInterfaces, ({ NetworkInterfaceId, Description, RequesterManaged, Status }) => [
        NetworkInterfaceId,
        // AWS takes back by itself what its services have attached, once they are gone.
        { detail: Description, ...leavingWhen(RequesterManaged === true && Status === "in-use") },
      ]),
    (ec2, id) => ec2.deleteNetworkInterface({ NetworkInterfaceId: id }),
  ),
  find: async (survey) => {
    const networks = [...survey.known.values()].filter(({ type, standing }) => type === "AWS::EC2::VPC" && !standing).map(({ id }) => id);
    if (networks.length === 0) return [];
    const { NetworkInterfaces = [] } = await (await ec2Of(survey)).describeNetworkInterfaces({ Filters: [{ Name: "vpc-id", Values: networks }] });
    return NetworkInterfaces.map(({ NetworkInterfaceId: id = "", VpcId = "", TagSet }) => ({ id, parents: [VpcId], tags: tagsOf(TagSet) }));
  },
};

const ADDRESS = kind(
  { name: "public address", ec2: "elastic-ip", type: "AWS::EC2::EIP", filter: "allocation-id" },
  async (ec2, input) => rows((await ec2.describeAddresses(input)).Addresses, ({ AllocationId, PublicIp }) => [AllocationId, { detail: PublicIp }]),
  async (ec2, id) => {
    const { Addresses = [] } = await ec2.describeAddresses({ AllocationIds: [id] });
    const { AssociationId } = Addresses[0] ?? {};
    if (AssociationId) await ec2.disassociateAddress({ AssociationId });
    await ec2.releaseAddress({ AllocationId: id });
  },
);

const NAT_GATEWAY = kind(
  { name: "NAT gateway", ec2: "natgateway", type: "AWS::EC2::NatGateway", filter: "nat-gateway-id" },
  async (ec2, { Filters: Filter }) =>
    rows((await ec2.describeNatGateways({ Filter })).NatGateways, ({ NatGatewayId, State: state }) => [
      NatGatewayId,
      state === "deleted" ? undefined : leavingWhen(state === "deleting"),
    ]),
  (ec2, id) => ec2.deleteNatGateway({ NatGatewayId: id }),
);

const ENDPOINT = kind(
  { name: "network endpoint", ec2: "vpc-endpoint", type: "AWS::EC2::VPCEndpoint", filter: "vpc-endpoint-id" },
  async (ec2, input) =>
    rows((await ec2.describeVpcEndpoints(input)).VpcEndpoints, ({ VpcEndpointId, ServiceName, State: state }) => [
      VpcEndpointId,
      state?.toLowerCase() === "deleted" ? undefined : { detail: ServiceName, ...leavingWhen(state?.toLowerCase() === "deleting") },
    ]),
  (ec2, id) => ec2.deleteVpcEndpoints({ VpcEndpointIds: [id] }),
);

const FLOW_LOG = kind(
  { name: "flow log", ec2: "vpc-flow-log", type: "AWS::EC2::FlowLog", filter: "flow-log-id" },
  async (ec2, { Filters: Filter }) => rows((await ec2.describeFlowLogs({ Filter })).FlowLogs, ({ FlowLogId }) => [FlowLogId, HERE]),
  (ec2, id) => ec2.deleteFlowLogs({ FlowLogIds: [id] }),
);

const SECURITY_GROUP = kind(
  { name: "security group", ec2: "security-group", type: "AWS::EC2::SecurityGroup", filter: "group-id" },
  async (ec2, input) => rows((await ec2.describeSecurityGroups(input)).SecurityGroups, ({ GroupId, GroupName }) => [GroupId, { detail: GroupName }]),
  async (ec2, id) => {
    // Two that name each other would each wait for the other.
    const { SecurityGroups = [] } = await ec2.describeSecurityGroups({ GroupIds: [id] });
    const IpPermissions = (SecurityGroups[0]?.IpPermissions ?? []).filter(({ UserIdGroupPairs = [] }) => UserIdGroupPairs.length > 0);
    if (IpPermissions.length > 0) await ec2.revokeSecurityGroupIngress({ GroupId: id, IpPermissions });
    await ec2.deleteSecurityGroup({ GroupId: id });
  },
);

const SUBNET = kind(
  { name: "subnet", ec2: "subnet", type: "AWS::EC2::Subnet", filter: "subnet-id" },
  async (ec2, input) => rows((await ec2.describeSubnets(input)).Subnets, ({ SubnetId, CidrBlock }) => [SubnetId, { detail: CidrBlock }]),
  (ec2, id) => ec2.deleteSubnet({ SubnetId: id }),
);

const ROUTE_TABLE = kind(
  { name: "route table", ec2: "route-table", type: "AWS::EC2::RouteTable", filter: "route-table-id" },
  async (ec2, input) => rows((await ec2.describeRouteTables(input)).RouteTables, ({ RouteTableId }) => [RouteTableId, HERE]),
  (ec2, id) => ec2.deleteRouteTable({ RouteTableId: id }),
);

const INTERNET_GATEWAY = kind(
  { name: "internet gateway", ec2: "internet-gateway", type: "AWS::EC2::InternetGateway", filter: "internet-gateway-id" },
  async (ec2, input) => rows((await ec2.describeInternetGateways(input)).InternetGateways, ({ InternetGatewayId }) => [InternetGatewayId, HERE]),
  async (ec2, id) => {
    const { InternetGateways = [] } = await ec2.describeInternetGateways({ InternetGatewayIds: [id] });
    for (const { VpcId } of InternetGateways[0]?.Attachments ?? []) await ec2.detachInternetGateway({ InternetGatewayId: id, VpcId });
    await ec2.deleteInternetGateway({ InternetGatewayId: id });
  },
);

const NETWORK = kind(
  { name: "network", ec2: "vpc", type: "AWS::EC2::VPC", filter: "vpc-id" },
  async (ec2, input) => rows((await ec2.describeVpcs(input)).Vpcs, ({ VpcId, CidrBlock }) => [VpcId, { detail: CidrBlock }]),
  (ec2, id) => ec2.deleteVpc({ VpcId: id }),
);

export const MACHINES: readonly Kind[] = [AUTO_SCALING_GROUP, INSTANCE, VOLUME, MACHINE_IMAGE, DISK_SNAPSHOT, LAUNCH_TEMPLATE];

/** Goes last: nearly everything else is in it. */
export const NETWORKS: readonly Kind[] = [
  FLOW_LOG,
  NAT_GATEWAY,
  ENDPOINT,
  NETWORK_INTERFACE,
  ADDRESS,
  SECURITY_GROUP,
  SUBNET,
  ROUTE_TABLE,
  INTERNET_GATEWAY,
  NETWORK,
];
