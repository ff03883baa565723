// Kinds of leftover, each seeded by hand as it is left in earnest: with its tags, under its name, or as a part of something.
import type { Clients } from "../../src/targets/aws/account/clients.ts";

export interface Owner {
  /** Put into names, so that those of several owners stand side by side. */
  slug: string;
  app?: string;
  environment?: string;
  /** Of a database of theirs that stands, and of an auto-scaling group: what their services write beside them is named after those. */
  database: string;
  group: string;
  /** Their host name, in the zone that all share. */
  host: string;
  zone: string;
  port: number;
  account: string;
}

export interface Leftover {
  name: string;
  seed(clients: Clients, owner: Owner): Promise<string>;
  stands(clients: Clients, id: string, owner: Owner): Promise<boolean>;
  /** Named in the report instead of removed: it holds data, or AWS has to remove it. */
  kept?: true;
  /** Only what the app's environments share. */
  shared?: true;
}

const tagsOf = ({ app, environment }: Owner) => [
  ...(app ? [{ Key: "landfall:app", Value: app }] : [{ Key: "Name", Value: "by hand" }]),
  ...(environment ? [{ Key: "landfall:environment", Value: environment }] : []),
];
const tagMap = (owner: Owner) => Object.fromEntries(tagsOf(owner).map(({ Key, Value }) => [Key, Value]));
const specified = <Type extends string>(ResourceType: Type, owner: Owner, more: { Key: string; Value: string }[] = []) => [
  { ResourceType, Tags: [...tagsOf(owner), ...more] },
];
const given = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("the emulator gave nothing");
  return value;
};
/** Whether what was asked for is there: an answer with something in it, and not an error that says it is not. */
const found = (asked: Promise<unknown[] | undefined>): Promise<boolean> => asked.then((list) => (list ?? []).length > 0).catch(isGone);
const isGone = (error: unknown): boolean => {
  if (error instanceof Error && /NotFound|NoSuch|Nonexist|NonExist|DoesNotExist/i.test(error.name)) return false;
  throw error;
};

let blocks = 0;
const nextBlock = () => `172.31.${128 + (blocks++ % 120)}.0/24`;
const defaultNetwork = async (clients: Clients) => {
  const { Vpcs = [] } = await (await clients.ec2()).describeVpcs({ Filters: [{ Name: "is-default", Values: ["true"] }] });
  return given(Vpcs[0]?.VpcId);
};
const defaultSubnet = async (clients: Clients) => {
  const { Subnets = [] } = await (await clients.ec2()).describeSubnets({ Filters: [{ Name: "default-for-az", Values: ["true"] }] });
  return given(Subnets[0]?.SubnetId);
};
const defaultSubnets = async (clients: Clients) => {
  const { Subnets = [] } = await (await clients.ec2()).describeSubnets({ Filters: [{ Name: "default-for-az", Values: ["true"] }] });
  return Subnets.slice(0, 2).flatMap(({ SubnetId }) => SubnetId ?? []);
};

const machine =
  (task: boolean): Leftover["seed"] =>
  async (clients, owner) => {
    const { Instances = [] } = await (await clients.ec2()).runInstances({
      ImageId: "ami-00000000000000001",
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      TagSpecifications: specified("instance", owner, task ? [{ Key: "landfall:task", Value: "bake-1" }] : []),
    });
    return given(Instances[0]?.InstanceId);
  };
const runs: Leftover["stands"] = async (clients, id) => {
  const { Reservations = [] } = await (await clients.ec2()).describeInstances({ InstanceIds: [id] });
  return Reservations.flatMap(({ Instances = [] }) => Instances).some(({ State }) => State?.Name !== "terminated");
};

async function makeDiskSnapshot(clients: Clients, tags: ReturnType<typeof tagsOf>): Promise<string> {
  const ec2 = await clients.ec2();
  const { VolumeId } = await ec2.createVolume({ AvailabilityZone: "eu-central-1a", Size: 8 });
  const { SnapshotId } = await ec2.createSnapshot({
    VolumeId,
    ...(tags.length > 0 ? { TagSpecifications: [{ ResourceType: "snapshot" as const, Tags: tags }] } : {}),
  });
  await ec2.deleteVolume({ VolumeId });
  return given(SnapshotId);
}

