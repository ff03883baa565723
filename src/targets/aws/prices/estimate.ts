// From templates to a monthly estimate. Pure, and the same for what stands and for what is wanted: both are templates.
import type { CostLine, Estimate, Range, UseLine } from "../../../plan/cost.ts";
import { type Names, ownerOf } from "../plan/owners.ts";
import { referencesIn } from "../plan/references.ts";
import { parseTemplates, type StandingStack, type Template, type TemplateResource } from "../plan/template.ts";
import type { PriceKey, Prices } from "./prices.ts";

/** As AWS's own calculator counts: 365 days of 24 hours, divided by 12. */
export const HOURS = 730;
const ALL_MONTH = `${HOURS} hours a month`;

/** What is paid for, before it has its price. */
interface Charge {
  key: PriceKey;
  what: string;
  units: Range;
  unit: string;
  assumption: string;
  /** Instead of the table's own: a price that is known to be too high, for one. */
  doubt?: string;
}

interface Use {
  key: PriceKey;
  what: string;
  unit: string;
}

interface Bill {
  charges?: Charge[];
  uses?: Use[];
}

interface Asked {
  id: string;
  properties: Record<string, unknown>;
  template: Template;
  /** How many zones the environment's public subnets are in. */
  zones: number;
}

const once = (count: number): Range => ({ min: count, max: count });
const hours = ({ min, max }: Range): Range => ({ min: min * HOURS, max: max * HOURS });
const text = (value: unknown): string => String(value ?? "");

const hourly = (key: PriceKey, what: string, count: Range = once(1), assumption = ALL_MONTH): Charge => ({
  key,
  what,
  units: hours(count),
  unit: "hour",
  assumption,
});
const monthly = (key: PriceKey, what: string, count: number, assumption: string): Charge => ({
  key,
  what,
  units: once(count),
  unit: "month",
  assumption,
});

/** How each type that is paid for is paid for. */
const BILLS: Readonly<Record<string, (asked: Asked) => Bill>> = {
  "AWS::AutoScaling::AutoScalingGroup": billFleet,
  "AWS::CloudWatch::Alarm": ({ properties }) => {
    const metrics = Array.isArray(properties.Metrics) ? properties.Metrics.filter(({ MetricStat }) => MetricStat).length : 1;
    return { charges: [monthly("alarm:metric", "alarms", metrics, "each metric of each alarm")] };
  },
  "AWS::EC2::EIP": () => ({ charges: [hourly("address:hour", "public addresses")] }),
  "AWS::EC2::FlowLog": () => ({ uses: [{ key: "logs:delivered-GB", what: "flow logs, delivered to a bucket", unit: "GB" }] }),
  "AWS::EC2::Instance": ({ properties, template }) => billMachines(launchDataOf(properties.LaunchTemplate, template), once(1), ALL_MONTH),
  "AWS::EC2::NatGateway": () => ({
    charges: [hourly("nat:hour", "NAT gateways", once(1), `${ALL_MONTH}, one in each zone`)],
    uses: [{ key: "nat:GB", what: "through the NAT gateways", unit: "GB" }],
  }),
  "AWS::ECR::Repository": () => ({ uses: [{ key: "registry:GB", what: "container images", unit: "GB and month" }] }),
  "AWS::ECS::Cluster": () => ({
    uses: [{ key: "metric:custom", what: "metrics of containers, some dozens for each service", unit: "metric and month" }],
  }),
  "AWS::ECS::Service": billContainers,
  "AWS::ElastiCache::ReplicationGroup": ({ properties }) => ({
    charges: [
      hourly(
        `cache:${text(properties.CacheNodeType)}`,
        `cache nodes ${text(properties.CacheNodeType)}`,
        once(Number(properties.NumCacheClusters ?? 1)),
      ),
    ],
  }),
  "AWS::ElasticLoadBalancingV2::LoadBalancer": ({ zones }) => ({
    charges: [
      hourly("balancer:hour", "balancer"),
      hourly("balancer:unit", "capacity units of the balancer", once(1), "one all month: 25 new connections a second, or 1 GB an hour"),
      hourly("address:hour", "public addresses", once(zones), `${ALL_MONTH}, one in each zone`),
    ],
    uses: [{ key: "out:GB", what: "answers, to the internet", unit: "GB" }],
  }),
  "AWS::KMS::Key": () => ({ charges: [monthly("key:month", "key", 1, "one more for each of the first two yearly rotations")] }),
  "AWS::Logs::LogGroup": () => ({ uses: [{ key: "logs:GB", what: "logs that are written", unit: "GB" }] }),
  "AWS::RDS::DBInstance": billDatabase,
  "AWS::Route53::HostedZone": () => ({ charges: [monthly("zone:month", "private zone", 1, "by the month")] }),
  "AWS::S3::Bucket": () => ({
    uses: [
      { key: "bucket:GB", what: "what lies in buckets", unit: "GB and month" },
      { key: "bucket:1000 writes", what: "writes to buckets", unit: "thousand" },
    ],
  }),
  "AWS::SQS::Queue": () => ({
    uses: [{ key: "queue:million", what: "calls of queues; an idle worker makes 0.13 million a month", unit: "million" }],
  }),
  "AWS::SecretsManager::Secret": () => ({ charges: [monthly("secret:month", "passwords", 1, "by the month")] }),
  "AWS::WAFv2::WebACL": ({ properties }) => ({
    charges: [
      monthly("firewall:month", "firewall", 1, "by the month"),
      monthly("firewall:rule", "rules of the firewall", (properties.Rules as unknown[]).length, "by the month"),
    ],
    uses: [{ key: "firewall:million", what: "requests through the firewall", unit: "million" }],
  }),
};

