// What an account holds, asked of the services themselves and not of CloudFormation: how many there are of each kind.
import type { Context } from "../../src/targets/aws/context.ts";

type Inventory = Record<string, number>;

/** Two accounts that hold the same have equal inventories, whatever the names. */
export async function observeInventory({ clients }: Pick<Context, "clients">): Promise<Inventory> {
  const [ec2, s3, elb, logs, groups, rds, sqs, cloudFormation] = await Promise.all([
    clients.ec2(),
    clients.s3(),
    clients.balancing(),
    clients.logs(),
    clients.autoScaling(),
    clients.rds(),
    clients.sqs(),
    clients.cloudFormation(),
  ]);
  const { SecurityGroups = [] } = await ec2.describeSecurityGroups({});
  const { StackSummaries = [] } = await cloudFormation.listStacks({});
  const standing = StackSummaries.filter(({ StackStatus }) => StackStatus !== "DELETE_COMPLETE");
  const pending = await Promise.all(
    standing.map(async ({ StackName }) => {
      const { Summaries = [] } = await cloudFormation.listChangeSets({ StackName });
      return Summaries.filter(({ ExecutionStatus }) => ExecutionStatus === "AVAILABLE" || ExecutionStatus === "UNAVAILABLE").length;
    }),
  );
  const count = async <T>(asked: Promise<T>, list: (answer: T) => unknown[] | undefined) => list(await asked)?.length ?? 0;
  return {
    stacks: standing.length,
    pendingChangeSets: pending.reduce((sum, one) => sum + one, 0),
    networks: await count(ec2.describeVpcs({}), ({ Vpcs }) => Vpcs),
    subnets: await count(ec2.describeSubnets({}), ({ Subnets }) => Subnets),
    routeTables: await count(ec2.describeRouteTables({}), ({ RouteTables }) => RouteTables),
    internetGateways: await count(ec2.describeInternetGateways({}), ({ InternetGateways }) => InternetGateways),
    natGateways: await count(ec2.describeNatGateways({}), ({ NatGateways }) => NatGateways?.filter(({ State }) => State !== "deleted")),
    addresses: await count(ec2.describeAddresses({}), ({ Addresses }) => Addresses),
    endpoints: await count(ec2.describeVpcEndpoints({}), ({ VpcEndpoints }) => VpcEndpoints),
    flowLogs: await count(ec2.describeFlowLogs({}), ({ FlowLogs }) => FlowLogs),
    launchTemplates: await count(ec2.describeLaunchTemplates({}), ({ LaunchTemplates }) => LaunchTemplates),
    securityGroups: SecurityGroups.length,
    groupRules: SecurityGroups.reduce((sum, one) => sum + (one.IpPermissions?.length ?? 0) + (one.IpPermissionsEgress?.length ?? 0), 0),
    buckets: await count(s3.listBuckets({}), ({ Buckets }) => Buckets),
    balancers: await count(elb.describeLoadBalancers({}), ({ LoadBalancers }) => LoadBalancers),
    targetGroups: await count(elb.describeTargetGroups({}), ({ TargetGroups }) => TargetGroups),
    logGroups: await count(logs.describeLogGroups({}), ({ logGroups }) => logGroups),
    autoScalingGroups: await count(groups.describeAutoScalingGroups({}), ({ AutoScalingGroups }) => AutoScalingGroups),
    machines: await count(
      ec2.describeInstances({ Filters: [{ Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] }] }),
      ({ Reservations }) => Reservations?.flatMap(({ Instances }) => Instances ?? []),
    ),
    images: await count(ec2.describeImages({ Owners: ["self"] }), ({ Images }) => Images),
    snapshots: await count(ec2.describeSnapshots({ OwnerIds: ["self"] }), ({ Snapshots }) => Snapshots),
    databases: await count(rds.describeDBInstances({}), ({ DBInstances }) => DBInstances),
    queues: await count(sqs.listQueues({}), ({ QueueUrls }) => QueueUrls),
  };
}
