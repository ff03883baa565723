// All facts about one type of resource of CloudFormation. Whoever needs a fact about a type reads it from its entry: plan, permissions, prices,
// the engine that changes stacks, and the inventory of the account.
import type { Context } from "../../context.ts";
import type { HandlerPermissions } from "./cloudformation-permissions.ts";
import type { Price, PricedResource } from "./price.ts";
import type { ServiceScopes } from "./scope.ts";

/** By CloudFormation's name of the type: `AWS::SQS::Queue`. */
export type ResourceTypes = Readonly<Record<string, ResourceType>>;

/** A service of AWS, with all that is known of its types. */
export interface Service {
  types: ResourceTypes;
  /** What it makes beside the stacks, and what commands of ours make in it. */
  beside?: readonly ResourceKind[];
  /** On what its calls are allowed, by its name in policies. */
  scopes?: Readonly<Record<string, ServiceScopes>>;
}

export interface ResourceType {
  /** In the singular, as AWS's console calls it: `route table association`. */
  label: string;
  /**
   * Properties whose change makes CloudFormation replace the resource: `createOnlyProperties` of AWS's schema of the type, for the properties that
   * the templates use.
   */
  replacedBy: readonly string[];
  /** Properties whose change may replace it, by what is in them. */
  mayBeReplacedBy?: readonly string[];
  /** Properties whose change CloudFormation calls a possible replacement, under conditions that the templates never meet. */
  changedInPlace?: readonly string[];
  /** Why AWS does not change the one into the other, where the properties alone tell it. */
  refuses?(before: Properties, after: Properties): Refusal | undefined;
  /** What people notice when one of these properties changes. */
  effects?: Readonly<Record<string, string>>;
  /** Attributes that are new after every change, even when the resource stays. */
  volatile?: readonly string[];
  /** The app keeps something in it that nobody could make again: it is replaced or removed only by its name. */
  holdsData?: true;
  /** What is gone with it, where that is no data of the app. */
  goesAlong?: string;
  /** Why making, changing or removing it takes minutes. */
  slow?: string;
  /** Removes what keeps CloudFormation from deleting it. */
  unblock?(context: Context, blocked: Blocked): Promise<void>;
  /** What CloudFormation calls for it, with the permissions of whoever runs the command. */
  permissions: HandlerPermissions;
  price: Price;
  /** The machines of EC2 that it stands for. */
  machines?(resource: PricedResource): Machines;
  inventory: Inventory | PartOf | NotListed;
}

export type Properties = Readonly<Record<string, unknown>>;

export interface Refusal {
  why: string;
  next: string;
}

/** A resource that CloudFormation could not delete. */
export interface Blocked {
  id: string;
  /** Whether its stack ever stood as its template said. */
  stackCameUp(): Promise<boolean>;
}

export interface Machines {
  /** Any of these. */
  types: string[];
  /** How many there are, with everything that scales at its most; and how many there may be while they are replaced. */
  steady: number;
  most: number;
  /** Of spare capacity. */
  spot: boolean;
}

/** It cannot stay when that is gone. */
export interface PartOf {
  partOf: string;
}

/** Why nothing looks for one that was left. */
export interface NotListed {
  notListed: string;
}

/** What is removed first comes first: nearly everything is in a network. */
export const REMOVAL_ORDER = ["compute", "containers", "edge", "data", "monitoring", "security", "network"] as const;

/** How those are found that stacks have left, how they are looked at, and how they are removed. */
export interface Inventory {
  removal: (typeof REMOVAL_ORDER)[number];
  /** In ARNs, as tags are listed by them; the first group is the id. */
  arn?: RegExp;
  /** EC2's own word for it, as its tags are listed. */
  ec2?: string;
  /** The id, from what CloudFormation calls the resource; the same when left out. */
  idOf?(physicalId: string): string;
  /** Those that carry no tag, or that tags are not listed of. */
  find?(discovery: Discovery): Promise<Candidate[]>;
  look(discovery: Discovery, ids: string[]): Promise<ResourceStates>;
  remove(discovery: Discovery, id: string): Promise<unknown>;
  /** Holds what nobody could make again. Kept unless it is named, or with `--keep-data` only. */
  keeps?: "unless named" | "with the data";
  /** What it goes on costing when it is kept, as the end of a sentence about it. */
  cost?: string;
}

/** An inventory with its name: of a type, or of what services make beside the stacks. */
export interface ResourceKind extends Inventory {
  /** In the singular: `log group`. */
  name: string;
  /** CloudFormation's: what a stack that is gone was told to leave. Undefined for what no template has. */
  type?: string;
}

/** What the account is searched with. */
export interface Discovery {
  context: Context;
  app: string;
  environment: string;
  /** By their ids. */
  stackResources: ReadonlyMap<string, StackResource>;
}

/** A resource of a stack of ours: one that stands, or one that was removed within the last 90 days. */
export interface StackResource {
  id: string;
  logicalId: string;
  type: string;
  owner: Owner;
  stack: string;
  /** What CloudFormation last did about it. */
  status: string;
  /** The stack stands, so that it goes with that. */
  standing: boolean;
}

export type Tags = Record<string, string>;

/** This environment, or the app: then it is shared by the app's environments in this region. */
export type Owner = "environment" | "app";

/** Something that may be ours, and what tells whether it is. */
export interface Candidate {
  id: string;
  tags?: Tags;
  /** Ids of what it belongs to: its network, its database. */
  parents?: string[];
  /** When its name alone says it. */
  owner?: Owner;
}

/** How it stands; what is not there has none. */
export interface ResourceState {
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

export type ResourceStates = Map<string, ResourceState>;
