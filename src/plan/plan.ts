// A plan, as data: the same shape for every target, so that it can be printed, tested and refused.
import type { Cost } from "./cost.ts";
import type { Difference } from "./differences.ts";

/** `mayReplace`: it depends on what only the target can know. */
export type ChangeAction = "add" | "change" | "replace" | "mayReplace" | "remove";

export interface Change {
  /** Whose it is, in the words of the configuration: `service web`, `resource database`, `network`. */
  of: string;
  /** What kind of thing it is: `NAT gateway`, `database instance`, `instances`. */
  kind: string;
  /** Its name where it lives. */
  name: string;
  action: ChangeAction;
  /** What is different, for everything but additions and removals. */
  differences: Difference[];
  /** What becomes of data that it holds; present only when that is in question. */
  data?: string;
  /** The name that commission asks for, as `--confirm-replace`, before it does this. */
  confirm?: string;
  /** What people notice while it is changed, or what is gone with it. */
  effect?: string;
}

export interface ReleasePlan {
  /** What serves now. */
  before?: string;
  /** What a deploy would bring; absent when it cannot be known yet, and then `note` says why. */
  after?: string;
  description?: string;
  note?: string;
}

/** What changes by hand are looked for in. */
export interface DriftedResource {
  of: string;
  kind: string;
  name: string;
}

/** Something that was changed by hand, behind the target's back. */
export interface Drift extends DriftedResource {
  /** What it is now, against what it was made as. */
  differences: Difference[];
}

export interface Plan {
  app: string;
  environment: string;
  target: "local" | "aws";
  /** Whether anything of the environment stands yet. */
  exists: boolean;
  changes: Change[];
  /** How many things stand and stay as they are. */
  unchanged: number;
  /** What a deploy from here would do. */
  release?: ReleasePlan;
  /** What applies the changes, or has to be done before a deploy brings the release. */
  next: "commission" | "deploy";
  drift: Drift[];
  cost?: Cost;
  /** What is worth knowing besides. */
  notes: string[];
}
