// What each question is about, and what comes back.
import type { PreflightAnswer } from "../../../reports.ts";
import type { StackState } from "../cloudformation/describe-stacks.ts";
import type { Context, Place } from "../context.ts";
import type { StackTemplate } from "../templates/index.ts";

export interface Preflight {
  context: Context;
  place: Place;
  standing: Map<string, StackState>;
  /** What a commission would apply. */
  templates: StackTemplate[];
  /** All, with a fleet for every service. */
  complete: StackTemplate[];
}

export type Answer = Omit<PreflightAnswer, "about">;
