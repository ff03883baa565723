// The table of prices: US dollars, on demand, Linux, without taxes, discounts and free tiers. Checked on the day below, each part against what
// its source says. AWS changes prices without notice: the Pricing API, where it can be asked, comes before this table.
import type { Price, PriceKey, Prices } from "../resource-types/entry/prices.ts";

export const CHECKED = "2026-11-21";
const REGIONS: readonly string[] = ["us-east-1", "eu-west-1", "eu-central-1"];

/** A price that no source at hand states for this region. */
interface Guess {
  guess: number;
}
type Entry = number | Guess | undefined;
/** In the order of `REGIONS`. */
type Row = readonly [Entry, Entry, Entry];
const guess = (dollars: number): Guess => ({ guess: dollars });
const everywhere = (dollars: number): Row => [dollars, dollars, dollars];

interface Part {
  /** AWS's own page, where a figure can be looked up again. */
  page: string;
  /** What the figures were checked against. */
  checked: string;
  rows: Record<PriceKey, Row>;
}

/** Sizes of a family cost in proportion to their size; AWS rounds to four digits. */
const SIZES = { nano: 0.0625, micro: 0.125, small: 0.25, medium: 0.5, large: 1, xlarge: 2, "2xlarge": 4, "4xlarge": 8, "8xlarge": 16 } as const;
type Size = keyof typeof SIZES;

function family(name: string, sizes: readonly Size[], large: readonly [number, number, number]): Record<PriceKey, Row> {
  const price = (of: number, size: Size) => Math.round(of * SIZES[size] * 10_000) / 10_000;
  const [first, second, third] = large;
  const row = (size: Size): Row => [price(first, size), price(second, size), price(third, size)];
  return Object.fromEntries(sizes.map((size) => [`${name}.${size}`, row(size)]));
}

const BURSTING: readonly Size[] = ["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"];
const STEADY: readonly Size[] = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];

