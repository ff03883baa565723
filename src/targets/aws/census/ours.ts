// Whose something is. Pure, and strict: what does not carry the app's tag is ours only when it belongs to a resource of one of our stacks, or
// when its whole name says so.
import type { Kind, Known, Of, Sighting, Survey, Tags } from "./thing.ts";

type Site = Pick<Survey, "app" | "environment">;

/** By its tags alone. Undefined for another app's, another environment's, and nobody's. */
export function whose(tags: Tags, { app, environment }: Site): Of | undefined {
  if (tags["landfall:app"] !== app) return undefined;
  const own = tags["landfall:environment"];
  if (own === undefined) return "app";
  return own === environment ? "environment" : undefined;
}

/** A tag speaks first: what carries another app's is not ours, whatever it belongs to. */
export function judge({ tags = {}, parents = [], of }: Sighting, site: Site & { known: ReadonlyMap<string, Known> }): Of | undefined {
  if (tags["landfall:app"] !== undefined) return whose(tags, site);
  return of ?? parents.flatMap((parent) => site.known.get(parent)?.of ?? [])[0];
}

/** The kind that an ARN is of, and its id. */
export function recognise(kinds: readonly Kind[], arn: string): { kind: Kind; id: string } | undefined {
  for (const kind of kinds) {
    const id = kind.arn?.exec(arn)?.[1];
    if (id !== undefined) return { kind, id };
  }
  return undefined;
}

/** Listed by their tags, and gone with what they are part of: stacks are looked at by themselves. */
const PARTS = /:cloudformation:|:listener(-rule)?\/|:ec2:|:autoscaling:|:elasticache:[^:]*:\d*:cluster:|:iam:/;
export const isPart = (arn: string): boolean => PARTS.test(arn);

/**
 * Whether a database's name is one that CloudFormation gives in this environment's data stack: `shop-production-data-databasedatabase-x1y2`.
 * What follows the stack's name are two words, so that the stack "data" of an environment "data" is another one.
 */
export function isDatabaseName(name: string, { app, environment }: Site): boolean {
  const stack = `${app}-${environment}-data-`;
  return name.startsWith(stack) && /^[a-z0-9]+-[a-z0-9]+$/.test(name.slice(stack.length));
}
