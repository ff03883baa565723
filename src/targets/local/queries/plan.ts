// The plan of commission and deploy on this machine. Looks at the record, the configuration and the commit; starts nothing.
import type { Service } from "../../../config/schema.ts";
import { findDifferences } from "../../../plan/differences.ts";
import type { Change, Plan } from "../../../plan/plan.ts";
import type { Release } from "../../../release/release.ts";
import { planRelease } from "../../plan-release.ts";
import { untriedNotes } from "../../preconditions.ts";
import type { PlanOptions } from "../../target.ts";
import type { Context } from "../context.ts";
import { onlyOnAws } from "../preconditions.ts";
import { type EnvironmentRecord, findRecord, wantedCount } from "../record.ts";
import { listImages } from "../releases/images.ts";
import { nameRelease } from "../releases/prepare-release.ts";
import { loadRelease } from "../releases/release-store.ts";
import { compareResources } from "../resources/differences.ts";
import { compareEntrance, entranceOf, wantedEntrance } from "../rollout/balancer-config.ts";

export async function planLocal(context: Context, { fresh = false, drift = false }: PlanOptions = {}): Promise<Plan> {
  if (drift) throw onlyOnAws(context, "drift that an account could look for");
  const record = fresh ? undefined : findRecord(context.paths);
  const serving = record?.release === undefined ? undefined : loadRelease(context.paths, record.release);
  const resources = resourceParts(context, record);
  const isAsCommissioned = record && resources.every((part) => part === "unchanged") && compareEntrance(context, record).length === 0;
  const parts = [...resources, ...balancerParts(context, record, serving), ...serviceParts(context, record, serving)];
  return {
    app: context.deployment.app,
    environment: context.deployment.environment,
    target: "local",
    exists: record !== undefined,
    changes: parts.filter((part) => part !== "unchanged"),
    unchanged: parts.filter((part) => part === "unchanged").length,
    release: await planRelease({
      folder: context.folder,
      serving,
      name: async (load) => nameRelease(context, await load(), serving?.id),
      hasImage: (hash) => listImages(context.paths).includes(hash),
    }),
    next: isAsCommissioned ? "deploy" : "commission",
    drift: [],
    notes: [
      ...(record || fresh ? [] : [`"${context.deployment.environment}" does not stand on this machine yet`]),
      ...forgottenNotes(context, record),
      ...untriedNotes(context.deployment, Object.keys(serving?.services ?? {})),
    ],
  };
}

type Part = Change | "unchanged";

function resourceParts({ deployment: { resources } }: Context, record: EnvironmentRecord | undefined): Part[] {
  return compareResources(resources, record).map(({ name, type, differences }) => {
    const identity = { of: `resource ${name}`, kind: type, name };
    if (!differences) return { ...identity, action: "add", differences: [] };
    return differences.length === 0 ? "unchanged" : { ...identity, action: "change", differences };
  });
}

/** A commission leaves what the configuration has no more where it is: it may hold the only copy of its data. */
const forgottenNotes = ({ deployment: { resources } }: Context, record: EnvironmentRecord | undefined): string[] =>
  (record?.resources ?? [])
    .filter(({ name, state }) => state !== "external" && !Object.hasOwn(resources, name))
    .map(
      ({ name, type }) =>
        `${type} "${name}" is not in the configuration any more: it runs on, with its data, until the environment is decommissioned`,
    );

const rulesOf = ({ limits, trustedProxies, routes }: Pick<Release, "limits" | "trustedProxies" | "routes">) => ({ limits, trustedProxies, routes });

/** Port and TLS, which a commission applies, and the rules, which a deploy brings with its release. */
function balancerParts(context: Context, record: EnvironmentRecord | undefined, serving: Release | undefined): Part[] {
  const { settings, services, routes } = context.deployment;
  if (!Object.values(services).some(({ kind }) => kind === "web")) return [];
  const identity = { of: "balancer", kind: "balancer", name: "balancer" };
  if (!record) return [{ ...identity, action: "add", differences: [] }];
  const rules = rulesOf({ ...settings, routes });
  return [partOf(identity, { ...entranceOf(record), ...(serving ? rulesOf(serving) : rules) }, { ...wantedEntrance(context, record), ...rules })];
}

function serviceParts(context: Context, record: EnvironmentRecord | undefined, serving: Release | undefined): Part[] {
  const { services } = context.deployment;
  const old = serving?.services ?? {};
  return [...new Set([...Object.keys(services), ...Object.keys(old)])].map((name) => {
    const [before, after] = [old[name], services[name]];
    const identity = { of: `service ${name}`, kind: (after ?? before)?.schedule ? "job" : "instances", name };
    if (!after) return { ...identity, action: "remove", differences: [] };
    if (!before || !record)
      return {
        ...identity,
        ...newKind(after, record ? wantedCount({ deployment: context.deployment, record }, name, after) : after.instances.min),
        action: "add",
        differences: [],
      };
    return partOf(
      identity,
      facts(before, record.fleet?.[name] ?? record.scaled?.[name] ?? record.counts[name] ?? before.instances.min),
      facts(after, wantedCount({ deployment: context.deployment, record }, name, after)),
    );
  });
}

const newKind = ({ schedule }: Service, count: number): { kind?: string } => (schedule ? {} : { kind: `${count} instance${count === 1 ? "" : "s"}` });

/** Without what only AWS has, and with the number that runs instead of the bounds. */
function facts({ machine: _, instances: _bounds, scaling: _scaling, ...settings }: Service, instances: number) {
  return settings.schedule ? settings : { instances, ...settings };
}

function partOf(identity: Pick<Change, "of" | "kind" | "name">, before: unknown, after: unknown): Part {
  const differences = findDifferences(before, after);
  return differences.length === 0 ? "unchanged" : { ...identity, action: "change", differences };
}
