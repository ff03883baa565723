// Contradictions within the rollout, of the app and of each environment.

import { describeDuration } from "../../text/units.ts";
import { type Path, valueAt } from "../describe-schema.ts";
import type { App } from "../schema.ts";
import { type RuleViolation, reading } from "./violation.ts";

export const checkRollout = (app: App, input: unknown): RuleViolation[] => [
  ...checkSteps(app.rollout.canary, ["rollout", "canary"], input),
  ...Object.entries(app.environments).flatMap(([name, { rollout }]) =>
    rollout?.canary ? checkSteps(rollout.canary, ["environments", name, "rollout", "canary"], input) : [],
  ),
];

/** At the time-out a step ends, whatever is known, so that nothing would ever be promoted for what it answered. */
function checkSteps({ step, timeout }: App["rollout"]["canary"], path: Path, input: unknown): RuleViolation[] {
  if (step <= timeout) return [];
  const key = valueAt(input, [...path, "timeout"]) === undefined ? "step" : "timeout";
  const finding = {
    path: [...path, key],
    aim: "value" as const,
    what: `"step" is longer than "timeout" in "${path.join(".")}": ${describeDuration(step)} and ${describeDuration(timeout)}`,
    why: "A step takes at least as long as the one and at most as long as the other, so that no canary could be found to be as good.",
    next: 'make "timeout" several times as long as "step"',
  };
  return reading([path], [finding]);
}
