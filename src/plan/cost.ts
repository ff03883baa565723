// The cost of an environment, as data. Where the prices come from is a target's matter; how they are added up and held to a budget
// is here. A price that nobody knows is never taken for nothing: it stays apart, by name.

/** The same number twice when it does not vary. */
export interface Range {
  min: number;
  max: number;
}

export interface CostLine {
  /** Whose it is: `service web`, `resource database`, `network`. */
  of: string;
  /** What is paid for: `3 to 6 machines t4g.small`. */
  what: string;
  /** How many units, of which `price` is for one: in a month, or once. */
  units: Range;
  unit: string;
  /** US dollars for one unit; absent when it is not known. */
  price?: number;
  /** Taken for granted in this line: hours in a month, how many instances, how full. */
  assumption: string;
  /** Why the price is no more than a guess, if it is. */
  doubt?: string;
}

/** Paid by what goes through, which only the future knows: named with its price, and in no sum. */
export interface UseLine {
  of: string;
  what: string;
  /** `GB`, `million requests`. */
  unit: string;
  price?: number;
  doubt?: string;
}

export interface Estimate {
  lines: CostLine[];
  uses: UseLine[];
}

export interface Cost {
  currency: "USD";
  /** Where the prices are from, and of which day. */
  prices: string;
  /** What stands; absent when nothing does. */
  before?: Estimate;
  /** With every service running, as the configuration has it. */
  after: Estimate;
  /** Paid once, for the change itself. */
  once: CostLine[];
  /** In US dollars a month. */
  budget?: number;
}

export interface Sum extends Range {
  /** Lines without a price: they come on top. */
  unknown: CostLine[];
}

export const priceOf = ({ units, price }: CostLine): Range | undefined =>
  price === undefined ? undefined : { min: units.min * price, max: units.max * price };

/** What is known, added up; what is not, beside it. */
export function sumOf(lines: readonly CostLine[]): Sum {
  const ranges = lines.map(priceOf).filter((range) => range !== undefined);
  return {
    min: ranges.reduce((sum, { min }) => sum + min, 0),
    max: ranges.reduce((sum, { max }) => sum + max, 0),
    unknown: lines.filter(({ price }) => price === undefined),
  };
}

export type BudgetVerdict =
  | { kind: "none" | "below"; sum: Sum }
  /** With every fleet at its largest it would cost more than the budget. */
  | { kind: "above"; sum: Sum; budget: number }
  /** It cannot be told: a price is missing, and what is known is below the budget. */
  | { kind: "unknown"; sum: Sum; budget: number };

/** Holds the month after the change to the budget, with every fleet at its largest. */
export function judgeBudget({ after, budget }: Pick<Cost, "after" | "budget">): BudgetVerdict {
  const sum = sumOf(after.lines);
  if (budget === undefined) return { kind: "none", sum };
  if (sum.max > budget) return { kind: "above", sum, budget };
  return sum.unknown.length > 0 ? { kind: "unknown", sum, budget } : { kind: "below", sum };
}