const PARTS: readonly Part[] = [
  {
    page: "https://aws.amazon.com/ec2/pricing/on-demand/",
    checked: "the copy of AWS's price list of 2025-03-02 in Apache Libcloud 3.9.1; t4g also against published bills of 2026",
    rows: {
      ...family("ec2:t4g", BURSTING, [0.0672, 0.0736, 0.0768]),
      ...family("ec2:t3", BURSTING, [0.0832, 0.0912, 0.096]),
      ...family("ec2:t3a", BURSTING, [0.0752, 0.0816, 0.0864]),
      ...family("ec2:m7g", STEADY, [0.0816, 0.091, 0.0978]),
      ...family("ec2:c7g", STEADY, [0.0725, 0.0775, 0.0825]),
      ...family("ec2:r7g", STEADY, [0.1071, 0.1199, 0.1292]),
    },
  },
  {
    page: "https://aws.amazon.com/ebs/pricing/",
    checked: "us-east-1 and eu-central-1 against published queries of the Pricing API of 2026",
    rows: { "ebs:GB": [0.08, guess(0.088), 0.0952] },
  },
  {
    page: "https://aws.amazon.com/vpc/pricing/",
    checked:
      "us-east-1 against the price list of 2026-08, eu-west-1 against that of 2026-09-25, eu-central-1 against published queries of the Pricing API, addresses against bills",
    rows: {
      "nat:hour": [0.045, 0.048, 0.052],
      "nat:GB": [0.045, 0.048, guess(0.052)],
      "address:hour": everywhere(0.005),
    },
  },
  {
    page: "https://aws.amazon.com/elasticloadbalancing/pricing/",
    checked:
      "us-east-1 against the price list of 2026-08, the hours in Europe against bills of 2026, units in eu-west-1 against the price list of 2026-09-11",
    rows: { "balancer:hour": [0.0225, 0.0252, 0.027], "balancer:unit": [0.008, 0.008, guess(0.008)] },
  },
  {
    page: "https://aws.amazon.com/rds/postgresql/pricing/",
    checked: "published bills and price lists of 2026; a standby doubles the hours and the disk, by AWS's own page",
    rows: {
      ...bothEngines({
        "db.t4g.micro": [0.016, 0.017, 0.019],
        "db.t4g.small": [0.032, 0.035, 0.037],
        "db.t4g.medium": [0.065, guess(0.07), guess(0.074)],
        "db.t4g.large": [0.129, guess(0.139), guess(0.148)],
        "db.m7g.large": [0.168, guess(0.187), guess(0.2)],
        "db.m7g.xlarge": [0.337, guess(0.374), guess(0.4)],
        "db.m7g.2xlarge": [0.674, guess(0.747), guess(0.8)],
        "db.m7g.4xlarge": [guess(1.348), guess(1.494), guess(1.6)],
      }),
      "rds:GB": [0.115, 0.127, 0.137],
      "rds:backup-GB": [0.095, guess(0.095), guess(0.095)],
    },
  },
  {
    page: "https://aws.amazon.com/elasticache/pricing/",
    checked: "us-east-1 against a published copy of AWS's price list for Valkey of 2026-10-02",
    rows: {
      "cache:cache.t4g.micro": [0.0128, guess(0.0136), guess(0.0152)],
      "cache:cache.t4g.small": [0.0256, guess(0.028), guess(0.0296)],
      "cache:cache.t4g.medium": [0.052, guess(0.056), guess(0.06)],
      "cache:cache.m7g.large": [0.1264, guess(0.14), guess(0.15)],
      "cache:cache.m7g.xlarge": [0.252, guess(0.28), guess(0.3)],
      "cache:cache.r7g.large": [0.1752, guess(0.196), guess(0.209)],
      "cache:cache.r7g.xlarge": [0.3496, guess(0.391), guess(0.417)],
      "cache:cache.r7g.2xlarge": [0.6984, guess(0.782), guess(0.833)],
      "cache:cache.r7g.4xlarge": [1.396, guess(1.563), guess(1.665)],
    },
  },
  {
    page: "https://aws.amazon.com/cloudwatch/pricing/",
    checked: "alarms against a bill of 2026, logs in us-east-1 and eu-central-1 against published price lists",
    rows: {
      "alarm:metric": everywhere(0.1),
      "logs:GB": [0.5, guess(0.57), 0.63],
      "logs:delivered-GB": [guess(0.25), guess(0.28), guess(0.32)],
      "metric:custom": [0.3, guess(0.3), guess(0.3)],
    },
  },
  {
    page: "https://aws.amazon.com/s3/pricing/",
    checked: "us-east-1 against the price list of 2026-08",
    rows: {
      "bucket:GB": [0.023, guess(0.023), guess(0.0245)],
      "bucket:1000 writes": [0.005, guess(0.005), guess(0.0054)],
    },
  },
  { page: "https://aws.amazon.com/sqs/pricing/", checked: "price guides of 2026", rows: { "queue:million": everywhere(0.4) } },
  {
    page: "https://aws.amazon.com/route53/pricing/",
    checked: "a bill of 2026; the same in every region",
    rows: { "zone:month": everywhere(0.5), "zone:million": everywhere(0.4) },
  },
  { page: "https://aws.amazon.com/secrets-manager/pricing/", checked: "a bill of 2026", rows: { "secret:month": everywhere(0.4) } },
  { page: "https://aws.amazon.com/kms/pricing/", checked: "a bill of 2026", rows: { "key:month": everywhere(1) } },
  {
    page: "https://aws.amazon.com/waf/pricing/",
    checked: "price guides of 2026",
    rows: { "firewall:month": everywhere(5), "firewall:rule": everywhere(1), "firewall:million": everywhere(0.6) },
  },
  {
    page: "https://aws.amazon.com/ecr/pricing/",
    checked: "eu-west-1 against published queries of the Pricing API",
    rows: { "registry:GB": [guess(0.1), 0.1, guess(0.1)] },
  },
  {
    page: "https://aws.amazon.com/fargate/pricing/",
    checked:
      "us-east-1 against price guides of 2026, eu-west-1 against queries of the Pricing API, eu-central-1 against the price list of 2026-07-07",
    rows: { "fargate:vCPU": [0.04048, 0.04048, 0.04656], "fargate:GB": [0.004445, 0.004445, 0.00511] },
  },
  {
    page: "https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer",
    checked: "price guides of 2026, for the first 10 TB a month",
    rows: { "out:GB": [0.09, guess(0.09), guess(0.09)] },
  },
];

/** At these sizes Postgres and MySQL cost the same. */
function bothEngines(rows: Record<string, Row>): Record<PriceKey, Row> {
  return Object.fromEntries(
    ["postgres", "mysql"].flatMap((engine) => Object.entries(rows).map(([machine, row]) => [`rds:${engine}:${machine}`, row])),
  );
}

/** Prices of one region; of a region that the table lacks it knows none. */
export function tablePrices(region: string): Prices {
  const column = REGIONS.indexOf(region);
  return {
    source:
      column === -1
        ? `the table of prices does not have ${region}`
        : `prices of ${region} from the table of ${CHECKED}, without free tiers and taxes`,
    find: (key) => priceOf(PARTS.find(({ rows }) => Object.hasOwn(rows, key))?.rows[key]?.[column]),
  };
}

function priceOf(entry: Entry): Price | undefined {
  if (entry === undefined || typeof entry === "number") return entry === undefined ? undefined : { dollars: entry };
  return { dollars: entry.guess, doubt: "price not verified" };
}

/** Where to look the figures up, and what they were checked against. */
export const sourcesOf = (): Pick<Part, "page" | "checked">[] => PARTS.map(({ page, checked }) => ({ page, checked }));
