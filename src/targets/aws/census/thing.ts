// What the account holds of an environment beside its stacks: what they left, and what no template lists.
import type { Context } from "../context.ts";

export type Tags = Record<string, string>;

/** Whose it is: this environment's, or shared by the app's environments in this region. */
export type Of = "environment" | "app";

/** Something that may be ours, and what tells whether it is. */
export interface Sighting {
  id: string;
  tags?: Tags;
  /** Ids of what it belongs to: its network, its database. */
  parents?: string[];
  /** When its name alone says it. */
  of?: Of;
}

/** How it stands; what is not there has none. */
export interface State {
  /** What a person knows it by, besides its id. */
  detail?: string;
  /** When it was made, in milliseconds since 1970. */
  at?: number;
  /** Something stands on it. */
  used?: boolean;
  /** AWS is removing it, which takes minutes at most. */
  leaving?: boolean;
  /** When AWS removes it by itself, in milliseconds since 1970. Until then nothing can be done about it, and it costs nothing. */
  until?: number;
}

export type States = Map<string, State>;

/** One kind of resource: how it is found, looked at and removed. */
export interface Kind {
  /** In the singular: `log group`. */
  name: string;
  /** In ARNs, as tags are listed by them; the first group is the id. */
  arn?: RegExp;
  /** EC2's own word for it, as its tags are listed. */
  ec2?: string;
  /** CloudFormation's: what a stack that is gone was told to leave. */
  type?: string;
  /** Those that carry no tag, or that tags are not listed of. */
  find?(survey: Survey): Promise<Sighting[]>;
  look(survey: Survey, ids: string[]): Promise<States>;
  remove(survey: Survey, id: string): Promise<unknown>;
  /** Holds what nobody could make again. Kept unless it is named, or with `--keep-data` only. */
  keeps?: "unless named" | "with the data";
  /** What it goes on costing when it is kept, as the end of a sentence about it. */
  cost?: string;
}

export interface Thing extends State {
  kind: Kind;
  id: string;
  of: Of;
  tags: Tags;
}

/** A resource of a stack of ours: one that stands, or one that was removed within the last 90 days. */
export interface Known {
  id: string;
  logicalId: string;
  type: string;
  of: Of;
  stack: string;
  /** What CloudFormation last did about it. */
  status: string;
  /** The stack stands, so that it goes with that. */
  standing: boolean;
}

/** What the listing works with. */
export interface Survey {
  context: Context;
  app: string;
  environment: string;
  known: Map<string, Known>;
}

export const describeThing = ({ kind, id, detail }: Thing): string => `${kind.name} ${id}${detail ? ` (${detail})` : ""}`;
