// A plan as a person reads it: what changes, by service and resource; what it costs; what is lost.
import type { Change, ChangeAction, Difference, Plan } from "../../index.ts";
import { wordsOf } from "../../plan/differences.ts";
import { describeCost } from "./cost.ts";
import { describeDrift } from "./drift.ts";
import type { Paint } from "./terminal.ts";

export interface PlanStyle {
  paint: Paint;
  /** New things one by one, instead of how many of which kind. */
  verbose?: boolean;
}

export function describePlan(plan: Plan, style: PlanStyle): string {
  const parts = [
    head(plan, style),
    ...byOwner(plan.changes).map(([of, changes]) => describeOwner(of, changes, style)),
    describeRelease(plan),
    describeDrift(plan.drift, style.paint),
    plan.cost ? describeCost(plan.cost, style.paint) : "",
    describeNotes(plan),
  ];
  return parts.filter(Boolean).join("\n\n");
}

function head({ app, environment, exists, changes, unchanged }: Plan, { paint }: PlanStyle): string {
  const title = paint("bold", `${app} ${environment}`);
  if (changes.length === 0) return `${title}  nothing to change: ${count(unchanged, "thing")} as configured`;
  const counts = ACTIONS.flatMap(([action, words]) => {
    const count = changes.filter((change) => change.action === action).length;
    return count === 0 ? [] : [`${count} ${words}`];
  });
  return `${title}  ${exists ? "" : "is new: "}${counts.join(", ")}${exists ? `, ${unchanged} unchanged` : ""}`;
}

const ACTIONS: [ChangeAction, words: string][] = [
  ["add", "to add"],
  ["change", "to change"],
  ["replace", "to replace"],
  ["mayReplace", "to change, perhaps by replacing"],
  ["remove", "to remove"],
];

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;

function byOwner(changes: Change[]): [of: string, changes: Change[]][] {
  const owners = new Map<string, Change[]>();
  for (const change of changes) owners.set(change.of, [...(owners.get(change.of) ?? []), change]);
  return [...owners];
}

/** Something is to be said of it alone. */
const isSpecial = ({ data, effect }: Change) => data !== undefined || effect !== undefined;

function describeOwner(of: string, changes: Change[], style: PlanStyle): string {
  const summed = (action: "add" | "remove") => {
    const plain = changes.filter((change) => change.action === action && !isSpecial(change));
    if (plain.length === 0) return [];
    return style.verbose ? plain.flatMap((change) => describeChange(change, style)) : [sumUp(action, plain, style)];
  };
  const single = changes.filter((change) => (change.action !== "add" && change.action !== "remove") || isSpecial(change));
  return [
    style.paint("bold", of),
    ...[...summed("add"), ...single.flatMap((change) => describeChange(change, style)), ...summed("remove")].map((line) => `  ${line}`),
  ].join("\n");
}

const SIGNS: Record<ChangeAction, [sign: string, style: Parameters<Paint>[0]]> = {
  add: ["+", "green"],
  change: ["~", "yellow"],
  replace: ["±", "red"],
  mayReplace: ["?", "red"],
  remove: ["-", "red"],
};

function sumUp(action: "add" | "remove", changes: Change[], { paint }: PlanStyle): string {
  const kinds = new Map<string, number>();
  for (const { kind } of changes) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const [sign, color] = SIGNS[action];
  return paint(color, `${sign} ${[...kinds].map(([kind, number]) => (number === 1 ? kind : `${number} × ${kind}`)).join(", ")}`);
}

function describeChange({ action, kind, name, differences, data, confirm, effect }: Change, { paint }: PlanStyle): string[] {
  const [sign, color] = SIGNS[action];
  const words = { add: "", change: "", replace: "  is replaced by a new one", mayReplace: "  may be replaced by a new one", remove: "  is removed" }[
    action
  ];
  const label = kind === name ? name : `${kind} ${name}`;
  return [
    paint(color, `${sign} ${label}${words}`),
    ...differences.map((difference) => `    ${describeDifference(difference)}`),
    ...(effect ? [`    ${effect}`] : []),
    ...(data ? [paint("red", `    ${data}${confirm ? `; commission asks for --confirm-replace ${confirm}` : ""}`)] : []),
  ];
}

export function describeDifference({ property, before, after, because }: Difference): string {
  const words = wordsOf(property);
  const label = words === property ? words : `${words} (${property})`;
  if (because) return `${label}: another one, because ${because}`;
  if (before === undefined) return `${label}: ${after} is new`;
  return after === undefined ? `${label}: ${before} goes` : `${label}: ${before} → ${after}`;
}

function describeRelease({ release, environment, next, changes }: Plan): string {
  const command = `\n  Next: landfall ${next} ${environment}`;
  const pending = next === "commission" && changes.length > 0 ? command : "";
  if (!release) return "";
  const { before, after, description, note } = release;
  if (!after) return note ? `release  a deploy would not begin: ${note}${pending}` : "";
  if (before === after) return `release  ${after} serves already${pending}`;
  const steps = [before ? `${before} → ${after}` : after, description, note].filter(Boolean);
  return `release  ${steps.join("  ")}${command}`;
}

const describeNotes = ({ notes }: Plan): string => notes.map((note) => `note: ${note}`).join("\n");
