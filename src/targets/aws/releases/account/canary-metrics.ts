// What a canary and its baseline have answered, by what the balancer counts of them: CloudWatch has it by the minute, and the minute's
// distribution stands for its requests.
import { createHash } from "node:crypto";
import type { MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import type { Outcome } from "../../../../rollout/verdict.ts";
import type { Context } from "../../context.ts";
import type { EnvironmentOutputs } from "../../environment-outputs.ts";
import type { Slot } from "../../templates/shared/running.ts";
import type { FleetName, HeardOutcomes, Trial } from "../driver.ts";

const MINUTE_MS = 60_000;
/** CloudWatch has the whole of a minute so long after its end. */
const SETTLED_MS = 2 * MINUTE_MS;
/** What CloudWatch is asked for, in percent; the slowest tenth is looked at more closely, where a single slow path shows. */
export const QUANTILES = [5, 15, 25, 35, 45, 55, 65, 75, 85, 91, 93, 95, 97, 99] as const;

/** Minute by minute, from the first whole one on. */
export async function* observeOutcomes(context: Context, outputs: EnvironmentOutputs, trials: Trial[]): AsyncGenerator<HeardOutcomes> {
  const { clock, signal } = context;
  const begun = clock.now();
  // The minute in which the requests were moved belongs to no step.
  for (let minute = (Math.floor(begun / MINUTE_MS) + 1) * MINUTE_MS; ; minute += MINUTE_MS) {
    await clock.sleep(Math.max(0, minute + MINUTE_MS + SETTLED_MS - clock.now()), signal);
    const outcomes = (service: string, slot: Slot) => outcomesOf(context, outputs, { service, slot, from: minute });
    const fresh = await Promise.all(
      trials.map(async ({ service, canary, baseline }) => {
        const [ours, theirs] = await Promise.all([outcomes(service, canary), outcomes(service, baseline)]);
        return [service, { canary: ours, baseline: theirs }] as const;
      }),
    );
    yield { fresh: Object.fromEntries(fresh), elapsedMs: minute + MINUTE_MS - begun };
  }
}

async function outcomesOf(
  { clients }: Context,
  outputs: EnvironmentOutputs,
  { service, slot, from }: FleetName & { from: number },
): Promise<Outcome[]> {
  const target = outputs.get("service", service, slot, "TargetGroup");
  const balancer = outputs.find("edge", "BalancerName") ?? "";
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
      .sort((a, b) => a.at - b.at)
      .slice(0, failures)
      .map(({ index }) => index),
  );
  const places = placesOf(count);
  return places.map((place, index) => ({ failed: failed.has(index), ms: quantilesMs[place] ?? 0 }));
}

/** Each quantile stands for those around it: nine of them for a tenth of the requests, the last five for a fiftieth. */
const placesOf = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => {
    const percent = (100 * (index + 0.5)) / count;
    return percent < 90 ? Math.floor(percent / 10) : 9 + Math.floor((percent - 90) / 2);
  });

export interface Minute {
  requests: number;
  failures: number;
  /** Times at `QUANTILES`, in milliseconds. */
  quantilesMs: number[];
}
