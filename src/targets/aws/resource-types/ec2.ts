// EC2: instances and what they run from. The network that they are in is in `vpc.ts`.
import type { EC2 as Client } from "@aws-sdk/client-ec2";
import type { Range } from "../../../plan/cost.ts";
import { ec2Inventory, ec2Of, ec2Permissions } from "./entry/ec2-inventory.ts";
import { day, each, leavingWhen, rows } from "./entry/lookup.ts";
import { ALL_MONTH, type Bill, hourly, once, type PricedResource, text } from "./entry/price.ts";
import type { Inventory, ResourceKind, Service } from "./entry/resource-type.ts";
import { anywhere, NOT_YET, ownerless, tagged } from "./entry/scope.ts";

const INSTANCE: Inventory = ec2Inventory(
  { removal: "compute", ec2: "instance", filter: "instance-id" },
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

const LAUNCH_TEMPLATE: Inventory = {
  removal: "compute",
  ec2: "launch-template",
  look: async (discovery, ids) => {
    const ec2 = await ec2Of(discovery);
    return each(ids, async (id) => {
      const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({ LaunchTemplateIds: [id] });
      return LaunchTemplates[0] && { detail: LaunchTemplates[0].LaunchTemplateName };
    });
  },
  remove: async (discovery, id) => (await ec2Of(discovery)).deleteLaunchTemplate({ LaunchTemplateId: id }),
};

export const VOLUME: ResourceKind = ec2Inventory(
  { removal: "compute", name: "volume", ec2: "volume", filter: "volume-id" },
  async (ec2, input) =>
    rows((await ec2.describeVolumes(input)).Volumes, ({ VolumeId, Size, CreateTime, State: state }) => [
      VolumeId,
      state === "deleted"
        ? undefined
        : { detail: `${Size} GiB`, at: CreateTime?.getTime(), used: state === "in-use", ...leavingWhen(state === "deleting") },
    ]),
  (ec2, id) => ec2.deleteVolume({ VolumeId: id }),
);

export const MACHINE_IMAGE: ResourceKind = ec2Inventory(
  { removal: "compute", name: "AMI", ec2: "image", filter: "image-id" },
  async (ec2, input) =>
    rows((await ec2.describeImages({ ...input, Owners: ["self"] })).Images, ({ ImageId, Name, CreationDate, State: state }) => [
      ImageId,
      state === "deregistered" ? undefined : { detail: Name, at: Date.parse(CreationDate ?? "") || undefined },
    ]),
  removeImage,
);

/** Its disk's snapshots may carry no tag, and are known by their image only: so they get its tags before it goes. */
async function removeImage(ec2: Client, id: string): Promise<void> {
  const { Images = [] } = await ec2.describeImages({ ImageIds: [id], Owners: ["self"] });
  const tags = (Images[0]?.Tags ?? []).filter(({ Key }) => Key?.startsWith("landfall:"));
  const snapshots = (Images[0]?.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []);
  if (snapshots.length > 0 && tags.length > 0) await ec2.createTags({ Resources: snapshots, Tags: tags });
  await ec2.deregisterImage({ ImageId: id });
}

export const DISK_SNAPSHOT: ResourceKind = ec2Inventory(
  { removal: "compute", name: "EBS snapshot", ec2: "snapshot", filter: "snapshot-id" },
  async (ec2, input) =>
    rows((await ec2.describeSnapshots({ ...input, OwnerIds: ["self"] })).Snapshots, ({ SnapshotId, VolumeSize, Description, StartTime }) => [
      SnapshotId,
      { detail: [`${VolumeSize} GiB`, Description].filter(Boolean).join(", "), at: StartTime?.getTime() },
    ]),
  (ec2, id) => ec2.deleteSnapshot({ SnapshotId: id }),
);

export interface LaunchData {
  InstanceType?: string;
  BlockDeviceMappings?: { Ebs?: { VolumeSize?: number } }[];
  NetworkInterfaces?: { AssociatePublicIpAddress?: boolean }[];
}

/** What a launch template of the same stack says. */
export function launchDataOf({ referred }: PricedResource, reference: unknown): LaunchData {
  const { LaunchTemplateData = {} }: { LaunchTemplateData?: LaunchData } = referred(reference, "AWS::EC2::LaunchTemplate") ?? {};
  return LaunchTemplateData;
}

/** The disk of Debian's own image, in 2026: of an instance whose template says no size. */
const DEBIAN_GIB = 8;

interface Instances extends LaunchData {
  count: Range;
  assumption: string;
  spot?: boolean;
}

export function billInstances({ InstanceType, BlockDeviceMappings = [], NetworkInterfaces = [], count, assumption, spot }: Instances): Bill {
  const gigabytes = BlockDeviceMappings.reduce((sum, { Ebs }) => sum + (Ebs?.VolumeSize ?? DEBIAN_GIB), 0);
  const instances = hourly(`ec2:${text(InstanceType)}`, `instances ${text(InstanceType)}${spot ? " (spot)" : ""}`, { count, assumption });
  const open = NetworkInterfaces.some(({ AssociatePublicIpAddress }) => AssociatePublicIpAddress);
  return {
    charges: [
      spot ? { ...instances, doubt: "the price on demand; spare capacity costs less, by the hour's market" } : instances,
      {
        key: "ebs:GB",
        what: "GB of volumes",
        units: { min: count.min * gigabytes, max: count.max * gigabytes },
        unit: "GB and month",
        assumption: `${gigabytes} GB each`,
      },
      ...(open ? [hourly("address:hour", "public IPv4 addresses", { count, assumption })] : []),
    ],
  };
}

export const EC2: Service = {
  types: {
    "AWS::EC2::Instance": {
      label: "instance",
      replacedBy: ["LaunchTemplate"],
      permissions: ec2Permissions({
        create: "RunInstances ModifyInstanceAttribute ssm:GetParameters",
        read: "DescribeInstances DescribeInstanceAttribute DescribeInstanceCreditSpecifications DescribeIamInstanceProfileAssociations DescribeVolumes DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeLaunchTemplates DescribeLaunchTemplateVersions",
        update: "ModifyInstanceAttribute RunInstances ssm:GetParameters",
        remove: "TerminateInstances",
      }),
      // Its public address is an Elastic IP, which has a price of its own.
      price: (resource) =>
        billInstances({
          ...launchDataOf(resource, resource.properties.LaunchTemplate),
          NetworkInterfaces: [],
          count: once(1),
          assumption: ALL_MONTH,
        }),
      machines: (resource) => ({
        types: [text(launchDataOf(resource, resource.properties.LaunchTemplate).InstanceType)],
        steady: 1,
        most: 1,
        spot: false,
      }),
      inventory: INSTANCE,
    },
    "AWS::EC2::LaunchTemplate": {
      label: "launch template",
      replacedBy: [],
      volatile: ["LatestVersionNumber", "DefaultVersionNumber"],
      permissions: ec2Permissions({
        create: "CreateLaunchTemplate",
        read: "DescribeLaunchTemplates DescribeLaunchTemplateVersions",
        update: "CreateLaunchTemplateVersion ModifyLaunchTemplate",
        remove: "DeleteLaunchTemplate DeleteTags",
      }),
      price: "free",
      inventory: LAUNCH_TEMPLATE,
    },
  },
  beside: [VOLUME, MACHINE_IMAGE, DISK_SNAPSHOT],
  scopes: {
    ec2: {
      all: (site, action) =>
        /^(Delete|Deregister|Release|Terminate|Stop|Detach|Disassociate|Revoke|GetConsole)/.test(action)
          ? tagged("ec2", "*")(site, action)
          : anywhere(NOT_YET)(site, action),
      calls: {
        CreateTags: anywhere("Tags are put on what has none yet."),
        DeleteSnapshot: ownerless("snapshot"),
        DeleteTags: tagged("ec2", "*"),
        DeregisterImage: ownerless("image"),
        DeleteNetworkInterface: anywhere("Those that AWS's own services leave behind have no tags."),
      },
    },
  },
};
