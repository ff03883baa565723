// One of each type of resource in our templates, by the ARNs of what CloudFormation makes of it, for the environment "production" of the app
// "shop". Most names begin with the stack's; where the service wants them short, or in lower case, CloudFormation makes them so.
export const ACCOUNT = "123456789012";
export const REGION = "eu-central-1";

const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;
const ec2 = (kind: string, id: string) => [arn("ec2", `${kind}/${id}-0a1b2c3d4e5f60718`)];
const balancing = (resource: string) => [arn("elasticloadbalancing", resource)];
const iam = (resource: string) => [`arn:aws:iam::${ACCOUNT}:${resource}`];

const WEB = "shop-production-service-web";
const BALANCER = "app/shop-p-Balan-1A2B3C4D5E6F/50dc6c495c0c9188";
const GROUP = arn("autoscaling", `autoScalingGroup:7a8b9c0d-1e2f-4a5b-8c7d-9e0f1a2b3c4d:autoScalingGroupName/${WEB}-BlueGroup-1A2B3C4D5E6F`);
const RANGE = arn("application-autoscaling", "scalable-target/1ec5a1b2c3d4e5f60718293a4b5c6d7e8f90");
const BUCKET = "arn:aws:s3:::shop-production-data-uploadsbucket-1a2b3c4d5e6f";
const TOPIC = arn("sns", "shop-production-alarms-Topic-1A2B3C4D5E6F");
const QUEUE = arn("sqs", "shop-production-data-JobsQueue-1A2B3C4D5E6F");
const ROLE = iam(`role/${WEB}-WebRole-1A2B3C4D5E6F`);
const ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ";
const FIREWALL = arn("wafv2", "regional/webacl/Firewall-AbCdEfGhIjKl/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");