export async function makeImage(clients: Clients, owner: Owner, name = "image"): Promise<{ image: string; snapshot: string }> {
  const ec2 = await clients.ec2();
  const snapshot = await makeDiskSnapshot(clients, []);
  const { ImageId } = await ec2.registerImage({
    Name: `${owner.slug}-${name}`,
    RootDeviceName: "/dev/xvda",
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId: snapshot } }],
  });
  // An image belongs to the app, whichever environment it was made for.
  await ec2.createTags({ Resources: [given(ImageId)], Tags: tagsOf(owner) });
  return { image: given(ImageId), snapshot };
}

const snapshotStands: Leftover["stands"] = async (clients, id) =>
  found((await clients.ec2()).describeSnapshots({ SnapshotIds: [id] }).then(({ Snapshots }) => Snapshots));

export const LEFTOVERS: readonly Leftover[] = [
  { name: "a machine of a one-off task", seed: machine(true), stands: runs },
  { name: "a machine without a group", seed: machine(false), stands: runs },
  {
    name: "a volume",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createVolume({
            AvailabilityZone: "eu-central-1a",
            Size: 8,
            TagSpecifications: specified("volume", owner),
          })
        ).VolumeId,
      ),
    stands: async (clients, id) => found((await clients.ec2()).describeVolumes({ VolumeIds: [id] }).then(({ Volumes }) => Volumes)),
  },
  {
    name: "a machine image",
    seed: async (clients, owner) => (await makeImage(clients, owner)).image,
    stands: async (clients, id) => found((await clients.ec2()).describeImages({ Owners: ["self"], ImageIds: [id] }).then(({ Images }) => Images)),
  },
  {
    name: "the untagged snapshot under a machine image",
    seed: async (clients, owner) => (await makeImage(clients, owner, "image-2")).snapshot,
    stands: snapshotStands,
  },
  { name: "a snapshot without an image", seed: (clients, owner) => makeDiskSnapshot(clients, tagsOf(owner)), stands: snapshotStands },
  {
    name: "a launch template",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createLaunchTemplate({
            LaunchTemplateName: `${owner.slug}-template`,
            LaunchTemplateData: { InstanceType: "t3.micro" },
            TagSpecifications: specified("launch-template", owner),
          })
        ).LaunchTemplate?.LaunchTemplateId,
      ),
    stands: async (clients, id) =>
      found((await clients.ec2()).describeLaunchTemplates({ LaunchTemplateIds: [id] }).then(({ LaunchTemplates }) => LaunchTemplates)),
  },
  {
    name: "a network interface",
    seed: async (clients, owner) => {
      const ec2 = await clients.ec2();
      const { NetworkInterface } = await ec2.createNetworkInterface({ SubnetId: await defaultSubnet(clients) });
      // ministack takes no tags with the call.
      await ec2.createTags({ Resources: [given(NetworkInterface?.NetworkInterfaceId)], Tags: tagsOf(owner) });
      return given(NetworkInterface?.NetworkInterfaceId);
    },
    stands: async (clients, id) =>
      found((await clients.ec2()).describeNetworkInterfaces({ NetworkInterfaceIds: [id] }).then(({ NetworkInterfaces }) => NetworkInterfaces)),
  },
  {
    name: "a public address",
    seed: async (clients, owner) =>
      given((await (await clients.ec2()).allocateAddress({ Domain: "vpc", TagSpecifications: specified("elastic-ip", owner) })).AllocationId),
    stands: async (clients, id) => found((await clients.ec2()).describeAddresses({ AllocationIds: [id] }).then(({ Addresses }) => Addresses)),
  },
  {
    name: "a NAT gateway",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createNatGateway({
            SubnetId: await defaultSubnet(clients),
            ConnectivityType: "private",
            TagSpecifications: specified("natgateway", owner),
          })
        ).NatGateway?.NatGatewayId,
      ),
    stands: async (clients, id) =>
      found(
        (await clients.ec2())
          .describeNatGateways({ NatGatewayIds: [id] })
          .then(({ NatGateways }) => NatGateways?.filter(({ State }) => State !== "deleted")),
      ),
  },
  {
    name: "a network endpoint",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createVpcEndpoint({
            VpcId: await defaultNetwork(clients),
            ServiceName: "com.amazonaws.eu-central-1.s3",
            TagSpecifications: specified("vpc-endpoint", owner),
          })
        ).VpcEndpoint?.VpcEndpointId,
      ),
    stands: async (clients, id) =>
      found((await clients.ec2()).describeVpcEndpoints({ VpcEndpointIds: [id] }).then(({ VpcEndpoints }) => VpcEndpoints)),
  },
  {
    name: "a flow log",
    seed: async (clients, owner) => {
      const { FlowLogIds = [] } = await (await clients.ec2()).createFlowLogs({
        ResourceIds: [await defaultNetwork(clients)],
        ResourceType: "VPC",
        TrafficType: "ALL",
        LogDestinationType: "s3",
        LogDestination: "arn:aws:s3:::logs",
        TagSpecifications: specified("vpc-flow-log", owner),
      });
      await (await clients.ec2()).createTags({ Resources: FlowLogIds, Tags: tagsOf(owner) });
      return given(FlowLogIds[0]);
    },
    stands: async (clients, id) => found((await clients.ec2()).describeFlowLogs({ FlowLogIds: [id] }).then(({ FlowLogs }) => FlowLogs)),
  },
  {
    name: "a security group",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createSecurityGroup({
            GroupName: `${owner.slug}-group`,
            Description: "left",
            VpcId: await defaultNetwork(clients),
            TagSpecifications: specified("security-group", owner),
          })
        ).GroupId,
      ),
    stands: async (clients, id) =>
      found((await clients.ec2()).describeSecurityGroups({ GroupIds: [id] }).then(({ SecurityGroups }) => SecurityGroups)),
  },
  {
    name: "a subnet",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.ec2()
          ).createSubnet({
            VpcId: await defaultNetwork(clients),
            CidrBlock: nextBlock(),
            TagSpecifications: specified("subnet", owner),
          })
        ).Subnet?.SubnetId,
      ),
    stands: async (clients, id) => found((await clients.ec2()).describeSubnets({ SubnetIds: [id] }).then(({ Subnets }) => Subnets)),
  },
  {
    name: "a route table",
    seed: async (clients, owner) =>
      given(
        (await (await clients.ec2()).createRouteTable({ VpcId: await defaultNetwork(clients), TagSpecifications: specified("route-table", owner) }))
          .RouteTable?.RouteTableId,
      ),
    stands: async (clients, id) => found((await clients.ec2()).describeRouteTables({ RouteTableIds: [id] }).then(({ RouteTables }) => RouteTables)),
  },
  {
    name: "an internet gateway, still attached, and its network",
    seed: async (clients, owner) => {
      const ec2 = await clients.ec2();
      const { Vpc } = await ec2.createVpc({ CidrBlock: "10.99.0.0/16", TagSpecifications: specified("vpc", owner) });
      const { InternetGateway } = await ec2.createInternetGateway({ TagSpecifications: specified("internet-gateway", owner) });
      await ec2.attachInternetGateway({ VpcId: Vpc?.VpcId, InternetGatewayId: InternetGateway?.InternetGatewayId });
      return given(InternetGateway?.InternetGatewayId);
    },
    stands: async (clients, id) =>
      found((await clients.ec2()).describeInternetGateways({ InternetGatewayIds: [id] }).then(({ InternetGateways }) => InternetGateways)),
  },
  {
    name: "a network",
    seed: async (clients, owner) =>
      given((await (await clients.ec2()).createVpc({ CidrBlock: "10.98.0.0/16", TagSpecifications: specified("vpc", owner) })).Vpc?.VpcId),
    stands: async (clients, id) => found((await clients.ec2()).describeVpcs({ VpcIds: [id] }).then(({ Vpcs }) => Vpcs)),
  },
  {
    name: "an auto-scaling group",
    seed: async (clients, owner) => {
      const name = `${owner.slug}-left`;
      await (await clients.ec2()).createLaunchTemplate({ LaunchTemplateName: name, LaunchTemplateData: { InstanceType: "t3.micro" } });
      await (await clients.autoScaling()).createAutoScalingGroup({
        AutoScalingGroupName: name,
        MinSize: 0,
        MaxSize: 1,
        LaunchTemplate: { LaunchTemplateName: name, Version: "1" },
        AvailabilityZones: ["eu-central-1a"],
        Tags: tagsOf(owner),
      });
      return name;
    },
    stands: async (clients, id) =>
      found(
        (await clients.autoScaling()).describeAutoScalingGroups({ AutoScalingGroupNames: [id] }).then(({ AutoScalingGroups }) => AutoScalingGroups),
      ),
  },
  {
    name: "a load balancer",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.balancing()
          ).createLoadBalancer({
            Name: `${owner.slug}-left`,
            Subnets: await defaultSubnets(clients),
            Tags: tagsOf(owner),
          })
        ).LoadBalancers?.[0]?.LoadBalancerArn,
      ),
    stands: async (clients, id) =>
      found((await clients.balancing()).describeLoadBalancers({ LoadBalancerArns: [id] }).then(({ LoadBalancers }) => LoadBalancers)),
  },
  {
    name: "a target group",
    seed: async (clients, owner) =>
      given(
        (
          await (
            await clients.balancing()
          ).createTargetGroup({
            Name: `${owner.slug}-left`,
            Protocol: "HTTP",
            Port: 80,
            VpcId: await defaultNetwork(clients),
            Tags: tagsOf(owner),
          })
        ).TargetGroups?.[0]?.TargetGroupArn,
      ),
    stands: async (clients, id) =>
      found((await clients.balancing()).describeTargetGroups({ TargetGroupArns: [id] }).then(({ TargetGroups }) => TargetGroups)),
  },
  {
    name: "a certificate",
    seed: async (clients, owner) =>
      given((await (await clients.acm()).requestCertificate({ DomainName: `${owner.slug}.example.org`, Tags: tagsOf(owner) })).CertificateArn),
    stands: async (clients, id) => found((await clients.acm()).describeCertificate({ CertificateArn: id }).then(({ Certificate }) => [Certificate])),
  },
  {
    name: "the record that proves a name to the maker of certificates",
    seed: async (clients, owner) => {
      await changeRecord(clients, owner, { Name: proofOf(owner), Type: "CNAME", TTL: 300, ResourceRecords: [{ Value: "_f.acm-validations.aws." }] });
      return proofOf(owner);
    },
    stands: async (clients, id, { zone }) => hasRecord(clients, zone, id),
  },
  {
    name: "a firewall",
    seed: async (clients, owner) => {
      const { Summary } = await (await clients.firewalls()).createWebACL({
        Name: `${owner.slug}-left`,
        Scope: "REGIONAL",
        DefaultAction: { Allow: {} },
        VisibilityConfig: { SampledRequestsEnabled: false, CloudWatchMetricsEnabled: false, MetricName: "left" },
        Tags: tagsOf(owner),
      });
      return `${Summary?.Name}/${Summary?.Id}`;
    },
    stands: async (clients, id) => {
      const { WebACLs = [] } = await (await clients.firewalls()).listWebACLs({ Scope: "REGIONAL" });
      return WebACLs.some(({ Name, Id }) => `${Name}/${Id}` === id);
    },
  },
  {
    name: "a private zone with a record in it",
    seed: async (clients, owner) => {
      const route53 = await clients.route53();
      const Name = `${owner.environment ?? "some"}.${owner.app ?? "zone"}.internal`;
      const { HostedZone } = await route53.createHostedZone({
        Name,
        CallerReference: `${owner.slug}-left`,
        HostedZoneConfig: { PrivateZone: true },
        VPC: { VPCId: await defaultNetwork(clients), VPCRegion: "eu-central-1" },
      });
      const id = given(HostedZone?.Id).replace("/hostedzone/", "");
      await route53.changeTagsForResource({ ResourceType: "hostedzone", ResourceId: id, AddTags: tagsOf(owner) });
      await changeRecord(
        clients,
        { ...owner, zone: id },
        { Name: `db.${Name}`, Type: "CNAME", TTL: 60, ResourceRecords: [{ Value: "x.example.com" }] },
      );
      return id;
    },
    stands: async (clients, id) => found((await clients.route53()).getHostedZone({ Id: id }).then(({ HostedZone }) => [HostedZone])),
  },
  {
    name: "a database",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left-db`;
      await (await clients.rds()).createDBInstance({
        DBInstanceIdentifier: id,
        DBInstanceClass: "db.t4g.micro",
        Engine: "postgres",
        AllocatedStorage: 20,
        MasterUsername: "app",
        MasterUserPassword: "emulated-password",
        Tags: tagsOf(owner),
      });
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.rds()).describeDBInstances({ DBInstanceIdentifier: id }).then(({ DBInstances }) => DBInstances)),
  },
  {
    name: "a snapshot of a database",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-copy`;
      await (await clients.rds()).createDBSnapshot({ DBInstanceIdentifier: owner.database, DBSnapshotIdentifier: id, Tags: tagsOf(owner) });
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.rds()).describeDBSnapshots({ DBSnapshotIdentifier: id }).then(({ DBSnapshots }) => DBSnapshots)),
    kept: true,
  },
  {
    name: "automated backups of a database that is gone",
    seed: async (_, owner) => {
      const resource = `DB-${owner.slug.toUpperCase()}`;
      const body = new URLSearchParams({
        Action: "RetainDBInstanceAutomatedBackup",
        DbiResourceId: resource,
        DBInstanceIdentifier: owner.database,
        Version: "2014-10-31",
      });
      const authorization = `AWS4-HMAC-SHA256 Credential=${owner.account}/20260101/eu-central-1/rds/aws4_request, SignedHeaders=host, Signature=0`;
      const answer = await fetch(`http://127.0.0.1:${owner.port}/`, { method: "POST", body, headers: { authorization } });
      if (!answer.ok) throw new Error(await answer.text());
      return `ab-${resource.toLowerCase()}`;
    },
    stands: async (clients, id) => {
      const { DBInstanceAutomatedBackups = [] } = await (await clients.rds()).describeDBInstanceAutomatedBackups({});
      return DBInstanceAutomatedBackups.some((one) => one.DBInstanceAutomatedBackupsArn?.endsWith(id));
    },
  },
  {
    name: "a parameter group of databases",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left`;
      await (await clients.rds()).createDBParameterGroup({
        DBParameterGroupName: id,
        DBParameterGroupFamily: "postgres17",
        Description: "left",
        Tags: tagsOf(owner),
      });
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.rds()).describeDBParameterGroups({ DBParameterGroupName: id }).then(({ DBParameterGroups }) => DBParameterGroups)),
  },
  {
    name: "a subnet group of databases",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left`;
      const SubnetIds = await defaultSubnets(clients);
      await (await clients.rds()).createDBSubnetGroup({ DBSubnetGroupName: id, DBSubnetGroupDescription: "left", SubnetIds, Tags: tagsOf(owner) });
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.rds()).describeDBSubnetGroups({ DBSubnetGroupName: id }).then(({ DBSubnetGroups }) => DBSubnetGroups)),
  },
  {
    name: "a cache",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left`;
      await (await clients.elastiCache()).createReplicationGroup({
        ReplicationGroupId: id,
        ReplicationGroupDescription: "left",
        Engine: "valkey",
        CacheNodeType: "cache.t4g.micro",
        NumCacheClusters: 1,
        Tags: tagsOf(owner),
      });
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.elastiCache()).describeReplicationGroups({ ReplicationGroupId: id }).then(({ ReplicationGroups }) => ReplicationGroups)),
  },
  {
    name: "a snapshot of a cache",
    seed: async (clients, owner) => {
      const caches = await clients.elastiCache();
      const cluster = `${owner.slug}-snapped`;
      await caches.createReplicationGroup({
        ReplicationGroupId: cluster,
        ReplicationGroupDescription: "left",
        Engine: "valkey",
        CacheNodeType: "cache.t4g.micro",
        NumCacheClusters: 1,
      });
      const id = `${owner.slug}-cache-copy`;
      const { Snapshot } = await caches.createSnapshot({ SnapshotName: id, ReplicationGroupId: cluster });
      // ministack takes no tags with the call.
      await caches.addTagsToResource({ ResourceName: Snapshot?.ARN, Tags: tagsOf(owner) });
      await caches.deleteReplicationGroup({ ReplicationGroupId: cluster });
      return id;
    },
    stands: async (clients, id) => found((await clients.elastiCache()).describeSnapshots({ SnapshotName: id }).then(({ Snapshots }) => Snapshots)),
    kept: true,
  },
  {
    name: "a subnet group of caches",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left`;
      const SubnetIds = await defaultSubnets(clients);
      const input = { CacheSubnetGroupName: id, CacheSubnetGroupDescription: "left", SubnetIds, Tags: tagsOf(owner) };
      await (await clients.elastiCache()).createCacheSubnetGroup(input);
      return id;
    },
    stands: async (clients, id) =>
      found((await clients.elastiCache()).describeCacheSubnetGroups({ CacheSubnetGroupName: id }).then(({ CacheSubnetGroups }) => CacheSubnetGroups)),
  },
  {
    name: "a parameter group of caches",
    seed: async (clients, owner) => {
      const id = `${owner.slug}-left`;
      const input = { CacheParameterGroupName: id, CacheParameterGroupFamily: "valkey8", Description: "left", Tags: tagsOf(owner) };
      await (await clients.elastiCache()).createCacheParameterGroup(input);
      return id;
    },
    stands: async (clients, id) =>
      found(
        (await clients.elastiCache())
          .describeCacheParameterGroups({ CacheParameterGroupName: id })
          .then(({ CacheParameterGroups }) => CacheParameterGroups),
      ),
  },
  {
    name: "a queue",
    seed: async (clients, owner) => {
      await (await clients.sqs()).createQueue({ QueueName: `${owner.slug}-left`, tags: tagMap(owner) });
      return `${owner.slug}-left`;
    },
    stands: async (clients, id) => found((await clients.sqs()).getQueueUrl({ QueueName: id }).then(({ QueueUrl }) => [QueueUrl])),
  },
  {
    name: "a topic",
    seed: async (clients, owner) => given((await (await clients.sns()).createTopic({ Name: `${owner.slug}-left`, Tags: tagsOf(owner) })).TopicArn),
    stands: async (clients, id) => found((await clients.sns()).getTopicAttributes({ TopicArn: id }).then(({ Attributes }) => [Attributes])),
  },
  {
    name: "a bucket with versions in it",
    seed: async (clients, owner) => {
      const s3 = await clients.s3();
      const Bucket = `${owner.slug}-left-${owner.account}`;
      await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: "eu-central-1" } });
      await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: "Enabled" } });
      await s3.putBucketTagging({ Bucket, Tagging: { TagSet: tagsOf(owner) } });
      for (const Body of ["one", "two"]) await s3.putObject({ Bucket, Key: "file", Body });
      await s3.deleteObject({ Bucket, Key: "file" });
      return Bucket;
    },
    stands: async (clients, id) => found((await clients.s3()).headBucket({ Bucket: id }).then(() => [id])),
  },
  {
    name: "a log group under the environment's path",
    seed: async (clients, owner) => {
      const logGroupName = `/landfall/${owner.app ?? "hello-2"}/${owner.environment ?? "production"}/left`;
      await (await clients.logs()).createLogGroup({ logGroupName });
      return logGroupName;
    },
    stands: async (clients, id) => hasLogGroup(clients, id),
  },
  {
    name: "a log group that a database made",
    seed: async (clients, owner) => {
      const logGroupName = `/aws/rds/instance/${owner.database}/postgresql`;
      await (await clients.logs()).createLogGroup({ logGroupName });
      return logGroupName;
    },
    stands: async (clients, id) => hasLogGroup(clients, id),
  },
  {
    name: "an alarm",
    seed: async (clients, owner) => {
      const AlarmName = `${owner.slug}-left`;
      await (await clients.cloudWatch()).putMetricAlarm({ ...ALARM, AlarmName, Tags: tagsOf(owner) });
      return AlarmName;
    },
    stands: async (clients, id) => hasAlarm(clients, id),
  },
  {
    name: "an alarm that scaling made",
    seed: async (clients, owner) => {
      const AlarmName = `TargetTracking-${owner.group}-AlarmHigh-${owner.slug}`;
      await (await clients.cloudWatch()).putMetricAlarm({ ...ALARM, AlarmName });
      return AlarmName;
    },
    stands: async (clients, id) => hasAlarm(clients, id),
  },
  {
    name: "a dashboard",
    seed: async (clients, owner) => {
      const DashboardName = `landfall_${owner.app ?? "hello-2"}_${owner.environment ?? "production"}`;
      await (await clients.cloudWatch()).putDashboard({ DashboardName, DashboardBody: '{"widgets":[]}' });
      return DashboardName;
    },
    stands: async (clients, id) =>
      found((await clients.cloudWatch()).getDashboard({ DashboardName: id }).then(({ DashboardBody }) => [DashboardBody])),
  },
  {
    name: "a key",
    seed: async (clients, owner) => {
      const Tags = tagsOf(owner).map(({ Key: TagKey, Value: TagValue }) => ({ TagKey, TagValue }));
      return given((await (await clients.kms()).createKey({ Description: "left", Tags })).KeyMetadata?.KeyId);
    },
    // AWS lets none go within a week: the report names it with its day.
    stands: async (clients, id) => (await (await clients.kms()).describeKey({ KeyId: id })).KeyMetadata?.DeletionDate === undefined,
  },
  {
    name: "a secret",
    seed: async (clients, owner) => makeSecret(clients, owner, "left"),
    stands: async (clients, id) => found((await clients.secretsManager()).describeSecret({ SecretId: id }).then(({ ARN }) => [ARN])),
  },
  {
    name: "a secret that waits for its end",
    seed: async (clients, owner) => {
      const id = await makeSecret(clients, owner, "waiting");
      await (await clients.secretsManager()).deleteSecret({ SecretId: id, RecoveryWindowInDays: 30 });
      return id;
    },
    stands: async (clients, id) => found((await clients.secretsManager()).describeSecret({ SecretId: id }).then(({ ARN }) => [ARN])),
  },
  {
    name: "a secret of the app",
    seed: async (clients, owner) => {
      const Name = `/landfall/${owner.app ?? "hello-2"}/${owner.environment ?? "production"}/secrets/LEFT`;
      await (await clients.ssm()).putParameter({ Name, Value: "x", Type: "SecureString" });
      return Name;
    },
    stands: async (clients, id) => found((await clients.ssm()).getParameters({ Names: [id] }).then(({ Parameters }) => Parameters)),
  },
  {
    name: "a registry with an image in it",
    seed: async (clients, owner) => {
      const repositoryName = `${owner.slug}-left`;
      const ecr = await clients.ecr();
      await ecr.createRepository({ repositoryName, tags: tagsOf(owner) });
      await ecr.putImage({ repositoryName, imageTag: "1", imageManifest: JSON.stringify({ schemaVersion: 2, config: {}, layers: [] }) });
      return repositoryName;
    },
    stands: async (clients, id) =>
      found((await clients.ecr()).describeRepositories({ repositoryNames: [id] }).then(({ repositories }) => repositories)),
  },
  {
    name: "a role, an instance profile and a log group that a stack was told to leave",
    seed: async (clients, owner) => {
      const StackName = `${owner.app ?? "hello"}-${owner.environment ?? "production"}-service-${owner.app ? "old" : "nobodys"}`;
      const cloudFormation = await clients.cloudFormation();
      const { StackId } = await cloudFormation.createStack({
        StackName,
        TemplateBody: JSON.stringify(LEAVES_ALL),
        Tags: tagsOf(owner),
        Capabilities: ["CAPABILITY_IAM"],
      });
      await settled(clients, StackId);
      const { StackResources = [] } = await cloudFormation.describeStackResources({ StackName });
      await cloudFormation.deleteStack({ StackName });
      await settled(clients, StackId);
      return given(StackResources.find(({ ResourceType }) => ResourceType === "AWS::IAM::Role")?.PhysicalResourceId);
    },
    stands: async (clients, id) => found((await clients.iam()).getRole({ RoleName: id }).then(({ Role }) => [Role])),
  },
  {
    name: "the stack of a service that the configuration has no more",
    seed: async (clients, owner) => {
      const StackName = `${owner.app ?? "hello"}-${owner.environment ?? "production"}-service-${owner.app ? "gone" : "else"}`;
      const TemplateBody = JSON.stringify({ Resources: { Queue: { Type: "AWS::SQS::Queue" } } });
      const { StackId } = await (await clients.cloudFormation()).createStack({ StackName, TemplateBody, Tags: tagsOf(owner) });
      await settled(clients, StackId);
      return StackName;
    },
    stands: async (clients, id) => (await statusOf(clients, id)) !== undefined,
  },
];

