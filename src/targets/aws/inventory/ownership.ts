// Whose a resource is. Pure, and strict: what does not carry the app's tag is ours only when it belongs to a resource of one of our stacks, or
// when its whole name says so.
import type { Candidate, Discovery, Owner, ResourceKind, StackResource, Tags } from "../resource-types/entry/resource-type.ts";

type Deployment = Pick<Discovery, "app" | "environment">;

/** By its tags alone. Undefined for another app's, another environment's, and nobody's. */
export function ownerByTags(tags: Tags, { app, environment }: Deployment): Owner | undefined {
  if (tags["landfall:app"] !== app) return undefined;
  const environmentTag = tags["landfall:environment"];
  if (environmentTag === undefined) return "app";
  return environmentTag === environment ? "environment" : undefined;
}

/** A tag speaks first: what carries another app's is not ours, whatever it belongs to. */
export function ownerOfCandidate(
  { tags = {}, parents = [], owner }: Candidate,
  discovery: Deployment & { stackResources: ReadonlyMap<string, StackResource> },
): Owner | undefined {
  if (tags["landfall:app"] !== undefined) return ownerByTags(tags, discovery);
  return owner ?? parents.flatMap((parent) => discovery.stackResources.get(parent)?.owner ?? [])[0];
}

/** The kind that an ARN is of, and its id. */
export function matchArn(kinds: readonly ResourceKind[], arn: string): { kind: ResourceKind; id: string } | undefined {
  for (const kind of kinds) {
    const id = kind.arn?.exec(arn)?.[1];
    if (id !== undefined) return { kind, id };
  }
  return undefined;
}

/** Listed by their tags, and gone with what they are part of: stacks are looked at by themselves, and a database's automated snapshots, which nobody
 * but RDS can delete, go with it or with its retained backups. */
const CHILD_ARN = /:cloudformation:|:listener(-rule)?\/|:ec2:|:autoscaling:|:elasticache:[^:]*:\d*:cluster:|:rds:[^:]*:\d*:snapshot:rds:|:iam:/;
export const isChildArn = (arn: string): boolean => CHILD_ARN.test(arn);
