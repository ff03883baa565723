// What a commission would change in the account, and what it costs. Reads, and changes nothing.
import type { Plan } from "../../plan/plan.ts";
import type { PlanOptions } from "../target.ts";
import { type Context, locate, type Place } from "./context.ts";
import { awsNotes } from "./notes.ts";
import { compareTemplates } from "./plan/compare.ts";
import { detectDrift, loadDrift } from "./plan/drift.ts";
import type { Names } from "./plan/owners.ts";
import { loadStanding } from "./plan/standing.ts";
import type { StandingStack } from "./plan/template.ts";

export async function planAws(context: Context, { fresh = false, drift = false }: PlanOptions = {}): Promise<Plan> {
  const { name, app } = context.app;
  const names: Names = { app: app.name, environment: name, resources: Object.keys(app.resources) };
  const place = fresh ? undefined : await locate(context);
  const standing = fresh ? [] : await loadStanding(context);
  if (drift) await detectDrift(context, standing);
  const { makeStacks } = await import("./stacks/index.ts");
  const comparison = compareTemplates(standing, makeStacks(context.app), names);
  return {
    app: app.name,
    environment: name,
    target: "aws",
    exists: standing.some((stack) => !stack.name.endsWith("-foundation")),
    ...comparison,
    drift: fresh ? [] : await loadDrift(context, standing, names),
    notes: [...placeNotes(place), ...standing.flatMap(unsettledNotes), ...awsNotes(context.app)],
  };
}

const placeNotes = (place: Place | undefined): string[] =>
  place ? [`account ${place.account}, region ${place.region}, as ${place.identity}`] : ["as if nothing stood: no account was asked"];

const unsettledNotes = ({ name, state }: StandingStack & { state: string }): string[] =>
  /^(CREATE|UPDATE|IMPORT)(_ROLLBACK)?_COMPLETE$/.test(state) ? [] : [`stack ${name} is in the state ${state}`];