const ALARM = {
  Namespace: "Left",
  MetricName: "left",
  Statistic: "Sum" as const,
  Period: 60,
  EvaluationPeriods: 1,
  Threshold: 1,
  ComparisonOperator: "GreaterThanThreshold" as const,
};

const LEAVES_ALL = {
  Resources: {
    Role: {
      Type: "AWS::IAM::Role",
      DeletionPolicy: "Retain",
      Properties: {
        AssumeRolePolicyDocument: {
          Version: "2012-10-17",
          Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
        },
        Policies: [
          { PolicyName: "own", PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "s3:ListBucket", Resource: "*" }] } },
        ],
      },
    },
    Profile: { Type: "AWS::IAM::InstanceProfile", DeletionPolicy: "Retain", Properties: { Roles: [{ Ref: "Role" }] } },
  },
};

async function statusOf(clients: Clients, stack: string | undefined): Promise<string | undefined> {
  try {
    const { Stacks = [] } = await (await clients.cloudFormation()).describeStacks({ StackName: stack });
    const status = Stacks[0]?.StackStatus;
    return status === "DELETE_COMPLETE" ? undefined : status;
  } catch (error) {
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
    throw error;
  }
}

async function settled(clients: Clients, stack: string | undefined): Promise<void> {
  while ((await statusOf(clients, stack))?.endsWith("_IN_PROGRESS")) await new Promise((resolve) => setTimeout(resolve, 20));
}

