// A violation of a rule: several keys that contradict each other. check.ts finds the places in the text.
import type { ErrorCode } from "../../error.ts";
import type { Path } from "../describe-schema.ts";
import type { Aim } from "../source.ts";

export interface Finding {
  code?: ErrorCode;
  path: Path;
  aim?: Aim;
  what: string;
  why: string;
  hint?: string;
  next: string;
}

export interface RuleViolation extends Finding {
  /** What of the app the rule has read. Where some of it did not parse, the rule is not asked: it would speak of what is not there. */
  reads: Path[];
}

export const reading = (reads: Path[], findings: Finding[]): RuleViolation[] => findings.map((finding) => ({ ...finding, reads }));
