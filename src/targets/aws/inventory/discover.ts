// The account listed: by tag, by what stacks left, and by what services make beside them.
import pLimit from "p-limit";
import { rowsOf } from "../account/pages.ts";
import type { Context } from "../context.ts";
import type { Candidate, Discovery, Owner, ResourceKind, Tags } from "../resource-types/entry/resource-type.ts";
import { RESOURCE_KINDS } from "../resource-types/index.ts";
import type { AccountResource } from "./account-resource.ts";
import { isChildArn, matchArn, ownerByTags, ownerOfCandidate } from "./ownership.ts";
import { observeStackResources } from "./stack-resources.ts";

const AT_ONCE = 6;

/** Everything but stacks, and what goes with those that stand. */
export interface AccountInventory {
  discovery: Discovery;
  resources: AccountResource[];
  /** Carries our tags, and is of no kind that Landfall makes. */
  unrecognized: { arn: string; owner: Owner }[];
}

/** Changes nothing. What AWS lists and no longer has is left out. */
export async function discoverResources(context: Context, kinds: readonly ResourceKind[] = RESOURCE_KINDS): Promise<AccountInventory> {
  const { app, environment } = context.deployment;
  const discovery: Discovery = { context, app, environment, stackResources: await observeStackResources(context) };
  const [byArn, byEc2] = await Promise.all([listTagged(discovery), listTaggedOfEc2(discovery)]);
  const limit = pLimit(AT_ONCE);
  const matched = byArn.map(({ arn, tags }) => ({ arn, tags, as: matchArn(RESOURCE_KINDS, arn) }));
  const resources = await Promise.all(
    kinds.map((kind) =>
      limit(async () => {
        const candidates: Candidate[] = [
          ...matched.flatMap(({ as, tags }) => (as?.kind === kind ? [{ id: as.id, tags }] : [])),
          ...byEc2.flatMap(({ type, id, tags }) => (type === kind.ec2 ? [{ id, tags }] : [])),
          ...leftByStacks(discovery, kind),
          ...((await kind.find?.(discovery)) ?? []),
        ];
        return observe(discovery, kind, candidates);
      }),
    ),
  );
  const standing = [...discovery.stackResources.values()].filter((resource) => resource.standing).map(({ id }) => id);
  const unrecognized = matched.flatMap(({ arn, tags, as }) => {
    const owner = as || isChildArn(arn) || standing.some((id) => arn.endsWith(id)) ? undefined : ownerByTags(tags, discovery);
    return owner ? [{ arn, owner }] : [];
  });
  return { discovery, resources: resources.flat(), unrecognized };
}

/** What a stack that is gone was told to leave. */
const leftByStacks = ({ stackResources }: Discovery, { type, idOf }: ResourceKind): Candidate[] =>
  [...stackResources.values()]
    .filter((resource) => resource.type === type && resource.status === "DELETE_SKIPPED")
    .map(({ id }) => ({ id: idOf?.(id) ?? id, parents: [id] }));

async function observe(discovery: Discovery, kind: ResourceKind, candidates: Candidate[]): Promise<AccountResource[]> {
  const ours = new Map<string, { owner: Owner; tags: Tags }>();
  for (const candidate of merge(candidates)) {
    const owner = ownerOfCandidate(candidate, discovery);
    if (owner && !goesWithStack(discovery, candidate)) ours.set(candidate.id, { owner, tags: candidate.tags ?? {} });
  }
  if (ours.size === 0) return [];
  const states = await kind.look(discovery, [...ours.keys()]);
  return [...ours].flatMap(([id, { owner, tags }]) => {
    const state = states.get(id);
    return state ? [{ ...state, kind, id, owner, tags }] : [];
  });
}

/** CloudFormation's own tag says it too, where ids in stacks are written in another way than those in lists. */
function goesWithStack({ stackResources }: Discovery, { id, tags }: Candidate): boolean {
  const stack = tags?.["aws:cloudformation:stack-name"];
  return stackResources.get(id)?.standing === true || [...stackResources.values()].some((resource) => resource.standing && resource.stack === stack);
}

/** One that was seen in several ways is judged by all of them. */
function merge(candidates: Candidate[]): Candidate[] {
  const merged = new Map<string, Candidate>();
  for (const { id, tags, parents = [], owner } of candidates) {
    const before = merged.get(id);
    merged.set(id, { id, tags: { ...before?.tags, ...tags }, parents: [...(before?.parents ?? []), ...parents], owner: before?.owner ?? owner });
  }
  return [...merged.values()];
}

const asTags = (list: { Key?: string; Value?: string }[] = []): Tags => Object.fromEntries(list.map(({ Key = "", Value = "" }) => [Key, Value]));

async function listTagged({ context, app }: Discovery): Promise<{ arn: string; tags: Tags }[]> {
  const tagging = await context.clients.tagging();
  const pages = tagging.paginateGetResources({ TagFilters: [{ Key: "landfall:app", Values: [app] }] });
  const resources = await rowsOf(pages, (page) => page.ResourceTagMappingList);
  return resources.map(({ ResourceARN = "", Tags }) => ({ arn: ResourceARN, tags: asTags(Tags) }));
}

/** EC2 lists the tags of all its kinds in one call, and knows of a new one at once. */
async function listTaggedOfEc2({ context }: Discovery): Promise<{ type: string; id: string; tags: Tags }[]> {
  const ec2 = await context.clients.ec2();
  const byArn = new Map<string, { type: string; id: string; tags: Tags }>();
  const Filters = [{ Name: "key", Values: ["landfall:app", "landfall:environment", "landfall:task"] }];
  const tags = await rowsOf(ec2.paginateDescribeTags({ Filters }), (page) => page.Tags);
  for (const { ResourceId: id = "", ResourceType: type = "", Key = "", Value = "" } of tags) {
    const resource = byArn.get(id) ?? { type, id, tags: {} };
    byArn.set(id, { ...resource, tags: { ...resource.tags, [Key]: Value } });
  }
  return [...byArn.values()];
}