/** Types that cost nothing by themselves. A type that is in neither list is said to be unknown. */
const FREE: ReadonlySet<string> = new Set([
  "AWS::ApplicationAutoScaling::ScalableTarget",
  "AWS::ApplicationAutoScaling::ScalingPolicy",
  "AWS::AutoScaling::ScalingPolicy",
  "AWS::ECS::TaskDefinition",
  "AWS::CertificateManager::Certificate",
  ...["EIPAssociation", "InternetGateway", "LaunchTemplate", "NetworkInterface", "Route", "RouteTable", "SecurityGroup"].map(ec2),
  ...["SecurityGroupEgress", "SecurityGroupIngress", "Subnet", "SubnetRouteTableAssociation", "VPC", "VPCGatewayAttachment"].map(ec2),
  // Of the gateway kind, which is the only one in the templates.
  "AWS::EC2::VPCEndpoint",
  "AWS::ElastiCache::ParameterGroup",
  "AWS::ElastiCache::SubnetGroup",
  ...["Listener", "ListenerRule", "TargetGroup"].map((name) => `AWS::ElasticLoadBalancingV2::${name}`),
  "AWS::IAM::InstanceProfile",
  "AWS::IAM::Role",
  "AWS::RDS::DBParameterGroup",
  "AWS::RDS::DBSubnetGroup",
  "AWS::Route53::RecordSet",
  "AWS::S3::BucketPolicy",
  // A thousand e-mails a month are free, and alarms do not come to more.
  ...["Subscription", "Topic", "TopicPolicy"].map((name) => `AWS::SNS::${name}`),
  "AWS::SQS::QueuePolicy",
  // 14 million starts a month are free; what is started is said of its service.
  "AWS::Scheduler::Schedule",
  "AWS::WAFv2::WebACLAssociation",
]);

function ec2(name: string): string {
  return `AWS::EC2::${name}`;
}

/** Whether it is known if this type costs something. */
export const isPriced = (type: string): boolean => FREE.has(type) || Object.hasOwn(BILLS, type);

/**
 * Adds up a month of everything in the templates. Fleets count from their least to their most instances if something scales them, else as
 * many as there are at least. Things of one owner that cost the same are one line.
 */
