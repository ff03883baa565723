// Every type of resource that the templates have: what people call it, and what a change of it does.

export interface KindFacts {
  words: string;
  /** Properties whose change makes CloudFormation replace the resource. */
  replacedBy: readonly string[];
  /** Properties whose change may replace it, by what is in them. */
  mayBeReplacedBy?: readonly string[];
  /** Loses something that nobody can make again when it is replaced or removed. */
  holdsData?: boolean;
  /** What people notice when one of these properties changes. */
  effects?: Readonly<Record<string, string>>;
  /** Attributes that are new after every change, even when the resource stays. */
  volatile?: readonly string[];
}

const AWAY = "it is away for some minutes, or for the seconds of a switch with a standby in another zone";
const ROLLS = "its instances are replaced, batch by batch";

/**
 * By type. Which properties replace is from AWS's own schemas of resource types (`createOnlyProperties`, November 2026), for the
 * properties that the templates use; a test compares them with the schemas that cfn-lint brings. AWS's user guide says the same, but for
 * properties whose values are the same in all our templates.
 */
export const KINDS: Readonly<Record<string, KindFacts>> = {
  "AWS::ApplicationAutoScaling::ScalableTarget": {
    words: "range of a fleet of containers",
    replacedBy: ["ResourceId", "ScalableDimension", "ServiceNamespace"],
  },
  "AWS::ApplicationAutoScaling::ScalingPolicy": { words: "scaling policy", replacedBy: ["PolicyName", "ScalingTargetId"] },
  "AWS::AutoScaling::AutoScalingGroup": {
    words: "fleet",
    replacedBy: [],
    effects: { LaunchTemplate: ROLLS, MixedInstancesPolicy: ROLLS, VPCZoneIdentifier: ROLLS },
  },
  "AWS::AutoScaling::ScalingPolicy": { words: "scaling policy", replacedBy: ["AutoScalingGroupName"] },
  "AWS::CertificateManager::Certificate": {
    words: "certificate",
    replacedBy: ["SubjectAlternativeNames", "DomainValidationOptions", "DomainName"],
  },
  "AWS::CloudWatch::Alarm": { words: "alarm", replacedBy: [] },
  "AWS::EC2::EIP": { words: "public address", replacedBy: [] },
  "AWS::EC2::EIPAssociation": { words: "use of a public address", replacedBy: ["AllocationId", "NetworkInterfaceId"] },
  "AWS::EC2::FlowLog": {
    words: "flow log",
    replacedBy: ["LogDestination", "ResourceId", "TrafficType", "LogDestinationType", "ResourceType", "MaxAggregationInterval"],
  },
  "AWS::EC2::Instance": { words: "machine", replacedBy: ["LaunchTemplate"] },
  "AWS::EC2::InternetGateway": { words: "internet gateway", replacedBy: [] },
  "AWS::EC2::LaunchTemplate": { words: "launch template", replacedBy: [], volatile: ["LatestVersionNumber", "DefaultVersionNumber"] },
  "AWS::EC2::NatGateway": { words: "NAT gateway", replacedBy: ["SubnetId", "AllocationId"] },
  "AWS::EC2::NetworkInterface": { words: "network interface", replacedBy: ["SubnetId"] },
  "AWS::EC2::Route": { words: "way out of a subnet", replacedBy: ["RouteTableId", "DestinationCidrBlock"] },
  "AWS::EC2::RouteTable": { words: "route table", replacedBy: ["VpcId"] },
  "AWS::EC2::SecurityGroup": { words: "security group", replacedBy: ["GroupDescription", "VpcId"] },
  "AWS::EC2::SecurityGroupEgress": {
    words: "rule for what goes out",
    replacedBy: ["IpProtocol", "DestinationSecurityGroupId", "ToPort", "FromPort", "GroupId"],
  },
  "AWS::EC2::SecurityGroupIngress": {
    words: "rule for what comes in",
    replacedBy: ["IpProtocol", "SourceSecurityGroupId", "ToPort", "FromPort", "GroupId"],
  },
  "AWS::EC2::Subnet": { words: "subnet", replacedBy: ["VpcId", "AvailabilityZone", "CidrBlock"] },
  "AWS::EC2::SubnetRouteTableAssociation": { words: "use of a route table", replacedBy: ["SubnetId", "RouteTableId"] },
  "AWS::EC2::VPC": { words: "network", replacedBy: ["CidrBlock"] },
  "AWS::EC2::VPCEndpoint": { words: "gateway endpoint", replacedBy: ["ServiceName", "VpcEndpointType", "VpcId"] },
  "AWS::EC2::VPCGatewayAttachment": { words: "use of the internet gateway", replacedBy: ["VpcId"] },
  "AWS::ECR::Repository": { words: "image registry", replacedBy: ["EncryptionConfiguration"] },
  "AWS::ECS::Cluster": { words: "cluster of containers", replacedBy: [] },
  "AWS::ECS::Service": { words: "fleet of containers", replacedBy: ["Cluster"], effects: { TaskDefinition: ROLLS } },
  "AWS::ECS::TaskDefinition": {
    words: "description of a container",
    replacedBy: [
      "Family",
      "ContainerDefinitions",
      "Cpu",
      "ExecutionRoleArn",
      "Memory",
      "NetworkMode",
      "RequiresCompatibilities",
      "RuntimePlatform",
      "TaskRoleArn",
      "Volumes",
    ],
  },
  "AWS::ElastiCache::ParameterGroup": { words: "cache settings", replacedBy: ["CacheParameterGroupFamily"] },
  "AWS::ElastiCache::ReplicationGroup": {
    words: "cache",
    replacedBy: ["AtRestEncryptionEnabled", "CacheSubnetGroupName", "Port"],
    mayBeReplacedBy: ["AuthToken"],
    holdsData: true,
    effects: { CacheNodeType: AWAY, EngineVersion: AWAY },
  },
  "AWS::ElastiCache::SubnetGroup": { words: "subnets of a cache", replacedBy: [] },
  "AWS::ElasticLoadBalancingV2::Listener": { words: "listener", replacedBy: ["LoadBalancerArn"] },
  "AWS::ElasticLoadBalancingV2::ListenerRule": { words: "rule of the balancer", replacedBy: ["ListenerArn"] },
  "AWS::ElasticLoadBalancingV2::LoadBalancer": { words: "balancer", replacedBy: ["Type", "Scheme"] },
  "AWS::ElasticLoadBalancingV2::TargetGroup": { words: "target group", replacedBy: ["TargetType", "Port", "VpcId", "Protocol"] },
  "AWS::IAM::InstanceProfile": { words: "instance profile", replacedBy: [] },
  "AWS::IAM::Role": { words: "role", replacedBy: [] },
  "AWS::KMS::Key": { words: "key", replacedBy: [] },
  "AWS::Logs::LogGroup": { words: "log group", replacedBy: ["LogGroupName"], holdsData: true },
  "AWS::RDS::DBInstance": {
    words: "database instance",
    replacedBy: ["DBName", "DBSubnetGroupName", "MasterUsername", "StorageEncrypted"],
    mayBeReplacedBy: ["Engine"],
    holdsData: true,
    effects: { DBInstanceClass: AWAY, EngineVersion: AWAY, DBParameterGroupName: AWAY, CACertificateIdentifier: AWAY },
  },
  "AWS::RDS::DBParameterGroup": { words: "database settings", replacedBy: ["Description", "Family"] },
  "AWS::RDS::DBSubnetGroup": { words: "subnets of a database", replacedBy: [] },
  "AWS::Route53::HostedZone": { words: "private zone", replacedBy: ["Name"] },
  "AWS::Route53::RecordSet": { words: "name", replacedBy: ["HostedZoneId", "Name"] },
  "AWS::S3::Bucket": { words: "bucket", replacedBy: [], holdsData: true },
  "AWS::S3::BucketPolicy": { words: "bucket policy", replacedBy: ["Bucket"] },
  "AWS::SNS::Subscription": { words: "subscriber", replacedBy: ["Endpoint", "Protocol", "TopicArn"] },
  "AWS::SNS::Topic": { words: "topic", replacedBy: [] },
  "AWS::SNS::TopicPolicy": { words: "topic policy", replacedBy: [] },
  "AWS::SQS::Queue": { words: "queue", replacedBy: [], holdsData: true },
  "AWS::SQS::QueuePolicy": { words: "queue policy", replacedBy: [] },
  "AWS::Scheduler::Schedule": { words: "schedule of a job", replacedBy: [] },
  "AWS::SecretsManager::Secret": { words: "password", replacedBy: [], holdsData: true },
  "AWS::WAFv2::WebACL": { words: "firewall", replacedBy: ["Scope"] },
  "AWS::WAFv2::WebACLAssociation": { words: "use of the firewall", replacedBy: ["ResourceArn", "WebACLArn"] },
};

/** What people call it; of a type that the table lacks, AWS's own name. */
export const kindOf = (type: string): string => KINDS[type]?.words ?? type;

/** Whether something would be lost with it. Of a type that the table lacks it is not known, so it is assumed. */
export const holdsData = (type: string): boolean => KINDS[type]?.holdsData ?? !KINDS[type];

/** What a change of one top-level property does to a resource. */
export function outcomeOf(type: string, property: string): "change" | "replace" | "mayReplace" {
  const facts = KINDS[type];
  if (!facts || facts.mayBeReplacedBy?.includes(property)) return "mayReplace";
  return facts.replacedBy.includes(property) ? "replace" : "change";
}
