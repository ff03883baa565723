// The cost of an environment on AWS before and after a change, the cost of the change itself, and the budget.
import type { Deployment } from "../../../config/deployment.ts";
import { isArm } from "../../../config/rules/aws.ts";
import { LandfallError } from "../../../error.ts";
import type { Cost, CostLine, Sum } from "../../../plan/cost.ts";
import { judgeBudget } from "../../../plan/cost.ts";
import { STRATEGIES } from "../../../rollout/strategy.ts";
import type { Names } from "../plan/owners.ts";
import type { StandingStack } from "../plan/template.ts";
import { HOURS } from "../resource-types/entry/price.ts";
import type { Price, PriceKey, Prices } from "../resource-types/entry/prices.ts";
import type { Fleet, Running } from "../templates/index.ts";
import { rangeFrom } from "../templates/shared/running.ts";
import { estimate } from "./estimate.ts";

export interface CostInput {
  deployment: Deployment;
  names: Names;
  /** What stands. */
  before: readonly StandingStack[];
  /** What is wanted, with a fleet for every service: see `withFleets`. */
  after: readonly StandingStack[];
  prices: Prices;
}

export function costOf({ deployment, names, before, after, prices }: CostInput): Cost {
  return {
    currency: "USD",
    prices: prices.source,
    ...(before.length === 0 ? {} : { before: estimate(before, prices, names) }),
    after: estimate(after, prices, names),
    once: onceOf(deployment, prices),
    ...(deployment.settings.budget === undefined ? {} : { budget: deployment.settings.budget }),
  };
}

/**
 * The fleets that run, and one for each service that has none yet, all as they are configured: what is commissioned today is paid for once something
 * is deployed to it, and a plan that left that out would call every new environment cheap. `counts`: as many instances of these services.
 */
export const withFleets = ({ services }: Deployment, running: Running, counts: Record<string, number> = {}): Running =>
  Object.fromEntries(
    Object.entries(services).map(([name, service]) => {
      const fleets = hasFleet(running, name) ? asConfigured(running[name] ?? {}) : { blue: PLANNED };
      const count = counts[name];
      return [name, count === undefined ? fleets : mapFleets(fleets, (fleet) => ({ ...fleet, instances: rangeFrom(service, count) }))];
    }),
  );

const asConfigured = (fleets: Running[string]): Running[string] => mapFleets(fleets, ({ settings: _, proxy: __, ...fleet }) => fleet);

const mapFleets = (fleets: Running[string], change: (fleet: Fleet) => Fleet): Running[string] =>
  Object.fromEntries(Object.entries(fleets).map(([slot, fleet]) => [slot, change(fleet)]));

/** Whether `withFleets` would add nothing. */
export const hasAllFleets = ({ services }: Deployment, running: Running): boolean => Object.keys(services).every((name) => hasFleet(running, name));

const hasFleet = (running: Running, name: string) => Object.keys(running[name] ?? {}).length > 0;
const PLANNED: Fleet = { release: "planned", image: "ami-planned", script: "" };

/** Every key that an estimate asks for, so that they can be looked up together. */
export function keysOf(stacks: readonly StandingStack[], names: Names): PriceKey[] {
  const keys = new Set<PriceKey>();
  const listening: Prices = {
    source: "",
    find: (key) => {
      keys.add(key);
      return undefined;
    },
  };
  estimate(stacks, listening, names);
  return [...keys];
}

const BUILD_HOURS = 0.25;
const BUILD_ASSUMPTION = "a quarter of an hour; only when packages or dependencies change";
const SOAK_HOURS = 3_600_000;

function onceOf({ services, rollout }: Deployment, prices: Prices): CostLine[] {
  const onMachines = Object.entries(services).filter(([, { container }]) => !container);
  const machines = new Set(onMachines.flatMap(([, { machine }]) => machine.types[0] ?? []));
  const builders = [...new Set([...machines].map((type) => (isArm(type) ? "t4g.medium" : "t3.medium")))];
  const { besideOld } = STRATEGIES[rollout.strategy];
  const warm = onMachines.flatMap(([name, service]) => (besideOld && service.kind === "web" ? [{ name, service }] : []));
  return [
    ...builders.map((type) =>
      line({ of: "image", what: `a builder ${type}`, hours: BUILD_HOURS, assumption: BUILD_ASSUMPTION }, prices.find(`ec2:${type}`)),
    ),
    ...warm.map(({ name, service: { instances, machine } }) =>
      line(
        {
          of: `service ${name}`,
          what: `${instances.min} × instances ${machine.types[0]} beside the old ones`,
          hours: (instances.min * rollout.soak) / SOAK_HOURS,
          assumption: "each deploy, for the time that the old ones stay warm",
        },
        prices.find(`ec2:${machine.types[0]}`),
      ),
    ),
  ];
}

interface Machines extends Pick<CostLine, "of" | "what" | "assumption"> {
  /** Of all of them together. */
  hours: number;
}

const line = ({ of, what, hours, assumption }: Machines, price: Price | undefined): CostLine => ({
  of,
  what,
  units: { min: hours, max: hours },
  unit: "hour",
  assumption,
  ...(price ? { price: price.dollars, ...(price.doubt === undefined ? {} : { doubt: price.doubt }) } : {}),
});

/**
 * Refuses what would cost more than the environment's `budget`, before anything is changed. Errors: COST_ABOVE_BUDGET; COST_UNKNOWN when
 * a price is missing, so that nobody can tell.
 */
export function assertWithinBudget({ environment }: Deployment, cost: Cost): void {
  const verdict = judgeBudget(cost);
  if (verdict.kind === "above") throw aboveBudget(environment, verdict, cost);
  if (verdict.kind === "unknown") throw unknownCost(environment, verdict);
}

/** A budget that is not held to, and what the month comes to. */
interface Missed {
  sum: Sum;
  budget: number;
}

const aboveBudget = (environment: string, { sum: { min, max }, budget }: Missed, { after }: Cost) =>
  new LandfallError({
    code: "COST_ABOVE_BUDGET",
    what: `environment "${environment}" would cost up to ${max.toFixed(2)} USD a month, and its budget is ${budget}`,
    why: `with every fleet at its least it would be ${min.toFixed(2)} USD; most of all costs:`,
    evidence: dearest(after.lines),
    standing: "Nothing was changed.",
    next: `landfall plan ${environment}`,
  });

const DEAREST = 5;

/** The lines that a person would look at first. */
function dearest(lines: readonly CostLine[]): [string, string][] {
  const cost = ({ units, price = 0 }: CostLine) => units.max * price;
  return [...lines]
    .sort((a, b) => cost(b) - cost(a))
    .slice(0, DEAREST)
    .map((line) => [line.of, `${line.what}: ${cost(line).toFixed(2)} USD for ${line.unit === "hour" ? `${HOURS} hours` : "a month"}`]);
}

const unknownCost = (environment: string, { sum: { unknown, max }, budget }: Missed) =>
  new LandfallError({
    code: "COST_UNKNOWN",
    what: `environment "${environment}" has a budget of ${budget} USD, and not all prices are known`,
    why: `what is known comes to ${max.toFixed(2)} USD a month; no price is known of:`,
    evidence: unknown.map((line) => [line.of, line.what]),
    standing: "Nothing was changed.",
    next: 'allow "pricing:GetProducts", choose a type that the table of prices has, or remove "budget"',
  });
