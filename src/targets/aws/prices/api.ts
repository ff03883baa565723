// Prices from AWS's own Pricing API, for what differs most by region and kind: machines, databases, caches, disks, gateways, balancers. It is
// asked when it can be; whatever it does not answer, or not in time, comes from the table.
import type { Filter } from "@aws-sdk/client-pricing";
import type { Clients } from "../account/clients.ts";
import type { Price, PriceKey, Prices } from "../resource-types/entry/prices.ts";

const PATIENCE_MS = 4_000;

interface Question {
  ServiceCode: string;
  /** Field and value, besides the region. */
  fields: Record<string, string>;
  /** As the price list spells it; products with another unit are something else. */
  unit: RegExp;
}

const machine = (type: string): Question => ({
  ServiceCode: "AmazonEC2",
  fields: { instanceType: type, operatingSystem: "Linux", tenancy: "Shared", preInstalledSw: "NA", capacitystatus: "Used", marketoption: "OnDemand" },
  unit: /^Hrs$/,
});
const database = (engine: string, type: string): Question => ({
  ServiceCode: "AmazonRDS",
  fields: { instanceType: type, databaseEngine: engine === "mysql" ? "MySQL" : "PostgreSQL", deploymentOption: "Single-AZ" },
  unit: /^Hrs$/,
});
const gateway = (unit: RegExp): Question => ({ ServiceCode: "AmazonEC2", fields: { group: "NGW:NatGateway" }, unit });
const balancer = (usage: "LoadBalancerUsage" | "LCUUsage", unit: RegExp): Question => ({
  ServiceCode: "AWSELB",
  fields: {
    productFamily: "Load Balancer-Application",
    operation: "LoadBalancing:Application",
    group: usage === "LCUUsage" ? "ELB:Balancing" : "ELB:Balancer",
  },
  unit,
});

/** What to ask for a key; undefined for what is left to the table. */
function questionOf(key: PriceKey): Question | undefined {
  const [kind, first = "", second = ""] = key.split(":");
  if (kind === "ec2") return machine(first);
  if (kind === "rds" && second) return database(first, second);
  if (kind === "cache") return { ServiceCode: "AmazonElastiCache", fields: { instanceType: first, cacheEngine: "Valkey" }, unit: /^Hrs$/ };
  if (key === "ebs:GB") return { ServiceCode: "AmazonEC2", fields: { volumeApiName: "gp3", productFamily: "Storage" }, unit: /^GB-Mo$/ };
  if (key === "nat:hour") return gateway(/^(Hrs|hours)$/i);
  if (key === "nat:GB") return gateway(/^GB$/);
  if (key === "balancer:hour") return balancer("LoadBalancerUsage", /^Hrs$/);
  if (key === "balancer:unit") return balancer("LCUUsage", /^LCU-Hrs$/);
  return undefined;
}

/** Who asks, and of which region. */
interface Asking {
  clients: Clients;
  region: string;
}

/** The table, with what AWS answers about `keys` put before it. Never rejects: without an answer it is the table alone, and says so. */
export async function askPrices(asking: Asking, keys: readonly PriceKey[], table: Prices): Promise<Prices> {
  const asked = keys.flatMap((key) => {
    const question = questionOf(key);
    return question ? [{ key, question }] : [];
  });
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  const answers = await Promise.all(asked.map(async ({ key, question }) => [key, await ask(asking, question, abortSignal)] as const));
  const prices = new Map(answers.flatMap(([key, price]) => (price ? [[key, price] as const] : [])));
  if (prices.size === 0) return { ...table, source: `${table.source}; the Pricing API gave no answer` };
  const source = `${prices.size} of ${keys.length} prices of ${asking.region} from the Pricing API today, the others from the table: ${table.source}`;
  return { source, find: (key) => prices.get(key) ?? table.find(key) };
}

async function ask({ clients, region }: Asking, question: Question, abortSignal: AbortSignal): Promise<Price | undefined> {
  const fields = { ...question.fields, regionCode: region };
  const Filters = Object.entries(fields).map(([Field, Value]): Filter => ({ Type: "TERM_MATCH", Field, Value }));
  try {
    const { PriceList = [] } = await (await clients.pricing()).getProducts({ ServiceCode: question.ServiceCode, Filters }, { abortSignal });
    return readPrice(PriceList.map(String), question.unit);
  } catch {
    return undefined;
  }
}

interface Product {
  terms?: { OnDemand?: Record<string, { priceDimensions?: Record<string, { unit?: string; pricePerUnit?: { USD?: string } }> }> };
}

/** The one price on demand that all products with this unit agree on; undefined when they do not, or there is none. */
export function readPrice(products: readonly string[], unit: RegExp): Price | undefined {
  const dimensions = products
    .map((product): Product => JSON.parse(product))
    .flatMap(({ terms }) => Object.values(terms?.OnDemand ?? {}))
    .flatMap(({ priceDimensions }) => Object.values(priceDimensions ?? {}));
  const amounts = new Set(dimensions.filter((dimension) => unit.test(dimension.unit ?? "")).map(({ pricePerUnit }) => Number(pricePerUnit?.USD)));
  amounts.delete(0);
  const [dollars, ...others] = amounts;
  return dollars === undefined || others.length > 0 || Number.isNaN(dollars) ? undefined : { dollars };
}
