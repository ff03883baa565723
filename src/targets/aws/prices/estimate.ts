// From templates to a monthly estimate. Pure, and the same for what stands and for what is wanted: both are templates.
import type { CostLine, Estimate, UseLine } from "../../../plan/cost.ts";
import { type Names, ownerOf } from "../plan/owners.ts";
import { parseTemplates, relationsOf, type StandingStack, type TemplateResource } from "../plan/template.ts";
import { type Bill, type Charge, HOURS, monthly, once, type PricedResource } from "../resource-types/entry/price.ts";
import type { PriceKey, Prices } from "../resource-types/entry/prices.ts";
import { RESOURCE_TYPES } from "../resource-types/index.ts";

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
      const bill = billOf(resource, { properties: resource.Properties ?? {}, zones, ...relationsOf(id, template) });
      for (const charge of bill.charges ?? []) addCharge(charges, { of, ...charge }, prices);
      for (const { key, ...use } of bill.uses ?? []) uses.push({ of, ...use, ...priced(prices, key) });
    }
  return { lines: [...charges.values()].map(withCount), uses };
}

function billOf({ Type }: TemplateResource, priced: PricedResource): Bill {
  const price = RESOURCE_TYPES[Type]?.price;
  if (price === "free") return {};
  return price?.(priced) ?? { charges: [monthly(`unknown:${Type}`, Type, { assumption: "not in the table of prices" })] };
}

interface OwnedCharge extends Charge {
  /** The owner. */
  of: string;
}

function addCharge(lines: Map<string, CostLine>, { key, doubt, ...charge }: OwnedCharge, prices: Prices): void {
  const place = `${charge.of} ${key} ${charge.what} ${doubt ?? ""}`;
  const before = lines.get(place)?.units ?? once(0);
  const units = { min: before.min + charge.units.min, max: before.max + charge.units.max };
  lines.set(place, { ...charge, units, ...priced(prices, key), ...(doubt === undefined ? {} : { doubt }) });
}

function priced(prices: Prices, key: PriceKey): Pick<CostLine, "price" | "doubt"> {
  const price = prices.find(key);
  return price ? { price: price.dollars, ...(price.doubt === undefined ? {} : { doubt: price.doubt }) } : {};
}

/** `instances t4g.small` → `2 to 6 × instances t4g.small`; of one there is no number. */
function withCount(line: CostLine): CostLine {
  const divisor = line.unit === "hour" ? HOURS : 1;
  const [min, max] = [line.units.min / divisor, line.units.max / divisor];
  if (min === 1 && max === 1) return line;
  const count = min === max ? String(min) : `${min} to ${max}`;
  return { ...line, what: line.what.startsWith("GB ") ? `${count} ${line.what}` : `${count} × ${line.what}` };
}
