// Which calls CloudFormation makes, with the caller's permissions, for each type of resource that the templates have. From AWS's own schemas
// of resource types (`handlers`, November 2026), less what concerns properties that the templates never use. A test compares them, both ways.
// Handlers read properties that are not there as well, so nothing is left out of what they read.

export interface Grant {
  create: string[];
  read: string[];
  update: string[];
  remove: string[];
}

interface Calls {
  create?: string;
  read?: string;
  update?: string;
  remove?: string;
}

/** `CreateVpc DeleteVpc` → `ec2:CreateVpc`, `ec2:DeleteVpc`. A word with a colon has its own service. */
const words = (service: string, text = ""): string[] =>
  text
    .split(" ")
    .filter(Boolean)
    .map((word) => (word.includes(":") ? word : `${service}:${word}`));

const grant = (service: string, calls: Calls): Grant => ({
  create: words(service, calls.create),
  read: words(service, calls.read),
  update: words(service, calls.update),
  remove: words(service, calls.remove),
});

/** What EC2 tags is tagged by the same two calls. */
const ec2 = ({ create, update, ...calls }: Calls): Grant =>
  grant("ec2", { ...calls, create: `${create} CreateTags`, update: `${update ?? ""} CreateTags DeleteTags` });
/** Rules and uses of things have no tags of their own. */
const untagged = (calls: Calls): Grant => grant("ec2", calls);
const balancing = ({ create, update, read, remove }: Calls): Grant =>
  grant("elasticloadbalancing", { create: `${create} AddTags`, read: `${read} DescribeTags`, update: `${update} AddTags RemoveTags`, remove });
const caching = ({ create, update, read, remove }: Calls): Grant =>
  grant("elasticache", {
    create: `${create} AddTagsToResource`,
    read: `${read} ListTagsForResource`,
    update: `${update} AddTagsToResource RemoveTagsFromResource`,
    remove,
  });
const databases = ({ create, update, read, remove }: Calls): Grant =>
  grant("rds", {
    create: `${create} AddTagsToResource`,
    read: `${read} ListTagsForResource`,
    update: `${update} AddTagsToResource RemoveTagsFromResource`,
    remove,
  });

const RULES_IN = "AuthorizeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsIngress";
const RULES_OUT = "AuthorizeSecurityGroupEgress UpdateSecurityGroupRuleDescriptionsEgress";

