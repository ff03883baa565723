// The cost of an environment, line by line, with its certainty.
import { type Cost, type CostLine, priceOf, type Range, sumOf, type UseLine } from "../../index.ts";
import { alignRows } from "./format.ts";
import type { Paint } from "./terminal.ts";

export function describeCost(cost: Cost, paint: Paint): string {
  const { before, after, once, budget, prices } = cost;
  const [old, sum] = [before && sumOf(before.lines), sumOf(after.lines)];
  const title = `${paint("bold", "cost")}  ${old ? `${describeRange(old)} → ` : ""}${describeRange(sum)} a month${sum.unknown.length > 0 ? ", and what has no known price" : ""}`;
  return [
    title,
    ...indent(alignRows(after.lines.map(cellsOf))),
    ...section("once", indent(alignRows(once.map(cellsOf)))),
    ...section("by use, not counted", indent(alignRows(byPrice(after.uses).map(useCells)))),
    ...(budget === undefined ? [] : [`  budget  ${describeDollars(budget)} a month, with every fleet that scales at its largest`]),
    `  ${prices}`,
  ].join("\n");
}

/** `12.50 USD`, or `12.50 to 40.00 USD`. */
export const describeRange = ({ min, max }: Range): string =>
  min.toFixed(2) === max.toFixed(2) ? describeDollars(min) : `${min.toFixed(2)} to ${describeDollars(max)}`;

const describeDollars = (amount: number): string => `${amount.toFixed(2)} USD`;

function cellsOf(line: CostLine): string[] {
  const range = priceOf(line);
  const doubt = line.doubt ? ` (${line.doubt})` : "";
  return [line.of, line.what, range ? describeRange(range) : "price unknown", `${line.assumption}${doubt}`];
}

/** The same price for many things is said once, with how many they are. */
function byPrice(uses: UseLine[]): (UseLine & { owners: number })[] {
  const totals = new Map<string, UseLine & { owners: number }>();
  for (const use of uses) {
    const key = `${use.what} ${use.unit} ${use.price}`;
    totals.set(key, { ...use, owners: (totals.get(key)?.owners ?? 0) + 1 });
  }
  return [...totals.values()];
}

const useCells = ({ what, unit, price, doubt }: UseLine): string[] => [
  what,
  price === undefined ? "price unknown" : `${price} USD a ${unit}${doubt ? ` (${doubt})` : ""}`,
];

const section = (title: string, lines: string[]): string[] => (lines.length === 0 ? [] : [`  ${title}`, ...lines]);
const indent = (lines: string[]) => lines.map((line) => `  ${line}`);