export function estimate(stacks: readonly StandingStack[], prices: Prices, names: Names): Estimate {
  const templates = parseTemplates(stacks);
  const zones = [...templates.values()].flatMap(({ Resources }) => Object.keys(Resources).filter((id) => /^PublicSubnet[A-C]$/.test(id))).length;
  const charges = new Map<string, CostLine>();
  const uses: UseLine[] = [];
  for (const [stack, template] of templates)
    for (const [id, resource] of Object.entries(template.Resources)) {
      const of = ownerOf(names, stack, id);
      const bill = billOf(resource, { id, properties: resource.Properties ?? {}, template, zones });
      for (const charge of bill.charges ?? []) addCharge(charges, of, charge, prices);
      for (const { key, ...use } of bill.uses ?? []) uses.push({ of, ...use, ...priced(prices, key) });
    }
  return { lines: [...charges.values()].map(withCount), uses };
}

function billOf({ Type }: TemplateResource, asked: Asked): Bill {
  if (FREE.has(Type)) return {};
  return BILLS[Type]?.(asked) ?? { charges: [monthly(`unknown:${Type}`, Type, 1, "not in the table of prices")] };
}

function addCharge(lines: Map<string, CostLine>, of: string, { key, doubt, ...charge }: Charge, prices: Prices): void {
  const place = `${of} ${key} ${charge.what} ${doubt ?? ""}`;
  const before = lines.get(place)?.units ?? once(0);
  const units = { min: before.min + charge.units.min, max: before.max + charge.units.max };
  lines.set(place, { of, ...charge, units, ...priced(prices, key), ...(doubt === undefined ? {} : { doubt }) });
}

function priced(prices: Prices, key: PriceKey): Pick<CostLine, "price" | "doubt"> {
  const price = prices.find(key);
  return price ? { price: price.dollars, ...(price.doubt === undefined ? {} : { doubt: price.doubt }) } : {};
}

/** `machines t4g.small` → `2 to 6 machines t4g.small`; of one there is no number. */
function withCount(line: CostLine): CostLine {
  const divisor = line.unit === "hour" ? HOURS : 1;
  const [min, max] = [line.units.min / divisor, line.units.max / divisor];
  if (min === 1 && max === 1) return line;
  const count = min === max ? String(min) : `${min} to ${max}`;
  return { ...line, what: line.what.startsWith("GB ") ? `${count} ${line.what}` : `${count} × ${line.what}` };
}

interface TaskProperties {
  Cpu?: string;
  Memory?: string;
  RuntimePlatform?: { CpuArchitecture?: string };
}

function billContainers({ id, properties, template: { Resources } }: Asked): Bill {
  const found = referencesIn(properties.TaskDefinition)[0];
  const { Cpu, Memory, RuntimePlatform } = (found && (Resources[found.id]?.Properties as TaskProperties)) ?? {};
  const scalable = Object.values(Resources).find(
    ({ Type, Properties }) =>
      Type === "AWS::ApplicationAutoScaling::ScalableTarget" && referencesIn(Properties?.ResourceId).some((one) => one.id === id),
  )?.Properties;
  const count = scalable ? { min: Number(scalable.MinCapacity), max: Number(scalable.MaxCapacity) } : once(Number(properties.DesiredCount ?? 1));
  const network = properties.NetworkConfiguration as { AwsvpcConfiguration?: { AssignPublicIp?: string } } | undefined;
  const spot = JSON.stringify(properties.CapacityProviderStrategy ?? "").includes("FARGATE_SPOT");
  const doubts = [
    ...(RuntimePlatform?.CpuArchitecture === "ARM64" ? ["the price of x86; ARM costs a fifth less"] : []),
    ...(spot ? ["the price on demand; spare capacity costs less"] : []),
  ];
  const doubt = doubts.length === 0 ? {} : { doubt: doubts.join("; ") };
  const assumption = scalable ? `${ALL_MONTH}, at the least and at the most that scaling allows` : ALL_MONTH;
  const [cpu, gib] = [Number(Cpu ?? 256) / 1024, Number(Memory ?? 512) / 1024];
  const each = (key: PriceKey, what: string, units: number): Charge => ({
    key,
    what,
    units: hours({ min: count.min * units, max: count.max * units }),
    unit: "hour",
    assumption,
    ...doubt,
  });
  return {
    charges: [
      each("fargate:vCPU", "processors of containers", cpu),
      each("fargate:GB", "GB memory of containers", gib),
      ...(network?.AwsvpcConfiguration?.AssignPublicIp === "ENABLED" ? [hourly("address:hour", "public addresses", count, assumption)] : []),
    ],
  };
}

