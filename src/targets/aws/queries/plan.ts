// The plan of a commission: changes in the account, and their cost. Reads, and changes nothing.
import type { Cost } from "../../../plan/cost.ts";
import type { Plan, ReleasePlan } from "../../../plan/plan.ts";
import type { Release } from "../../../release/release.ts";
import type { Source } from "../../../release/source.ts";
import { backNotes } from "../../counts.ts";
import { planRelease } from "../../plan-release.ts";
import { untriedNotes } from "../../preconditions.ts";
import type { PlanOptions } from "../../target.ts";
import { objectsIn } from "../account/objects.ts";
import { observeEnvironment } from "../cloudformation/describe-stacks.ts";
import { assertChangesPossible } from "../cloudformation/impossible-changes.ts";
import { type Context, locate, type Place } from "../context.ts";
import { outputsOf } from "../environment-outputs.ts";
import { assertNetworkFits } from "../existing-network.ts";
import { compareTemplates } from "../plan/compare.ts";
import { detectDrift, loadDrift } from "../plan/drift.ts";
import type { Names } from "../plan/owners.ts";
import { loadStanding, type ObservedStack } from "../plan/standing.ts";
import type { StandingStack } from "../plan/template.ts";
import { askPrices } from "../prices/api.ts";
import { assertWithinBudget, costOf, hasAllFleets, keysOf, withFleets } from "../prices/cost.ts";
import { tablePrices } from "../prices/table.ts";
import { countVcpus, vcpuNotes } from "../prices/vcpus.ts";
import { findServing, nameRelease } from "../releases/name.ts";
import { observeServing } from "../running.ts";
import { requireSecrets } from "../secrets.ts";
import type { Running } from "../templates/index.ts";
import { stackName } from "../templates/shared/names.ts";
import { countsIn, servingRelease } from "../templates/shared/running.ts";
import { awsNotes } from "./check-notes.ts";

export async function planAws(context: Context, { fresh = false, drift = false }: PlanOptions = {}): Promise<Plan> {
  const { environment, app, settings } = context.deployment;
  const names = namesOf(context);
  const place = fresh ? undefined : await locate(context);
  const stacks = fresh ? new Map() : await observeEnvironment(context.clients, { app, environment });
  const [standing, serving] = [await loadStanding(context, stacks), await observeServing(context, stacks)];
  const { running, rules } = serving;
  if (drift) await detectDrift(context, standing);
  const exists = standing.some((stack) => stack.name !== stackName(context.deployment, "shared"));
  const { makeStacks } = await import("../templates/index.ts");
  // Of a new environment the fleets are shown at once; of one that stands only what its next commission would bring, which leaves what serves.
  const complete = makeStacks(context.deployment, withFleets(context.deployment, running));
  const after = exists ? makeStacks(context.deployment, running, rules) : complete;
  assertChangesPossible(standing, after);
  if (!fresh) await assertNetworkFits(context);
  const cost = await planCost(context, { before: standing, after: complete, region: place?.region ?? settings.region, ask: !fresh });
  const vcpus = countVcpus(context.deployment, complete, names);
  const quotas = await vcpuNotes(environment, vcpus, place && { clients: context.clients, region: place.region });
  // What was read before the look does not know of it.
  const drifts = await loadDrift(context, drift ? standing : [...stacks.values()].filter(({ looked }) => looked), names);
  const compared = compareTemplates(standing, after, names);
  return {
    app,
    environment,
    target: "aws",
    exists,
    ...compared,
    next: exists && compared.changes.length === 0 ? "deploy" : "commission",
    release: fresh
      ? undefined
      : await planServing(context, outputsOf(context.deployment, stacks.values()).find("shared", "ArtifactsBucket"), servingRelease(serving)),
    drift: drifts,
    ...(cost ? { cost } : {}),
    notes: [
      ...placeNotes(place),
      ...(drift && exists && drifts.length === 0 ? ["AWS looked at every stack: nothing was changed by hand"] : []),
      ...(hasAllFleets(context.deployment, running)
        ? []
        : [exists ? "the cost counts the fleets that a deploy brings" : "fleets and what belongs to them come with the first deploy"]),
      ...(cost ? [] : ["no region is set, and prices are by region"]),
      ...backNotes(context.deployment.services, countsIn(running)),
      ...standing.flatMap(unsettledNotes),
      ...awsNotes(context.deployment, running),
      ...quotas,
      ...untriedNotes(context.deployment, Object.keys(running)),
    ],
  };
}

async function planServing(context: Context, bucket: string | undefined, id: string | undefined): Promise<ReleasePlan> {
  const serving = bucket === undefined ? undefined : await findServing(objectsIn(context, bucket), id);
  const name = async (load: () => Promise<Source>): Promise<Release> => {
    const secretsRevision = await requireSecrets(context);
    return nameRelease({ deployment: context.deployment, source: await load(), secretsRevision, serving });
  };
  return planRelease({ folder: context.folder, serving: serving ?? (id === undefined ? undefined : { id }), name });
}

export const namesOf = ({ deployment: { environment, app, resources } }: Context): Names => ({
  app,
  environment,
  resources: Object.keys(resources),
});

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
  const prices = answers ? await askPrices({ clients: context.clients, region }, keysOf([...before, ...after], names), table) : table;
  return costOf({ deployment: context.deployment, names, before, after, prices });
}

/**
 * Refuses what would cost more than the environment's `budget`. To be called before anything is changed; asks nothing without a budget.
 * Errors: COST_ABOVE_BUDGET, COST_UNKNOWN.
 */
export async function holdToBudget(context: Context, running: Running = {}): Promise<void> {
  if (context.deployment.settings.budget === undefined) return;
  const region = await (await context.clients.cloudFormation()).config.region();
  const { makeStacks } = await import("../templates/index.ts");
  const after = makeStacks(context.deployment, withFleets(context.deployment, running));
  const cost = await planCost(context, { before: [], after, region, ask: true });
  if (cost) assertWithinBudget(context.deployment, cost);
}

const placeNotes = (place: Place | undefined): string[] =>
  place ? [`account ${place.account}, region ${place.region}, as ${place.identity}`] : ["as if nothing stood: no account was asked"];

const unsettledNotes = ({ name, status }: ObservedStack): string[] =>
  /^(CREATE|UPDATE|IMPORT)(_ROLLBACK)?_COMPLETE$/.test(status) ? [] : [`stack ${name} is in the state ${status}`];
