// What a commission would change in the account, and what it costs. Reads, and changes nothing.
import type { Cost } from "../../plan/cost.ts";
import type { Plan } from "../../plan/plan.ts";
import type { PlanOptions } from "../target.ts";
import { type Context, locate, type Place } from "./context.ts";
import { awsNotes } from "./notes.ts";
import { compareTemplates } from "./plan/compare.ts";
import { detectDrift, loadDrift } from "./plan/drift.ts";
import type { Names } from "./plan/owners.ts";
import { loadStanding, type ObservedStack } from "./plan/standing.ts";
import type { StandingStack } from "./plan/template.ts";
import { askPrices } from "./prices/api.ts";
import { costOf, keysOf, refuseAboveCeiling, withFleets } from "./prices/cost.ts";
import { tablePrices } from "./prices/table.ts";
import type { Running } from "./stacks/index.ts";

export async function planAws(context: Context, { fresh = false, drift = false }: PlanOptions = {}): Promise<Plan> {
  const { name, app } = context.app;
  const names: Names = { app: app.name, environment: name, resources: Object.keys(app.resources) };
  const place = fresh ? undefined : await locate(context);
  const standing = fresh ? [] : await loadStanding(context);
  if (drift) await detectDrift(context, standing);
  const { makeStacks } = await import("./stacks/index.ts");
  const comparison = compareTemplates(standing, makeStacks(context.app), names);
  const cost = await planCost(context, { before: standing, running: {}, region: place?.region ?? context.app.environment.region, ask: !fresh });
  return {
    app: app.name,
    environment: name,
    target: "aws",
    exists: standing.some((stack) => !stack.name.endsWith("-foundation")),
    ...comparison,
    drift: fresh ? [] : await loadDrift(context, standing, names),
    ...(cost ? { cost } : {}),
    notes: [
      ...(cost ? [] : ["no region is set, and prices are by region"]),
      ...placeNotes(place),
      ...standing.flatMap(unsettledNotes),
      ...awsNotes(context.app),
    ],
  };
}

export interface CostQuestion {
  /** What stands. */
  before: readonly StandingStack[];
  running: Running;
  /** Undefined when nobody said which. */
  region: string | undefined;
  /** Whether to ask the Pricing API; the table is used without it. */
  ask: boolean;
}

/** What the environment costs now, and what it would cost as configured. Undefined without a region. To be held to the ceiling by who changes something. */
export async function planCost({ app, clients }: Context, { before, running, region, ask }: CostQuestion): Promise<Cost | undefined> {
  if (region === undefined) return undefined;
  const { makeStacks } = await import("./stacks/index.ts");
  const names: Names = { app: app.app.name, environment: app.name, resources: Object.keys(app.app.resources) };
  const after = makeStacks(app, withFleets(app, running));
  const table = tablePrices(region);
  const prices = ask && !process.env.AWS_ENDPOINT_URL ? await askPrices(clients, region, keysOf([...before, ...after], names), table) : table;
  return costOf({ app, names, before, after, prices });
}

/**
 * Refuses what would cost more than the environment's `costCeiling`. To be called before anything is changed; asks nothing without a ceiling.
 * Errors: COST_ABOVE_CEILING, COST_UNKNOWN.
 */
export async function holdToCeiling(context: Context, running: Running = {}): Promise<void> {
  if (context.app.environment.costCeiling === undefined) return;
  const region = await (await context.clients.cloudFormation()).config.region();
  const cost = await planCost(context, { before: [], running, region, ask: true });
  if (cost) refuseAboveCeiling(context.app, cost);
}

const placeNotes = (place: Place | undefined): string[] =>
  place ? [`account ${place.account}, region ${place.region}, as ${place.identity}`] : ["as if nothing stood: no account was asked"];

const unsettledNotes = ({ name, status }: ObservedStack): string[] =>
  /^(CREATE|UPDATE|IMPORT)(_ROLLBACK)?_COMPLETE$/.test(status) ? [] : [`stack ${name} is in the state ${status}`];
