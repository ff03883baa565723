// Compares a canary with its baseline by what the balancer counts of them: CloudWatch has it by the minute. The verdict is the same
// sequential test as on a local environment; here the minute's distribution stands for its requests.
import { createHash } from "node:crypto";
import type { MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import { LandfallError } from "../../../error.ts";
import { makeJudge, type Outcome, type Verdict } from "../../../rollout/verdict.ts";
import type { Context } from "../context.ts";
import { logicalName } from "../stacks/names.ts";
import type { Slot } from "../stacks/running.ts";
import { loadSite, type Site } from "./site.ts";
import type { Trial } from "./stages.ts";

const MINUTE_MS = 60_000;
/** CloudWatch has the whole of a minute so long after its end. */
const SETTLED_MS = 2 * MINUTE_MS;
const QUANTILES = [5, 15, 25, 35, 45, 55, 65, 75, 85, 95] as const;

/** Errors: CANARY_WORSE, CANARY_UNKNOWN. */
export async function judge(context: Context, trials: Trial[]): Promise<string> {
  const site = await loadSite(context);
  const verdicts = await Promise.all(trials.map((trial) => judgeOne(context, site, trial)));
  return verdicts.map(({ why }, index) => `${trials[index]?.service}: ${why}`).join("; ");
}

async function judgeOne(context: Context, site: Site, trial: Trial): Promise<Verdict> {
  const { clock, signal } = context;
  const judging = makeJudge(context.app.app.rollout.canary);
  const begun = clock.now();
  // The minute in which the requests were moved belongs to no step.
  let minute = (Math.floor(begun / MINUTE_MS) + 1) * MINUTE_MS;
  for (;;) {
    await clock.sleep(Math.max(0, minute + MINUTE_MS + SETTLED_MS - clock.now()), signal);
    const [canary, baseline] = await Promise.all([
      outcomesOf(context, site, trial, trial.canary, minute),
      outcomesOf(context, site, trial, trial.baseline, minute),
    ]);
    minute += MINUTE_MS;
    const verdict = judging.hear({ canary, baseline }, minute - begun);
    if (!verdict) continue;
    if (verdict.decision === "goOn") return verdict;
    throw refused(trial, verdict);
  }
}

const refused = ({ service }: Trial, { decision, why, evidence }: Verdict) =>
  new LandfallError({
    code: decision === "worse" ? "CANARY_WORSE" : "CANARY_UNKNOWN",
    what:
      decision === "worse"
        ? `the canary of service "${service}" is worse than its baseline`
        : `nothing is known of the canary of service "${service}"`,
    why,
    evidence,
    standing: "All requests go to the old release again.",
  });

async function outcomesOf({ clients, app: { app, name } }: Context, site: Site, { service }: Trial, slot: Slot, from: number): Promise<Outcome[]> {
  const target = site.look(`service-${service}`, `${logicalName(service)}${logicalName(slot)}TargetGroup`);
  const balancer = site.stacks.get(`${app.name}-${name}-edge`)?.outputs.BalancerName ?? "";
  const Dimensions = [
    { Name: "LoadBalancer", Value: balancer },
    // An ARN ends with the name that metrics have.
    { Name: "TargetGroup", Value: target.slice(target.indexOf("targetgroup/")) },
  ];
  const query = (Id: string, MetricName: string, Stat: string): MetricDataQuery => ({
    Id,
    MetricStat: { Metric: { Namespace: "AWS/ApplicationELB", MetricName, Dimensions }, Period: 60, Stat },
  });
  const { MetricDataResults = [] } = await (await clients.cloudWatch()).getMetricData({
    StartTime: new Date(from),
    EndTime: new Date(from + MINUTE_MS),
    MetricDataQueries: [
      query("requests", "RequestCount", "Sum"),
      query("failures", "HTTPCode_Target_5XX_Count", "Sum"),
      query("broken", "TargetConnectionErrorCount", "Sum"),
      ...QUANTILES.map((quantile) => query(`p${quantile}`, "TargetResponseTime", `p${quantile}`)),
    ],
  });
  const value = (id: string) => MetricDataResults.find(({ Id }) => Id === id)?.Values?.[0] ?? 0;
  return spreadOutcomes(slot, {
    requests: Math.round(value("requests")),
    failures: Math.round(value("failures") + value("broken")),
    quantilesMs: QUANTILES.map((quantile) => value(`p${quantile}`) * 1000),
  });
}

/**
 * So many requests, so many of them failed, with times of this distribution. Their order within the minute is not known, so failures are
 * put where chance would: always in the same places for the same `side`, and elsewhere for the other.
 */
export function spreadOutcomes(side: Slot, { requests, failures, quantilesMs }: Minute): Outcome[] {
  const count = Math.max(requests, failures);
  const order = Array.from({ length: count }, (_, index) => ({ index, at: createHash("md5").update(`${side} ${index}`).digest().readUInt32BE() }));
  const failed = new Set(
    order
      .sort((one, other) => one.at - other.at)
      .slice(0, failures)
      .map(({ index }) => index),
  );
  return Array.from({ length: count }, (_, index) => ({ failed: failed.has(index), ms: quantilesMs[index % quantilesMs.length] ?? 0 }));
}

export interface Minute {
  requests: number;
  failures: number;
  /** Times at evenly spaced quantiles, in milliseconds. */
  quantilesMs: number[];
}
