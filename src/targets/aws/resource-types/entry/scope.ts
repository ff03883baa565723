// On which resources a call may be made: as narrow as names and tags allow. CloudFormation names most things after their stack; what it names
// otherwise is known by its tags; and for what has neither when it is made, it is said why.

import { stackName, stackPrefix } from "../../templates/shared/names.ts";

export interface Scope {
  resources: string[];
  condition?: Record<string, Record<string, string | string[]>>;
  /** Why it is not narrower; absent when names or tags say all. */
  reason?: string;
}

export interface Site {
  app: string;
  environment: string;
  account: string;
  region: string;
  partition: string;
  /** Whose records are made: the names of the domain, those that prove them, and those of resources. */
  names: string[];
  /** Whether services run as containers. */
  containers: boolean;
}

/** Several for a call that is about things of different kinds, or allowed for one of several reasons, each under its own condition. */
export interface ServiceScopes {
  /** Of calls that are not named; the calls that list are not narrowed unless `narrowReads` says so. */
  all: Narrow;
  narrowReads?: true;
  calls?: Readonly<Record<string, Narrow | Narrow[]>>;
}

/** CloudFormation cuts long names of stacks in the names that it gives; so much of them is always there. */
const PREFIX_MAX = 20;

export type Narrow = (site: Site, action: string) => Scope;

/** Images and snapshots belong to no account by their names. */
export const ownerless =
  (kind: "image" | "snapshot"): Narrow =>
  ({ app, partition, region }) => ({
    resources: [`arn:${partition}:ec2:${region}::${kind}/*`],
    condition: { StringEquals: { "aws:ResourceTag/landfall:app": app } },
  });

export const arn = ({ partition, region, account }: Site, service: string, resource: string) =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`;
export const prefixes = ({ app, environment }: Site): string[] =>
  [stackPrefix({ app, environment }), `${stackName({ app, environment }, "shared")}-`].map((prefix) => prefix.slice(0, PREFIX_MAX));

/** Named after their stack: `queue` for `arn:…:queue-name`, `role/` for `arn:…:role/name`. */
export const named =
  (service: string, ...kinds: string[]): Narrow =>
  (site) => ({ resources: kinds.flatMap((kind) => prefixes(site).map((prefix) => arn(site, service, `${kind}${prefix}*`))) });

/** IAM has no regions. */
export const identity =
  (...kinds: string[]): Narrow =>
  (site) => ({ resources: kinds.flatMap((kind) => prefixes(site).map((prefix) => `arn:${site.partition}:iam::${site.account}:${kind}/${prefix}*`)) });

const inRegion = ({ region }: Site): Pick<Scope, "condition"> =>
  region === "*" ? {} : { condition: { StringEquals: { "aws:RequestedRegion": region } } };

export const anywhere =
  (reason: string): Narrow =>
  (site) => ({ resources: ["*"], ...inRegion(site), reason });

/** For services without regions, whose calls are all made in one. */
export const everywhere =
  (reason: string): Narrow =>
  () => ({ resources: ["*"], reason });

/** Carries the app's tag, which CloudFormation puts on everything in a stack. */
export const tagged =
  (service: string, ...kinds: string[]): Narrow =>
  (site) => ({
    resources: kinds.map((kind) => arn(site, service, kind)),
    condition: { StringEquals: { "aws:ResourceTag/landfall:app": site.app } },
  });

/** Tags are put on by a call of its own: on what is the app's already, or by CloudFormation on what it has just made to be so. */
export const taggedAnew = (service: string, ...kinds: string[]): Narrow[] => [
  tagged(service, ...kinds),
  (site) => ({
    resources: kinds.map((kind) => arn(site, service, kind)),
    condition: { StringEquals: { "aws:RequestTag/landfall:app": site.app }, ...BY_CLOUDFORMATION },
  }),
];

export const BY_CLOUDFORMATION = { "ForAnyValue:StringEquals": { "aws:CalledVia": "cloudformation.amazonaws.com" } };

export const LISTS = "AWS knows no resources for calls that describe and list.";
export const NOT_YET = "What is made has no name or tags yet that could be asked for; only the region is.";