const proofOf = ({ host, slug }: Owner) => `_${slug}.${host}`;

async function changeRecord(clients: Clients, { zone }: Pick<Owner, "zone">, ResourceRecordSet: object): Promise<void> {
  const ChangeBatch = { Changes: [{ Action: "UPSERT" as const, ResourceRecordSet: ResourceRecordSet as { Name: string; Type: "CNAME" } }] };
  await (await clients.route53()).changeResourceRecordSets({ HostedZoneId: zone, ChangeBatch });
}

export async function hasRecord(clients: Clients, zone: string, name: string): Promise<boolean> {
  const { ResourceRecordSets = [] } = await (await clients.route53()).listResourceRecordSets({ HostedZoneId: zone });
  return ResourceRecordSets.some(({ Name }) => Name === `${name}.`);
}

/** A name that leads to a balancer. */
export const leadTo = (clients: Clients, zone: string, host: string, balancer: string) =>
  changeRecord(
    clients,
    { zone },
    { Name: host, Type: "A", AliasTarget: { DNSName: balancer, HostedZoneId: "Z215JYRZR1TBD5", EvaluateTargetHealth: false } },
  );

async function hasLogGroup(clients: Clients, name: string): Promise<boolean> {
  const { logGroups = [] } = await (await clients.logs()).describeLogGroups({ logGroupNamePrefix: name });
  return logGroups.some(({ logGroupName }) => logGroupName === name);
}

const hasAlarm = async (clients: Clients, name: string) =>
  found((await clients.cloudWatch()).describeAlarms({ AlarmNames: [name] }).then(({ MetricAlarms }) => MetricAlarms));

const makeSecret = async (clients: Clients, owner: Owner, name: string) =>
  given((await (await clients.secretsManager()).createSecret({ Name: `${owner.slug}-${name}`, SecretString: "x", Tags: tagsOf(owner) })).ARN);
