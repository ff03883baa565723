// What a commission would change in the account, and what it costs. Reads, and changes nothing.
import type { Cost } from "../../plan/cost.ts";
import type { Plan } from "../../plan/plan.ts";
import type { PlanOptions } from "../target.ts";
import { observeEnvironment } from "./cloudformation/stand.ts";
import { type Context, locate, type Place } from "./context.ts";
import { awsNotes } from "./notes.ts";
import { compareTemplates } from "./plan/compare.ts";
import { detectDrift, loadDrift } from "./plan/drift.ts";
import type { Names } from "./plan/owners.ts";
import { loadStanding, type ObservedStack } from "./plan/standing.ts";
import type { StandingStack } from "./plan/template.ts";
import { askPrices } from "./prices/api.ts";
import { costOf, hasAllFleets, keysOf, refuseAboveCeiling, withFleets } from "./prices/cost.ts";
import { tablePrices } from "./prices/table.ts";
import { observeRunning } from "./running.ts";
import type { Running } from "./stacks/index.ts";

export async function planAws(context: Context, { fresh = false, drift = false }: PlanOptions = {}): Promise<Plan> {
  const { name, app, environment } = context.app;
  const names = namesOf(context);
  const place = fresh ? undefined : await locate(context);
  const stacks = fresh ? new Map() : await observeEnvironment(context.clients, { app: app.name, environment: name });
  const [standing, running] = [await loadStanding(context, stacks), await observeRunning(context, stacks)];
  if (drift) await detectDrift(context, standing);
  const exists = standing.some((stack) => !stack.name.endsWith("-foundation"));
  const { makeStacks } = await import("./stacks/index.ts");
  // Of a new environment the fleets are shown at once; of one that stands only what its next commission would bring.
  const complete = makeStacks(context.app, withFleets(context.app, running));
  const wanted = exists && !hasAllFleets(context.app, running) ? makeStacks(context.app, running) : complete;
  const cost = await planCost(context, { before: standing, after: complete, region: place?.region ?? environment.region, ask: !fresh });
  // What was read before the look does not know of it.
  const drifts = await loadDrift(context, drift ? standing : [...stacks.values()].filter(({ looked }) => looked), names);
  return {
    app: app.name,
    environment: name,
    target: "aws",
    exists,
    ...compareTemplates(standing, wanted, names),
    drift: drifts,
    ...(cost ? { cost } : {}),
    notes: [
      ...placeNotes(place),
      ...(drift && exists && drifts.length === 0 ? ["AWS looked at every stack: nothing was changed by hand"] : []),
      ...(hasAllFleets(context.app, running)
        ? []
        : [exists ? "the cost counts the fleets that a deploy brings" : "fleets and what belongs to them come with the first deploy"]),
      ...(cost ? [] : ["no region is set, and prices are by region"]),
      ...standing.flatMap(unsettledNotes),
      ...awsNotes(context.app),
    ],
  };
}

const namesOf = ({ app: { name, app } }: Context): Names => ({ app: app.name, environment: name, resources: Object.keys(app.resources) });

interface CostQuestion {
  /** What stands. */
  before: readonly StandingStack[];
  /** What is wanted, with a fleet for every service. */
  after: readonly StandingStack[];
  /** Undefined when nobody said which. */
  region: string | undefined;
  /** Whether to ask the Pricing API; the table is used without it, and with an emulator. */
  ask: boolean;
}

/** Undefined without a region. */
async function planCost(context: Context, { before, after, region, ask }: CostQuestion): Promise<Cost | undefined> {
  if (region === undefined) return undefined;
  const names = namesOf(context);
  const table = tablePrices(region);
  const answers = ask && !process.env.AWS_ENDPOINT_URL;
  const prices = answers ? await askPrices(context.clients, region, keysOf([...before, ...after], names), table) : table;
  return costOf({ app: context.app, names, before, after, prices });
}

/**
 * Refuses what would cost more than the environment's `costCeiling`. To be called before anything is changed; asks nothing without a ceiling.
 * Errors: COST_ABOVE_CEILING, COST_UNKNOWN.
 */
export async function holdToCeiling(context: Context, running: Running = {}): Promise<void> {
  if (context.app.environment.costCeiling === undefined) return;
  const region = await (await context.clients.cloudFormation()).config.region();
  const { makeStacks } = await import("./stacks/index.ts");
  const after = makeStacks(context.app, withFleets(context.app, running));
  const cost = await planCost(context, { before: [], after, region, ask: true });
  if (cost) refuseAboveCeiling(context.app, cost);
}

const placeNotes = (place: Place | undefined): string[] =>
  place ? [`account ${place.account}, region ${place.region}, as ${place.identity}`] : ["as if nothing stood: no account was asked"];

const unsettledNotes = ({ name, status }: ObservedStack): string[] =>
  /^(CREATE|UPDATE|IMPORT)(_ROLLBACK)?_COMPLETE$/.test(status) ? [] : [`stack ${name} is in the state ${status}`];
