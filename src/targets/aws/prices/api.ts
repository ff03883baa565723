// Prices from AWS's own Pricing API, for what differs most by region and kind: machines, databases, caches, disks, gateways, balancers. It is
// asked when it can be; whatever it does not answer, or not in time, comes from the table.
import type { Filter } from "@aws-sdk/client-pricing";
import type { Clients } from "../clients.ts";
import type { Price, PriceKey, Prices } from "./prices.ts";

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
  const [kind, one = "", other = ""] = key.split(":");
  if (kind === "ec2") return machine(one);
  if (kind === "rds" && other) return database(one, other);
  if (kind === "cache") return { ServiceCode: "AmazonElastiCache", fields: { instanceType: one, cacheEngine: "Valkey" }, unit: /^Hrs$/ };
  if (key === "ebs:GB") return { ServiceCode: "AmazonEC2", fields: { volumeApiName: "gp3", productFamily: "Storage" }, unit: /^GB-Mo$/ };
  if (key === "nat:hour") return gateway(/^(Hrs|hours)$/i);
  if (key === "nat:GB") return gateway(/^GB$/);
  if (key === "balancer:hour") return balancer("LoadBalancerUsage", /^Hrs$/);
  if (key === "balancer:unit") return balancer("LCUUsage", /^LCU-Hrs$/);
  return undefined;
}

/** The table, with what AWS answers about `keys` put before it. Never rejects: without an answer it is the table alone, and says so. */
export async function askPrices(clients: Clients, region: string, keys: readonly PriceKey[], table: Prices): Promise<Prices> {
  const asked = keys.flatMap((key) => {
    const question = questionOf(key);
    return question ? [{ key, question }] : [];
  });
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  const answers = await Promise.all(asked.map(async ({ key, question }) => [key, await ask(clients, region, question, abortSignal)] as const));
  const known = new Map(answers.flatMap(([key, price]) => (price ? [[key, price] as const] : [])));
  if (known.size === 0) return { ...table, source: `${table.source}; the Pricing API gave no answer` };
  const source = `${known.size} of ${keys.length} prices of ${region} from the Pricing API today, the others from the table: ${table.source}`;
  return { source, find: (key) => known.get(key) ?? table.find(key) };
}

async function ask(clients: Clients, region: string, question: Question, abortSignal: AbortSignal): Promise<Price | undefined> {
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
    .map((product) => JSON.parse(product) as Product)
    .flatMap(({ terms }) => Object.values(terms?.OnDemand ?? {}))
    .flatMap(({ priceDimensions }) => Object.values(priceDimensions ?? {}));
  const found = new Set(dimensions.filter((one) => unit.test(one.unit ?? "")).map(({ pricePerUnit }) => Number(pricePerUnit?.USD)));
  found.delete(0);
  const [dollars, ...others] = found;
  return dollars === undefined || others.length > 0 || Number.isNaN(dollars) ? undefined : { dollars };
}
