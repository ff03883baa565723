// Whether canaries may go on, by the same sequential tests as on a local environment.
import { canaryRefused, describeVerdict, type Jury, makeJury } from "../../../rollout/verdict.ts";
import type { PerformContext, Trial } from "../releases/driver.ts";

export interface Judging {
  release: string;
  trials: Trial[];
  isLast: boolean;
}

/** Keeps what the steps of one rollout have shown from one to the next. */
export type Judge = (judging: Judging) => Promise<string>;

/** Errors: CANARY_WORSE, CANARY_UNKNOWN. */
export function makeJudge(context: PerformContext): Judge {
  const { deployment, driver } = context;
  let jury: Jury | undefined;
  return async ({ release, trials, isLast }) => {
    jury ??= makeJury(
      deployment.rollout.canary,
      trials.map(({ service }) => service),
    );
    jury.nextStep({ isLast });
    for await (const { fresh, elapsedMs } of driver.fleets.outcomes(trials)) {
      const verdicts = jury.hear(fresh, elapsedMs);
      const refusing = verdicts.find(({ decision }) => decision !== "goOn");
      if (refusing) throw canaryRefused(refusing, { release, standing: "All requests go to the old release again." });
      if (verdicts.length > 0) return verdicts.map(describeVerdict).join("; ");
    }
    throw new TypeError("outcomes ended by themselves");
  };
}
