// What commission and deploy would change on this machine. Looks at the record, the configuration and the commit; starts nothing.
import type { Resource, Service } from "../../config/schema.ts";
import { LandfallError } from "../../error.ts";
import { findDifferences } from "../../plan/differences.ts";
import type { Change, Plan, ReleasePlan } from "../../plan/plan.ts";
import { makeRelease, type Release } from "../../release/release.ts";
import { loadSource } from "../../release/source.ts";
import type { PlanOptions } from "../target.ts";
import { type Context, type EnvironmentRecord, findRecord, wantedCount } from "./context.ts";
import { loadRelease } from "./releases.ts";
import { openSecrets } from "./secrets.ts";

export async function planLocal(context: Context, { fresh = false }: PlanOptions = {}): Promise<Plan> {
  const record = fresh ? undefined : findRecord(context.places);
  const serving = record?.release === undefined ? undefined : loadRelease(context.places, record.release);
  const parts = [...resourceParts(context, record), ...balancerParts(context, record), ...serviceParts(context, record, serving)];
  return {
    app: context.app.app.name,
    environment: context.app.name,
    target: "local",
    exists: record !== undefined,
    changes: parts.filter((part) => part !== "unchanged"),
    unchanged: parts.filter((part) => part === "unchanged").length,
    release: await planRelease(context, serving),
    drift: [],
    notes: record || fresh ? [] : [`"${context.app.name}" does not stand on this machine yet`],
  };
}

type Part = Change | "unchanged";

function resourceParts({ app: { app } }: Context, record: EnvironmentRecord | undefined): Part[] {
  const names = [...new Set([...Object.keys(app.resources), ...(record?.resources ?? []).map(({ name }) => name)])];
  return names.map((name) => {
    const wanted = app.resources[name];
    const stands = record?.resources.find((one) => one.name === name);
    const identity = { of: `resource ${name}`, kind: wanted?.type ?? (stands?.type as string), name };
    // Commission leaves a resource that the configuration has no more where it is: it may hold the only copy of its data.
    if (!wanted)
      return { ...identity, action: "remove", differences: [], data: "it runs on, with its data, until the environment is decommissioned" };
    if (!stands) return { ...identity, action: "add", differences: [] };
    return partOf(identity, shapeOfRecord(stands), shapeOf(wanted));
  });
}

const shapeOf = (resource: Resource) => ({ type: resource.type, from: resource.url ? "a URL" : "this machine" });
const shapeOfRecord = ({ type, state }: EnvironmentRecord["resources"][number]) => ({ type, from: state === "external" ? "a URL" : "this machine" });

function balancerParts({ app: { environment, app } }: Context, record: EnvironmentRecord | undefined): Part[] {
  if (!Object.values(app.services).some(({ port }) => port !== undefined)) return [];
  const identity = { of: "balancer", kind: "balancer", name: "balancer" };
  if (!record) return [{ ...identity, action: "add", differences: [] }];
  return [partOf(identity, { tls: record.tls }, { tls: Boolean(environment.tls) })];
}

function serviceParts(context: Context, record: EnvironmentRecord | undefined, serving: Release | undefined): Part[] {
  const { services } = context.app.app;
  const old = serving?.services ?? {};
  return [...new Set([...Object.keys(services), ...Object.keys(old)])].map((name) => {
    const [before, after] = [old[name], services[name]];
    const identity = { of: `service ${name}`, kind: (after ?? before)?.schedule ? "job" : "instances", name };
    if (!after) return { ...identity, action: "remove", differences: [] };
    if (!before || !record) return { ...identity, ...newKind(context, record, name, after), action: "add", differences: [] };
    return partOf(
      identity,
      facts(before, record.scaled?.[name] ?? record.counts[name] ?? before.instances.min),
      facts(after, wantedCount(context, record, name, after)),
    );
  });
}

function newKind(context: Context, record: EnvironmentRecord | undefined, name: string, settings: Service): { kind?: string } {
  if (settings.schedule) return {};
  const count = record ? wantedCount(context, record, name, settings) : settings.instances.min;
  return { kind: `${count} instance${count === 1 ? "" : "s"}` };
}

/** Without what only AWS has, and with the number that runs instead of the bounds. */
function facts({ machine: _, instances: _bounds, scaling: _scaling, ...settings }: Service, instances: number) {
  return settings.schedule ? settings : { instances, ...settings };
}

function partOf(identity: Pick<Change, "of" | "kind" | "name">, before: unknown, after: unknown): Part {
  const differences = findDifferences(before, after);
  return differences.length === 0 ? "unchanged" : { ...identity, action: "change", differences };
}

/** What a deploy of the checked-out commit would bring. Not being able to say is no failure of the plan. */
async function planRelease(context: Context, serving: Release | undefined): Promise<ReleasePlan> {
  const before = serving && { before: serving.id };
  try {
    const source = await loadSource({ folder: context.folder, dirty: false });
    const release = await makeRelease({ app: context.app, source, secretsRevision: openSecrets(context.places).revision() });
    const note = serving && serving.id !== release.id && serving.recipeHash !== release.recipeHash ? "its image has to be made first" : undefined;
    return { ...before, after: release.id, description: release.description, ...(note ? { note } : {}) };
  } catch (error) {
    if (!(error instanceof LandfallError)) throw error;
    return { ...before, note: error.parts.what };
  }
}