/** Things of types that have no ARN of their own are those that they change. */
export const ARNS: Readonly<Record<string, string[]>> = {
  "AWS::ApplicationAutoScaling::ScalableTarget": [RANGE],
  "AWS::ApplicationAutoScaling::ScalingPolicy": [RANGE],
  "AWS::AutoScaling::AutoScalingGroup": [GROUP],
  "AWS::AutoScaling::ScalingPolicy": [GROUP, arn("cloudwatch", `alarm:TargetTracking-${WEB}-BlueGroup-1A2B3C4D5E6F-AlarmHigh-0f1e2d3c`)],
  "AWS::CertificateManager::Certificate": [arn("acm", "certificate/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")],
  "AWS::CloudWatch::Alarm": [arn("cloudwatch", "alarm:shop-production-edge-Errors-1A2B3C4D5E6F")],
  "AWS::EC2::EIP": ec2("elastic-ip", "eipalloc"),
  "AWS::EC2::EIPAssociation": [...ec2("elastic-ip", "eipalloc"), ...ec2("instance", "i"), ...ec2("network-interface", "eni")],
  "AWS::EC2::FlowLog": ec2("vpc-flow-log", "fl"),
  "AWS::EC2::Instance": ec2("instance", "i"),
  "AWS::EC2::InternetGateway": ec2("internet-gateway", "igw"),
  "AWS::EC2::LaunchTemplate": ec2("launch-template", "lt"),
  "AWS::EC2::NatGateway": ec2("natgateway", "nat"),
  "AWS::EC2::Route": ec2("route-table", "rtb"),
  "AWS::EC2::RouteTable": ec2("route-table", "rtb"),
  "AWS::EC2::SecurityGroup": ec2("security-group", "sg"),
  "AWS::EC2::SecurityGroupIngress": ec2("security-group", "sg"),
  "AWS::EC2::Subnet": ec2("subnet", "subnet"),
  "AWS::EC2::SubnetRouteTableAssociation": [...ec2("subnet", "subnet"), ...ec2("route-table", "rtb")],
  "AWS::EC2::VPC": ec2("vpc", "vpc"),
  "AWS::EC2::VPCEndpoint": ec2("vpc-endpoint", "vpce"),
  "AWS::EC2::VPCGatewayAttachment": [...ec2("vpc", "vpc"), ...ec2("internet-gateway", "igw")],
  "AWS::ECR::Repository": [arn("ecr", "repository/shop-shared-images-1a2b3c4d5e6f")],
  "AWS::ECS::Cluster": [arn("ecs", `cluster/${WEB}-WebCluster-1A2B3C4D5E6F`)],
  "AWS::ECS::Service": [arn("ecs", `service/${WEB}-WebCluster-1A2B3C4D5E6F/${WEB}-BlueService-1A2B3C4D5E6F`)],
  "AWS::ECS::TaskDefinition": [arn("ecs", "task-definition/shop-production-web:7")],
  "AWS::ElastiCache::ParameterGroup": [arn("elasticache", "parametergroup:shop-production-data-cacheparameters-1a2b3c4d5e6f")],
  "AWS::ElastiCache::ReplicationGroup": [arn("elasticache", "replicationgroup:shr1a2b3c4d5e6f7g")],
  "AWS::ElastiCache::SubnetGroup": [arn("elasticache", "subnetgroup:shop-production-data-cachesubnets-1a2b3c4d5e6f")],
  "AWS::ElasticLoadBalancingV2::Listener": balancing(`listener/${BALANCER}/f2f7dc8efc522ab2`),
  "AWS::ElasticLoadBalancingV2::ListenerRule": balancing(`listener-rule/${BALANCER}/f2f7dc8efc522ab2/9683b2d02a6cabee`),
  "AWS::ElasticLoadBalancingV2::LoadBalancer": balancing(`loadbalancer/${BALANCER}`),
  "AWS::ElasticLoadBalancingV2::TargetGroup": balancing("targetgroup/shop-p-BlueT-1A2B3C4D5E6F/73e2d6bc24d8a067"),
  "AWS::IAM::InstanceProfile": iam(`instance-profile/${WEB}-WebProfile-1A2B3C4D5E6F`),
  "AWS::IAM::Role": ROLE,
  "AWS::KMS::Key": [arn("kms", "key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")],
  "AWS::Logs::LogGroup": [arn("logs", "log-group:/landfall/shop/production/web")],
  "AWS::RDS::DBInstance": [arn("rds", "db:shop-production-data-database-1a2b3c4d5e6f")],
  "AWS::RDS::DBParameterGroup": [arn("rds", "pg:shop-production-data-databaseparameters-1a2b3c4d5e6f")],
  "AWS::RDS::DBSubnetGroup": [arn("rds", "subgrp:shop-production-data-databasesubnets-1a2b3c4d5e6f")],
  "AWS::Route53::HostedZone": [ZONE, "arn:aws:route53:::change/C0123456789ABCDEFGHIJ", ...ec2("vpc", "vpc")],
  "AWS::Route53::RecordSet": [ZONE, "arn:aws:route53:::change/C0123456789ABCDEFGHIJ"],
  "AWS::S3::Bucket": [BUCKET],
  "AWS::S3::BucketPolicy": [BUCKET],
  "AWS::SNS::Subscription": [TOPIC],
  "AWS::SNS::Topic": [TOPIC],
  "AWS::SNS::TopicPolicy": [TOPIC],
  "AWS::SQS::Queue": [QUEUE],
  "AWS::SQS::QueuePolicy": [QUEUE],
  "AWS::Scheduler::Schedule": [arn("scheduler", `schedule/default/${WEB}-Schedule-1A2B3C4D5E6F`)],
  "AWS::SecretsManager::Secret": [arn("secretsmanager", "secret:DatabaseLogin1A2B3C4D-5e6f7g8h9i0j-AbCdEf")],
  "AWS::WAFv2::WebACL": [FIREWALL],
  "AWS::WAFv2::WebACLAssociation": [FIREWALL, ...balancing(`loadbalancer/${BALANCER}`)],
};

/** What belongs to no type of ours, and is asked about all the same: nobody put our tags on it. */
export const FOREIGN: readonly string[] = [
  `arn:aws:ec2:${REGION}::image/ami-0a1b2c3d4e5f60718`,
  ...ec2("security-group-rule", "sgr"),
  ...ec2("volume", "vol"),
  `arn:aws:ssm:${REGION}::parameter/aws/service/debian/release/13/latest/arm64`,
  `arn:aws:iam::${ACCOUNT}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS`,
  arn("wafv2", "regional/managedruleset/AWSManagedRulesCommonRuleSet/0f1e2d3c"),
  arn("ecs", `service-deployment/${WEB}-WebCluster-1A2B3C4D5E6F/${WEB}-BlueService-1A2B3C4D5E6F/0f1e2d3c`),
  arn("rds", "snapshot:shop-production-data-snapshot-database-1a2b3c4d5e6f"),
  arn("elasticache", "cluster:shr1a2b3c4d5e6f7g-001"),
  arn("kms", "key/1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
  arn("logs", "log-group:/landfall/shop/production/web:log-stream:web.1"),
];