interface LaunchData {
  InstanceType?: string;
  BlockDeviceMappings?: { Ebs?: { VolumeSize?: number } }[];
  NetworkInterfaces?: { AssociatePublicIpAddress?: boolean }[];
}

/** A launch template of the same stack, by what refers to it. */
function launchDataOf(reference: unknown, { Resources }: Template): LaunchData {
  const found = referencesIn(reference).find(({ id }) => Resources[id]?.Type === "AWS::EC2::LaunchTemplate");
  return (found && (Resources[found.id]?.Properties?.LaunchTemplateData as LaunchData)) ?? {};
}

interface MixedPolicy {
  InstancesDistribution?: { OnDemandPercentageAboveBaseCapacity?: number };
  LaunchTemplate?: { Overrides?: { InstanceType?: string }[] };
}

function billFleet({ id, properties, template }: Asked): Bill {
  const mixed = properties.MixedInstancesPolicy as MixedPolicy | undefined;
  const data = launchDataOf(mixed ?? properties.LaunchTemplate, template);
  const scales = Object.values(template.Resources).some(
    ({ Type, Properties }) =>
      Type === "AWS::AutoScaling::ScalingPolicy" && referencesIn(Properties?.AutoScalingGroupName).some((one) => one.id === id),
  );
  const min = Number(properties.MinSize);
  const count = { min, max: scales ? Number(properties.MaxSize) : min };
  const type = mixed?.LaunchTemplate?.Overrides?.[0]?.InstanceType ?? data.InstanceType;
  const assumption = scales ? `${ALL_MONTH}, at the least and at the most that scaling allows` : ALL_MONTH;
  const spot = mixed?.InstancesDistribution?.OnDemandPercentageAboveBaseCapacity === 0;
  return billMachines({ ...data, InstanceType: type }, count, assumption, spot);
}

function billMachines(
  { InstanceType, BlockDeviceMappings = [], NetworkInterfaces = [] }: LaunchData,
  count: Range,
  assumption: string,
  spot = false,
): Bill {
  const gigabytes = BlockDeviceMappings.reduce((sum, { Ebs }) => sum + (Ebs?.VolumeSize ?? 0), 0);
  const machines = hourly(`ec2:${text(InstanceType)}`, `machines ${text(InstanceType)}${spot ? " (spot)" : ""}`, count, assumption);
  const open = NetworkInterfaces.some(({ AssociatePublicIpAddress }) => AssociatePublicIpAddress);
  return {
    charges: [
      spot ? { ...machines, doubt: "the price on demand; spare capacity costs less, by the hour's market" } : machines,
      {
        key: "ebs:GB",
        what: "GB of disks",
        units: { min: count.min * gigabytes, max: count.max * gigabytes },
        unit: "GB and month",
        assumption: `${gigabytes} GB each`,
      },
      ...(open ? [hourly("address:hour", "public addresses", count, assumption)] : []),
    ],
  };
}

function billDatabase({ properties }: Asked): Bill {
  const zones = properties.MultiAZ === true ? 2 : 1;
  const [engine, machine] = [text(properties.Engine), text(properties.DBInstanceClass)];
  const standby = zones === 2 ? ", with a standby" : "";
  const disk = Number(properties.AllocatedStorage) * zones;
  const most = Number(properties.MaxAllocatedStorage ?? properties.AllocatedStorage) * zones;
  return {
    charges: [
      hourly(`rds:${engine}:${machine}`, `database ${machine}`, once(zones), `${ALL_MONTH}${standby}`),
      {
        key: "rds:GB",
        what: "GB of its disk",
        units: { min: disk, max: most },
        unit: "GB and month",
        assumption: `as it begins, and grown to its most${standby}`,
      },
    ],
    uses: [{ key: "rds:backup-GB", what: "backups beyond the size of the database, and final snapshots", unit: "GB and month" }],
  };
}