export const GRANTS: Readonly<Record<string, Grant>> = {
  "AWS::ApplicationAutoScaling::ScalableTarget": grant("application-autoscaling", {
    create: "RegisterScalableTarget TagResource iam:CreateServiceLinkedRole",
    read: "DescribeScalableTargets DescribeScheduledActions ListTagsForResource",
    update: "RegisterScalableTarget TagResource UntagResource",
    remove: "DeregisterScalableTarget",
  }),
  "AWS::ApplicationAutoScaling::ScalingPolicy": grant("application-autoscaling", {
    create: "PutScalingPolicy cloudwatch:GetMetricData",
    read: "DescribeScalingPolicies",
    update: "PutScalingPolicy cloudwatch:GetMetricData",
    remove: "DeleteScalingPolicy",
  }),
  "AWS::AutoScaling::AutoScalingGroup": grant("autoscaling", {
    // A group tries out its launch template with the caller's permissions.
    create:
      "CreateAutoScalingGroup UpdateAutoScalingGroup CreateOrUpdateTags EnableMetricsCollection PutLifecycleHook ec2:RunInstances ec2:CreateTags iam:PassRole ssm:GetParameters iam:CreateServiceLinkedRole",
    read: "DescribeAutoScalingGroups DescribeScalingActivities DescribeLifecycleHooks DescribeTags ec2:DescribeLaunchTemplateVersions ec2:DescribeInstances elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:DescribeTargetHealth",
    update:
      "UpdateAutoScalingGroup CreateOrUpdateTags DeleteTags EnableMetricsCollection DisableMetricsCollection PutLifecycleHook DeleteLifecycleHook SuspendProcesses ResumeProcesses TerminateInstanceInAutoScalingGroup AttachLoadBalancerTargetGroups DetachLoadBalancerTargetGroups ec2:RunInstances iam:PassRole ssm:GetParameters",
    remove: "DeleteAutoScalingGroup UpdateAutoScalingGroup",
  }),
  "AWS::AutoScaling::ScalingPolicy": grant("autoscaling", {
    create: "PutScalingPolicy cloudwatch:PutMetricAlarm cloudwatch:GetMetricData",
    read: "DescribePolicies",
    update: "PutScalingPolicy cloudwatch:PutMetricAlarm cloudwatch:GetMetricData",
    remove: "DeletePolicy cloudwatch:DeleteAlarms",
  }),
  "AWS::CertificateManager::Certificate": grant("acm", {
    create: "RequestCertificate AddTagsToCertificate route53:ChangeResourceRecordSets",
    read: "DescribeCertificate ListTagsForCertificate",
    update: "AddTagsToCertificate RemoveTagsFromCertificate UpdateCertificateOptions",
    remove: "DeleteCertificate",
  }),
  "AWS::CloudWatch::Alarm": grant("cloudwatch", {
    create: "PutMetricAlarm TagResource",
    read: "DescribeAlarms ListTagsForResource",
    update: "PutMetricAlarm TagResource UntagResource",
    remove: "DeleteAlarms",
  }),
  "AWS::EC2::EIP": ec2({
    create: "AllocateAddress",
    read: "DescribeAddresses DescribeTags",
    update: "AssociateAddress DisassociateAddress",
    remove: "ReleaseAddress DisassociateAddress",
  }),
  "AWS::EC2::EIPAssociation": untagged({ create: "AssociateAddress", read: "DescribeAddresses", remove: "DisassociateAddress" }),
  "AWS::EC2::FlowLog": ec2({
    create: "CreateFlowLogs logs:CreateLogDelivery s3:GetBucketPolicy s3:PutBucketPolicy",
    read: "DescribeFlowLogs DescribeTags",
    remove: "DeleteFlowLogs logs:DeleteLogDelivery",
  }),
  "AWS::EC2::Instance": ec2({
    create: "RunInstances ssm:GetParameters",
    read: "DescribeInstances DescribeInstanceAttribute DescribeInstanceCreditSpecifications DescribeIamInstanceProfileAssociations DescribeVolumes DescribeNetworkInterfaces DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeLaunchTemplates DescribeLaunchTemplateVersions",
    update: "ModifyInstanceAttribute RunInstances ssm:GetParameters",
    remove: "TerminateInstances",
  }),
  "AWS::EC2::InternetGateway": ec2({ create: "CreateInternetGateway", read: "DescribeInternetGateways", remove: "DeleteInternetGateway" }),
  "AWS::EC2::LaunchTemplate": ec2({
    create: "CreateLaunchTemplate",
    read: "DescribeLaunchTemplates DescribeLaunchTemplateVersions",
    update: "CreateLaunchTemplateVersion ModifyLaunchTemplate",
    remove: "DeleteLaunchTemplate",
  }),
  "AWS::EC2::NatGateway": ec2({ create: "CreateNatGateway", read: "DescribeNatGateways", remove: "DeleteNatGateway" }),
  "AWS::EC2::NetworkInterface": ec2({
    create: "CreateNetworkInterface ModifyNetworkInterfaceAttribute",
    read: "DescribeNetworkInterfaces",
    update: "ModifyNetworkInterfaceAttribute",
    remove: "DeleteNetworkInterface",
  }),
  "AWS::EC2::Route": untagged({
    create: "CreateRoute",
    read: "DescribeRouteTables DescribeNetworkInterfaces",
    update: "ReplaceRoute",
    remove: "DeleteRoute",
  }),
  "AWS::EC2::RouteTable": ec2({ create: "CreateRouteTable", read: "DescribeRouteTables", remove: "DeleteRouteTable" }),
  "AWS::EC2::SecurityGroup": ec2({
    create: "CreateSecurityGroup AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
    read: "DescribeSecurityGroups DescribeSecurityGroupRules DescribeInstances",
    update: `${RULES_IN} ${RULES_OUT} RevokeSecurityGroupIngress RevokeSecurityGroupEgress`,
    remove: "DeleteSecurityGroup",
  }),
  "AWS::EC2::SecurityGroupEgress": untagged({
    create: "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
    read: "DescribeSecurityGroups DescribeSecurityGroupRules",
    update: RULES_OUT,
    remove: "RevokeSecurityGroupEgress",
  }),
  "AWS::EC2::SecurityGroupIngress": untagged({
    create: "AuthorizeSecurityGroupIngress",
    read: "DescribeSecurityGroups DescribeSecurityGroupRules",
    update: RULES_IN,
    remove: "RevokeSecurityGroupIngress",
  }),
  "AWS::EC2::Subnet": ec2({
    create: "CreateSubnet ModifySubnetAttribute DescribeAvailabilityZones",
    read: "DescribeSubnets DescribeNetworkAcls",
    update: "ModifySubnetAttribute",
    remove: "DeleteSubnet",
  }),
  "AWS::EC2::SubnetRouteTableAssociation": untagged({
    create: "AssociateRouteTable",
    read: "DescribeRouteTables DescribeSubnets",
    update: "ReplaceRouteTableAssociation",
    remove: "DisassociateRouteTable",
  }),
  "AWS::EC2::VPC": ec2({
    create: "CreateVpc ModifyVpcAttribute",
    read: "DescribeVpcs DescribeVpcAttribute DescribeNetworkAcls DescribeSecurityGroups DescribeVpcEncryptionControls",
    update: "ModifyVpcAttribute",
    remove: "DeleteVpc",
  }),
  "AWS::EC2::VPCEndpoint": ec2({
    create: "CreateVpcEndpoint",
    read: "DescribeVpcEndpoints DescribeSecurityGroups DescribeSubnets DescribeVpcs",
    update: "ModifyVpcEndpoint",
    remove: "DeleteVpcEndpoints",
  }),
  "AWS::EC2::VPCGatewayAttachment": untagged({
    create: "AttachInternetGateway",
    read: "DescribeInternetGateways DescribeVpnGateways",
    remove: "DetachInternetGateway",
  }),
  "AWS::ECR::Repository": grant("ecr", {
    create: "CreateRepository PutLifecyclePolicy TagResource",
    read: "DescribeRepositories GetLifecyclePolicy GetRepositoryPolicy ListTagsForResource",
    update: "PutLifecyclePolicy PutImageScanningConfiguration PutImageTagMutability TagResource UntagResource",
    remove: "DeleteRepository",
  }),
  "AWS::ECS::Cluster": grant("ecs", {
    create: "CreateCluster TagResource iam:CreateServiceLinkedRole",
    read: "DescribeClusters ListTagsForResource",
    update: "UpdateCluster UpdateClusterSettings PutClusterCapacityProviders TagResource UntagResource",
    remove: "DeleteCluster",
  }),
  "AWS::ECS::Service": grant("ecs", {
    create: "CreateService TagResource iam:PassRole",
    read: "DescribeServices DescribeServiceDeployments ListServiceDeployments ListTagsForResource",
    update: "UpdateService StopServiceDeployment TagResource UntagResource",
    remove: "DeleteService",
  }),
  "AWS::ECS::TaskDefinition": grant("ecs", {
    create: "RegisterTaskDefinition TagResource iam:PassRole iam:GetRole",
    read: "DescribeTaskDefinition ListTagsForResource",
    update: "TagResource UntagResource",
    remove: "DeregisterTaskDefinition",
  }),
  "AWS::ElastiCache::ParameterGroup": caching({
    create: "CreateCacheParameterGroup ModifyCacheParameterGroup iam:CreateServiceLinkedRole",
    read: "DescribeCacheParameterGroups DescribeCacheParameters DescribeEngineDefaultParameters",
    update: "ModifyCacheParameterGroup",
    remove: "DeleteCacheParameterGroup",
  }),
  "AWS::ElastiCache::ReplicationGroup": caching({
    create: "CreateReplicationGroup iam:CreateServiceLinkedRole secretsmanager:GetSecretValue",
    read: "DescribeReplicationGroups DescribeCacheClusters",
    update: "ModifyReplicationGroup IncreaseReplicaCount DecreaseReplicaCount secretsmanager:GetSecretValue",
    remove: "DeleteReplicationGroup",
  }),
  "AWS::ElastiCache::SubnetGroup": caching({
    create: "CreateCacheSubnetGroup",
    read: "DescribeCacheSubnetGroups",
    update: "ModifyCacheSubnetGroup",
    remove: "DeleteCacheSubnetGroup",
  }),
  "AWS::ElasticLoadBalancingV2::Listener": balancing({
    create: "CreateListener",
    read: "DescribeListeners DescribeListenerAttributes",
    update: "ModifyListener",
    remove: "DeleteListener",
  }),
  "AWS::ElasticLoadBalancingV2::ListenerRule": balancing({
    create: "CreateRule",
    read: "DescribeRules",
    update: "ModifyRule SetRulePriorities",
    remove: "DeleteRule",
  }),
  "AWS::ElasticLoadBalancingV2::LoadBalancer": balancing({
    create: "CreateLoadBalancer ModifyLoadBalancerAttributes iam:CreateServiceLinkedRole",
    read: "DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeCapacityReservation",
    update: "ModifyLoadBalancerAttributes SetSubnets SetSecurityGroups SetIpAddressType",
    remove: "DeleteLoadBalancer",
  }),
  "AWS::ElasticLoadBalancingV2::TargetGroup": balancing({
    create: "CreateTargetGroup ModifyTargetGroupAttributes",
    read: "DescribeTargetGroups DescribeTargetGroupAttributes DescribeTargetHealth ec2:DescribeVpcs",
    update: "ModifyTargetGroup ModifyTargetGroupAttributes",
    remove: "DeleteTargetGroup",
  }),
  "AWS::IAM::InstanceProfile": grant("iam", {
    create: "CreateInstanceProfile AddRoleToInstanceProfile PassRole",
    read: "GetInstanceProfile",
    update: "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile PassRole",
    remove: "RemoveRoleFromInstanceProfile DeleteInstanceProfile",
  }),
  "AWS::IAM::Role": grant("iam", {
    create: "CreateRole PutRolePolicy TagRole",
    read: "GetRole GetRolePolicy ListRolePolicies ListAttachedRolePolicies ListRoleTags",
    update: "UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy PutRolePolicy DeleteRolePolicy TagRole UntagRole",
    remove: "DeleteRolePolicy DeleteRole",
  }),
  "AWS::KMS::Key": grant("kms", {
    create: "CreateKey PutKeyPolicy EnableKeyRotation TagResource",
    read: "DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags",
    update: "PutKeyPolicy UpdateKeyDescription EnableKeyRotation TagResource UntagResource",
    remove: "ScheduleKeyDeletion",
  }),
  "AWS::Logs::LogGroup": grant("logs", {
    create: "CreateLogGroup PutRetentionPolicy TagResource",
    read: "DescribeLogGroups ListTagsForResource GetDataProtectionPolicy DescribeIndexPolicies DescribeResourcePolicies",
    update: "PutRetentionPolicy DeleteRetentionPolicy TagResource UntagResource",
    remove: "DeleteLogGroup",
  }),
  "AWS::RDS::DBInstance": databases({
    create: "CreateDBInstance iam:CreateServiceLinkedRole kms:DescribeKey kms:CreateGrant secretsmanager:GetSecretValue",
    read: "DescribeDBInstances DescribeDBInstanceAutomatedBackups DescribeDBClusters DescribeDBClusterSnapshots DescribeEvents ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeVpcAttribute",
    update: "ModifyDBInstance RebootDBInstance DescribeDBEngineVersions DescribeDBParameterGroups secretsmanager:GetSecretValue",
    remove: "CreateDBSnapshot DescribeDBSnapshots DeleteDBInstance",
  }),
  "AWS::RDS::DBParameterGroup": databases({
    create: "CreateDBParameterGroup ModifyDBParameterGroup iam:CreateServiceLinkedRole",
    read: "DescribeDBParameterGroups DescribeDBParameters DescribeEngineDefaultParameters",
    update: "ModifyDBParameterGroup ResetDBParameterGroup",
    remove: "DeleteDBParameterGroup",
  }),
  "AWS::RDS::DBSubnetGroup": databases({
    create: "CreateDBSubnetGroup iam:CreateServiceLinkedRole",
    read: "DescribeDBSubnetGroups",
    update: "ModifyDBSubnetGroup",
    remove: "DeleteDBSubnetGroup",
  }),
  "AWS::Route53::HostedZone": grant("route53", {
    create: "CreateHostedZone ChangeTagsForResource AssociateVPCWithHostedZone ec2:DescribeVpcs",
    read: "GetHostedZone GetChange ListTagsForResource ListQueryLoggingConfigs",
    update: "ChangeTagsForResource AssociateVPCWithHostedZone DisassociateVPCFromHostedZone",
    remove: "DeleteHostedZone",
  }),
  "AWS::Route53::RecordSet": grant("route53", {
    create: "ChangeResourceRecordSets",
    read: "GetHostedZone GetChange ListResourceRecordSets ListHostedZones",
    update: "ChangeResourceRecordSets",
    remove: "ChangeResourceRecordSets",
  }),
  "AWS::S3::Bucket": grant("s3", {
    create:
      "CreateBucket PutBucketTagging TagResource PutEncryptionConfiguration PutLifecycleConfiguration PutBucketPublicAccessBlock PutBucketLogging PutBucketVersioning PutBucketOwnershipControls",
    read: "GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration GetBucketWebsite GetIntelligentTieringConfiguration GetInventoryConfiguration GetMetricsConfiguration GetReplicationConfiguration GetEncryptionConfiguration GetLifecycleConfiguration GetBucketPublicAccessBlock GetBucketLogging GetBucketVersioning GetBucketOwnershipControls GetBucketTagging ListTagsForResource ListBucket",
    update:
      "PutBucketTagging TagResource UntagResource PutEncryptionConfiguration PutLifecycleConfiguration PutBucketPublicAccessBlock PutBucketLogging PutBucketVersioning PutBucketOwnershipControls",
    remove: "DeleteBucket",
  }),
  "AWS::S3::BucketPolicy": grant("s3", {
    create: "PutBucketPolicy",
    read: "GetBucketPolicy",
    update: "PutBucketPolicy",
    remove: "DeleteBucketPolicy",
  }),
  "AWS::SNS::Subscription": grant("sns", {
    create: "Subscribe",
    read: "GetSubscriptionAttributes",
    update: "SetSubscriptionAttributes",
    remove: "Unsubscribe",
  }),
  "AWS::SNS::Topic": grant("sns", {
    create: "CreateTopic SetTopicAttributes TagResource",
    read: "GetTopicAttributes ListTagsForResource ListSubscriptionsByTopic GetDataProtectionPolicy",
    update: "SetTopicAttributes TagResource UntagResource",
    remove: "DeleteTopic",
  }),
  "AWS::SNS::TopicPolicy": grant("sns", { create: "SetTopicAttributes", update: "SetTopicAttributes", remove: "SetTopicAttributes" }),
  "AWS::SQS::Queue": grant("sqs", {
    create: "CreateQueue TagQueue",
    read: "GetQueueUrl GetQueueAttributes ListQueueTags",
    update: "SetQueueAttributes TagQueue UntagQueue",
    remove: "DeleteQueue",
  }),
  "AWS::SQS::QueuePolicy": grant("sqs", { create: "SetQueueAttributes", update: "SetQueueAttributes", remove: "SetQueueAttributes" }),
  "AWS::Scheduler::Schedule": grant("scheduler", {
    create: "CreateSchedule iam:PassRole",
    read: "GetSchedule",
    update: "UpdateSchedule iam:PassRole",
    remove: "DeleteSchedule",
  }),
  "AWS::SecretsManager::Secret": grant("secretsmanager", {
    create: "CreateSecret GetRandomPassword TagResource",
    // One that holds a URL is made from the password in another.
    read: "DescribeSecret GetSecretValue",
    update: "UpdateSecret GetRandomPassword TagResource UntagResource",
    remove: "DeleteSecret",
  }),
  "AWS::WAFv2::WebACL": grant("wafv2", {
    create: "CreateWebACL TagResource",
    read: "GetWebACL ListTagsForResource",
    update: "UpdateWebACL TagResource UntagResource",
    remove: "DeleteWebACL",
  }),
  "AWS::WAFv2::WebACLAssociation": grant("wafv2", {
    create: "AssociateWebACL elasticloadbalancing:SetWebACL elasticloadbalancing:CreateWebACLAssociation",
    read: "GetWebACL GetWebACLForResource elasticloadbalancing:GetLoadBalancerWebACL",
    remove: "DisassociateWebACL elasticloadbalancing:SetWebACL elasticloadbalancing:DeleteWebACLAssociation",
  }),
};
