// What an environment on AWS costs before and after a change, what the change itself costs once, and the ceiling.
import type { EnvironmentApp } from "../../../config/app.ts";
import { isArm } from "../../../config/aws.ts";
import type { Service } from "../../../config/schema.ts";
import { LandfallError } from "../../../error.ts";
import { type Cost, type CostLine, judgeCeiling, type Sum } from "../../../plan/cost.ts";
import type { Names } from "../plan/owners.ts";
import type { StandingStack } from "../plan/template.ts";
import type { Fleet, Running } from "../stacks/index.ts";
import { taskFactsOf } from "../stacks/running.ts";
import { estimate, HOURS } from "./estimate.ts";
import type { Price, PriceKey, Prices } from "./prices.ts";

export interface CostInput {
  app: EnvironmentApp;
  names: Names;
  /** What stands. */
  before: readonly StandingStack[];
  /** What is wanted, with a fleet for every service: see `withFleets`. */
  after: readonly StandingStack[];
  prices: Prices;
}

export function costOf({ app, names, before, after, prices }: CostInput): Cost {
  return {
    currency: "USD",
    prices: prices.source,
    ...(before.length === 0 ? {} : { before: estimate(before, prices, names) }),
    after: estimate(after, prices, names),
    once: onceOf(app, prices),
    ...(app.environment.costCeiling === undefined ? {} : { ceiling: app.environment.costCeiling }),
  };
}

/**
 * The fleets that run, and one for each service that has none yet: what is commissioned today is paid for once something is deployed to
 * it, and a plan that left that out would call every new environment cheap.
 */
export const withFleets = ({ app }: EnvironmentApp, running: Running): Running =>
  Object.fromEntries(
    Object.entries(app.services).map(([name, service]) => [name, hasFleet(running, name) ? (running[name] ?? {}) : { blue: planned(service) }]),
  );

/** Whether `withFleets` would add nothing. */
export const hasAllFleets = ({ app }: EnvironmentApp, running: Running): boolean =>
  Object.keys(app.services).every((name) => hasFleet(running, name));

const hasFleet = (running: Running, name: string) => Object.keys(running[name] ?? {}).length > 0;
const planned = (service: Service): Fleet => ({
  release: "planned",
  image: "ami-planned",
  script: "",
  ...(service.container ? { task: taskFactsOf(service) } : {}),
});

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

function onceOf({ app }: EnvironmentApp, prices: Prices): CostLine[] {
  const onMachines = Object.entries(app.services).filter(([, { container }]) => !container);
  const machines = new Set(onMachines.map(([, { machine }]) => machine.types[0] as string));
  const builders = [...new Set([...machines].map((type) => (isArm(type) ? "t4g.medium" : "t3.medium")))];
  const warm =
    app.rollout.strategy === "rolling" ? [] : onMachines.flatMap(([name, service]) => (service.port === undefined ? [] : [{ name, service }]));
  return [
    ...builders.map((type) => line("image", `a builder ${type}`, BUILD_HOURS, BUILD_ASSUMPTION, prices.find(`ec2:${type}`))),
    ...warm.map(({ name, service: { instances, machine } }) =>
      line(
        `service ${name}`,
        `${instances.min} × machines ${machine.types[0]} beside the old ones`,
        (instances.min * app.rollout.soak) / SOAK_HOURS,
        "each deploy, for the time that the old ones stay warm",
        prices.find(`ec2:${machine.types[0]}`),
      ),
    ),
  ];
}

const line = (of: string, what: string, count: number, assumption: string, price: Price | undefined): CostLine => ({
  of,
  what,
  units: { min: count, max: count },
  unit: "hour",
  assumption,
  ...(price ? { price: price.dollars, ...(price.doubt === undefined ? {} : { doubt: price.doubt }) } : {}),
});

/**
 * Refuses what would cost more than the environment's `costCeiling`, before anything is changed. Errors: COST_ABOVE_CEILING; COST_UNKNOWN when
 * a price is missing, so that nobody can tell.
 */
export function refuseAboveCeiling({ name }: EnvironmentApp, cost: Cost): void {
  const verdict = judgeCeiling(cost);
  if (verdict.kind === "above") throw aboveCeiling(name, verdict.sum, verdict.ceiling, cost);
  if (verdict.kind === "unknown") throw unknownCost(name, verdict.sum, verdict.ceiling);
}

const aboveCeiling = (environment: string, { min, max }: Sum, ceiling: number, { after }: Cost) =>
  new LandfallError({
    code: "COST_ABOVE_CEILING",
    what: `environment "${environment}" would cost up to ${max.toFixed(2)} USD a month, and its costCeiling is ${ceiling}`,
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
    .sort((one, other) => cost(other) - cost(one))
    .slice(0, DEAREST)
    .map((one) => [one.of, `${one.what}: ${cost(one).toFixed(2)} USD for ${one.unit === "hour" ? `${HOURS} hours` : "a month"}`]);
}

const unknownCost = (environment: string, { unknown, max }: Sum, ceiling: number) =>
  new LandfallError({
    code: "COST_UNKNOWN",
    what: `environment "${environment}" has a costCeiling of ${ceiling} USD, and not all prices are known`,
    why: `what is known comes to ${max.toFixed(2)} USD a month; no price is known of:`,
    evidence: unknown.map((one) => [one.of, one.what]),
    standing: "Nothing was changed.",
    next: 'allow "pricing:GetProducts", choose a type that the table of prices has, or take "costCeiling" away',
  });
