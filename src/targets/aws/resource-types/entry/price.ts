// The charges of a type of resource, before they have their prices.
import type { Range } from "../../../../plan/cost.ts";
import type { PriceKey } from "./prices.ts";

/** `free`: costs nothing by itself. */
export type Price = "free" | ((resource: PricedResource) => Bill);

export interface Bill {
  /** What is counted in the estimate. */
  charges?: Charge[];
  /** What is paid by use, and only named. */
  uses?: Use[];
}

export interface Charge {
  key: PriceKey;
  what: string;
  units: Range;
  unit: string;
  assumption: string;
  /** Instead of the table's own: a price that is known to be too high, for one. */
  doubt?: string;
}

export interface Use {
  key: PriceKey;
  what: string;
  unit: string;
}

export type Properties = Readonly<Record<string, unknown>>;

export interface PricedResource {
  properties: Properties;
  /** How many zones the environment's public subnets are in. */
  zones: number;
  /** The properties of what a value refers to in the same template, if that is of this type. */
  referred(value: unknown, type: string): Properties | undefined;
  /** The properties of the first resource of this type whose own property refers to this one. */
  referring(type: string, property: string): Properties | undefined;
}

/** As AWS's own calculator counts: 365 days of 24 hours, divided by 12. */
export const HOURS = 730;
export const ALL_MONTH = `${HOURS} hours a month`;

export const once = (count: number): Range => ({ min: count, max: count });
export const hours = ({ min, max }: Range): Range => ({ min: min * HOURS, max: max * HOURS });
export const text = (value: unknown): string => String(value ?? "");

interface Amount<Count> {
  /** One when left out. */
  count?: Count;
  assumption?: string;
}

export const hourly = (key: PriceKey, what: string, { count = once(1), assumption = ALL_MONTH }: Amount<Range> = {}): Charge => ({
  key,
  what,
  units: hours(count),
  unit: "hour",
  assumption,
});

export const monthly = (key: PriceKey, what: string, { count = 1, assumption = "by the month" }: Amount<number> = {}): Charge => ({
  key,
  what,
  units: once(count),
  unit: "month",
  assumption,
});

/** Paid by use alone. */
export const byUse =
  (...uses: Use[]) =>
  (): Bill => ({ uses });
