// The account listed: by tag, by what stacks left, and by what services make beside them.
import { makeTurns } from "../cloudformation/turns.ts";
import type { Context } from "../context.ts";
import { KINDS } from "./kinds/index.ts";
import { observeKnown } from "./known.ts";
import { isPart, judge, recognise, whose } from "./ours.ts";
import type { Kind, Of, Sighting, Survey, Tags, Thing } from "./thing.ts";

const AT_ONCE = 6;

/** Everything but stacks, and what goes with those that stand. */
export interface Census {
  survey: Survey;
  things: Thing[];
  /** Carries our tags, and is of no kind that Landfall makes. */
  strangers: { arn: string; of: Of }[];
}

/** Changes nothing. What AWS lists and no longer has is left out. */
export async function takeCensus(context: Context, kinds: readonly Kind[] = KINDS): Promise<Census> {
  const survey: Survey = { context, app: context.app.app.name, environment: context.app.name, known: await observeKnown(context) };
  const [byArn, byEc2] = await Promise.all([listTagged(survey), listTaggedOfEc2(survey)]);
  const turn = makeTurns(AT_ONCE);
  const recognised = byArn.map(({ arn, tags }) => ({ arn, tags, as: recognise(KINDS, arn) }));
  const things = await Promise.all(
    kinds.map((kind) =>
      turn(async () => {
        const sightings: Sighting[] = [
          ...recognised.flatMap(({ as, tags }) => (as?.kind === kind ? [{ id: as.id, tags }] : [])),
          ...byEc2.flatMap(({ type, id, tags }) => (type === kind.ec2 ? [{ id, tags }] : [])),
          ...[...survey.known.values()].flatMap(({ id, type, status }) =>
            type === kind.type && status === "DELETE_SKIPPED" ? [{ id, parents: [id] }] : [],
          ),
          ...((await kind.find?.(survey)) ?? []),
        ];
        return observe(survey, kind, sightings);
      }),
    ),
  );
  const standing = [...survey.known.values()].filter((one) => one.standing).map(({ id }) => id);
  const strangers = recognised.flatMap(({ arn, tags, as }) => {
    const of = as || isPart(arn) || standing.some((id) => arn.endsWith(id)) ? undefined : whose(tags, survey);
    return of ? [{ arn, of }] : [];
  });
  return { survey, things: things.flat(), strangers };
}

async function observe(survey: Survey, kind: Kind, sightings: Sighting[]): Promise<Thing[]> {
  const ours = new Map<string, { of: Of; tags: Tags }>();
  for (const sighting of merge(sightings)) {
    const of = judge(sighting, survey);
    if (of && !goesWithStack(survey, sighting)) ours.set(sighting.id, { of, tags: sighting.tags ?? {} });
  }
  if (ours.size === 0) return [];
  const states = await kind.look(survey, [...ours.keys()]);
  return [...ours].flatMap(([id, { of, tags }]) => {
    const state = states.get(id);
    return state ? [{ ...state, kind, id, of, tags }] : [];
  });
}

/** CloudFormation's own tag says it too, where ids in stacks are written in another way than those in lists. */
function goesWithStack({ known }: Survey, { id, tags }: Sighting): boolean {
  const stack = tags?.["aws:cloudformation:stack-name"];
  return known.get(id)?.standing === true || [...known.values()].some((one) => one.standing && one.stack === stack);
}

/** One that was seen in several ways is judged by all of them. */
function merge(sightings: Sighting[]): Sighting[] {
  const merged = new Map<string, Sighting>();
  for (const { id, tags, parents = [], of } of sightings) {
    const before = merged.get(id);
    merged.set(id, { id, tags: { ...before?.tags, ...tags }, parents: [...(before?.parents ?? []), ...parents], of: before?.of ?? of });
  }
  return [...merged.values()];
}

const asTags = (list: { Key?: string; Value?: string }[] = []): Tags => Object.fromEntries(list.map(({ Key = "", Value = "" }) => [Key, Value]));

async function listTagged({ context, app }: Survey): Promise<{ arn: string; tags: Tags }[]> {
  const tagging = await context.clients.tagging();
  const found: { arn: string; tags: Tags }[] = [];
  let PaginationToken: string | undefined;
  do {
    const page = await tagging.getResources({ TagFilters: [{ Key: "landfall:app", Values: [app] }], PaginationToken });
    found.push(...(page.ResourceTagMappingList ?? []).map(({ ResourceARN = "", Tags }) => ({ arn: ResourceARN, tags: asTags(Tags) })));
    PaginationToken = page.PaginationToken || undefined;
  } while (PaginationToken);
  return found;
}

/** EC2 lists the tags of all its kinds in one call, and knows of a new one at once. */
async function listTaggedOfEc2({ context }: Survey): Promise<{ type: string; id: string; tags: Tags }[]> {
  const ec2 = await context.clients.ec2();
  const found = new Map<string, { type: string; id: string; tags: Tags }>();
  let NextToken: string | undefined;
  do {
    const page = await ec2.describeTags({
      Filters: [{ Name: "key", Values: ["landfall:app", "landfall:environment", "landfall:errand"] }],
      NextToken,
    });
    for (const { ResourceId: id = "", ResourceType: type = "", Key = "", Value = "" } of page.Tags ?? []) {
      const one = found.get(id) ?? { type, id, tags: {} };
      found.set(id, { ...one, tags: { ...one.tags, [Key]: Value } });
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return [...found.values()];
}
